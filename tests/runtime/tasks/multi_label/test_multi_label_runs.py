"""Runs that learn labels, and every command on them."""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path
from typing import Any

import killing
import numpy as np
import pytest
from command import Ftr
from paths import ROOT
from PIL import Image

from runtime.data.sets import list_sets
from runtime.export.session import session
from runtime.runs import trained as trained_runs
from runtime.tasks.multi_label.metrics import best_threshold
from runtime.tasks.multi_label.task import MULTI_LABEL
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

COUNT = 48
RECIPE = """ftr 1
task = multi_label
data {
  threshold = best
  train = csv("colours.csv", image = "file", labels = "colours", separator = "|")
  valid = holdout(25%)
  test = holdout(25%)
  size = 32px
  batch = 8
  augment = [flip]
}
base = packaged("efficientnet_lite0")
stage "head" {
  train = head
  for = 6 epochs
  optimizer = adam(lr = 1e-2)
  monitor = valid.map
}
expect { test.map >= 80% }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of plain images: red, blue, both or none, in a table."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    rows = ["file,colours,red,blue"]
    for number in range(COUNT):
        red, blue = number % 2, number // 2 % 2
        pixels = np.array([200 * red, 0, 200 * blue]) + rng.integers(0, 50, (32, 32, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        names = "|".join(name for name, has in (("red", red), ("blue", blue)) if has)
        rows.append(f"{number}.png,{names},{red},{blue}")
    (folder / "colours.csv").write_text("\n".join(rows) + "\n")
    (folder / "colours.ftr").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def done(root: Path) -> tuple[Path, dict[str, Any]]:
    return run(prepare(root / "colours.ftr"), RunSettings(workers=0), root / "run")


def test_a_run_learns_labels_and_keeps_thresholds(done: tuple[Path, dict[str, Any]]) -> None:
    folder, result = done
    assert result["status"] == "finished"
    assert [claim["holds"] for claim in result["expect"]] == [True]
    rows = {name: result[name]["by_label"] for name in ("valid", "test")}
    assert [row["name"] for row in rows["test"]] == ["blue", "red"]
    assert [row["threshold"] for row in rows["test"]] == [row["threshold"] for row in rows["valid"]]
    found = trained_runs.load(folder)
    assert found.data.target.shown == tuple(row["threshold"] for row in rows["valid"])


def test_parts_have_each_label_alike(root: Path) -> None:
    sets = list_sets(prepare(root / "colours.ftr").recipe, MULTI_LABEL)
    for listing in sets.values():
        counts = [sum(label in sample.target for sample in listing.samples) for label in (0, 1)]
        assert counts == [len(listing.samples) / 2] * 2


def test_evaluate_and_predict(done: tuple[Path, dict[str, Any]], root: Path, tmp_path: Path, ftr: Ftr) -> None:
    folder, result = done
    measured = json.loads(ftr("evaluate", folder, "--json", "--html", tmp_path / "page.html").out)
    assert measured["map"] == pytest.approx(result["test"]["map"])
    page = (tmp_path / "page.html").read_text()
    assert "true: no label" in page
    assert "predicted: blue" in page
    files = [root / f"{number}.png" for number in range(4)]
    rows = json.loads(ftr("predict", folder, *files, "--json").out)
    limits = {row["name"]: row["threshold"] for row in result["valid"]["by_label"]}
    for row in rows:
        expected = {name for name, share in row["probabilities"].items() if share >= limits[name]}
        assert set(row["labels"]) == expected
    header, *cells = csv.reader(io.StringIO(ftr("predict", folder, *files, "--csv").out))
    assert header == ["image", "labels", "blue", "red", "error"]
    for row, (_, labels, blue, red, error) in zip(rows, cells, strict=True):
        assert labels.split("|") == (row["labels"] or [""])
        assert (float(blue), float(red)) == pytest.approx(tuple(row["probabilities"].values()), abs=1e-5)
        assert error == ""
    shown = ftr("predict", folder, *files, "--draw", tmp_path / "drawn").out
    assert "0.png" in shown
    assert len(list((tmp_path / "drawn").glob("*.jpg"))) == 4


def test_a_fixed_threshold_is_kept(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    recipe = root / "fixed.ftr"
    recipe.write_text(RECIPE.replace("threshold = best", "threshold = 0.9").replace("6 epochs", "1 epoch"))
    folder, result = run(prepare(recipe), RunSettings(workers=0), tmp_path / "run")
    assert [row["threshold"] for row in result["test"]["by_label"]] == [0.9, 0.9]
    assert json.loads((folder / "labels.json").read_text()) == {"labels": ["blue", "red"], "threshold": 0.9}
    (row,) = json.loads(ftr("predict", folder, root / "3.png", "--json").out)
    assert row["labels"] == [name for name, share in row["probabilities"].items() if share >= 0.9]


def test_an_exported_graph_gives_what_predict_gives(
    done: tuple[Path, dict[str, Any]], root: Path, tmp_path: Path, ftr: Ftr
) -> None:
    folder, _ = done
    told = ftr("export", folder, "--format", "onnx", "--out", tmp_path / "net")
    assert (told.code, told.err) == (0, "")
    beside = json.loads((tmp_path / "net.onnx.json").read_text())
    assert beside["output"]["names"] == ["blue", "red"]
    pixels = np.asarray(Image.open(root / "3.png").convert("RGB"))
    (shares,) = session((tmp_path / "net.onnx").read_bytes())(pixels[None])
    (row,) = json.loads(ftr("predict", folder, root / "3.png", "--json").out)
    np.testing.assert_allclose(shares, list(row["probabilities"].values()), atol=1e-4)
    assert "scores of the labels before the sigmoid" in ftr("export", folder, "--out", tmp_path / "symbol").out


def test_a_pack_predicts_elsewhere_and_a_lock_verifies(
    done: tuple[Path, dict[str, Any]], root: Path, tmp_path: Path, ftr: Ftr
) -> None:
    folder, _ = done
    assert ftr("pack", folder, "--out", tmp_path / "colours.ftrpack").code == 0
    one, other = (ftr("predict", each, root / "3.png", "--json").out for each in (folder, tmp_path / "colours.ftrpack"))
    assert json.loads(one) == json.loads(other)
    assert ftr("verify", folder).code == 0


def test_a_killed_run_goes_on_to_the_same_weights(root: Path, tmp_path: Path) -> None:
    recipe = root / "short.ftr"
    recipe.write_text(
        RECIPE.replace("6 epochs", "1 epoch")
        .replace("augment = [flip]", "augment = [mixup]")
        .replace("base = ", "loss = asymmetric\nbase = ")
    )
    assert killing.start(recipe, tmp_path / "whole", interval="1 step", quick=True) == 0
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", kill_at=9, quick=True) == -signal.SIGKILL
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", quick=True) == 0
    whole, cut = ((tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_data_check_and_show(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    rows = (root / "colours.csv").read_text().replace("|blue", "|Red", 1).splitlines()
    (root / "odd.csv").write_text("\n".join([*rows[:40], "40.png,red|green"]) + "\n")
    recipe = root / "odd.ftr"
    recipe.write_text(RECIPE.replace("colours.csv", "odd.csv").replace("[flip]", "[flip, cutmix]"))
    told = ftr("data", "check", recipe)
    assert "with 4 labels" in told.out
    assert "green: 1 image in" in told.out
    assert "Red and red" in told.out
    assert ftr("data", "show", root / "colours.ftr", "-o", tmp_path / "sheet.png").code == 0


def test_plan_and_advice(root: Path, ftr: Ftr) -> None:
    assert "2 labels of 12, 1.0 an image, 6 images without" in ftr("plan", root / "colours.ftr").out.replace("\n", " ")
    rows = [row for row in (root / "colours.csv").read_text().splitlines() if "|" not in row and ",," not in row]
    (root / "one.csv").write_text("\n".join(rows) + "\n")
    recipe = root / "one.ftr"
    recipe.write_text(
        RECIPE.replace("colours.csv", "one.csv").replace('separator = "|"', "").replace('"colours", )', '"colours")')
    )
    assert "W756" in {each.code for each in prepare(recipe).advice}
    rare = ["44.png,odd,0,0"]
    (root / "one.csv").write_text("\n".join([*(root / "colours.csv").read_text().splitlines()[:-4], *rare]) + "\n")
    recipe.write_text(
        RECIPE.replace("colours.csv", "one.csv").replace("test = holdout(25%)", "").replace("test.", "valid.")
    )
    assert {"W755", "W757"} <= {each.code for each in prepare(recipe).advice}


def test_sets_that_lack_labels(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    (root / "more.csv").write_text("file,colours\n1.png,red|rde\n2.png,\n")
    recipe = root / "more.ftr"
    recipe.write_text(
        RECIPE.replace(
            "test = holdout(25%)", 'test = csv("more.csv", image = "file", labels = "colours", separator = "|")'
        )
    )
    found = ftr("plan", recipe)
    assert found.code == 2
    assert "E598" in found.err
    assert "the test set has the label `rde`" in found.err
    (root / "more.csv").write_text("file,colours\n1.png,red|blue\n2.png,\n")
    assert ftr("plan", recipe).code == 0
    (root / "few.csv").write_text("file,red,blue,none\n1.png,1,0,0\n2.png,0,1,0\n")
    recipe.write_text(
        RECIPE.replace(
            'csv("colours.csv", image = "file", labels = "colours", separator = "|")',
            'csv("few.csv", image = "file", labels = ["red", "blue", "none"])',
        )
    )
    assert "E599" in ftr("plan", recipe).err


def test_a_threshold_is_the_best_on_validation(done: tuple[Path, dict[str, Any]], root: Path, ftr: Ftr) -> None:
    """Of what `predict` says of the validation images."""
    folder, result = done
    valid = list_sets(prepare(root / "colours.ftr").recipe, MULTI_LABEL)["valid"].samples
    rows = json.loads(ftr("predict", folder, *(sample.image for sample in valid), "--json").out)
    for label, row in enumerate(result["valid"]["by_label"]):
        shares = np.array([each["probabilities"][row["name"]] for each in rows])
        true = np.array([label in sample.target for sample in valid])
        assert best_threshold(shares, true) == pytest.approx(row["threshold"], abs=1e-4)


def test_the_recipe_of_scenes_runs(tmp_path: Path) -> None:
    """Shortened: all of it takes minutes, and keeps its promise."""
    text = (ROOT / "recipes" / "scenes-labels.ftr").read_text()
    for whole, short in (
        ("for       = 16 epochs", "for       = 1 epoch"),
        ("warmup = 1 epoch", "warmup = 1 step"),
        ("= 128px", "= 64px\n  take = 64"),
        ("base.block3", "base.block7"),
    ):
        assert whole in text
        text = text.replace(whole, short)
    (tmp_path / "scenes.ftr").write_text(text)
    _, result = run(prepare(tmp_path / "scenes.ftr"), RunSettings(workers=0), tmp_path / "run")
    assert result["images"] == {"train": 51, "valid": 13, "test": 80}
    assert [row["name"] for row in result["test"]["by_label"]] == list("0123")
    assert 0 < result["test"]["map"] < 1
