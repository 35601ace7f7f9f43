"""The command line: exit codes, what it prints for people and for machines, and how it ends when it is told to."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from command import ADVICE, Ftr
from paths import ROOT
from toy import CLASSES, STAGE, make_images, train, truncate, write_recipe

from runtime.backend.mx import gluon, mx, nd
from runtime.cli import app
from runtime.data.images import open_rgb
from runtime.runs import trained as finished
from runtime.weights.params_file import read_params

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
    def broken(*_: object) -> None:
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
    def greedy(*_: object) -> None:
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


# --- a finished run --------------------------------------------------------------------------


def test_evaluate_measures_what_the_run_measured(ftr: Ftr, trained: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    for name, options in (("test", ()), ("valid", ("--on", "valid"))):
        code, out, err = ftr("evaluate", trained, "--json", *options)
        report = json.loads(out)
        assert (code, err) == (0, "")
        assert report["set"] == name
        assert {metric: report[metric] for metric in ("loss", "accuracy", "f1")} == {
            metric: result[name][metric] for metric in ("loss", "accuracy", "f1")
        }
        assert np.sum(report["confusion"]) == 24
    assert result["test"]["accuracy"] > 0.6, "the fixture learnt nothing"


def test_evaluate_on_other_data(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    make_images(tmp_path / "[other]", {"red": 5})  # one class, and a name that looks like rich's markup
    code, out, err = ftr("evaluate", trained, "--data", tmp_path / "[other]")
    assert (code, err) == (0, "")
    assert f"{tmp_path}/[other]: 5 images" in out.replace("\n", "")
    table = tmp_path / "table.csv"
    rows = [f"{name}/{number}.jpg;{name}" for name in CLASSES for number in range(4)]
    table.write_text("\n".join(["file;colour", *rows]))
    source = f'csv("table.csv", image = "file", label = "colour", root = "{photos / "test"}")'
    code, out, _ = ftr("evaluate", trained, "--json", "--data", source, "--data-root", tmp_path)
    assert code == 0
    assert [row["support"] for row in json.loads(out)["classes"]] == [4, 4, 4]
    make_images(tmp_path / "more", {"red": 1})
    (tmp_path / "more/purple").mkdir()
    shutil.copy(tmp_path / "more/red/0.jpg", tmp_path / "more/purple")
    code, _, err = ftr("evaluate", trained, "--data", tmp_path / "more")
    assert code == 2
    assert "error[E514]" in err
    assert "purple" in err
    assert ftr("evaluate", trained, "--data", "csv(").code == 2


def test_images_that_the_run_has_seen_are_counted(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    """By their content: here they have other names, in other folders, and come twice."""
    mixed = make_images(tmp_path / "mixed", {"red": 3, "blue": 2}, seed=9)
    for number in range(4):
        shutil.copy(photos / f"train/red/{number}.jpg", mixed / f"red/copy {number}.jpg")
    shutil.copy(photos / "train/red/0.jpg", mixed / "red/once more.jpg")
    shutil.copy(photos / "valid/blue/1.jpg", mixed / "blue/x.jpg")
    code, out, err = ftr("evaluate", trained, "--data", mixed)
    assert (code, err) == (0, "5 of these 11 images were trained on, 1 was in the run's validation set\n")
    assert "11 images" in out
    code, out, err = ftr("evaluate", trained, "--data", mixed, "--json")
    assert json.loads(out)["seen"] == {"images": 11, "train": 5, "valid": 1}
    code, out, err = ftr("evaluate", trained, "--data", mixed, "--strict")
    assert (code, out) == (1, "")
    assert err.startswith(f"error[E695]: the images are not new to {trained}: 5 of these 11 images were trained on")
    new = make_images(tmp_path / "new", {"red": 3}, seed=9)
    assert "no images of blue" in ftr("evaluate", trained, "--data", new).out
    assert ftr("evaluate", trained, "--data", new, "--strict")[::2] == (0, "")
    assert ftr("evaluate", trained, "--strict").code == 0  # its test set
    assert ftr("evaluate", trained, "--on", "valid", "--strict").code == 2


def test_whether_images_were_seen_may_not_be_known(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    pack, old = tmp_path / "a.ftrpack", shutil.copytree(trained, tmp_path / "old")
    assert ftr("pack", trained, "-o", pack).code == 0
    (old / "images.json").write_text('{"train": 3}')
    for run, why in ((pack, "packs do not hold the images' hashes"), (old, "its folder has no valid `images.json`")):
        code, out, err = ftr("evaluate", run, "--data", photos / "test", "--json")
        assert (code, err) == (0, f"whether {run} was trained on these images is not known: {why}\n")
        assert json.loads(out)["seen"] is None
        code, _, err = ftr("evaluate", run, "--data", photos / "test", "--strict")
        assert (code, err.partition(":")[0]) == (1, "error[E696]")


def test_evaluate_on_a_folder_with_brackets_and_on_an_empty_one(
    ftr: Ftr, trained: Path, photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos / "test", tmp_path / "photos (1)")
    report = json.loads(ftr("evaluate", trained, "--json", "--data", tmp_path / "photos (1)").out)
    assert np.sum(report["confusion"]) == 24
    (tmp_path / "empty/red").mkdir(parents=True)
    code, _, err = ftr("evaluate", trained, "--data", tmp_path / "empty")
    assert code == 2
    assert err.startswith("error[E516]: the evaluation set has 0 images")
    assert ftr("evaluate", trained, "--data", tmp_path / "empty", "--on", "test").code == 2


def test_evaluate_finds_the_data_that_a_root_moved(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", Path())
    code, _, err = ftr("run", recipe, "--data-root", photos, "--out", tmp_path / "run")
    assert code == 0, err
    here = json.loads(ftr("evaluate", tmp_path / "run", "--json").out)
    elsewhere = shutil.copytree(photos, tmp_path / "elsewhere")
    moved = json.loads(ftr("evaluate", tmp_path / "run", "--json", "--data-root", elsewhere).out)
    assert here == moved
    shutil.rmtree(elsewhere / "test/red")
    shutil.rmtree(elsewhere / "test/green")
    fewer = json.loads(ftr("evaluate", tmp_path / "run", "--json", "--data-root", elsewhere).out)
    assert np.sum(fewer["confusion"]) == 8


def test_a_bad_image_among_good_ones(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    shutil.copytree(photos / "test/red", folder)
    bad = truncate(folder / "3.jpg")
    (folder / "._0.jpg").write_bytes(b"hidden files are ignored, as in training")
    code, out, err = ftr("predict", trained, folder, photos / "test/blue/0.jpg", "--json", "--top", 2)
    rows = json.loads(out)
    assert code == 1
    assert [row["image"] for row in rows] == [
        *(str(folder / f"{n}.jpg") for n in range(8)),
        f"{photos}/test/blue/0.jpg",
    ]
    assert [row["error"] is None for row in rows] == [number != 3 for number in range(9)]
    assert "truncated" in rows[3]["error"]
    assert err == f"ignored ._0.jpg: hidden\n{bad}: {rows[3]['error']}\n"
    assert all(len(row["classes"]) == 2 for row in rows if row["error"] is None)
    both = ftr("predict", trained, folder, "--csv", "--json")
    assert (both.code, both.out, "--csv and --json exclude each other" in both.err) == (2, "", True)
    code, out, _ = ftr("predict", trained, folder, "--csv")
    table = list(csv.DictReader(io.StringIO(out)))
    assert code == 1
    assert [(row["image"], row["class"]) for row in table] == [
        (row["image"], row["classes"][0]["name"] if row["classes"] else "") for row in rows[:8]
    ]
    shown = ftr("predict", trained, folder / "0.jpg").out
    assert "[red]" in shown.replace("\n", "")


def test_predictions_are_drawn(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    image = photos / "test/blue/0.jpg"
    plain = ftr("predict", trained, image)
    drawn = ftr("predict", trained, image, "--draw", tmp_path / "drawn")
    assert (drawn.code, drawn.out) == (0, plain.out)
    assert f"drew 1 picture in {tmp_path / 'drawn'}\n" in drawn.err
    assert [path.name for path in (tmp_path / "drawn").glob("*.jpg")] == ["0.jpg"]
    ftr("predict", trained, photos / "test/blue/1.jpg", "--draw", tmp_path / "drawn")  # in place of the first
    assert [path.name for path in (tmp_path / "drawn").glob("*.jpg")] == ["1.jpg"]
    (tmp_path / "drawn/mine.jpg").touch()
    for folder, name in ((photos / "test/blue", "0.jpg"), (tmp_path / "drawn", "mine.jpg")):  # never over others
        code, _, err = ftr("predict", trained, image, "--draw", folder)
        assert (code, name in err, "a new or empty folder" in err) == (2, True, True)
    blocked = ftr("predict", trained, image, "--draw", "/proc/nowhere/drawn")
    assert (blocked.code, blocked.out) == (1, plain.out)
    assert "not drawn: /proc/nowhere/drawn: " in blocked.err


def test_predictions_need_nothing_but_the_run(
    ftr: Ftr, trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads(ftr("predict", trained, photos / "test/green/1.jpg", "--json").out)
    moved = shutil.copytree(trained, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.jpg").write_bytes((photos / "test/green/1.jpg").read_bytes())
    (after,) = json.loads(ftr("predict", "moved", "g.jpg", "--json").out)
    assert after["classes"] == before[0]["classes"]
    assert moved.is_dir()


@pytest.mark.filterwarnings("ignore:Cannot decide type")  # MXNet says so of each symbol that it imports
def test_the_export_runs_without_ftr(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = ftr("export", trained, "--out", tmp_path / "new/net")
    assert (code, err) == (0, "")
    assert "mean (0.498" in out
    assert "resize(" in out
    assert "in this order: blue, green, red" in out
    assert "error[E572]" in ftr("export", trained, "--out", tmp_path / "new/net").err
    assert ftr("export", trained, "--out", tmp_path / "new/net", "--force").code == 0
    image = photos / "test/red/0.jpg"
    pixels = np.asarray(open_rgb(image).resize((53, 48), 2).crop((3, 0, 51, 48)), np.float32)
    inputs = nd.array(((pixels / 255 - 127 / 255) / (128 / 255)).transpose(2, 0, 1)[None])
    scores = []
    for prefix in (tmp_path / "new/net", trained / "model"):
        net = gluon.SymbolBlock.imports(f"{prefix}-symbol.json", ["data"], f"{prefix}-0000.params", ctx=mx.cpu())
        scores.append(nd.softmax(net(inputs)).asnumpy()[0])
    assert np.array_equal(*scores)
    loaded = finished.load(trained)
    (prediction,) = finished.predict(loaded, [image], mx.cpu())
    expected = [dict(prediction.classes)[name] for name in loaded.data.target.names]
    np.testing.assert_allclose(scores[0], expected, atol=0.02)  # the resize above is not to the bit that of ftr


def test_the_exported_numbers_are_those_of_the_run(trained: Path) -> None:
    mine = sorted(array.tobytes() for array in read_params(trained / "model.params").values())
    assert sorted(array.tobytes() for array in read_params(trained / "model-0000.params").values()) == mine


def test_runs_are_listed(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    for name in ("a-1", "a-2", "a-3", "a-4", "a-5"):
        shutil.copytree(trained, tmp_path / name)
    (tmp_path / "a-2/result.json").unlink()
    (tmp_path / "a-3/result.json").write_text('{"wall_s": "x", "valid": []}')
    (tmp_path / "a-4/result.json").write_text("[" * 100_000)
    (tmp_path / "a-5/result.json").write_text('{"status": "finished", "expect": [{"claim": "x"}, 1]}')
    (tmp_path / "no-run").mkdir()
    code, out, err = ftr("runs", tmp_path, "--json")
    found = {Path(run["folder"]).name: run["status"] for run in json.loads(out)}
    assert (code, err) == (0, "")
    assert found == {"a-1": "finished", "a-2": "unfinished", "a-3": "damaged", "a-4": "unfinished", "a-5": "damaged"}
    code, out, _ = ftr("runs", tmp_path)
    assert code == 0
    assert all(name in out for name in found)
    assert ftr("runs", tmp_path / "no-run").out == f"no runs in {tmp_path / 'no-run'}\n"


# --- damaged and hostile run folders ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("result.json", "[]"),
        ("result.json", '{"params": []}'),
        ("result.json", "{"),
        ("result.json", "[" * 200_000),
        ("classes.json", '{"a": 1}'),
        ("classes.json", '["a", 1]'),
        ("classes.json", '["a", "b"]'),
        ("classes.json", "\udcff"),
        ("model.params", ""),
        ("model.params", "<html>"),
        ("resolved.ftr", "ftr 1\n"),
        ("resolved.ftr", "\0"),
        ("resolved.ftr", None),
        ("classes.json", None),
        ("result.json", None),
        ("model.params", None),
    ],
)
def test_a_damaged_run_folder_is_an_error_in_words(
    ftr: Ftr, trained: Path, photos: Path, tmp_path: Path, name: str, content: str | None
) -> None:
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    if content is not None:
        (tmp_path / "run" / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    code, out, err = ftr("predict", tmp_path / "run", photos / "test/red/0.jpg")
    assert (code, out) == (2, "")
    assert err.startswith("error[E")
    assert "Traceback" not in err


def test_a_huge_file_in_a_run_folder_is_not_read(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    os.truncate(tmp_path / "run/classes.json", 10**10)  # a hole in the file: takes no space
    code, _, err = ftr("predict", tmp_path / "run", photos / "test/red/0.jpg")
    assert code == 2
    assert "too large" in err


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


# --- as a process of its own -----------------------------------------------------------------


def start(*args: object, cwd: Path, env: Mapping[str, str] = {}, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(cwd), **env}
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", *map(str, args)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_terminal_is_told_what_goes_on_before_mxnet_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mxnet.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "r.ftr").write_text("ftr 1\n")
    left = "interrupted before training began: nothing was kept\r\nto begin again: ftr run r.ftr\r\n"
    ours, its = pty.openpty()
    own = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runtime.cli as c; c.main()"
    said = {}
    for term in ("xterm", "dumb"):
        process = subprocess.run(
            [sys.executable, "-c", own, "run", "r.ftr"],
            cwd=tmp_path,
            env={**os.environ, "TERM": term, "PYTHONPATH": str(ROOT)},
            stderr=its,
            stdout=subprocess.PIPE,
        )
        assert (process.returncode, process.stdout) == (130, b"")
        said[term] = os.read(ours, 1 << 16).decode()
    assert said["xterm"] == f"\r\x1b[2Kr.ftr: loading MXNet\r\x1b[2K{left}"
    assert said["dumb"] == f"r.ftr: loading MXNet\r\n{left}"


LONG = """
stage "long" {
  train   = head
  for     = 5000 epochs
  monitor = valid.loss
}
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_run_soon(photos: Path, tmp_path: Path, number: int, code: int) -> None:
    process = start("run", write_recipe(tmp_path / "r.ftr", photos, LONG), "--out", "run", cwd=tmp_path)
    record = tmp_path / "run/metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (record.exists() and record.read_text().count('"evaluated"') >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    asked = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < 15  # five seconds are promised; other programs may run beside the tests
    assert process.returncode == code
    assert re.fullmatch(
        r'interrupted; run/model\.params has the best weights so far, of epoch \d+ of stage 1 "[^"]+"\n'
        r"to resume: ftr run --resume run\n",
        ADVICE.sub("", err),
    ), err
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "interrupted"
    assert finished.load(tmp_path / "run").result["status"] == "interrupted"


def test_a_run_goes_on_when_nobody_reads_its_output(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "20 epochs"))
    process = start("run", recipe, "--out", "run", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("stage 1 of 1")
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=120), ADVICE.sub("", err)) == (128 + signal.SIGPIPE, "")
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "finished"


def test_pipes_that_are_closed_early(trained: Path, photos: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "9 epochs"))
    pipes = (("run r.ftr --out run", "head -n 1"), (f"predict {trained} {photos / 'test'} --csv", "true"))
    lines = [
        f"({sys.executable} -m runtime {words} 2>err{number}; echo $? >code{number}) | {reader} &\n"
        for number, (words, reader) in enumerate(pipes)
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    script = "".join(lines) + "wait\n"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    for number in range(len(pipes)):
        assert (tmp_path / f"code{number}").read_text() == "141\n"
        assert ADVICE.sub("", (tmp_path / f"err{number}").read_text()) == ""
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "finished"


def test_a_failure_is_more_than_output_that_nobody_reads(
    ftr: Ftr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.commands.command.unread", lambda: True)
    bad = tmp_path / "r.ftr"
    bad.write_text("ftr 1\n")
    assert ftr("explain", "adam").code == 128 + signal.SIGPIPE
    assert ftr("check", bad).code == 2


def test_a_width_that_no_page_has_is_not_believed(trained: Path, tmp_path: Path) -> None:
    shown = {}
    for columns in ("0", "1", "abc", "99999999", "120", "40"):
        process = start("runs", trained, cwd=tmp_path, env={"COLUMNS": columns})
        shown[columns], err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
    usual = shown.pop("120")
    assert "colours" in usual
    assert shown.pop("40") != usual
    assert set(shown.values()) == {usual}


def test_predictions_that_nobody_reads_end_as_a_pipe_does(trained: Path, photos: Path, tmp_path: Path) -> None:
    process = start("predict", trained, photos / "test/red/0.jpg", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=120), err) == (128 + signal.SIGPIPE, "")


def test_a_run_that_was_started_without_any_stream(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    command = f"exec {sys.executable} -m runtime run {recipe} --out run <&- >&- 2>&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False).returncode == 0
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["event"] for line in lines)
    assert finished.load(tmp_path / "run").result["status"] == "finished"


def test_the_log_of_native_libraries_stays_out_of_sight(photos: Path, tmp_path: Path) -> None:
    base = 'gluoncv("resnest14", weights = none)'  # prints a line for each kind of pooling
    stage = STAGE.replace("head\n", "all\n").replace("1 epoch", "1 step")
    recipe = write_recipe(tmp_path / "r.ftr", photos, stage, base=base)
    process = start("run", recipe, cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, ADVICE.sub("", err)) == (0, "")
    assert "run folder: runs/r-1" in out
    assert "MKLDNN" not in out


def test_a_full_disk_is_said_in_words(photos: Path, tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    process = start("run", write_recipe(tmp_path / "r.ftr", photos), "--out", "run", cwd=tmp_path, preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "error[E603]: cannot write run" in err
    assert "File too large" in err
    assert "Traceback" not in err
    left = {path.name for path in (tmp_path / "run").iterdir()}
    before = {"recipe.ftr", "resolved.ftr", "plan.json", "classes.json", "metrics.jsonl", "run.json", "recipe.ftr.lock"}
    assert left == {*before, "checkpoints", "images.json"}
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {"000001.json", "000001.params"}


def test_names_that_no_terminal_can_show(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    for name in ("train", "valid"):
        os.rename(os.fsencode(copy / name / "red"), os.fsencode(copy / name) + b"/rot\xe9")
    recipe = write_recipe(tmp_path / "r.ftr", copy, sources=["train", "valid"])
    train(recipe, tmp_path / "run")
    assert finished.load(tmp_path / "run").data.target.names == ("blue", "green", "rot\udce9")
    odd = os.fsencode(tmp_path) + b"/\xff\xe9.jpg"
    Path(os.fsdecode(odd)).write_bytes((photos / "test/red/0.jpg").read_bytes())
    process = start("predict", "run", os.fsdecode(os.path.basename(odd)), cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert r"\udcff\udce9.jpg" in out


def test_of_very_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    recipe = tmp_path / "r.ftr"
    recipe.write_text("ftr 1\n" + "".join(f"x{number} = 1\n" for number in range(150)))
    result = CliRunner().invoke(app, ["check", str(recipe)])
    assert result.exit_code == 2
    assert result.stderr.count("error[") == 100
    assert "… and 52 more; --json lists all" in result.stderr  # 150 fields, and two blocks that are missing
    assert "… and 52 more\n" in CliRunner().invoke(app, ["fix", str(recipe)]).stderr  # which has no such option
    machine = CliRunner().invoke(app, ["check", "--json", str(recipe)])
    assert len(json.loads(machine.stdout)[0]["problems"]) == 152


@pytest.mark.parametrize("command", ["check", "fmt", "fix", "show"])
def test_a_misspelt_file_has_a_suggestion(command: str, tmp_path: Path) -> None:
    (tmp_path / "digits.ftr").write_text("ftr 1\n")
    result = CliRunner().invoke(app, [command, str(tmp_path / "digts.ftr")])
    assert result.exit_code == 2
    assert f"did you mean {tmp_path / 'digits.ftr'}?" in result.stderr
