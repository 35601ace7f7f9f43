"""A font for names in any script: DejaVu Sans, which matplotlib brings, else one of the system that has the letters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

_SIZE = 16  # px, at which glyphs are compared
_NONE = "\U0010ffff"  # no font has a glyph of it
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")


def font_for(text: str, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font of a size in pixels that has the letters of a text; where there is none, the first one."""
    file = font_file("".join(sorted(set(text)))) or next(_files(), None)
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(file, size)


@cache
def font_file(letters: str) -> Path | None:
    """Return the first font here that has all of some letters."""
    return next((file for file in _files() if _has(file, letters)), None)


def _files() -> Iterator[Path]:
    spec = find_spec("matplotlib")  # not imported: that takes a second
    if spec is not None and spec.origin:
        yield from Path(spec.origin).parent.glob("mpl-data/fonts/ttf/DejaVuSans.ttf")
    for folder in _FOLDERS:
        yield from sorted(Path(folder).expanduser().glob("**/*.[ot]t[fc]"))


@cache
def _has(file: Path, letters: str) -> bool:
    try:
        font = ImageFont.truetype(file, _SIZE)
        missing = bytes(font.getmask(_NONE))
        return all(char.isspace() or bytes(font.getmask(char)) != missing for char in letters)
    except OSError:  # damaged, or a kind that has no outlines
        return False
