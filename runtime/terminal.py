"""The console that everything for people is printed on: text from files of others cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


class SafeConsole(Console):
    """A console that shows no control characters but its own, whoever has put them into a name or a message."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed, as segments that hold printable characters and line feeds only."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment("".join(map(_shown, segment.text)), segment.style)


def _shown(char: str) -> str:
    """Return what stands for a character: of the same width, since the lines are laid out already."""
    if char.isprintable() or char == "\n" or "\ud800" <= char <= "\udfff":  # of those, streams show the number
        return char
    return "\N{REPLACEMENT CHARACTER}" * cell_len(char)
