"""Locks: what they record, what changes them and what does not, and whether a run comes out again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from paths import ROOT, TESTS
from PIL import Image
from toy import make_images, write_recipe

from runtime.cli import app
from runtime.data import fingerprints as origins
from runtime.data.content_hashes import set_hashes
from runtime.runs.lock.facts import contents
from runtime.runs.lock.file import LOCK, Facts, lock_of, lock_text, read_lock
from runtime.system.cpu import instructions, limit_instructions
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.training.events import StageStarted
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

CLAIM = "\nexpect { valid.accuracy >= 0% }\n"
PARAM = "param rate = 1e-3 in log(1e-5 .. 1e-1)\n"
STAGE = 'stage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = $rate)\n}\n'


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


def ftr(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def ran(recipe: Path, *words: object) -> Result:
    found = ftr("run", recipe, "--out", recipe.with_name("run"), "--workers", 0, *words)
    assert found.exit_code in (0, 1, 2), found.output
    return found


def edit(lock: Path, **facts: object) -> None:
    """Change facts of a lock by name, as if another machine had written it."""
    lines = lock.read_text().splitlines()
    for name, fact in facts.items():
        places = [place for place, line in enumerate(lines) if line.startswith(f"{name} = ")]
        assert len(places) == 1, name
        lines[places[0]] = f"{name} = {json.dumps(fact)}"
    lock.write_text("\n".join(lines))


SETS = ("train", "valid", "test")

# --- the text --------------------------------------------------------------------------------

FACTS: Facts = {
    ("data.train", 'a "b"\\ = c'): 3,
    ("data.train", "é\n]\x7f"): 4,
    ("data.train", "plain"): 0,
    ("result", "loss"): 1e-9,
    ("result", "none"): float("inf"),
    ("result.claims", "x >= 1"): True,
    ("run", "device"): "cpu",
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text(lock_text(FACTS))
    assert read_lock(path).facts == {**FACTS, ("result", "none"): "inf"}
    assert lock_text(dict(reversed(FACTS.items()))) == lock_text(FACTS)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_it_is_toml() -> None:
    import tomllib

    found = tomllib.loads(lock_text(FACTS))
    assert found["data"]["train"] == {'a "b"\\ = c': 3, "é\n]\x7f": 4, "plain": 0}
    assert found["result"] == {"loss": 1e-9, "none": "inf", "claims": {"x >= 1": True}}


HOSTILE = {
    "nothing": (b"", "E562"),
    "another version": (b"lock = 2\n", "E562"),
    "no text": (b"\xff\xfe\x00", "E108"),
    "too long": (b"#" * 8_000_001, "E109"),
    "a merge": (b"lock = 1\n<<<<<<< HEAD\n", "E562"),
    "twice": (b'lock = 1\n[run]\nfuse = "on"\nfuse = "on"\n', "E562"),
    "deep": (b"lock = 1\n[run]\nthreads = " + b"[" * 100_000, "E562"),
    "a long number": (b"lock = 1\n[run]\nthreads = " + b"9" * 500_000, "E562"),
    "no number": (b"lock = 1\n[run]\nthreads = 1e\n", "E562"),
    "no end": (b'lock = 1\n[run]\nthreads = "' + b"\\" * 500_001 + b"\n", "E562"),
    "no threads": (b"lock = 1\n", "E562"),
    "many threads": (b"lock = 1\n[run]\nthreads = 1000000\n", "E562"),
    "half a thread": (b"lock = 1\n[run]\nthreads = 1.0\n", "E562"),
    "no result": (b"lock = 1\n[run]\nthreads = 2\n", "E563"),
    "no fuse": (b'lock = 1\n[result]\nweights = "x"\n[run]\nthreads = 2\n', "E562"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_lock_of_somebody_else_gives_a_plain_error(name: str, recipe: Path) -> None:
    content, code = HOSTILE[name]
    lock_of(recipe).write_bytes(content)
    found = ftr("verify", recipe)
    assert (found.exit_code, f"error[{code}]" in found.stderr) == (2, True), found.output
    assert len(found.stderr) < 5000


def test_what_a_lock_says_cannot_steer_a_terminal(recipe: Path) -> None:
    ran(recipe)
    edit(lock_of(recipe), hash="\x1b[2Jgone")
    found = ran(recipe, "--locked")
    assert "E561" in found.stderr
    assert "\x1b" not in found.stderr


# --- what it records -------------------------------------------------------------------------


def of(recipe: Path) -> str:
    listings = prepare(recipe).listings
    return str(contents(listings, set_hashes(listings, 1, None), CLASSIFICATION)["data"]["fingerprint"])


def _pixel(photos: Path) -> None:
    path = photos / "train/blue/3.jpg"
    content = bytearray(path.read_bytes())
    content[-40] ^= 1  # the file stays as long, as a copy that went wrong
    path.write_bytes(content)


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a pixel": (_pixel, True),
    "a label": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "train/green/33.jpg"), True),
    "a name": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "train/blue/33.jpg"), True),
    "the set": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "valid/blue/33.jpg"), True),
    "two images": (
        lambda photos: [
            (photos / f"train/blue/{a}").rename(photos / f"train/blue/{b}")
            for a, b in (("3.jpg", "x.jpg"), ("4.jpg", "3.jpg"), ("x.jpg", "4.jpg"))
        ],
        True,
    ),
    "a file beside": (lambda photos: (photos / "train/notes.txt").write_text("x"), False),
    "the place": (lambda photos: photos.parent.rename(photos.parent.with_name("elsewhere")), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_fingerprint_is_of_what_is_learned_from(name: str, recipe: Path) -> None:
    change, matters = CHANGES[name]
    before = of(recipe)
    change(recipe.with_name("photos"))
    moved = recipe if recipe.exists() else recipe.parent.with_name("elsewhere") / recipe.name
    assert (of(moved) != before) is matters


def test_a_changed_pixel_is_noticed_though_the_hashes_are_kept(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    ran(recipe)
    _pixel(recipe.with_name("photos"))
    found = ftr("lock", recipe).output
    assert [line.split(":")[0].strip() for line in found.splitlines()[1:]] == ["data.train.blue"]


def test_a_lock_of_ten_thousand_long_names_of_classes_can_be_read(tmp_path: Path) -> None:
    facts: Facts = {(f"data.{name}", f"{'x' * 80}{n}"): "99 images, 01234567" for name in SETS for n in range(10_000)}
    lock = tmp_path / "many.lock"
    lock.write_text(lock_text(facts))
    assert read_lock(lock).facts == facts


def test_the_weights_and_the_parents_are_in_it(tmp_path: Path, recipe: Path) -> None:
    child = recipe.with_name("child.ftr")
    child.write_text('ftr 1\nextends "r.ftr"\nseed = 5\n')
    ftr("lock", child)
    before = read_lock(lock_of(child)).facts
    assert [name for section, name in before if section == "parents"] == ["r.ftr"]
    assert before["weights", "source"] == "random, from the seed"
    recipe.write_text(recipe.read_text() + "# a remark\n")
    assert "parents.r.ftr" in ftr("lock", child).output


def test_hashes_of_packaged_weights(tmp_path: Path) -> None:
    recipe = tmp_path / "d.ftr"
    recipe.write_text(
        'ftr 1\ndata {\n  train = digits\n  size = 32px\n}\nbase = packaged("efficientnet_lite0")\n' + STAGE
    )
    recipe.write_text(recipe.read_text().replace("$rate", "1e-3"))
    assert ftr("lock", recipe).exit_code == 0
    found = read_lock(lock_of(recipe)).facts
    assert found["weights", "sha256"] == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert ("data.train", "7") in found
    assert found["recipe", "seed"] == prepare(recipe).plan.seed


# --- when it is written ----------------------------------------------------------------------


def test_the_first_run_writes_it_and_the_next_says_whether_it_came_out_again(recipe: Path) -> None:
    lock = lock_of(recipe)
    assert ran(recipe).stdout.splitlines()[-1].startswith(f"wrote {lock}: ")
    first = lock.read_bytes()
    assert (recipe.with_name("run") / "recipe.ftr.lock").read_bytes() == first
    assert read_lock(lock).has_result

    shutil.rmtree(recipe.with_name("run"))
    assert ran(recipe).stdout.splitlines()[-1] == f"the same result, bit for bit, as in {lock}"
    shutil.rmtree(recipe.with_name("run"))
    assert str(lock) not in ran(recipe, "--set", "rate=1e-2").output
    shutil.rmtree(recipe.with_name("run"))
    recipe.write_text(recipe.read_text().replace("for = 1 epoch", "for = 2 epochs"))
    assert f"{lock} records an earlier state (recipe.hash, recipe.resolved changed since)" in ran(recipe).stdout
    assert lock.read_bytes() == first


def test_ftr_lock_keeps_a_result_while_nothing_changes(recipe: Path) -> None:
    ran(recipe)
    assert ftr("lock", recipe).stdout == f"{lock_of(recipe)} is up to date\n"
    assert read_lock(lock_of(recipe)).has_result
    edit(lock_of(recipe), numpy="1.0")
    assert "versions.numpy: 1.0 -> " in ftr("lock", recipe).stdout
    assert not read_lock(lock_of(recipe)).has_result
    shutil.rmtree(recipe.with_name("run"))
    assert ran(recipe).stdout.splitlines()[-1].startswith(f"wrote {lock_of(recipe)}: ")
    assert read_lock(lock_of(recipe)).has_result


def test_a_run_whose_claims_fail_gives_none(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("accuracy >= 0%", "loss <= 0"))
    assert ran(recipe).exit_code == 1
    assert not lock_of(recipe).exists()
    assert (recipe.with_name("run") / "recipe.ftr.lock").exists()


def test_where_it_cannot_be_written_the_run_is_none_the_worse(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock_of(recipe).mkdir()
    found = ran(recipe, "--quiet")
    assert found.exit_code == 0
    assert f"cannot read {lock_of(recipe)}: Is a directory" in capfd.readouterr().err


# --- a locked run ----------------------------------------------------------------------------


def test_a_locked_run_refuses_what_differs_and_names_it(recipe: Path) -> None:
    assert "E560" in ran(recipe, "--locked").stderr
    ftr("lock", recipe)
    edit(lock_of(recipe), numpy="1.0", processor="abacus", threads=1)
    (recipe.parent / "photos/train/blue/3.jpg").unlink()
    found = ran(recipe, "--locked", "--threads", 2)
    assert found.exit_code == 1
    assert not recipe.with_name("run").exists()
    names = ["data.train.blue", "run.threads", "versions.numpy"]
    assert [line.split("`")[1] for line in found.stderr.splitlines() if line.startswith("error[E561]")] == names
    assert "`data.train.blue` is 7 images, " in found.stderr
    assert "says 8 images, " in found.stderr


def test_a_locked_run_takes_the_threads_of_its_lock(recipe: Path) -> None:
    ftr("lock", recipe, "--threads", 1)
    assert ran(recipe, "--locked").exit_code == 0
    assert read_lock(lock_of(recipe)).threads() == 1


# --- a second run ----------------------------------------------------------------------------

IDENTICAL = "identical: the same weights, bit for bit, and the same metrics"


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
    _pixel(recipe.with_name("photos"))
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


needs_avx = pytest.mark.skipif(instructions() in ("", "sse41"), reason="no processor of x86 with AVX")


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
def test_a_pack_of_before_comes_out_again() -> None:
    """A pack of the digits, made at the level of AVX2: the bits of its lock hold for ever, or this test says so."""
    program = [sys.executable, "-m", "runtime", "verify", str(TESTS / "fixtures/digits-avx2.ftrpack"), "--quiet"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == IDENTICAL, done.stdout + done.stderr
