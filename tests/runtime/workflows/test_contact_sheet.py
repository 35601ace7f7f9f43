"""`ftr data show`: the images are those that training gets, bit for bit, and targets are drawn on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image, ImageDraw

from runtime.data.sets import Sets
from runtime.distribution.share import WHOLE
from runtime.features.inputs import SetInputs, StageInputs
from runtime.plan.size import Size
from runtime.tasks.catalog import TASKS
from runtime.workflows.contact_sheet import Seen, contact_sheet, seen_in_training, sheet_title
from runtime.workflows.preparation import Prepared, prepare
from tests.toy import CLASSES, make_images, write_recipe

RECIPE = """ftr 1
name = "sheet"
task = detection
seed = 3
data {
  train = scenes
  take  = 24 images
  valid = holdout(25%)
  size  = 64px
  augment = [AUGMENT]
  batch = 4
}
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 5e-3)
}
"""
AUGMENTS = {
    "no end": "flip(horizontal), zoom_out, color_jitter(0.3)]\n  views = none",
    "versions": "flip(horizontal), iou_crop, color_jitter(0.3)]\n  views = 2",
    "flips": "flip(horizontal), flip(vertical)]",
}


def made(folder: Path, augment: str) -> Prepared:
    path = folder / "sheet.ftr"
    path.write_text(RECIPE.replace("AUGMENT]", augment).replace("\n  views = none", ""))
    return prepare(path)


@pytest.mark.parametrize("augment", AUGMENTS.values(), ids=AUGMENTS)
def test_the_images_are_those_of_training(tmp_path: Path, augment: str) -> None:
    prepared = made(tmp_path, augment)
    plan = prepared.plan
    (stage,) = plan.stages
    samples = {name: each.samples for name, each in prepared.listings.items()}
    sets = Sets(plan.data, plan.seed, samples, 0, lambda targets: np.zeros(len(targets)))
    kept: Any = None
    inputs = StageInputs(SetInputs(sets, kept), stage)
    seen = seen_in_training(prepared, stage, 4)
    assert [each.epoch for each in seen] == [0, 1, 2] * 4
    for epoch in range(3):
        shown = {each.id: each.pixels for each in seen if each.epoch == epoch}
        trained = {
            id: pixels
            for batch in inputs._opened(epoch, 0, inputs.stage.augment, WHOLE)
            for id, pixels in zip(batch.ids, batch.images, strict=True)
        }
        for id, pixels in shown.items():
            if id in trained:  # not of a last part that fills no batch
                np.testing.assert_array_equal(pixels, trained[id])
    assert len({each.pixels.tobytes() for each in seen}) > 5


def test_the_first_epochs_of_each_phase_stand_side_by_side(tmp_path: Path) -> None:
    photos = make_images(tmp_path / "photos" / "train", dict.fromkeys(CLASSES, 2))
    stage = 'stage "s" {\n  train = head\n  for = 9 epochs\n  augment = [color_jitter(0.4)]\n  size = 32px\n'
    stage += "  from 6 epochs {\n    augment = none\n    size = shared\n  }\n}\n"
    data = "  batch = 2\n  valid = holdout(50%)\n  size = 64px"
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos.parent, stage, data=data, sources=("train",)))
    seen = seen_in_training(prepared, prepared.plan.stages[0], 1)
    assert [(each.epoch, each.pixels.shape[0]) for each in seen] == [(0, 32), (1, 32), (6, 64)]
    assert "in epochs 1, 2 and 7" in sheet_title(prepared, prepared.plan.stages[0], seen)


def test_boxes_are_drawn_where_they_have_moved(tmp_path: Path) -> None:
    prepared = made(tmp_path, AUGMENTS["flips"])
    seen = seen_in_training(prepared, prepared.plan.stages[0], 3)
    names = prepared.listings["train"].names
    sheet = np.asarray(contact_sheet(seen, TASKS["detection"], names, "title"))
    bare = [type(each)(each.id, each.epoch, each.pixels, each.target.chosen(each.target.crowd)) for each in seen]
    without = np.asarray(contact_sheet(bare, TASKS["detection"], names, "title"))
    x0, y0, x1, y1 = (seen[0].target.corners[0] * 192 / 64).round().astype(int)
    assert sheet.shape == without.shape
    changed = (sheet != without).any(axis=2)[32 : 32 + 192, 8 : 8 + 192]
    assert changed[y1 - 1 : y1 + 2, x0 + 2 : x1 - 1].any(axis=0).all()  # its lower side
    assert not changed[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].all()


def test_the_command_writes_a_sheet_for_every_task(tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.ftr").write_text(
        'ftr 1\nname = "digits"\ndata {\n  train = digits\n  size = 32px\n  batch = 8\n}\n'
        'stage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = 1e-3)\n}\n'
    )
    (tmp_path / "numbers.ftr").write_text(
        'ftr 1\nname = "numbers"\ntask = regression\ndata {\n  train = solar_cells(probability)\n  size = 32px\n'
        '  batch = 8\n}\nstage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = 1e-3)\n}\n'
    )
    for name in ("digits", "numbers"):
        told = ftr("data", "show", f"{name}.ftr", "--images", 7, "--stage", "head")
        assert (told.code, told.out) == (
            0,
            f'{name}: 7 training images as stage 1 "head" sees them in each epoch: {name}-sheet.png\n',
        )
        with Image.open(f"{name}-sheet.png") as sheet:
            assert sheet.width == 8 + 6 * 200
    assert ftr("data", "show", "digits.ftr", "--stage", "tail").code == 2
    assert "digits-1.PNG.nowhere" in ftr("data", "show", "digits.ftr", "-o", "digits-1.PNG.nowhere").err
    assert ftr("data", "show", tmp_path).code == 2


def test_of_long_captions_the_telling_part_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class is broken between words, a path loses its beginning, and pictures in a row keep their places."""
    written: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _, at, text, **how: written.append(text))
    names = ("kittiwake", "great crested grebe (Podiceps cristatus) in winter plumage, from a boat")
    pixels = np.zeros((64, 64, 3), np.uint8)
    seen = [Seen(f"{names[target]}/2024-05-17_camera-04_frame_{target:06}.jpg", 0, pixels, target) for target in (1, 0)]
    sheet = contact_sheet(seen, TASKS["classification"], names, "one two three")
    assert written[0] == "one two three"
    assert written[1].startswith("…")
    assert written[1].endswith("frame_000001.jpg")
    assert " ".join(written[2:-2]) == names[1]
    assert len(written[2:-2]) == 3
    assert written[-1] == "kittiwake"
    assert sheet.size == (8 + 2 * 200, 32 + 192 + 4 * 16 + 8)


def test_masks_are_laid_over_their_images() -> None:
    target = np.zeros((8, 8), np.uint8)
    target[2:6, 2:6] = 1
    picture = Image.new("RGB", (80, 80), (10, 200, 10))
    TASKS["segmentation"].mark(picture, target, ("ground", "disc"), Size(8, 8))
    pixels = np.asarray(picture)
    assert (pixels[5, 5] == (10, 200, 10)).all()
    assert (pixels[40, 40] != (10, 200, 10)).any()
