"""What segmentation does with arrays: scores of cells as classes of pixels, and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recipe_lang.words import printable
from runtime.data.listing import Tile
from runtime.data.tiles import extent_after
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.plan.size import Size
from runtime.plan.types import DataPlan
from runtime.tasks.segmentation.palette import palette

Classes = NDArray[np.uint8]


def at_cells(labels: NDArray[Any], scores: Sequence[int]) -> NDArray[Any]:
    """Return the class in the middle of each cell, (N, h, w), of those of pixels, (N, H, W); `scores` is a shape."""
    rows, columns = (
        (2 * np.arange(cells) + 1) * side // (2 * cells)
        for cells, side in zip(scores[2:], labels.shape[1:], strict=True)
    )
    return labels[:, rows[:, None], columns]


def best_classes(scores: NDArray[np.float32], size: Sequence[int]) -> Classes:
    """Return the class of the largest score of each pixel, (H, W), of scores of cells, (C, h, w)."""
    found: Classes = _resized(scores, Size(*size)).argmax(axis=0).astype(np.uint8)
    return found


def _resized(
    scores: NDArray[np.float32], size: Size, part: tuple[float, float, float, float] | None = None
) -> NDArray[np.float32]:
    """Return scores of cells, or of a part of them, at a size; bilinear."""
    whole = (0, 0, scores.shape[2], scores.shape[1])
    if scores.shape[1:] == size and part in (None, whole):
        return scores
    to = size.width, size.height
    return np.stack(
        [np.asarray(Image.fromarray(plane).resize(to, Image.Resampling.BILINEAR, box=part)) for plane in scores]
    )


def merged(outputs: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], plan: DataPlan) -> Classes:
    """Return the class of each pixel of an image, (H, W): that of the largest mean of the scores of its tiles.

    It takes the memory of the scores of the whole image, 4 bytes for each class and pixel.
    """
    total = np.zeros((len(outputs[0]), *tiles[0].of), np.float32)
    for scores, tile in zip(outputs, tiles, strict=True):
        cells = np.array([scores.shape[2], scores.shape[1]]) / (plan.size.width, plan.size.height)
        ends = np.clip(extent_after(tile.size, plan.prepare) * cells, 0, (scores.shape[2], scores.shape[1]))
        left, top, right, bottom = ends.ravel().tolist()
        rows, columns = slice(tile.top, tile.top + tile.size.height), slice(tile.left, tile.left + tile.size.width)
        total[:, rows, columns] += _resized(scores, tile.size, (left, top, right, bottom))
    found: Classes = total.argmax(axis=0).astype(np.uint8)  # each class has as many scores: the sum is as good
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The classes of an image's pixels, (H, W) at the size that the network sees, or why it could not be read.

    `scores` are those of cells, (C, h, w); `whole` is whether they show the whole image, its sides scaled.
    """

    image: str
    names: tuple[str, ...] = ()
    classes: Classes | None = None
    error: str = ""
    scores: NDArray[np.float32] | None = None
    whole: bool = True

    def at(self, size: Sequence[int]) -> Classes:
        """Return the classes at another size, (H, W): the scores are resized before the best is taken."""
        assert self.scores is not None
        return best_classes(self.scores, size)

    def mask(self, size: Sequence[int]) -> Image.Image:
        """Return a picture with a palette of the classes at the size of the image.

        Where a part of the image was cut out for the network, it is the mask of that part, at the size that was seen.
        """
        assert self.classes is not None
        image = Image.fromarray(self.at(size) if self.whole else self.classes, "P")
        image.putpalette([side for color in palette(256) for side in color])
        return image

    def shares(self) -> list[tuple[str, float]]:
        """Return the classes that occur with their fractions of the pixels, the largest first."""
        if self.classes is None:
            return []
        counts = np.bincount(self.classes.ravel(), minlength=len(self.names)) / self.classes.size
        pairs = [(name, float(share)) for name, share in zip(self.names, counts, strict=True) if share]
        return sorted(pairs, key=lambda pair: -pair[1])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""
        return {"classes": [{"class": name, "share": share} for name, share in self.shares()]}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return its row of a CSV file, the cells between image and error; none where it could not be read."""
        shares = dict(self.shares())
        return (tuple(f"{shares.get(name, 0.0):.6g}" for name in self.names),) if self.names else ()

    def text(self) -> str:
        """Return it in one line."""
        return "  ".join(f"{printable(name)} {share:.1%}" for name, share in self.shares())


def predictions(outputs: Any, images: Sequence[str], names: tuple[str, ...], plan: DataPlan) -> list[Prediction]:
    """Return the classes of images that were prepared as a plan says.

    `outputs` is an NDArray (batch, C, h, w), of which the first count.
    """
    scores = outputs[: len(images)].asnumpy()
    whole = not any(TRANSFORMS[step.name].crops and step.name != "stretch" for step in plan.prepare)
    return [
        Prediction(image, names, best_classes(each, plan.size), scores=each, whole=whole)
        for image, each in zip(images, scores, strict=True)
    ]
