"""A report on images as one HTML page that needs nothing else: small pictures are inside it.

In goes a `DataReport`; out comes the page. Names of classes and files are text in it, whatever they hold.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

from recipe_lang.words import printable
from runtime.data.images import ImageError, Reading, as_rgb, open_small, upright_size
from runtime.data.sources.skipped import passed_line
from runtime.system.prefetch import in_order
from runtime.tasks.protocol import Task
from runtime.workflows.data_check.check import KINDS, CheckedImage, DataReport, Group, Kind

_GROUPS = 60  # of a kind
_IMAGES = 12  # of a group
_SIZES = 8
_SIDE = 224  # pixels, shown at half: screens have two to a point
_SMALL = 56  # sides up to which pixels are shown as squares


@dataclass(frozen=True, slots=True)
class _Picture:
    image: CheckedImage
    caption: str
    data: str
    small: bool


@dataclass(frozen=True, slots=True)
class _Shown:
    note: str
    pictures: tuple[_Picture, ...]
    more: int


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: Kind
    groups: tuple[_Shown, ...]
    count: int


def data_page(report: DataReport, title: str, threads: int, task: Task) -> str:
    """Return the page; its pictures are read with `threads` threads."""
    from jinja2 import Environment, StrictUndefined

    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_text)
    sections = [
        _Section(name, KINDS[name], tuple(_shown(groups[:_GROUPS], threads, report.reading, task)), len(groups))
        for name, groups in report.found.items()
    ]
    sizes = list(report.sizes.items())[:_SIZES]
    return environment.from_string(template).render(
        title=title, report=report, sections=sections, sizes=sizes, passed=passed_line(report.passed)
    )


def _text(value: object) -> object:
    """Let only printable characters into the page: names of files may hold anything."""
    return printable(value) if isinstance(value, str) and not value.startswith("data:image/") else value


def _shown(groups: Sequence[Group], threads: int, reading: Reading, task: Task) -> list[_Shown]:
    images = [image for group in groups for image in group.images[:_IMAGES]]
    pictures = iter(list(in_order(partial(_picture, reading=reading, task=task), images, threads, 8 * threads)))
    return [
        _Shown(
            group.note,
            tuple(next(pictures) for _ in group.images[:_IMAGES]),
            max(0, len(group.images) - _IMAGES),
        )
        for group in groups
    ]


def _picture(image: CheckedImage, reading: Reading, task: Task) -> _Picture:
    caption = task.caption(image.value, image.names)
    try:
        picture, _ = open_small(image.image, _SIDE, reading)
    except ImageError:
        return _Picture(image, caption, "", False)
    small = max(picture.size) <= _SMALL
    picture = as_rgb(picture)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    _mark(picture, image, task)
    return _Picture(image, caption, data_uri(picture, small), small)


def _mark(picture: Image.Image, image: CheckedImage, task: Task) -> None:
    """Draw the target, and in red what takes no part, as far as it lies in the picture."""
    try:
        size = upright_size(image.image)
    except ImageError:
        return
    task.mark(picture, image.value, image.names, size)
    factors = picture.width / size.width, picture.height / size.height
    for each in image.left_out:
        x, y = (sorted(side * factors[axis] for side in each.corners[axis::2]) for axis in (0, 1))
        ImageDraw.Draw(picture).rectangle((x[0], y[0], x[1], y[1]), outline="red", width=2)


def data_uri(image: Image.Image, small: bool) -> str:
    """Return a picture as a data URI; `small` ones keep each pixel as it is."""
    file = io.BytesIO()
    image.save(file, "PNG" if small else "JPEG", quality=80)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(file.getvalue()).decode()}"
