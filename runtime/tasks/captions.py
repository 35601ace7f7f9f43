"""Writes lines of text on a picture: what the tasks that answer in words and numbers draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_LINES = 1 / 16  # the height of a line, as a fraction of the picture's shorter side
_MOST = 8  # lines, which cover half of the picture


def caption(picture: Image.Image, lines: Sequence[str], colors: Sequence[tuple[int, int, int]] = ()) -> None:
    """Write lines in the upper left corner, white on black, the first ones where there are many.

    With `colors`, a square of its color stands before each line.
    """
    from PIL import ImageDraw

    from runtime.system.fonts import font_for

    draw = ImageDraw.Draw(picture)
    height = max(12, round(min(picture.size) * _LINES))
    shown = [*lines[: _MOST - 1], "…"] if len(lines) > _MOST else lines
    font = font_for("".join(shown), 0.75 * height)
    for index, line in enumerate(shown):
        top, left = index * height, height if colors else height / 4
        draw.rectangle((0, top, left + draw.textlength(line, font) + height / 4, top + height), fill=(0, 0, 0))
        if index < len(colors) and line != "…":
            square = (height / 4, top + height / 4, 3 * height / 4, top + 3 * height / 4)
            draw.rectangle(square, fill=colors[index], outline=(255, 255, 255))
        draw.text((left, top + height / 2), line, fill=(255, 255, 255), font=font, anchor="lm")
