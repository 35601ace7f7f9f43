"""A run that a lock describes comes out again, or it is said why not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from digits_run import HAS_AVX, DigitsRun
from locked import CLAIM, PARAM, STAGE, edit, ftr, pixel, ran
from PIL import Image
from toy import make_images, write_recipe

from runtime.runs.lock.file import LOCK, lock_of, read_lock
from runtime.system.cpu import instructions, limit_instructions
from runtime.training.events import StageStarted
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe with a parameter and a claim, in a folder with a space and letters that are not Latin."""
    home = tmp_path / "мои recipes"
    for seed, name in enumerate(("train", "valid")):
        make_images(home / "photos" / name, {"blue": 8, "green": 8}, seed)
    return write_recipe(
        home / "r.ftr", Path("photos"), STAGE + CLAIM, top=PARAM, data="  batch = 8", sources=("train", "valid")
    )


IDENTICAL = "identical: the same weights, bit for bit, and the same metrics"


# --- a second run ----------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [(), ("--set", "rate=1e-2")])
def test_a_run_comes_out_again(recipe: Path, settings: tuple[str, ...]) -> None:
    ran(recipe, *settings)
    for path in (recipe.with_name("run"), *([recipe] if not settings else [])):
        found = ftr("verify", path, "--quiet")
        assert (found.exit_code, found.stdout.strip()) == (0, IDENTICAL), found.output
    moved = recipe.parent.rename(recipe.parent.with_name("elsewhere"))
    assert "E501" in ftr("verify", moved / "run").stderr
    found = ftr("verify", moved / "run", "--data-root", moved, "--json", "--out", moved / "again")
    assert json.loads(found.stdout) == {
        "verdict": IDENTICAL,
        "fine": True,
        "results": [],
        "reasons": [],
        "claims": [True],
    }
    assert (moved / "again/model.params").read_bytes() == (moved / "run/model.params").read_bytes()


def other_weights(recipe: Path, **facts: object) -> tuple[int, str]:
    edit(lock_of(recipe), weights="0" * 64, **facts)
    found = ftr("verify", recipe, "--quiet")
    return found.exit_code, found.stdout


def test_another_result_needs_a_reason_and_claims_that_hold(recipe: Path) -> None:
    ran(recipe)
    code, text = other_weights(recipe)
    assert (code, "fails: a different result, though" in text) == (1, True)
    code, text = other_weights(recipe, processor="abacus", numpy="1.0", fuse="off")
    assert (code, "holds: not identical, but all claims hold" in text) == (0, True)
    for name in ("result.weights", "machine.processor", "versions.numpy"):
        assert name in text


def test_without_a_claim_another_result_is_a_failure(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace(CLAIM, ""))
    ran(recipe)
    code, text = other_weights(recipe, processor="abacus")
    assert (code, "no `expect`" in text) == (1, True)


def test_other_data_or_another_recipe_cannot_be_verified(recipe: Path) -> None:
    ran(recipe)
    run = recipe.with_name("run")
    written = (run / "recipe.ftr").read_text()
    (run / "recipe.ftr").write_text(written.replace("for = 1 epoch", "for = 2 epochs"))
    found = ftr("verify", run)
    assert (found.exit_code, "`recipe.resolved`" in found.stderr) == (1, True)
    (run / "recipe.ftr").write_text(written)
    pixel(recipe.with_name("photos"))
    for path in (run, recipe):
        found = ftr("verify", path)
        assert (found.exit_code, "`data.train.blue`" in found.stderr) == (1, True)


@pytest.mark.parametrize("text", ["[]", "{}", '{"settings": 3}', "", '{"settings": {"rate": "1 } x"}}'])
def test_a_damaged_run_gives_a_plain_error(recipe: Path, text: str) -> None:
    ran(recipe)
    (recipe.with_name("run") / "result.json").write_text(text)
    found = ftr("verify", recipe.with_name("run"))
    assert (found.exit_code, "error[E" in found.stderr) == (2, True), found.output


def test_an_image_file_is_not_a_lock(recipe: Path) -> None:
    Image.new("RGB", (9, 9)).save(lock_of(recipe), "PNG")
    assert "E108" in ftr("verify", recipe).stderr


# --- what does not move a bit ----------------------------------------------------------------


def test_workers_and_what_is_kept_move_no_bit(recipe: Path, tmp_path: Path) -> None:
    locks = set()
    for number, settings in enumerate(
        (RunSettings(workers=0), RunSettings(workers=3), RunSettings(cache=False), RunSettings())
    ):
        out = tmp_path / str(number)
        run_prepared(prepare(recipe), settings, out)
        locks.add((out / "recipe.ftr.lock").read_bytes())
    assert len(locks) == 1


needs_avx = pytest.mark.skipif(not HAS_AVX, reason="no processor of x86 with AVX")


@pytest.mark.long  # the pack of before, below, is of another level than a processor with AVX-512
@needs_avx
def test_the_instructions_of_an_older_processor_move_bits_and_verify_takes_them_from_the_lock(recipe: Path) -> None:
    def alone(*words: object, **variables: str) -> str:
        program = [sys.executable, "-c", "from runtime.cli import main; main()", *map(str, words), "--quiet"]
        environment = {**os.environ, **variables}
        return subprocess.run(program, env=environment, check=True, capture_output=True, text=True).stdout

    older, newer = recipe.with_name("older"), recipe.with_name("newer")
    alone("run", recipe, "--out", older, DNNL_MAX_CPU_ISA="SSE41")
    assert read_lock(older / LOCK).instructions == "sse41"
    alone("run", recipe, "--out", newer)
    assert (older / "model.params").read_bytes() != (newer / "model.params").read_bytes()
    assert alone("verify", older).splitlines()[-1] == IDENTICAL


@needs_avx
def test_what_holds_the_instructions_at_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "ALL")
    most = instructions()
    for level in (None, 7, "", "mmx", most, "avx512_core"):
        limit_instructions(level)
        assert os.environ["DNNL_MAX_CPU_ISA"] == "ALL", level
    limit_instructions("sse41")
    assert (instructions(), os.environ["DNNL_MAX_CPU_ISA"]) == ("sse41", "SSE41")
    limit_instructions(most)
    assert instructions() == "sse41"


def test_processors_of_another_family_have_no_instructions_to_name(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runtime.system.cpu._flags", frozenset)
    ran(recipe, "--threads", 2)
    run = recipe.with_name("run").rename(recipe.with_name("a\nrun"))
    found = ftr("verify", run, "--quiet")
    assert (found.exit_code, found.stdout.strip()) == (0, IDENTICAL)
    shown = f"{run.parent}/a\N{REPLACEMENT CHARACTER}run/{LOCK}"
    assert f"with 2 threads, as {shown} says\n" in capfd.readouterr().err


def test_a_limit_is_taken_as_onednn_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "sse4_1 avx avx2 fma avx512f avx512bw avx512dq avx512vl"
    monkeypatch.setattr("runtime.system.cpu._flags", lambda: frozenset(flags.split()))
    found = {}
    for told in ("", "avx2", " AVX2", "AVX2", "AVX2_VNNI", "AVX512_MIC", "AVX512_CORE_BF16", "SSE41"):
        monkeypatch.setenv("DNNL_MAX_CPU_ISA", told)
        found[told] = instructions()
    assert found.pop("SSE41") == "sse41"
    assert (found.pop("AVX2"), found.pop("AVX2_VNNI"), found.pop("AVX512_MIC")) == ("avx2", "avx2", "avx512_mic")
    assert set(found.values()) == {"avx512_core"}


@pytest.mark.skipif(instructions() in ("", "sse41", "avx"), reason="no processor of x86 with AVX2")
def test_products_of_matrices_do_not_depend_on_who_made_the_processor() -> None:
    program = (
        "from runtime.backend.mx import nd; a = nd.arange(60000).reshape((200, 300)).sin();"
        "print(nd.dot(a, a, transpose_b=True).asnumpy().tobytes().hex())"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    found = {
        subprocess.run([sys.executable, "-c", program], env=each, check=True, capture_output=True).stdout
        for each in (plain, {**plain, "OPENBLAS_CORETYPE": "Haswell"})
    }
    assert len(found) == 1


def test_the_lock_of_an_interrupted_run_has_no_result(recipe: Path, tmp_path: Path) -> None:
    def seen(event: object) -> None:
        if isinstance(event, StageStarted):
            signal.raise_signal(signal.SIGINT)

    _, result = run_prepared(prepare(recipe), RunSettings(workers=0), tmp_path / "out", observers=(seen,))
    assert result["status"] == "interrupted"
    assert not read_lock(tmp_path / "out/recipe.ftr.lock").has_result


def test_a_pack_of_a_recipe_with_parents_fits_its_lock(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = recipe.with_name("child.ftr")
    child.write_text('ftr 1\nextends "r.ftr"\ndata {\n  batch = 4\n}\n')
    assert ran(child).exit_code == 0
    pack = recipe.with_name("child.ftrpack")
    assert ftr("pack", recipe.with_name("run"), "-o", pack).exit_code == 0
    found = ftr("verify", pack, "--workers", 0, "--quiet")
    assert (found.exit_code, "identical" in found.output) == (0, True), found.output
    assert f"as {pack / 'recipe.ftr.lock'} says" in capfd.readouterr().err


@needs_avx
def test_a_pack_of_before_comes_out_again(digits: DigitsRun) -> None:
    """A pack of the digits, made at the level of AVX2: the bits of its lock hold for ever, or this test says so."""
    assert IDENTICAL in digits.said.splitlines()
