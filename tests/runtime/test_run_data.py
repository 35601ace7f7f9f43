"""The images of a run, and its folder: what is held out, skipped, refused."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from toy import CLASSES, make_images, train, truncate, write_recipe
from whole_runs import AUGMENTED, LINE_OF_TRAIN, LINE_OF_VALID, line_of, problems_of

from recipe_lang.problem import RecipeError
from runtime.data.sets import Sets, list_sets
from runtime.plan.types import Plan
from runtime.runs.folder import create_folder
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.training.events import (
    FolderOpened,
    ImagesSkipped,
)
from runtime.workflows.preparation import prepare

# --- data ------------------------------------------------------------------------------------


def test_holdouts_share_no_image(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path / "r.ftr", photos, data="  valid = holdout(25%)\n  test = holdout(25%)", sources=["train"]
    )
    sets = {name: {sample.id for sample in each.samples} for name, each in prepare(recipe).listings.items()}
    assert {name: len(ids) for name, ids in sets.items()} == {"train": 36, "valid": 18, "test": 18}
    assert len(set().union(*sets.values())) == 72


def test_broken_images_stop_the_run_before_it_begins(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    broken = [truncate(copy / "valid/red/3.jpg"), truncate(copy / "test/blue/0.jpg")]
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E512", LINE_OF_VALID)
    assert all(str(path) in problem.help() for path in broken)
    assert not (tmp_path / "run").exists()


def test_skipped_images_leave_the_others_as_they_are(photos: Path, tmp_path: Path) -> None:
    with_broken = shutil.copytree(photos, tmp_path / "with")
    without = shutil.copytree(photos, tmp_path / "without")
    truncate(with_broken / "train/green/7.jpg")
    (without / "train/green/7.jpg").unlink()
    data = AUGMENTED + "\n  on_error = skip"
    plans: list[Plan] = []
    named: list[str] = []

    def opened(event: object) -> None:
        if isinstance(event, ImagesSkipped):  # before anything is trained
            assert len(plans) < 1
            named.extend(name for name, _ in event.images)
        if isinstance(event, FolderOpened):
            plans.append(event.plan)

    results = [
        train(write_recipe(tmp_path / f"{root.name}.ftr", root, data=data), tmp_path / f"run-{root.name}", watch=opened)
        for root in (with_broken, without)
    ]
    assert [plan.data.images("train") for plan in plans] == [71, 71]
    assert [name for name, _ in results[0]["skipped_images"]] == named == [str(with_broken / "train/green/7.jpg")]
    assert results[0]["images"]["train"] == 71
    one, two = (tmp_path / f"run-{root.name}/model.params" for root in (with_broken, without))
    assert one.read_bytes() == two.read_bytes()


def test_a_missing_image_moves_no_other(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data=AUGMENTED.replace("[", "[", 1))
    prepared = prepare(recipe)
    samples = prepared.listings["train"].samples
    seen = []
    for kept in (samples, samples[:5] + samples[6:]):
        sets = Sets(prepared.plan.data, 0, {"train": kept}, 0, np.array)
        pairs = [
            (name, image)
            for batch in sets.training(prepared.plan.stages[0], 3)
            for name, image in zip(batch.ids, batch.images, strict=True)
        ]
        seen.append([(name, image) for name, image in pairs if name != samples[5].id])
    both = min(map(len, seen))
    assert [name for name, _ in seen[0]][: both - 1] == [name for name, _ in seen[1]][: both - 1]
    for (_, one), (_, two) in list(zip(*seen, strict=False))[: both - 1]:
        assert np.array_equal(one, two)


def test_every_image_left_out_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name in ("train", "valid", "test"):
        make_images(root / name, {"blue": 9, "red": 9})
    for number in range(9):
        truncate(root / f"train/red/{number}.jpg")
    recipe = write_recipe(tmp_path / "r.ftr", root, data="  on_error = skip")
    problems = problems_of(recipe, tmp_path / "run")
    assert {problem.code for problem in problems} == {"E515", "E516"}
    assert {line_of(problem) for problem in problems} == {LINE_OF_TRAIN}


def test_an_empty_class_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    (copy / "train/yellow").mkdir()
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E504", LINE_OF_TRAIN)


def test_a_class_only_in_valid_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(copy / "valid/red", copy / "valid/reed")
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E514", LINE_OF_VALID)
    assert "reed" in problem.message()


def test_a_set_smaller_than_a_batch_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data="  batch = 100")
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E516", LINE_OF_TRAIN)


def test_an_empty_test_set_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    for name in CLASSES:
        shutil.rmtree(copy / "test" / name)
        (copy / "test" / name).mkdir()
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E516", 6)


def test_the_data_root_moves_relative_paths_only(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipes/r.ftr", Path(), sources=["train"])
    recipe.write_text(recipe.read_text().replace("  size", f'  valid = folder("{photos / "valid"}")\n  size', 1))
    with pytest.raises(RecipeError):
        prepare(recipe)
    prepared = prepare(recipe, (), photos)
    assert prepared.listings["train"].samples[0].image == photos / "train/blue/0.jpg"
    assert prepared.listings["valid"].samples[0].image == photos / "valid/blue/0.jpg"
    here = shutil.copytree(photos / "valid", tmp_path / "recipes/here")  # absolute, and below the recipe's folder
    recipe.write_text(recipe.read_text().replace(str(photos / "valid"), str(here)))
    assert prepare(recipe, (), photos).listings["valid"].samples[0].image == here / "blue/0.jpg"
    assert (
        list_sets(prepared.recipe, CLASSIFICATION)["train"] == prepared.listings["train"]
    )  # so `resolved.ftr` finds them again


def test_a_path_that_no_recipe_can_hold_is_refused_before_the_training(photos: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(photos / "train", folder / "photos")
    recipe = write_recipe(
        folder / "r.ftr", Path("photos"), sources=[], data='  train = folder("photos")\n  valid = holdout(20%)'
    )
    with pytest.raises(RecipeError, match="is not UTF-8"):
        prepare(recipe)
    recipe = write_recipe(
        tmp_path / "r.ftr", Path("photos"), sources=[], data='  train = folder("photos")\n  valid = holdout(20%)'
    )
    with pytest.raises(RecipeError, match="is not UTF-8"):
        prepare(recipe, (), folder)


# --- folders ---------------------------------------------------------------------------------


def test_runs_are_numbered_one_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/a-b-7").mkdir(parents=True)
    (tmp_path / "runs/a-b-x").mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_folder(None, "a/b"), range(16)))
    assert sorted(path.name for path in made) == sorted(f"a-b-{number}" for number in range(8, 24))
    assert create_folder(None, "..").name == "recipe-1"


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert create_folder(tmp_path / "empty", "x") == tmp_path / "empty"
    (tmp_path / "empty/note").touch()
    with pytest.raises(RecipeError, match="not empty"):
        create_folder(tmp_path / "empty", "x")
    with pytest.raises(RecipeError, match="cannot write"):
        create_folder(tmp_path / "empty/note/deeper", "x")
