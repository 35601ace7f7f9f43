"""Boxes that move with their image: as a mask of the box does, which is another way to compute the same."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from PIL import Image
from steps import Made, step

from runtime.data.boxes import FRACTIONS, Boxes, overlaps
from runtime.data.images import ImageError
from runtime.data.transforms.catalog import TRANSFORMS, Pipeline
from runtime.data.transforms.changes import Change, Crop, Mirror, Pad, Place, Resize
from runtime.plan.size import Size
from runtime.plan.types import Component

SIZE = Size(60, 80)
CHANGES: list[list[Change]] = [
    [Resize(Size(90, 40))],
    [Crop(10, 5, Size(30, 50))],
    [Pad(7)],
    [Mirror("horizontal")],
    [Mirror("vertical")],
    [Place(12, 9, Size(90, 100))],
    [Mirror("horizontal"), Resize(Size(120, 120)), Crop(13, 20, Size(64, 96)), Mirror("vertical"), Pad(3)],
    [Resize(Size(30, 40)), Place(20, 25, SIZE)],
]


def around(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_box_moves_as_its_mask_does(changes: list[Change]) -> None:
    corners = [[20, 16, 52, 44], [14, 8, 30, 58]]
    found = Boxes.of(corners, [0, 1]).moved(SIZE, changes)
    assert found.classes.tolist() == [0, 1]
    for (x0, y0, x1, y1), moved in zip(corners, found.corners, strict=True):
        pixels = np.zeros((SIZE.height, SIZE.width), np.uint8)
        pixels[y0:y1, x0:x1] = 1
        mask = Image.fromarray(pixels)
        for change in changes:
            mask = change.labels(mask, 0)
        assert found.frame == Size(mask.height, mask.width)
        np.testing.assert_allclose(moved, around(np.asarray(mask)), atol=1)
    whole = Boxes.of([[0, 0, SIZE.width, SIZE.height]], [0]).moved(
        SIZE, [each for each in changes if type(each) is Resize]
    )
    assert whole.unit * whole.frame.pixels == pytest.approx(SIZE.pixels)  # type: ignore[union-attr]


def test_one_whose_centre_leaves_the_image_is_dropped_and_others_are_clipped() -> None:
    boxes = Boxes.of([[0, 0, 20, 20], [15, 15, 40, 40], [70, 50, 100, 70]], [0, 1, 2], difficult=[True, False, False])
    assert boxes.moved(SIZE, []).corners.tolist() == [[0, 0, 20, 20], [15, 15, 40, 40]]
    found = boxes.moved(SIZE, [Crop(20, 20, Size(30, 30))])
    assert (found.classes.tolist(), found.corners.tolist()) == ([1], [[0, 0, 20, 20]])
    assert found.areas.tolist() == [625]


def test_steps_and_one_by_one_give_the_same() -> None:
    boxes = Boxes.of([[20, 16, 52, 44], [0, 0, 30, 58]], [0, 1])
    one, other = CHANGES[-2][:2], CHANGES[-2][2:]
    assert boxes.moved(SIZE, one).moved(Size(120, 120), other) == boxes.moved(SIZE, [*one, *other])


def test_an_annotation_of_another_size() -> None:
    assert Boxes.of([[0.25, 0.5, 0.5, 1]], [0], frame=FRACTIONS).at(SIZE).corners.tolist() == [[20, 30, 40, 60]]
    assert Boxes.of([[2, 3, 4, 6]], [0], frame=Size(30, 40)).at(SIZE).corners.tolist() == [[4, 6, 8, 12]]
    with pytest.raises(ImageError, match="80 x 60 pixels, its annotation 60 x 80: the image is turned"):
        Boxes.of([], [], frame=Size(80, 60)).at(SIZE)


def test_equal_as_values() -> None:
    one, same, other = (Boxes.of([[0, 0, side, 1]], [0]) for side in (1, 1, 2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_overlaps() -> None:
    found = overlaps(np.array([[0, 0, 2, 2.0]]), np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1.0]]))
    np.testing.assert_allclose(found, [[1, 1 / 3, 0, 0]])
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0]]


@pytest.mark.parametrize("size", [SIZE, Size(80, 60), Size(7, 90), Size(64, 64), Size(200, 333)])
def test_a_letterbox_shows_the_whole_image_in_its_proportions(size: Size) -> None:
    """The pixels of a box are where the box is; what is around the image is the mean colour."""
    (*_, last) = changes = Pipeline([Component("letterbox", {"size": 64})]).draw(size, np.random.default_rng(0)) or [
        Resize(size)
    ]
    assert last.size(size) == (64, 64)
    (x0, y0, x1, y1) = box = [size.width // 4, size.height // 7, size.width // 2, size.height - 1]
    pixels = np.zeros((size.height, size.width), np.uint8)
    pixels[y0:y1, x0:x1] = 255
    mask, whole = Image.fromarray(pixels), Image.new("L", (size.width, size.height))
    for change in changes:
        mask, whole = change.labels(mask, 0), change.pixels(whole)
    (moved,) = Boxes.of([box], [0]).moved(size, changes).corners
    np.testing.assert_allclose(moved, around(np.asarray(mask)), atol=1)
    shown = around(np.asarray(whole) == 0)
    sides = shown[2] - shown[0], shown[3] - shown[1]
    assert max(sides) == 64
    assert min(sides) == round(64 * min(size) / max(size))
    assert set(np.unique(np.asarray(whole))) <= {0, 117}
    assert abs(shown[0] - (64 - shown[2])) <= 1
    assert abs(shown[1] - (64 - shown[3])) <= 1


def drawn(name: str, boxes: Boxes, count: int = 60) -> list[tuple[Change, ...]]:
    args = {arg.name: arg.default for arg in TRANSFORMS[name].entry.args}
    steps = Pipeline([Component(name, args | ({"size": 32} if "size" in args else {}))])
    return [steps.draw(SIZE, np.random.default_rng(seed), boxes) for seed in range(count)]


def test_iou_crop_keeps_an_object_and_gives_the_size_of_the_network() -> None:
    boxes = Boxes.of([[10, 10, 30, 40], [50, 20, 58, 28]], [0, 1])
    crops = [next((each for each in changes if isinstance(each, Crop)), None) for changes in drawn("iou_crop", boxes)]
    assert 10 < sum(each is not None for each in crops) < 58
    for changes in drawn("iou_crop", boxes):
        found = boxes.moved(SIZE, changes)
        assert found.frame == Size(32, 32)
        assert len(found)
    assert all(changes[-1].size(SIZE) == (32, 32) for changes in drawn("iou_crop", Boxes.of([], [])))


def test_zoom_out_keeps_the_size_and_all_objects() -> None:
    boxes = Boxes.of([[0, 0, 80, 60], [10, 10, 30, 40]], [0, 1])
    shares = []
    for changes in drawn("zoom_out", boxes):
        found = boxes.moved(SIZE, changes)
        assert (found.frame, len(found)) == (SIZE, 2)
        shares.append(found.corners[0, 2] - found.corners[0, 0])
    assert 15 < sum(share == 80 for share in shares) < 45
    assert min(shares) >= 80 / 2.5 - 1


@pytest.mark.parametrize("name", ["flip", "rotation", "affine", "perspective", "random_resized_crop", "zoom_out"])
def test_a_box_is_around_what_becomes_of_its_mask(name: str) -> None:
    mask = Image.new("L", (SIZE.width, SIZE.height))
    mask.paste(1, (20, 15, 45, 40))
    given = {"degrees": 40, "translate": 0.1, "scale": (0.8, 1.2), "shear": 20} if name == "affine" else {}
    for seed in range(30):
        changes = Made(step(name, **given | ({"size": 32} if "crop" in name else {}))).pipeline.draw(
            SIZE, np.random.default_rng(seed)
        )
        boxes = Boxes.of([[20, 15, 45, 40]], [0]).moved(SIZE, changes)
        shown = reduce(lambda labels, change: change.labels(labels, 0), changes, mask).getbbox()
        for corners in boxes.corners:
            assert shown is not None
            assert np.abs(np.array(shown) - corners).max() < 2
        assert len(boxes) or name in ("affine", "perspective", "random_resized_crop")
