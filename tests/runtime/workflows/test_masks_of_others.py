"""Folders of masks as people have them: `ftr new` recognizes each, `ftr data check` finds what is wrong with some."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.source import Source
from runtime.tasks.segmentation.palette import palette
from runtime.vocabulary import VOCABULARY
from runtime.workflows.new.recipe import starter
from runtime.workflows.new.scan import survey


def pair(seed: int, classes: int = 2) -> tuple[Image.Image, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Return a picture of 96 x 64 pixels with a disc, and the class of each pixel."""
    rng = np.random.default_rng(seed)
    x, y, radius = rng.uniform(24, 72), rng.uniform(20, 44), rng.uniform(8, 18)
    disc = np.hypot(np.arange(96) - x, np.arange(64)[:, None] - y) < radius
    mask = (disc * (1 + seed % (classes - 1))).astype(np.uint8)
    return Image.fromarray((rng.normal(90, 10, (64, 96)) + 100 * disc).clip(0, 255).astype(np.uint8)), mask


def binary(root: Path) -> None:
    _folders(root / "images", root / "masks", range(16), lambda mask: Image.fromarray(mask * 255))


def beside(root: Path) -> None:
    _folders(root, root, range(16), Image.fromarray, "_mask")


def sets(root: Path) -> None:
    for role, numbers in (("train", range(12)), ("val", range(12, 16)), ("test", range(16, 20))):
        _folders(root / role / "image", root / role / "label", numbers, Image.fromarray)


def camvid(root: Path) -> None:
    for role, numbers in (("train", range(12)), ("val", range(12, 16)), ("test", range(16, 20))):
        _folders(root / role, root / f"{role}annot", numbers, Image.fromarray, classes=4)


def voc(root: Path) -> None:
    def indexed(mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
        image = Image.fromarray(np.where(np.roll(mask, 1) != mask, 255, mask).astype(np.uint8), "P")
        image.putpalette([side for color in palette(256) for side in color])
        return image

    _folders(root / "JPEGImages", root / "SegmentationClass", range(16), indexed, classes=4)
    _folders(root / "JPEGImages", root / "none", range(16, 20), indexed)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for role, numbers in (("train", range(12)), ("val", range(12, 16))):
        (lists / f"{role}.txt").write_text("".join(f"{number:03}\n" for number in numbers))


def colours(root: Path) -> None:
    table = np.array([[0, 0, 0], [128, 64, 128], [0, 128, 192]], np.uint8)
    _folders(root / "images", root / "labels", range(16), lambda mask: Image.fromarray(table[mask]), "_L", 3)
    (root / "class_dict.csv").write_text("name,r,g,b\nVoid,0,0,0\nRoad,128,64,128\nBicyclist,0,128,192\nCar,64,0,128\n")


def _folders(
    images: Path,
    masks: Path,
    numbers: range,
    made: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], Image.Image],
    ending: str = "",
    classes: int = 2,
) -> None:
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image, mask = pair(number, classes)
        image.save(images / f"{number:03}.jpg")
        made(mask).save(masks / f"{number:03}{ending}.png")


@pytest.mark.parametrize(
    ("made", "classes", "counts", "words"),
    [
        (binary, ("background", "foreground"), {"train": 16}, "values  = [0, 255]"),
        (beside, ("background", "foreground"), {"train": 16}, 'masks("set", masks = "set"'),
        (sets, ("background", "foreground"), {"train": 12, "valid": 4, "test": 4}, '"set/val/image"'),
        (camvid, ("background", "class1", "class2", "class3"), {"train": 12, "valid": 4, "test": 4}, '"set/valannot"'),
        (voc, ("background", "class1", "class2", "class3"), {"train": 12, "valid": 4}, "Segmentation/train.txt"),
        (colours, ("Void", "Road", "Bicyclist", "Car"), {"train": 16}, '"#804080"'),
    ],
)
def test_layouts(
    made: Callable[[Path], None], classes: tuple[str, ...], counts: dict[str, int], words: str, tmp_path: Path
) -> None:
    made(tmp_path / "set")
    found = survey(str(tmp_path / "set"))
    assert found.task == "segmentation"
    assert found.train.names == classes
    assert {role: len(each.listing.samples) for role, each in found.sets.items()} == counts
    text = starter(found, tmp_path).text
    assert words in text.replace("    ", " ").replace("\n  ", " ") or words in text
    recipe = check(parse(Source("x.ftr", text, tmp_path)), VOCABULARY)
    assert not recipe.advice
    assert "size     = 64px" not in text
    assert "[64px, 96px]" in text


def test_folders_of_classes_stay_what_they_are(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(8):
            pair(number + 50 * (name == "labels"))[0].save(tmp_path / name / f"{number}.png")
    assert survey(str(tmp_path)).task == "classification"


RECIPE = """ftr 1
task = segmentation
data {
  train = masks("set/images", "set/masks", classes = ["ground", "disc"], values = [0, 255], ignore = none)
  size = 64px
  batch = 2
}
stage "head" {
  train = head
  for = 1 epoch
}
"""


def test_what_is_wrong_with_masks_is_found(tmp_path: Path, ftr: Ftr) -> None:
    binary(tmp_path / "set")
    (tmp_path / "r.ftr").write_text(RECIPE)
    sound = json.loads(ftr("data", "check", tmp_path / "r.ftr", "--json").out)
    assert not {kind for kind in sound["found"] if kind.startswith("mask")}
    masks = tmp_path / "set" / "masks"
    Image.fromarray(np.full((64, 96), 7, np.uint8)).save(masks / "001.png")
    Image.fromarray(np.zeros((96, 64), np.uint8)).save(masks / "002.png")
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(masks / "003.png")
    Image.fromarray(pair(4)[1][::2, ::2] * 255).save(masks / "004.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    pair(2)[0].save(tmp_path / "set" / "images" / "005.jpg", exif=exif)
    found = json.loads(ftr("data", "check", tmp_path / "r.ftr", "--json").out)["found"]
    notes = {
        kind: {
            image["image"] if "image" in image else image["id"]: group["note"]
            for group in found[kind]["groups"]
            for image in group["images"]
        }
        for kind in ("mask_unfit", "mask_empty", "mask_scaled")
    }
    assert {name[-7:-4] for name in notes["mask_unfit"]} == {"001", "002", "005"}
    assert {name[-7:-4] for name in notes["mask_empty"]} == {"003"}
    assert {name[-7:-4] for name in notes["mask_scaled"]} == {"004"}
    shown = " ".join(notes["mask_unfit"].values())
    assert "the value 7, which is that of no class" in shown
    assert "it fits the photo as stored, which EXIF turns" in shown


def test_masks_are_read_before_anything_is_trained(tmp_path: Path, ftr: Ftr) -> None:
    binary(tmp_path / "set")
    (tmp_path / "r.ftr").write_text(RECIPE)
    for number in (1, 2):
        Image.fromarray(np.full((64, 96), 7, np.uint8)).save(tmp_path / "set" / "masks" / f"{number:03}.png")
    found = ftr("run", tmp_path / "r.ftr", "--out", tmp_path / "run", "--quiet")
    assert found.code != 0
    assert "001.jpg" in found.err
    assert "002.jpg" in found.err  # both at once, not one at the step that needs it
    text = RECIPE.replace("  size", "  on_error = skip\n  size")
    (tmp_path / "r.ftr").write_text(text)
    assert ftr("run", tmp_path / "r.ftr", "--out", tmp_path / "other", "--quiet").code == 0
    assert len(json.loads((tmp_path / "other" / "result.json").read_text())["skipped_images"]) == 2


def test_large_images_with_fine_masks_are_cut(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "set" / name).mkdir(parents=True)
    lines = np.zeros((1024, 1152), np.uint8)
    lines[::16] = 1
    lines[1::16] = 1
    for number in range(8):
        Image.fromarray(lines * 90 + number).save(tmp_path / f"set/images/{number}.png")
        Image.fromarray(np.roll(lines, number, axis=0)).save(tmp_path / f"set/masks/{number}.png")
    text = starter(survey(str(tmp_path / "set")), tmp_path).text
    assert "tiles(512px, overlap = 20%)" in text
    assert "finest = stride2" in text
