"""Versions of images: how many, which ones, and that nothing but time depends on what is kept of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planned import facts, plan_of
from rich.console import Console
from toy import make_images, trained, write_recipe

from runtime.data import fingerprints as origins
from runtime.data.sets import Sets
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import changed
from runtime.data.transforms.views import at_size
from runtime.features.inputs import SetInputs, StageInputs, kept_rows
from runtime.features.prefix import Prefix
from runtime.features.store import Key
from runtime.plan.size import Size
from runtime.plan.types import Plan
from runtime.reporting.plan import show_plan
from runtime.workflows.preparation import prepare

CROPS = "  augment = [random_resized_crop, flip(horizontal), color_jitter(0.2)]\n"
FLIPS = "  augment = [flip(horizontal), flip(vertical)]\n"
CACHES = "caches 500 features for each, at most"
STAGES = """
stage "head" {
  train = head
  for   = 3 epochs
}
stage "again" {
  train = head
  for   = 3 epochs
  l1    = 1e-4
}
stage "top" {
  train = base.block3 .. head
  for   = 2 epochs
}
"""
TRAIN, VALID, TEST = 42, 18, 10


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("few")
    for name, count in (("train", 21), ("valid", 9), ("test", 5)):
        make_images(root / name, {"blue": count, "green": count}, seed=count)
    return root


# --- the plan --------------------------------------------------------------------------------


def planned(data: str, *stages: str, images: int = 100) -> Plan:
    written = ""
    for number, fields in enumerate(stages):
        given = "".join(f"{line}\n" for line in ("train = head", "for = 6 epochs") if line[:5] not in fields)
        written += f'stage "{number}" {{\n{given}{fields}\n}}\n'
    text = (
        f'ftr 1\ndata {{\ntrain = folder("photos")\nsize = 64px\nbatch = 10\n{data}\n}}\n'
        f'base = gluon("resnet18_v2", weights = none)\n{written}'
    )
    return plan_of(text, data=facts(images, 20))


@pytest.mark.parametrize(
    ("data", "stage", "views"),
    [
        ("", "", 1),
        ("views = 4", "", 1),
        (CROPS, "", None),
        (f"{CROPS}views = 4", "", 4),
        (f"{CROPS}views = 4", "views = 2", 2),
        (f"{CROPS}views = 4", "views = none", None),
        (f"{CROPS}views = 4", "views = shared", 4),
        (f"{CROPS}views = 4", "augment = none", 1),
        (CROPS, "views = 3", 3),
        (FLIPS, "", 4),
        (FLIPS, "views = 8", 4),
        (FLIPS, "views = 3", 3),
        ("", "augment = [lighting]\nviews = 5", 5),
    ],
)
def test_how_many_versions(data: str, stage: str, views: int | None) -> None:
    assert planned(data, stage).stages[0].views == views


@pytest.mark.parametrize(
    ("data", "stages", "each"),
    [
        (CROPS, ("",), 0),
        (f"{CROPS}views = 4", ("",), 4),
        (f"{CROPS}views = 4", ("", "clip = value(1)"), 4),  # the same versions in both
        (f"{CROPS}views = 2", ("", "views = 5"), 5),
        (f"{CROPS}views = 8", ("",), 6),  # an epoch takes one
        (f"{CROPS}views = 2", ("", "augment = [lighting]\nviews = 3"), 5),
        (f"{FLIPS}views = 1", ("", "augment = none"), 2),
        (f"{FLIPS}views = 3", ("", "views = none"), 4),
    ],
)
def test_how_many_rows_they_take(data: str, stages: tuple[str, ...], each: int) -> None:
    plan = planned(data, *stages)
    assert kept_rows(plan) == plan.data.images("valid") + each * plan.data.images("train")


def shown(plan: Plan) -> str:
    text = StringIO()
    show_plan(Console(file=text, width=1000), plan)
    return text.getvalue()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            CROPS,
            "runs on each batch, since random_resized_crop and color_jitter make new images each time; cached for"
            " validation and test (for training too with `views = 4` in the stage, or with flips only)",
        ),
        (f"{CROPS}views = 4", f"runs once on each of 4 versions of each image; {CACHES} 8 MB"),
        (f"{CROPS}views = 1", f"runs once on one version of each image; {CACHES} 2 MB"),
        (f"{CROPS}views = 9", f"runs once on each of 6 versions of each image; {CACHES} 12 MB"),
        (FLIPS, f"runs once on 4 views of each image; {CACHES} 8 MB"),
        (f"{FLIPS}views = 3", f"runs once on each of 3 versions of each image; {CACHES} 6 MB"),
        (
            f"{FLIPS}features = half",
            "runs once on 4 views of each image; caches 500 half-precision features for each, at most 4 MB",
        ),
    ],
)
def test_the_plan_says_what_is_kept(data: str, line: str) -> None:
    text = shown(planned(data, "", images=1000))
    assert f"base.stem .. base.block4: {line}\n" in re.sub(" +\n", "\n", text)
    assert ("versions " in text) == ("views" in data)


def test_where_nothing_is_kept_the_plan_shows_the_versions() -> None:
    (line,) = [line for line in shown(planned(f"{CROPS}views = 4", "train = all")).splitlines() if "versions" in line]
    assert line.strip().split(None, 1) == ["versions", "4 of each image, drawn once; each epoch takes the next"]


def test_a_short_stage_is_not_told_to_take_versions() -> None:
    text = shown(planned(CROPS, "for = 4 epochs"))
    assert "cached for validation and test" in text
    assert "`views" not in text


# --- which ones ------------------------------------------------------------------------------


def inputs_of(recipe: Path, prefix: Any = None, seed: int | None = None, stage: int = 0) -> StageInputs:
    """Return a stage's inputs; by default nothing is frozen or kept, and they are the images themselves."""
    prepared = prepare(recipe)
    samples = {name: listing.samples for name, listing in prepared.listings.items()}
    sets = Sets(prepared.plan.data, prepared.plan.seed if seed is None else seed, samples, 0, np.array)
    nothing = Prefix((), prepared.plan.data.batch, None, lambda images: images)
    return StageInputs(SetInputs(sets, prefix or nothing), prepared.plan.stages[stage])


def images(inputs: StageInputs, epoch: int) -> dict[bytes, int]:
    """Return the images of an epoch and their labels."""
    return {
        pixels.tobytes(): int(label)
        for (((batch,), labels),) in inputs.training(epoch)
        for pixels, label in zip(batch, labels, strict=True)
    }


def shared(one: dict[bytes, int], other: dict[bytes, int]) -> float:
    both = one.keys() & other.keys()
    assert all(one[pixels] == other[pixels] for pixels in both)
    return len(both) / len(one)


def test_epochs_and_stages_take_the_same_versions_in_turn(few: Path, tmp_path: Path) -> None:
    # A batch of 21 leaves nothing out, so that each epoch has all images.
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 2\n  batch = 21\n")
    first = inputs_of(recipe)
    epochs = [images(first, epoch) for epoch in range(4)]
    assert len(epochs[0]) == TRAIN
    assert shared(epochs[0], epochs[2]) == shared(epochs[1], epochs[3]) == 1
    assert shared(epochs[0], epochs[1]) == 0
    assert list(epochs[0]) != list(epochs[2])  # in another order all the same
    assert shared(epochs[0], images(inputs_of(recipe, stage=2), 0)) == 1
    assert shared(epochs[0], images(inputs_of(recipe, seed=1), 0)) == 0


def test_of_many_flips_a_few_are_fixed(few: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{FLIPS}  views = 2\n  batch = 21\n")
    inputs = inputs_of(recipe)
    epochs = [images(inputs, epoch) for epoch in range(4)]
    assert shared(epochs[0], epochs[2]) == shared(epochs[1], epochs[3]) == 1
    assert 0 < shared(epochs[0], epochs[1]) < 0.6  # a quarter, by chance


@dataclass
class Recording:
    """Stands for a prefix that keeps everything, and notes what it is asked for."""

    keeps: bool = True
    batch: int = 16
    asked: dict[Key, bytes | None] = field(default_factory=dict)

    def fill(self, keys: list[Key], images: object, origin: Callable[[Key], bytes | None]) -> Any:
        self.asked.update((key, origin(key)) for key in keys)
        return iter(())


def names(inputs: StageInputs, epoch: int) -> set[bytes | None]:
    prefix: Any = inputs.each.prefix
    prefix.asked.clear()
    assert list(inputs.fill_training(epoch)) == []
    return set(prefix.asked.values())


def test_names_on_the_disk_know_the_version_and_the_seed(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 2\n")
    inputs, other = inputs_of(recipe, Recording()), inputs_of(recipe, Recording(), seed=1)
    assert len(names(inputs, 0)) == TRAIN
    assert names(inputs, 0) == names(inputs, 2)
    assert names(inputs, 0).isdisjoint(names(inputs, 1))
    assert names(inputs, 0).isdisjoint(names(other, 0))
    colours = write_recipe(tmp_path / "b.ftr", few, STAGES, data=f"{CROPS.replace('0.2', '0.3')}  views = 2\n")
    assert names(inputs, 0).isdisjoint(names(inputs_of(colours, Recording()), 0))


def test_two_samples_of_one_file_have_versions_of_their_own(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 1\n")
    inputs = inputs_of(recipe, Recording())
    sample = inputs.each.sets.samples["train"][0]
    sets = replace(inputs.each.sets, samples={"train": [sample, replace(sample, id="another name")]})
    assert len(names(replace(inputs, each=replace(inputs.each, sets=sets)), 0)) == 2


# --- whole runs ------------------------------------------------------------------------------


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)


@pytest.mark.usefixtures("_fast")
def test_versions_are_computed_once_and_give_the_same_bits(few: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 2\n")
    without, computed = trained(recipe, tmp_path / "without", cache=False)
    assert computed == []
    cold, computed = trained(recipe, tmp_path / "cold")
    # The third stage cuts earlier, where the first has kept what came by.
    assert computed == [(0, TRAIN), (0, VALID), (0, TRAIN), (2, TEST)]
    warm, computed = trained(recipe, tmp_path / "warm")
    assert computed == []
    assert without == cold == warm
    plain, _ = trained(write_recipe(tmp_path / "r.ftr", few, STAGES, data=CROPS), tmp_path / "plain")
    assert plain != cold
    longer = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 3\n")
    assert (0, TRAIN) in trained(longer, tmp_path / "longer")[1]  # the third version only


@pytest.mark.usefixtures("_fast")
def test_where_nothing_is_frozen_the_versions_are_fixed_too(few: Path, tmp_path: Path) -> None:
    stages = 'stage "all" {\n  train = all\n  for = 2 epochs\n}\n'
    recipe = write_recipe(tmp_path / "r.ftr", few, stages, data=f"{CROPS}  views = 1\n")
    fixed, computed = trained(recipe, tmp_path / "a")
    assert computed == []
    assert fixed == trained(recipe, tmp_path / "b", cache=False)[0]
    assert shared(images(inputs_of(recipe), 0), images(inputs_of(recipe), 1)) > 0.5  # but those of the last part
    assert fixed != trained(write_recipe(tmp_path / "r.ftr", few, stages, data=CROPS), tmp_path / "c")[0]


def test_every_version_of_an_image_is_an_image_of_its_own(few: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", few, STAGES, data=f"{CROPS}  views = 5\n  batch = 21\n")
    inputs = inputs_of(recipe)
    seen = [images(inputs, epoch) for epoch in range(5)]
    assert len(set().union(*seen)) == 5 * TRAIN
    means = [np.mean([np.frombuffer(pixels, np.uint8).mean() for pixels in epoch]) for epoch in seen]
    assert np.ptp(means) < 10


def _seen_at(text: str, size: int, steps: Any = None) -> tuple[Any, Any]:
    """Return an image as the steps of a recipe show it, and the steps."""
    plan = plan_of(f"ftr 1\ndata {{\ntrain = digits\nsize = {size}px\n{text}\n}}\n{STAGES}")
    steps = plan.stages[0].augment if steps is None else steps
    y, x = np.mgrid[:180, :240]
    picture = Image.fromarray(np.stack([y, x, (3 * x + y) // 4], axis=2).astype(np.uint8))
    changes = Pipeline(steps).draw(Size(180, 240), np.random.default_rng(4))
    return np.asarray(changed(picture, changes)).astype(float), steps


@pytest.mark.parametrize("text", [CROPS, FLIPS, "prepare = [resize(48px), center_crop]"])
def test_the_same_view_at_another_size(text: str) -> None:
    """What is twice as large, and then halved, shows the same part in the same colours."""
    small, steps = _seen_at(text, 32)
    larger = at_size(steps, Size(32, 32), Size(64, 64))
    large, _ = _seen_at(text, 32, larger)
    assert large.shape == (64, 64, 3)
    assert np.abs(large.reshape(32, 2, 32, 2, 3).mean((1, 3)) - small).mean() < 2
    assert at_size(steps, Size(32, 32), Size(32, 32)) == steps


@pytest.mark.parametrize("crop", ["random_crop(padding = 2px)", "resize(64px), random_resized_crop", "erasing(25%)"])
def test_views_that_have_no_other_size(crop: str) -> None:
    _, steps = _seen_at(f"augment = [{crop}]", 32)
    assert at_size(steps, Size(32, 32), Size(64, 64)) is None
    assert at_size(_seen_at(FLIPS, 32)[1], Size(32, 32), Size(64, 48)) is None
