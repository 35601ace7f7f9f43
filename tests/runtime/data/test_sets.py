"""From what a recipe says of its data to batches: sources, splits, broken images, epochs, input."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planned import plan_of
from steps import Dot, step
from toy import CLASSES, make_images, truncate

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.backend.mx import mx
from runtime.compile.facts import data_facts
from runtime.data.decoded import Decoded
from runtime.data.listing import Listing, Sample
from runtime.data.loader import Batch
from runtime.data.sets import (
    Sets,
    check_images,
    list_sets,
    to_input,
    under_root,
)
from runtime.data.sources.catalog import SOURCES
from runtime.data.sources.files import folder
from runtime.data.transforms.views import View
from runtime.plan.size import Size
from runtime.system.spill import Budget
from runtime.tasks.classification.targets import class_counts
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY

STAGE = 'stage "one" {\n  train = head\n  for = 1 epoch\n}\n'


def recipe_of(data: str, name: str = "recipes/r.ftr", settings: tuple[str, ...] = (), top: str = "") -> CheckedRecipe:
    text = f"ftr 1\nseed = 7\n{top}\ndata {{\n{data}\n  batch = 4\n}}\n{STAGE}"
    return check(parse(Source(name, text)), VOCABULARY, settings)


def problem_of(recipe: CheckedRecipe) -> tuple[Problem, str]:
    """Return the one problem of a recipe's data, and the text of the recipe to which it points."""
    with pytest.raises(RecipeError) as caught:
        list_sets(recipe, CLASSIFICATION)
    (problem,) = caught.value.problems
    assert problem.span is not None
    return problem, problem.span.text


def ids(listing: Listing) -> set[str]:
    return {sample.id for sample in listing.samples}


def test_every_source_of_the_language_has_a_reader() -> None:
    assert set(SOURCES) == set(VOCABULARY.families["source"].entries)


# --- listing ---------------------------------------------------------------------------------


def test_sets_of_their_own_folders_have_the_classes_of_training(photos: Path, tmp_path: Path) -> None:
    only_red = tmp_path / "red"
    shutil.copytree(photos / "test" / "red", only_red / "red")
    recipe = recipe_of(f'train = folder("{photos / "train"}")\nvalid = folder("{only_red}")')
    sets = list_sets(recipe, CLASSIFICATION)
    assert list(sets) == ["train", "valid"]
    assert class_counts(sets["train"]) == (24, 24, 24)
    assert sets["valid"].names == CLASSES
    assert class_counts(sets["valid"]) == (0, 0, 8)
    facts = data_facts(sets, recipe)
    assert (facts.target.names, facts.target.counts) == (CLASSES, {"train": (24, 24, 24), "valid": (0, 0, 8)})


def test_take_comes_before_the_holdouts(photos: Path) -> None:
    data = f'train = folder("{photos / "train"}")\ntake = 60\nvalid = holdout(20%)\ntest = holdout(30%)'
    sets = list_sets(recipe_of(data), CLASSIFICATION)
    assert {name: class_counts(listing) for name, listing in sets.items()} == {
        "train": (10, 10, 10),
        "valid": (4, 4, 4),
        "test": (6, 6, 6),
    }
    assert len(set().union(*map(ids, sets.values()))) == 60


def test_a_test_holdout_leaves_validation_alone(photos: Path) -> None:
    data = f'train = folder("{photos / "train"}")\nvalid = holdout(20%)'
    assert (
        list_sets(recipe_of(data), CLASSIFICATION)["valid"]
        == list_sets(recipe_of(data + "\ntest = holdout(30%)"), CLASSIFICATION)["valid"]
    )


def test_a_table_is_a_source(tmp_path: Path) -> None:
    make_images(tmp_path / "all", {"blue": 6, "red": 6})
    rows = [f"{name}/{number}.jpg,{name}" for name in ("blue", "red") for number in range(6)]
    (tmp_path / "t.csv").write_text("\n".join(["file,kind", *rows]))
    sets = list_sets(
        recipe_of('train = csv("t.csv", image = "file", label = "kind", root = "all")', f"{tmp_path}/r.ftr"),
        CLASSIFICATION,
    )
    assert (class_counts(sets["train"]), class_counts(sets["valid"])) == ((5, 5), (1, 1))
    assert ids(sets["train"]) | ids(sets["valid"]) == {row.split(",")[0] for row in rows}


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        ('train = folder("{0}/trian")', "E501", 'folder("{0}/trian")'),
        ('train = folder("{0}/train")\ntake = 73', "E517", "73"),
        ('train = folder("{0}/train")\ntest = folder("{0}")', "E503", 'folder("{0}")'),
        ('train = folder("{0}/train")\nvalid = folder("{0}/train/red")', "E502", 'folder("{0}/train/red")'),
        ('train = folder("{0}/train")\nvalid = folder("{0}/valid")\ntake = 3', "E516", 'folder("{0}/train")'),
    ],
)
def test_problems_point_at_the_field_that_names_the_data(photos: Path, data: str, code: str, text: str) -> None:
    problem, shown = problem_of(recipe_of(data.format(photos)))
    assert (problem.code, shown) == (code, text.format(photos))


# --- the data root ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r.ftr", "recipes/r.ftr", "../r.ftr", "/somewhere/r.ftr"])
@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ('"x"', "/root/x"),
        ('"../x"', "/root/../x"),
        ('"a \\"b\\""', '/root/a "b"'),
        ('"/x"', "/x"),
        ('"/somewhere/x"', "/somewhere/x"),
        ("$d", "/root/d"),
    ],
)
def test_the_data_root_moves_relative_paths_only(name: str, written: str, moved: str) -> None:
    table = f'csv({written}, root = {written}, image = "file", label = "kind")'
    recipe = recipe_of(f"train = folder({written})\ntest = {table}", name, top='param d = "d"')
    data = under_root(recipe, Path("/root")).block("data")
    assert data["train"]["path"] == data["test"]["file"] == data["test"]["root"] == Path(moved)


def test_the_data_root_moves_a_path_of_the_command_line() -> None:
    recipe = recipe_of("train = folder($d)", settings=('d="y"',), top='param d = "d"')
    assert recipe.block("data")["train"]["path"] == Path("recipes/y")  # where the parameter's own path starts
    assert under_root(recipe, Path("/root")).block("data")["train"]["path"] == Path("/root/y")


# --- broken images ---------------------------------------------------------------------------


@pytest.fixture
def broken(photos: Path, tmp_path: Path) -> Path:
    """A copy of the photos in which `train` and `test` have each one broken file, of other names."""
    copy = shutil.copytree(photos, tmp_path / "photos")
    truncate(copy / "train/blue/0.jpg")
    truncate(copy / "test/blue/1.jpg")
    return copy


def data_of(root: Path, on_error: str) -> str:
    folders = [f'{name} = folder("{root / name}")' for name in ("train", "valid", "test")]
    return "\n".join([*folders, f"on_error = {on_error}"])


def test_what_is_skipped_in_one_set_stays_in_the_others(broken: Path) -> None:
    recipe = recipe_of(data_of(broken, "skip"))
    listings = list_sets(recipe, CLASSIFICATION)
    steps: list[tuple[int, int]] = []
    kept, skipped = check_images(recipe, listings, CLASSIFICATION, 2, lambda *step: steps.append(step), lambda: False)
    assert [name for name, _ in skipped] == [str(broken / "train/blue/0.jpg"), str(broken / "test/blue/1.jpg")]
    assert all("truncated" in reason for _, reason in skipped)
    assert ids(listings["train"]) - ids(kept["train"]) == {"blue/0.jpg"}
    assert kept["valid"] == listings["valid"]
    assert ids(listings["test"]) - ids(kept["test"]) == {"blue/1.jpg"}
    assert steps == [(done, 120) for done in range(1, 121)]


def test_a_broken_image_stops_and_all_are_named(broken: Path) -> None:
    recipe = recipe_of(data_of(broken, "stop"))
    with pytest.raises(RecipeError) as caught:
        check_images(
            recipe, list_sets(recipe, CLASSIFICATION), CLASSIFICATION, 0, lambda done, total: None, lambda: False
        )
    (problem,) = caught.value.problems
    assert problem.code == "E512"
    assert problem.message() == "2 images cannot be read"
    assert str(broken / "train/blue/0.jpg") in problem.help()
    assert str(broken / "test/blue/1.jpg") in problem.help()
    assert problem.span is not None
    assert problem.span.text == f'folder("{broken / "train"}")'


def test_too_few_readable_images_are_an_error(broken: Path) -> None:
    for number in range(24):
        shutil.copy(broken / "train/blue/0.jpg", broken / f"train/red/{number}.jpg")
    recipe = recipe_of(data_of(broken, "skip"))
    with pytest.raises(RecipeError, match="1 class has no image left for training: `red`"):
        check_images(
            recipe, list_sets(recipe, CLASSIFICATION), CLASSIFICATION, 2, lambda done, total: None, lambda: False
        )


def test_asked_to_stop_the_check_ends_at_once(broken: Path) -> None:
    recipe = recipe_of(data_of(broken, "stop"))
    listings = list_sets(recipe, CLASSIFICATION)
    seen: list[int] = []
    kept, skipped = check_images(
        recipe, listings, CLASSIFICATION, 1, lambda done, total: seen.append(done), lambda: len(seen) >= 5
    )
    assert (kept, skipped, seen) == (listings, (), [1, 2, 3, 4, 5])


# --- batches ---------------------------------------------------------------------------------

PLAN = plan_of(
    """ftr 1
data {
  train = folder("x")
  augment = [random_resized_crop, flip(horizontal), color_jitter(0.3), lighting]
  size = 32px
  batch = 8
}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "a" {
  train = head
  for = 1 epoch
}
stage "b" {
  train = head
  for = 1 epoch
}
"""
)


def sets_of(photos: Path, workers: int = 0, seed: int = 7) -> Sets:
    return Sets(
        PLAN.data, seed, {name: folder(photos / name).samples for name in ("train", "valid")}, workers, np.array
    )


def content(batches: list[Batch]) -> dict[str, bytes]:
    return {name: image.tobytes() for batch in batches for name, image in zip(batch.ids, batch.images, strict=True)}


def test_training_is_the_same_for_any_number_of_workers(photos: Path) -> None:
    alone, helped = (list(sets_of(photos, workers).training(PLAN.stages[0], 1)) for workers in (0, 3))
    assert [batch.ids for batch in alone] == [batch.ids for batch in helped]
    assert content(alone) == content(helped)
    assert [batch.images.shape for batch in alone] == [(8, 32, 32, 3)] * 9


def test_each_epoch_stage_and_seed_sees_other_pictures_in_another_order(photos: Path) -> None:
    first, second = PLAN.stages
    runs = [
        list(sets_of(photos, seed=seed).training(stage, epoch))
        for seed, stage, epoch in ((7, first, 0), (7, first, 1), (7, second, 0), (8, first, 0))
    ]
    assert len({tuple(name for batch in run for name in batch.ids) for run in runs}) == 4
    assert len({content(run)["red/3.jpg"] for run in runs}) == 4
    assert len({frozenset(content(run)) for run in runs}) == 1


def test_evaluation_is_whole_in_order_and_fixed(photos: Path) -> None:
    sets = sets_of(photos, 2)
    batches = list(sets.evaluation("valid"))
    samples = sets.samples["valid"]
    assert [name for batch in batches for name in batch.ids] == [sample.id for sample in samples]
    assert [label for batch in batches for label in batch.targets] == [sample.target for sample in samples]
    with Image.open(str(samples[0].image)) as image:
        scaled = image.resize((35, 32), Image.Resampling.BICUBIC)  # it is 40 x 36
    assert np.array_equal(batches[0].images[0], np.asarray(scaled)[:, 2:34])
    assert content(batches) == content(list(sets_of(photos, seed=9).evaluation("valid")))


def spots(count: int) -> list[Sample]:
    """Return dark images of many sizes with one bright spot each, some turned by EXIF, and where it is upright."""
    found = []
    for number in range(count):
        size = Size(50 + 7 * number, 90 - 5 * number)
        x, y = np.array((size.width, size.height)) * (0.5 + 0.02 * (number % 3))
        far = (np.arange(size.width) + 0.5 - x) ** 2 + (np.arange(size.height)[:, None] + 0.5 - y) ** 2
        image = Image.fromarray((255 * np.exp(-far / 18)).astype(np.uint8))
        ref: Any = np.asarray(image)
        if number % 2:
            exif = Image.Exif()
            exif[0x0112] = 6  # it is stored a quarter turned
            ref = io.BytesIO()
            image.transpose(Image.Transpose.ROTATE_90).save(ref, "JPEG", exif=exif, quality=95)
        found.append((ref, Dot(x, y)))
    return [Sample(str(number), dot, ref) for number, (ref, dot) in enumerate(found)]


@pytest.mark.parametrize("keeps", [False, True])
def test_a_target_with_a_place_moves_as_its_image_does(tmp_path: Path, keeps: bool) -> None:
    samples = []
    for sample in spots(8):
        ref = sample.image
        if isinstance(ref, io.BytesIO):
            ref = tmp_path / f"{sample.id}.jpg"
            ref.write_bytes(sample.image.getvalue())
        samples.append(replace(sample, image=ref))
    collate = lambda dots: np.concatenate([dot.place for dot in dots])  # noqa: E731
    kept = Decoded(frozenset({"train"}), Budget(2**24, 0)) if keeps else None
    sets = Sets(PLAN.data, 7, {"train": samples, "valid": samples}, 0, collate, kept)
    stage = PLAN.stages[0]
    crop, flip = step("random_resized_crop", 32, (0.5, 1.0)), step("flip", "horizontal")
    flips = [step("resize", 40), step("center_crop", 32), flip, step("flip", "vertical")]
    views: list[View] = [(bool(n & 1), bool(n & 2)) for n in range(8)]
    found = [
        *(b for _ in range(2) for b in sets.training(replace(stage, augment=(step("resize", 40), crop, flip)), 0)),
        *sets.evaluation("valid"),
        *sets.views(samples, flips, views),
    ]
    for batch in found:
        light = batch.images[..., 0].astype(float)
        place = np.arange(32) + 0.5
        total = light.sum(axis=(1, 2))
        middle = np.stack([(light.sum(axis=1) * place).sum(1) / total, (light.sum(axis=2) * place).sum(1) / total], 1)
        inside = ((batch.targets > 8) & (batch.targets < 24)).all(axis=1)
        assert inside.sum() > 3
        np.testing.assert_allclose(middle[inside], batch.targets[inside], atol=0.3)
    np.testing.assert_array_equal(sets.targets(samples, flips, views), found[-1].targets)


def test_a_last_part_is_dropped_in_training_and_kept_in_evaluation(photos: Path) -> None:
    samples = folder(photos / "train").samples[:21]
    sets = Sets(PLAN.data, 7, {"train": samples, "valid": samples}, 0, np.array)
    assert [len(batch.ids) for batch in sets.training(PLAN.stages[0], 0)] == [8, 8]
    assert [len(batch.ids) for batch in sets.evaluation("valid")] == [8, 8, 5]


def test_input_is_normalized_planes() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = to_input(images, mean, std, mx.cpu()).asnumpy()
    assert (found.dtype, found.shape) == (np.float32, (2, 3, 5, 4))
    expected = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert np.abs(found - expected).max() < 1e-5


def test_arrays_are_samples_too() -> None:
    rows = [Sample(f"train/{row:05d}", row % 2, np.full((32, 32), row, np.uint8)) for row in range(8)]
    (batch,) = Sets(PLAN.data, 7, {"valid": rows}, 0, np.array).evaluation("valid")
    assert batch.images[:, 0, 0].tolist() == [[row] * 3 for row in range(8)]
