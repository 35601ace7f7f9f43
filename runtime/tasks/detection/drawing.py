"""Draws objects on their images: a box each, its class and its score."""

from __future__ import annotations

from PIL import Image, ImageDraw

from recipe_lang.words import printable
from runtime.system.fonts import font_for
from runtime.tasks.detection.network import Prediction

_COLORS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def draw_objects(picture: Image.Image, prediction: Prediction) -> None:
    """Draw the objects on a picture, which may have another size than the image; the surest lie on top."""
    if prediction.size is None:
        return
    factor = picture.width / prediction.size.width
    draw = ImageDraw.Draw(picture)
    width = max(1, round(min(picture.size) / 200))
    font = font_for("".join(prediction.names), max(10, min(picture.size) // 30))
    for each in reversed(prediction.objects):
        color = _COLORS[prediction.names.index(each.name) % len(_COLORS)]
        box = [side * factor for side in each.box]
        draw.rectangle(box, outline=color, width=width)
        text = f"{printable(each.name)} {each.score:.2f}"
        wide, high = font.getbbox(text)[2:]
        corner = (max(0.0, min(box[0], picture.width - wide)), max(0.0, box[1] - high))
        draw.rectangle(draw.textbbox(corner, text, font=font), fill=color)
        draw.text(corner, text, fill="white", font=font)
