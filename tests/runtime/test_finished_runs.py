"""What the commands do with a finished run, one that is damaged too."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from toy import CLASSES, STAGE, make_images, train, truncate, write_recipe

from runtime.backend.mx import gluon, mx, nd
from runtime.data.images import open_rgb
from runtime.runs.prediction import predict
from runtime.runs.trained import load
from runtime.weights.params_file import read_params

LITE = 'packaged("efficientnet_lite0")'


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells the colours apart."""
    root = tmp_path_factory.mktemp("trained")
    stage = STAGE.replace("1 epoch", "3 epochs\n  optimizer = adam(lr = 1e-2)")
    train(write_recipe(root / "colours.ftr", photos, stage, base=LITE, data="  size = 48px"), root / "run")
    return root / "run"


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
    loaded = load(trained)
    (prediction,) = predict(loaded, [image], mx.cpu())
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
