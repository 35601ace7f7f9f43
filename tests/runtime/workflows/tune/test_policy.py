"""Policies: which steps are searched, what a fold says of them, and that validation decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import prepare
from runtime.workflows.run import RunContext
from runtime.workflows.tune import policy
from runtime.workflows.tune.policy import KINDS, PolicySettings, child_text, search_policy
from tests.toy import write_recipe

SETTINGS = PolicySettings(folds=3, used=1, draws=2)
STAGE = """
stage "head" {
  train     = head
  for       = 1 epoch
  optimizer = sgd(lr = 1e-2)
  monitor   = valid.accuracy
}
"""


def context() -> RunContext:
    return RunContext(RunSettings(workers=0, fuse=False))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey squares and noise: without colour, hue and saturation change nothing."""
    import numpy as np

    root = tmp_path_factory.mktemp("grey")
    rng = np.random.default_rng(0)
    for part, count in {"train": 12, "valid": 4, "test": 2}.items():
        for name in ("plain", "noise"):
            folder = root / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (36, 36)) if name == "noise" else np.full((36, 36), 40 + number)
                Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(folder / f"{number}.png")
    data = "  augment = [flip(horizontal)]\n  batch = 8"
    return write_recipe(root / "r.ftr", root / "photos", STAGE, data=data)


@pytest.fixture(scope="module")
def found(recipe: Path):
    folder, told = recipe.parent / "search", []
    few = {name: KINDS[name] for name in ("mirror", "turn", "brightness", "saturation", "hue")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "KINDS", few)
        outcome = search_policy(prepare(recipe), context(), folder, SETTINGS, lambda *each: told.append(each))
        again = search_policy(prepare(recipe), context(), folder, SETTINGS)
    return outcome, again, told, folder


def test_what_cannot_help_is_left_out(found):
    assert found[0].left_out == {
        "mirror": "the recipe has it",
        "saturation": "it changes nothing of these images",
        "hue": "it changes nothing of these images",
    }
    assert {each.strength for each in found[0].candidates} == {"own", "weak", "medium", "strong"}
    assert found[0].candidates[1].steps == (KINDS["turn"][0], KINDS["brightness"][0])  # no others are left
    assert found[0].candidates[3].steps == (KINDS["turn"][2], KINDS["brightness"][2])


def test_validation_decides_and_equal_is_no_gain(found):
    outcome = found[0]
    values = [each.value for each in outcome.candidates]
    assert outcome.best == values.index(max(values))
    assert outcome.gains == (max(values) > values[0])


def test_a_search_that_goes_on_trains_nothing_again(found):
    outcome, again, _, folder = found
    assert again.candidates == outcome.candidates
    record = json.loads((folder / "policy.json").read_text())
    assert len(record["losses"]) == outcome.measured == 4  # the own, and one pair at each strength
    assert len(record["confirmed"]) == 4


def test_a_policy_is_an_ordinary_augmentation(found, recipe: Path):
    text = child_text(prepare(recipe).recipe, "r.ftr", KINDS["turn"][:1])
    assert text.startswith('ftr 1\nextends "r.ftr"\n\ndata {')
    assert "augment = [flip, rotation(5)]" in text
    child = recipe.parent / "child.ftr"
    child.write_text(text, encoding="utf-8")
    assert [step.name for step in prepare(child).plan.stages[0].augment][-2:] == ["flip", "rotation"]


def test_another_search_is_refused(found, recipe: Path):
    with pytest.raises(RecipeError) as caught:
        search_policy(prepare(recipe), context(), found[3], PolicySettings(folds=4, used=1, draws=2))
    assert caught.value.problems[0].code == "E633"


def test_each_step_is_one_of_the_vocabulary():
    for texts in KINDS.values():
        for text in texts:
            assert text.partition("(")[0] in VOCABULARY.families["augment"].entries
