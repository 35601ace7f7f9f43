"""`ftr show`: every value with its place, a recipe and its parents as one; and what a run folder keeps of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, load_source
from recipe_lang.output.flatten import flatten
from recipe_lang.output.formatter import recipe_text
from recipe_lang.output.identity import recipe_hash
from recipe_lang.output.resolved import values_with_places
from recipe_lang.source import Source
from runtime.cli import app
from runtime.vocabulary import VOCABULARY

PARENT = """\
ftr 1
param lr = 1e-3 in log(1e-5 .. 1e-1)
param images = "photos"
data {
  train = folder($images)
  test  = csv("labels/test.csv", image = "file", label = "class")
}
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = $lr / 2)
}
expect {
  test.accuracy >= 80%
}
"""
CHILD = """\
ftr 1
extends "shared/parent.ftr"
param lr = 3e-4
data {
  batch = 16
}
stage "more" {
  train     = base.block7 .. head
  for       = 1 epoch
  optimizer = sgd(lr = $lr)
}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shared").mkdir()
    Path("shared/parent.ftr").write_text(PARENT)
    Path("child.ftr").write_text(CHILD)


def child(*settings: str) -> CheckedRecipe:
    return check(load("child.ftr"), VOCABULARY, settings)


def test_each_value_says_the_file_and_line_that_it_comes_from() -> None:
    found = {
        (row["block"], row["field"]): (row["value"], row["from"]) for row in values_with_places(child(), VOCABULARY)
    }
    assert found["", "seed"] == ("0", "default")
    assert found["data", "batch"] == ("16 images", "child.ftr:5")
    assert found['stage "head"', "for"] == ("3 epochs", "shared/parent.ftr:10")
    assert found['stage "head"', "optimizer"][1] == "shared/parent.ftr:11"
    assert found['stage "more"', "optimizer"][1] == "child.ftr:10, child.ftr:3"  # the call, and its `$lr`
    assert found["data", "train"][1] == "shared/parent.ftr:5, shared/parent.ftr:3"
    set_ = {(r["block"], r["field"]): r["from"] for r in values_with_places(child("lr=1e-2"), VOCABULARY)}
    assert set_['stage "more"', "optimizer"] == "child.ftr:10, --set:1"


def test_show_resolved_prints_values_with_places_and_checks_again() -> None:
    shown = CliRunner().invoke(app, ["show", "child.ftr", "--resolved", "--set", "lr=1e-2"])
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["#", "param", "lr", "=", "0.01", "#", "--set:1"] in lines
    assert ["for", "=", "1", "epoch", "#", "child.ftr:9"] in lines
    assert ["test.accuracy", ">=", "0.8", "#", "shared/parent.ftr:14"] in lines
    again = check(load_source(Source("resolved.ftr", shown.stdout)), VOCABULARY)
    assert again.blocks[1:] == child("lr=1e-2").blocks[1:]  # all but the paths, which are absolute now


def test_flat_is_the_same_recipe_in_one_file_with_its_parameters() -> None:
    text = recipe_text(flatten(child()))
    flat = check(load_source(Source("child.ftr", text)), VOCABULARY)
    assert "extends" not in text
    assert 'folder("shared/photos")' not in text  # the path is the parameter's
    assert 'param images = "shared/photos"' in text
    assert '"shared/labels/test.csv"' in text
    assert flat.blocks == child().blocks
    assert flat.claims == child().claims
    assert recipe_hash(flat, VOCABULARY) == recipe_hash(child(), VOCABULARY)
    other = check(load_source(Source("child.ftr", text)), VOCABULARY, ["lr=2e-3"])
    assert recipe_hash(other, VOCABULARY) == recipe_hash(child("lr=2e-3"), VOCABULARY)


def test_a_recipe_without_a_parent_is_flat_as_it_is() -> None:
    shown = CliRunner().invoke(app, ["show", "shared/parent.ftr", "--flat"])
    flat = check(load_source(Source("shared/parent.ftr", shown.stdout)), VOCABULARY)
    assert flat.blocks == check(load("shared/parent.ftr"), VOCABULARY).blocks


def test_a_broken_recipe_is_not_shown_in_these_forms() -> None:
    Path("shared/parent.ftr").write_text(PARENT.replace("3 epochs", "3"))
    for form in ("--flat", "--resolved"):
        shown = CliRunner().invoke(app, ["show", "child.ftr", form])
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert "shared/parent.ftr:10:" in shown.stderr


@pytest.mark.parametrize("form", ["parent", "json"])
def test_a_run_folder_keeps_one_recipe_that_repeats_the_run(form: str, tmp_path: Path) -> None:
    from toy import make_images, train, write_recipe

    for name in ("train", "valid", "test"):
        make_images(tmp_path / "mine" / name, {"blue": 16, "red": 16})
    parent = write_recipe(Path("mine/parent.ftr"), Path())
    if form == "parent":
        recipe = Path("mine.ftr")
        recipe.write_text('ftr 1\nextends "mine/parent.ftr"\nseed = 5\n')
    else:
        shown = CliRunner().invoke(app, ["show", str(parent), "--json"])
        recipe = Path("mine/parent.ftr.json")
        recipe.write_text(shown.stdout)
    first = train(recipe, Path("first"))
    Path("copy.ftr").write_text(Path("first/recipe.ftr").read_text())
    assert "extends" not in Path("copy.ftr").read_text()
    if form == "json":
        Path("copy.ftr").rename("mine/copy.ftr")
    again = train(Path("copy.ftr" if form == "parent" else "mine/copy.ftr"), Path("again"))
    assert again["hash"] == first["hash"]
    assert Path("first/model.params").read_bytes() == Path("again/model.params").read_bytes()


@pytest.mark.parametrize(
    "options",
    [["--flat", "--resolved"], ["--set", "lr=1e-3"], ["--flat", "--set", "lr=1e-3"], ["--json", "--set", "lr=1e-3"]],
)
def test_what_does_not_go_together_is_refused(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["show", "child.ftr", *options]).exit_code == 2


def test_json_goes_with_the_other_forms() -> None:
    import json

    flat = CliRunner().invoke(app, ["show", "child.ftr", "--flat", "--json"])
    Path("flat.ftr.json").write_text(flat.stdout)
    assert recipe_hash(check(load("flat.ftr.json"), VOCABULARY), VOCABULARY) == recipe_hash(child(), VOCABULARY)
    resolved = CliRunner().invoke(app, ["show", "child.ftr", "--resolved", "--json", "--set", "lr=1e-2"])
    assert json.loads(resolved.stdout) == list(values_with_places(child("lr=1e-2"), VOCABULARY))


def test_a_path_in_a_parameter_moves_with_its_domain() -> None:
    Path("shared/parent.ftr").write_text(
        PARENT.replace('images = "photos"', 'images = "photos" in ["photos", "others"]')
    )
    text = recipe_text(flatten(child()))
    assert 'param images = "shared/photos" in ["shared/photos", "shared/others"]' in text
    other = check(load_source(Source("child.ftr", text)), VOCABULARY, ['images="shared/others"'])
    assert other.block("data")["train"]["path"] == Path("shared/others")
