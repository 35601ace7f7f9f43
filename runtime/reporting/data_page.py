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

from PIL import Image

from recipe_lang.words import printable
from runtime.data.images import ImageError, Reading, as_rgb, open_small
from runtime.data.listing import ImageRef
from runtime.data.sources.skipped import passed_line
from runtime.system.prefetch import in_order
from runtime.workflows.data_check.check import KINDS, CheckedImage, DataReport, Group, Kind

_GROUPS = 60  # of a kind
_IMAGES = 12  # of a group
_SIZES = 8
_SIDE = 224  # pixels, shown at half: screens have two to a point
_SMALL = 56  # sides up to which pixels are shown as squares


@dataclass(frozen=True, slots=True)
class _Picture:
    image: CheckedImage
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


def data_page(report: DataReport, title: str, threads: int) -> str:
    """Return the page; its pictures are read with `threads` threads."""
    from jinja2 import Environment, StrictUndefined

    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_text)
    sections = [
        _Section(name, KINDS[name], tuple(_shown(groups[:_GROUPS], threads, report.reading)), len(groups))
        for name, groups in report.found.items()
    ]
    sizes = list(report.sizes.items())[:_SIZES]
    return environment.from_string(template).render(
        title=title, report=report, sections=sections, sizes=sizes, passed=passed_line(report.passed)
    )


def _text(value: object) -> object:
    """Let only printable characters into the page: names of files may hold anything."""
    return printable(value) if isinstance(value, str) and not value.startswith("data:image/") else value


def _shown(groups: Sequence[Group], threads: int, reading: Reading) -> list[_Shown]:
    images = [image for group in groups for image in group.images[:_IMAGES]]
    pictures = iter(list(in_order(partial(_picture, reading=reading), images, threads, 8 * threads)))
    return [
        _Shown(
            group.note,
            tuple(next(pictures) for _ in group.images[:_IMAGES]),
            max(0, len(group.images) - _IMAGES),
        )
        for group in groups
    ]


def _picture(image: CheckedImage, reading: Reading) -> _Picture:
    data, small = _data(image.image, reading)
    return _Picture(image, data, small)


def _data(ref: ImageRef, reading: Reading) -> tuple[str, bool]:
    """Return a small picture as a data URI, and whether it has few pixels; an empty text where it cannot be read."""
    try:
        image, _ = open_small(ref, _SIDE, reading)
    except ImageError:
        return "", False
    small = max(image.size) <= _SMALL
    image = as_rgb(image)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "PNG" if small else "JPEG", quality=80)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(file.getvalue()).decode()}", small
