"""The commands: checks and plans, exit codes, and what output looks like."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from command import Ftr
from toy import STAGE, train, write_recipe

from runtime.backend.mx import mx

LITE = 'packaged("efficientnet_lite0")'
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells the colours apart."""
    root = tmp_path_factory.mktemp("trained")
    stage = STAGE.replace("1 epoch", "3 epochs\n  optimizer = adam(lr = 1e-2)")
    train(write_recipe(root / "colours.ftr", photos, stage, base=LITE, data="  size = 48px"), root / "run")
    return root / "run"


def test_what_is_ignored_is_said_once(ftr: Ftr, photos: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    recipe = write_recipe(tmp_path / "colours.ftr", tmp_path / "photos", sources=("train", "test"))
    (tmp_path / "photos/train/red/notes.txt").touch()
    line = "ignored notes.txt: not an image\n"
    assert ftr("plan", recipe).err == line
    seen = "72 of these 72 images were trained on, none were in the run's validation set\n"
    assert ftr("evaluate", trained, "--data", tmp_path / "photos/train", "--json").err == line + seen
    (tmp_path / "photos/train/red/gone.jpg").symlink_to("/nowhere/gone.jpg")
    line = "ignored 2 files: 1 dangling link, 1 .txt\n"
    assert ftr("plan", recipe).err == ""  # advice says it
    shown = ftr("plan", recipe, "--json")
    assert (json.loads(shown.out)["passed_over"], shown.err) == (line.strip(), line)
    assert ftr("run", recipe, "--quiet", "--out", tmp_path / "run").err == line
    assert json.loads((tmp_path / "run/result.json").read_text())["passed_over"] == line.strip()
    assert ftr("plan", recipe, "--deny-warnings").code == 1


def test_the_lines_that_name_the_sets_are_written_as_the_recipe_writes_paths(ftr: Ftr, photos: Path) -> None:
    recipe = photos.parent / "sets.ftr"
    recipe.write_text(f'ftr 1\ndata {{\n  train = folder("{photos.name}")\n}}\n{STAGE}')
    code, _, err = ftr("plan", recipe)
    assert code == 2
    lines = [f'{each} = folder("{photos.name}/{each}")' for each in ("train", "valid", "test")]
    assert lines == [line.strip() for line in err.splitlines() if " = folder(" in line and "|" not in line]


# --- check, explain, plan --------------------------------------------------------------------


def test_check_says_fine_or_what_is_wrong(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    good = write_recipe(tmp_path / "good.ftr", photos)
    bad = write_recipe(tmp_path / "bad.ftr", photos, STAGE.replace("epoch", "epoc"), head="[dropuot, dense(classes)]")
    code, out, err = ftr("check", good)
    assert (code, err) == (0, "")
    assert out.startswith(f"{good}: fine (")
    code, out, err = ftr("check", good, bad)
    assert code == 2
    assert out.startswith(f"{good}: fine")
    assert err.count("error[") == 2
    assert "help: did you mean `dropout`?" in err


def test_check_for_machines(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    bad = write_recipe(tmp_path / "bad.ftr", photos, base='gluon("resnet81_v2")')
    code, out, err = ftr("check", "--json", bad, tmp_path / "missing.ftr")
    first, second = json.loads(out)
    assert (code, err) == (2, "")
    assert first["problems"][0]["place"]["line"] == 11
    assert first["problems"][0]["place"]["source"] == str(bad)
    assert second["hash"] is None
    assert "missing.ftr" in second["problems"][0]["message"]


def test_explain(ftr: Ftr) -> None:
    code, out, _ = ftr("explain", "adamw")
    assert code == 0
    assert "1711.05101" in out
    assert ftr("explain", "e601").out.startswith("E601: loss not finite\n\n  The loss became NaN or infinite")
    assert ftr("explain").code == 0
    code, out, err = ftr("explain", "adma")
    assert (code, out) == (2, "")
    assert "did you mean `adam`" in err


def test_plan_for_people_and_machines(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, top="param n = 3 epochs\n", stages=STAGE.replace("1 epoch", "$n"))
    code, out, err = ftr("plan", recipe, "--set", "n=2 epochs")
    assert (code, err) == (0, "")
    assert "2 epochs of 4 steps, 8 in all" in out
    assert "$n = 2 epochs" in out
    everything = ftr("plan", "--all", recipe, "--set", "n=2 epochs").out
    assert "2 epochs of 4 steps, 8 in all" in everything
    assert "comes from" in everything
    assert "comes from" not in out
    machine = json.loads(ftr("plan", "--json", recipe).out)
    assert machine["stages"][0]["steps"] == 12
    assert machine["data"]["counts"] == {"train": [24] * 3, "valid": [8] * 3, "test": [8] * 3}


# --- exit codes ------------------------------------------------------------------------------


def test_a_claim_that_does_not_hold_is_1(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, f"{STAGE}expect {{\n  test.loss < 0.0001\n  test.loss > 0\n}}\n")
    code, out, err = ftr("run", recipe, "--out", tmp_path / "run")
    assert (code, err) == (1, "")
    assert "claim test.loss < 0.0001: does not hold" in out
    assert "claim test.loss > 0: holds" in out


def test_a_run_that_fails_is_1(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    stage = 'stage "a" {\n  train = all\n  for = 9 epochs\n  optimizer = sgd(lr = 100, weight_decay = 10)\n}\n'
    code, _, err = ftr("run", write_recipe(tmp_path / "r.ftr", photos, stage), "--out", tmp_path / "run")
    assert code == 1
    assert "error[E601]" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["run", "missing.ftr"], "missing.ftr"),
        (["run", "r.ftr", "--out", "taken"], "error[E604]"),
        (["run", "r.ftr", "--device", "tpu"], "error[E602]"),
        (["run", "r.ftr", "--device", "gpu(\N{SUPERSCRIPT TWO})"], "error[E602]"),
        (["run", "r.ftr", "--device", f"gpu({'9' * 5000})"], "error[E602]"),
        (["run", "r.ftr", "--threads", "1025"], "Invalid value for '--threads'"),
        (["run", "r.ftr", "--set", "lr=1"], "error["),
        (["run", "r.ftr", "--data-root", "."], "error[E501]"),
        (["run", "r.ftr", "--workers", "-1"], "Invalid value for '--workers'"),
        (["evaluate", "taken"], "error[E605]"),
        (["predict", "nowhere", "x.jpg"], "error[E605]"),
        (["no-such-command"], "there is no command `no-such-command`"),
    ],
)
def test_a_wrong_command_is_2(
    ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    if "--data-root" in args:
        recipe.write_text(recipe.read_text().replace(f"{photos}/", "photos/"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/note").touch()
    code, _, err = ftr(*args)
    assert code == 2, err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_a_bug_of_ours_is_3_and_says_so(
    ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        os.write(2, b"a native library's last words\n")
        raise ZeroDivisionError("a bug for this test")

    monkeypatch.setattr("runtime.workflows.preparation.prepare", broken)
    code, _, err = ftr("plan", write_recipe(tmp_path / "r.ftr", photos))
    assert code == 3
    assert "Traceback" in err
    assert "last words" in err
    assert "This is a bug in ftr" in err


@pytest.mark.parametrize("error", [MemoryError(), mx.MXNetError("x.h, line 74\nFailed to allocate CPU Memory")])
def test_too_little_memory_is_1(
    ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("runtime.runs.writer.train", greedy)
    code, _, err = ftr("run", write_recipe(tmp_path / "r.ftr", photos), "--out", tmp_path / "run")
    assert code == 1
    assert err.startswith("error[E607]: out of memory")
    assert "Traceback" not in err


def test_paths_where_nothing_can_be_looked_up(ftr: Ftr, trained: Path) -> None:
    path = "a" * 300  # to the system as bad as a folder that one may not enter, and a test can make it as any user
    for command in (
        *(("check", path), ("plan", path), ("run", path), ("evaluate", path), ("export", path), ("predict", path, "x")),
        *(("predict", trained, path), ("evaluate", trained, "--data", path)),
    ):
        code, out, err = ftr(*command)
        assert (code, out) == (2, ""), command
        assert err.startswith("error[E"), command
        assert "Traceback" not in err
    assert ftr("runs", path).code == 2


def test_version(ftr: Ftr) -> None:
    code, out, err = ftr("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"ftr \S+ \(language 1\) on mxnet 1\.9\.1, gluoncv \S+, numpy \S+, Python 3\.\S+\n", out)


# --- what it looks like ----------------------------------------------------------------------


def test_piped_output_is_plain(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, f"{STAGE}expect {{ test.loss < 0.0001 }}\n")
    bad = write_recipe(tmp_path / "bad.ftr", photos, base="x")
    commands: list[tuple[object, ...]] = [
        ("run", recipe, "--out", tmp_path / "run"),
        ("plan", recipe),
        ("check", bad),
        ("evaluate", trained),
        ("predict", trained, photos / "test"),
        ("runs", tmp_path),
    ]
    for command in commands:
        _, out, err = ftr(*command)
        assert not CONTROL.search(out + err), command
        assert out + err


def test_quiet_prints_the_summary_only(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    code, out, err = ftr("run", write_recipe(tmp_path / "r.ftr", photos), "--out", tmp_path / "run", "--quiet")
    assert (code, err) == (0, "")
    assert "stage 1 of 1" not in out
    assert out.startswith("r: the final weights")


def test_no_color_is_respected(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ftr: Ftr) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;36m" in ftr("plan", recipe).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*3\dm", ftr("plan", recipe).out)


def test_sixty_columns_are_enough(
    ftr: Ftr, trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data=AUGMENT)
    shutil.copytree(trained, tmp_path / "runs/run")
    monkeypatch.setenv("COLUMNS", "60")
    for command in (
        ("plan", recipe),
        ("plan", "--all", recipe),
        ("evaluate", trained),
        ("predict", trained, photos / "test"),
        ("runs", tmp_path / "runs"),
    ):
        code, out, _ = ftr(*command)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 60, command
        assert "…" not in out, command  # nothing is cut off
    assert "random_resized_crop(size = 32, scale = [0.5, 1]" in " ".join(ftr("plan", "--all", recipe).out.split())


AUGMENT = "  augment = [random_resized_crop(scale = 0.5 .. 1.0), flip(horizontal), color_jitter(0.2)]"
