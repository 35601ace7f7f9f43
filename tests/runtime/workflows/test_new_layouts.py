"""`ftr new`: which folders and tables are which sets, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from new_recipes import New, augments, call, images, photos, table, text, unwrapped
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from runtime.data.sets import list_sets
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY


def test_class_folders(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "beans", {"rust": 30, "healthy": 40, "spot": 30}))
    assert recipe["name"] == "beans"
    assert 'folder("../beans")' in text()  # relative to the recipe, wherever it is called from
    assert "100 images, 3 classes, the largest 1.3 times the smallest (healthy 40, rust 30, spot 30)" in text()
    assert images(recipe) == {"train": 80, "valid": 20}
    assert [stage.title for stage in recipe.all("stage")] == ["head"]


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Training", "val", "testing")])
def test_folders_of_sets(new: New, tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, count in zip(names, (30, 10, 5), strict=True):
        photos(tmp_path / "pets" / name, {"cat": count, "dog": count})
    (tmp_path / "pets" / "docs").mkdir()
    recipe = new(tmp_path / "pets")
    assert images(recipe) == {"train": 60, "valid": 20, "test": 10}
    assert "Not used, since they are not sets: `docs`" in text()


def test_test_images_without_labels_are_left_out_and_said(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "pets" / "train", {"cat": 30, "dog": 30})
    photos(tmp_path / "pets", {"test": 3})
    assert images(new(tmp_path / "pets")) == {"train": 48, "valid": 12}
    assert "Folder `test` is not used" in text()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TrainImages", "TestImages"),
        ("pets/train", "pets/test"),
    ],
)
def test_sets_by_other_names(new: New, tmp_path: Path, train: str, test: str) -> None:
    for name, count in ((train, 30), (test, 6)):
        photos(tmp_path / "root" / name, {"cat": count, "dog": count})
    assert images(new(tmp_path / "root")) == {"train": 50, "valid": 10, "test": 12}
    assert f'folder("../root/{train}")' in text()
    assert f'folder("../root/{test}")' in text()


def test_a_folder_of_a_test_set_without_labels(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "root" / "train", {"cat": 30, "dog": 30})
    photos(tmp_path / "root" / "test", {"unknown": 9})
    assert images(new(tmp_path / "root")) == {"train": 48, "valid": 12}
    assert "Folder `test` is not used: it has none of the classes." in text()


def test_sets_in_classes_and_classes_in_sets_are_said(new: New, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        photos(tmp_path / "within" / label, {"train": 20, "test": 10})
        photos(tmp_path / "times" / {"cat": "day", "dog": "night"}[label], {"cat": 20, "dog": 10})
    new(tmp_path / "within")
    assert "The classes have folders `test`, `train`, which look like sets" in text()
    Path("made.ftr").unlink()
    new(tmp_path / "times")
    assert "All class folders have folders `cat`, `dog`: are those the classes? `level = 2` takes them." in said()


def test_classes_of_nearly_one_name_and_a_column_of_weights_are_said(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"big cat": 30, "big_cat": 30, "dog": 30})
    new(root)
    assert '`classes = class_map({ "big cat" = ["big_cat"] })` in the data block makes one of them' in said()
    rows = [f"{path.relative_to(root)},{path.parent.name}s,{1 + n % 3}" for n, path in enumerate(root.rglob("*.png"))]
    for name, expected in (("sample_weight", True), ("weight", False)):
        (tmp_path / "pets.csv").write_text("\n".join([f"file,label,{name}", *rows]))
        new(tmp_path / "pets.csv", "--force")
        assert ('weights = "sample_weight"' in said()) == expected


def said() -> str:
    return " ".join(text().replace("\n#", "").split())


def test_what_is_ignored_is_said(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    (root / "cat" / "0.png").rename(root / "cat" / "0.png?w=640")
    (root / "cat" / "1.png").unlink()
    (root / "cat" / "1.heic").touch()
    frames = [Image.new("RGB", (40, 36), shade) for shade in (0, 9)]
    frames[0].save(root / "dog" / "1.gif", save_all=True, append_images=frames[1:])
    (root / "dog" / "self").symlink_to("self")
    assert images(new(root)) == {"train": 32, "valid": 8}
    said = text().replace("\n# ", " ")
    assert "Ignored 2 files: 1 .heic (HEIC: convert it to JPEG or PNG), 1 dangling link." in said
    assert "Of files with several images, such as animations, the first is used: 1 of 40 image files looked at." in said


def test_a_class_may_be_called_train(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "traffic", {"car": 20, "train": 20}))
    assert list_sets(recipe, CLASSIFICATION)["train"].names == ("car", "train")


@pytest.mark.parametrize("place", ["flat", "flat/labels.csv", "beside", "rooted", "rooted/index.tsv"])
def test_tables(new: New, tmp_path: Path, place: str) -> None:
    rows = [(f"{number}.png", "crack" if number < 15 else "fine") for number in range(40)]
    for folder in ("flat", "beside", "rooted/pictures"):
        photos(tmp_path / folder, {"": 40})
    (tmp_path / "rooted" / "circle").symlink_to("circle")
    lines = [f"{number};{name};{label}" for number, (name, label) in enumerate(rows)]
    table(tmp_path / "flat" / "labels.csv", "id;image;class", *lines)
    table(tmp_path / "beside.csv", "image,verdict", *(f"beside/{name},{label}" for name, label in rows))
    table(tmp_path / "rooted" / "index.tsv", "label\tfile", *(f"{label}\t{name}" for name, label in rows))
    recipe = new(tmp_path / place)
    assert images(recipe) == {"train": 32, "valid": 8}
    assert list_sets(recipe, CLASSIFICATION)["train"].names == ("crack", "fine")


def test_tables_of_sets(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "set", {"images": 60})
    for name, first, count in (("train", 0, 40), ("val", 40, 20)):
        rows = [f"images/{number}.png,{'ab'[number % 2]}b" for number in range(first, first + count)]
        table(tmp_path / "set" / f"{name}.csv", "path,label", *rows)
    table(tmp_path / "set" / "test.csv", "path", "images/1.png")
    recipe = new(tmp_path / "set")
    assert images(recipe) == {"train": 40, "valid": 20}
    assert "`test.csv` is not used" in text()
    assert recipe["name"] == "set"


def test_a_table_goes_before_folders_that_are_no_classes(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "moles", {"part_1": 20, "part_2": 20})
    rows = [f"part_{part}/{number}.png,{'ab'[number % 2]}x,{number % 5}" for part in (1, 2) for number in range(20)]
    table(root / "meta.csv", "path,dx,age", *rows)
    assert list_sets(new(root), CLASSIFICATION)["train"].names == ("ax", "bx")
    assert "other columns could be meant: `age`" in text().replace("\n#", "")


def test_a_table_that_says_what_the_folders_say_or_nothing_is_not_needed(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    table(root / "index.csv", "path,label", *(f"{name}/{n}.png,{name}" for name in ("cat", "dog") for n in range(20)))
    table(root / "names.csv", "id,name", "0,cat", "1,dog")
    new(root)
    assert 'train = folder("../pets")' in text().replace("   ", " ").replace("  ", " ")


def test_packaged_sets(new: New) -> None:
    recipe = new("digits")
    assert recipe.block("data")["train"].name == "digits"
    assert not augments(recipe)
    assert images(recipe) == {"train": 1259, "valid": 269, "test": 269}


def test_a_folder_goes_before_a_packaged_set_of_its_name(new: New, tmp_path: Path) -> None:
    photos(Path("digits"), {"cat": 20, "dog": 20})
    assert new("digits").block("data")["train"].name == "folder"


@pytest.mark.parametrize("name", ["two words", 'a "quoted" \\ one', "写真 ünd", "line\nbreak", "-- # {", "'"])
def test_names_of_all_kinds(new: New, tmp_path: Path, name: str) -> None:
    root = photos(tmp_path / name, {name: 20, "b\n}": 20})
    recipe = new(root)
    assert list_sets(recipe, CLASSIFICATION)["train"].names == tuple(sorted((name, "b\n}")))
    assert call(root)[0] == 0  # and a file of that name can be made


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"ab": 60, "cd": 60}, "15% of 120 images are too few to judge by"),
        ({"ab": 300, "cd": 9}, "it would have an image or two of the rarest class"),
        ({"ab": 150, "cd": 150}, ""),
    ],
)
def test_a_recipe_has_a_test_set_or_says_why_not(new: New, tmp_path: Path, counts: dict[str, int], said: str) -> None:
    recipe = new(photos(tmp_path / "set", counts, (8, 8)))
    assert (recipe.block("data")["test"] is None) == bool(said)
    assert ("No test set" in unwrapped()) == bool(said)
    assert said in unwrapped()
    if said:
        made = Path("made.ftr")
        made.write_text(made.read_text().replace("  valid ", "  test = holdout(15%)\n  valid "))
        assert check(load("made.ftr"), VOCABULARY).block("data")["test"] is not None
