"""The plot of `bench/frozen.py`: how many times as long as ftr the loops take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLOURS = ("#3b6fb6", "#d9822b")
INK, PAPER, LINE = "#1f2328", "#ffffff", "#8c959f"  # an opaque background: it stands on light and dark pages alike
COLUMNS = 2
Lines = Sequence[tuple[str, Mapping[str, tuple[float, str]]]]


def draw(path: Path, panels: Mapping[str, Lines]) -> None:
    """Draw a panel of bars for each title: its lines have a name and, by program, a ratio and its text."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    shown = {title: lines for title, lines in panels.items() if lines}
    programs = list(dict.fromkeys(name for lines in shown.values() for _, ratios in lines for name in ratios))
    values = [ratio for lines in shown.values() for _, ratios in lines for ratio, _ in ratios.values()]
    rows = -(-len(shown) // COLUMNS)
    heights = [
        max(len(lines) for lines in list(shown.values())[row * COLUMNS : (row + 1) * COLUMNS]) + 1.5
        for row in range(rows)
    ]
    figure, grid = pyplot.subplots(
        rows,
        COLUMNS,
        figsize=(11, 0.6 + 0.5 * sum(heights)),
        layout="constrained",
        facecolor=PAPER,
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for axes, (title, lines) in zip(grid.flat, shown.items(), strict=False):
        _panel(axes, title, lines, programs)
        axes.set_xlim(min([0.8, *(0.8 * value for value in values)]), 1.6 * max([1.0, *values]))
    for axes in list(grid.flat)[len(shown) :]:
        axes.axis("off")
    handles = [Patch(color=colour) for colour in COLOURS]
    figure.legend(handles, programs, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK)
    figure.suptitle("time of the loops, ftr = 1 (logarithmic)", color=INK, fontsize=12)
    figure.savefig(path, dpi=110, facecolor=PAPER)
    pyplot.close(figure)


def _panel(axes: Any, title: str, lines: Lines, programs: Sequence[str]) -> None:
    for number, name in enumerate(programs):
        known = [(place + 0.38 * number, *ratios[name]) for place, (_, ratios) in enumerate(lines) if name in ratios]
        places, lengths = [place for place, _, _ in known], [ratio - 1 for _, ratio, _ in known]
        bars = axes.barh(places, lengths, 0.36, left=1, color=COLOURS[number])
        axes.bar_label(bars, [f" {text}" for _, _, text in known], fontsize=9, color=INK, padding=2)
    axes.set_yticks([place + 0.19 for place in range(len(lines))], [name for name, _ in lines], fontsize=9, color=INK)
    axes.invert_yaxis()
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis("{x:g}")
    axes.xaxis.set_minor_locator(_two_and_five())
    axes.tick_params(axis="both", which="both", labelsize=9, colors=INK, length=0)
    axes.axvline(1, color=INK, linewidth=1)
    axes.grid(axis="x", which="both", color=LINE, alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    for side in axes.spines.values():
        side.set_visible(False)


def _two_and_five() -> Any:
    from matplotlib.ticker import LogLocator

    return LogLocator(subs=(2, 5))
