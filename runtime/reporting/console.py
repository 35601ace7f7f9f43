"""The console that everything for people is printed on, and lines on it that move.

Text from files of others cannot steer the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from math import ceil

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from recipe_lang.words import wrapped


class SafeConsole(Console):
    """A console that shows no control characters but its own, whoever has put them into a name or a message."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed, as segments that hold printable characters and line feeds only.

        Blanks that a line feed follows, with which tables fill their last column, are left out.
        """
        blanks: list[Segment] = []
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
                continue
            shown = segment.text if segment.text.isprintable() else "".join(map(_shown, segment.text))
            for line in shown.splitlines(keepends=True):
                text = line.rstrip(" \n")
                if text:
                    yield from blanks
                    yield Segment(text, segment.style)
                    blanks = []
                if line.endswith("\n"):
                    yield Segment.line()
                    blanks = []
                elif line != text:
                    blanks.append(Segment(line[len(text) :], segment.style))
        yield from blanks


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line: for a page of known width broken between words only, so that a path in it can be copied whole."""
    console.print(Text(wrapped(text, columns_of(console)), style), soft_wrap=True, highlight=False)


def columns_of(console: Console) -> int | None:
    """Return how wide the page is; None where nobody says so: a log has lines, not columns."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else None


_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_CLEAR, _UP = "\r\x1b[2K", "\x1b[1A"


class LiveLines:
    """A few lines at the end of a terminal that are drawn again and again; what is printed goes above them.

    When a terminal becomes narrower, it breaks lines that no longer fit; the rows that they take then are counted.
    """

    @classmethod
    def on(cls, console: Console, quiet: bool = False) -> LiveLines | None:
        """Return such lines where the console can show them, and is to."""
        return cls(console) if console.is_terminal and not console.is_dumb_terminal and not quiet else None

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: Sequence[Text] = ()
        self._drawn: list[int] = []  # cells in each line that stands there

    def draw(self, lines: Sequence[Text]) -> None:
        """Draw lines in place of those that stand there, cut off where they are too long."""
        self._lines = lines
        self._write(self._cleared() + self._drawing())

    def print(self, line: Text) -> None:
        """Print a line above."""
        with self._console.capture() as capture:
            self._console.print(line, highlight=False)
        self._write(self._cleared() + capture.get() + self._drawing())

    def close(self) -> None:
        """Take the lines away."""
        self._lines = ()
        self._write(self._cleared() + _SHOW)

    def _drawing(self) -> str:
        width = self._console.width
        shown = []
        for line in self._lines:
            cut = line.copy()
            cut.truncate(width, overflow="crop")
            with self._console.capture() as capture:
                self._console.print(cut, no_wrap=True, highlight=False, end="")
            shown.append(capture.get())
            self._drawn.append(cut.cell_len)
        return _HIDE + "\n".join(shown) if shown else ""

    def _cleared(self) -> str:
        width = max(1, self._console.width)
        rows = sum(max(1, ceil(cells / width)) for cells in self._drawn)
        self._drawn = []
        return _CLEAR + (_UP + _CLEAR) * (rows - 1) if rows else ""

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def bar(done: int, total: int, width: int, ascii_only: bool) -> Text:
    """Return how much is done, as a bar of so many columns."""
    full, rest = "=-" if ascii_only else "━─"
    filled = width * done // max(1, total)
    return Text.assemble((full * filled, "cyan"), (rest * (width - filled), "dim"))


_BARS = (" ▁▂▃▄▅▆▇█", " _.,-~=+#")  # the second where the stream has no others


def sparkline(fractions: Iterable[float], ascii_only: bool) -> str:
    """Return a bar for each number from 0 to 1; only 0 itself is blank."""
    bars = _BARS[ascii_only]
    return "".join(bars[ceil(min(1.0, fraction) * (len(bars) - 1))] for fraction in fractions)


def _shown(char: str) -> str:
    """Return what stands for a character: of the same width, since the lines are laid out already."""
    if char.isprintable() or char == "\n" or "\ud800" <= char <= "\udfff":  # of those, streams show the number
        return char
    return "\N{REPLACEMENT CHARACTER}" * cell_len(char)
