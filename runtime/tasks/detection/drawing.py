"""Draws objects on their images: a box each, its class and its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from recipe_lang.words import printable
from runtime.data.boxes import Boxes
from runtime.data.images import ImageError
from runtime.plan.size import Size
from runtime.system.fonts import font_for
from runtime.tasks.detection.network import Prediction

_COLORS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def draw_objects(picture: Image.Image, prediction: Prediction) -> None:
    """Draw the objects on a picture, which may have another size than the image; the surest lie on top."""
    if prediction.size is None:
        return
    factor = picture.width / prediction.size.width
    for each in reversed(prediction.objects):
        box = [side * factor for side in each.box]
        _draw(picture, box, prediction.names.index(each.name), f"{printable(each.name)} {each.score:.2f}")


def draw_truth(picture: Image.Image, boxes: Boxes, names: Sequence[str], size: Size) -> None:
    """Draw boxes on a picture of their image, whose upright size is `size`; of another image they are not drawn."""
    try:
        here = boxes.at(size)
    except ImageError:
        return
    factors = np.tile([picture.width / size.width, picture.height / size.height], 2)
    for label, crowd, difficult, box in zip(
        here.classes, here.crowd, here.difficult, (here.corners * factors).tolist(), strict=True
    ):
        _draw(
            picture, box, int(label), printable(names[label]) + " crowd" * bool(crowd) + " difficult" * bool(difficult)
        )


def _draw(picture: Image.Image, box: Sequence[float], label: int, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    color = _COLORS[label % len(_COLORS)]
    font = font_for(text, max(10, min(picture.size) // 30))
    draw.rectangle(tuple(box), outline=color, width=max(1, round(min(picture.size) / 200)))
    wide, high = font.getbbox(text)[2:]
    corner = (max(0.0, min(box[0], picture.width - wide)), max(0.0, box[1] - high))
    draw.rectangle(draw.textbbox(corner, text, font=font), fill=color)
    draw.text(corner, text, fill="white", font=font)
