"""What the range test found, for a person: the curve as text or as a picture, the suggestions, and what they are worth.

In go `RateFinding`s of plain numbers; nothing is measured here.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from runtime.reporting.console import say, sparkline
from runtime.reporting.curves import drawn
from runtime.reporting.plan import duration
from runtime.training.range_test import FEWEST_ERRORS, RateCurve

if TYPE_CHECKING:
    from runtime.workflows.lr_find import RateFinding

_ROWS, _COLUMNS, _MARGIN = 8, 64, 9


def show_finding(console: Console, finding: RateFinding, stages: int) -> None:
    """Print the curve, and which rate it suggests."""
    stage, curve = finding.stage, finding.curve
    number = f"stage {stage.position + 1} of {stages}"
    console.print(Text.assemble((number, "bold cyan"), (f"  {stage.title}", "bold")))
    trained = f" ({duration(finding.training_s)})" if finding.training_s else ""
    say(console, f"  begins with {finding.begins}{trained}")
    for line in chart(curve, console.options.ascii_only):
        console.print(Text(line), no_wrap=True)
    for line in verdict(finding):
        say(console, line)


def chart(curve: RateCurve, ascii_only: bool) -> Iterator[str]:
    """Yield the smoothed loss over the rate as lines of text; nothing of a curve that is too short."""
    rates, losses = curve.kept
    found = curve.suggestions()
    if not found:
        return
    lowest, highest = _levels(curve)
    width = min(_COLUMNS, len(rates))
    places = [round(column * (len(rates) - 1) / (width - 1)) for column in range(width)]
    levels = [min(1.0, (losses[place] - lowest) / (highest - lowest or 1.0)) for place in places]
    for row in reversed(range(_ROWS)):
        label = {_ROWS - 1: f"{highest:.4g}", 0: f"{lowest:.4g}"}.get(row, "loss" if row == _ROWS // 2 else "")
        bars = sparkline([max(0.0, level * _ROWS - row) for level in levels], ascii_only)
        yield f"{label:>{_MARGIN - 2}}  {bars}".rstrip()
    marks = [" "] * width
    for name, rate in reversed(found.items()):
        marks[_column(rate, rates, width)] = _MARKS[name]
    yield f"{'':{_MARGIN}}{''.join(marks)}".rstrip()
    yield f"{'rate':>{_MARGIN - 2}}  {_scale(rates, width)}"


def _levels(curve: RateCurve) -> tuple[float, float]:
    """Return the lowest smoothed loss, and the highest before it."""
    _, losses = curve.kept
    lowest = min(losses, default=0.0)
    return lowest, max(losses[: losses.index(lowest) + 1] if losses else (lowest,))


_MARKS = {"valley": "V", "slide": "s", "minimum": "m", "steep": "t"}


def _column(rate: float, rates: tuple[float, ...], width: int) -> int:
    share = math.log(rate / rates[0]) / math.log(rates[-1] / rates[0])
    return min(width - 1, max(0, round(share * (width - 1))))


def _scale(rates: tuple[float, ...], width: int) -> str:
    """Return the decades below a chart, each where it begins."""
    line = [" "] * (width + 6)
    for power in range(math.ceil(math.log10(rates[0]) - 1e-9), math.floor(math.log10(rates[-1])) + 1):
        column = _column(10.0**power, rates, width)
        line[column : column + len(f"1e{power}")] = f"1e{power}"
    return "".join(line).rstrip()


def verdict(finding: RateFinding) -> Iterator[str]:
    """Yield in lines which rate is suggested, or why none is."""
    curve, now = finding.curve, finding.stage.optimizer.args["lr"]
    found = curve.suggestions()
    steps = f"{len(curve.losses)} steps, {duration(finding.seconds)}"
    ended = f"ended at {curve.rates[-1]:.2g}, where the loss had grown" if curve.diverged else "to the highest rate"
    if not found:
        yield f"no valley: the loss grew from the beginning ({steps}); the recipe says lr = {now:.2g}"
        return
    each = ", ".join(f"{name} {rate:.2g}" for name, rate in found.items())
    spread = max(found.values()) / min(found.values())
    yield f"  {each} (V, s, m, t): highest over lowest {spread:.2g}"
    if not curve.has_valley:
        yield (
            f"no valley: the loss falls by {curve.fall:.1f} standard errors of its noise, and {FEWEST_ERRORS:g} would "
            f"tell; keep lr = {now:.2g} of the recipe, or try some ({steps}, {ended})"
        )
        return
    yield f"suggestion: lr = {found['valley']:.2g}; the recipe says {now:.2g} ({steps}, {ended})"


def draw_finding(path: Path, finding: RateFinding, name: str) -> None:
    """Draw the curve as a PNG file.

    Raises:
        OSError: it cannot be written.
        Exception: whatever matplotlib raises.
    """
    drawn(path, lambda: _picture(finding, name))


def _picture(finding: RateFinding, name: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = finding.curve
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    axes.plot(curve.rates, curve.losses, lw=0.8, alpha=0.5, label="each step")
    axes.plot(*curve.kept, lw=2, label="smoothed")
    for number, (method, rate) in enumerate(curve.suggestions().items(), start=2):
        axes.axvline(rate, color=f"C{number}", ls="-" if method == "valley" else ":", label=f"{method} {rate:.2g}")
    low, high = _levels(curve)
    if low < high:  # the steps behind, at which the loss grows without end, would leave of the rest a flat line
        axes.set_ylim(min(curve.losses), high + (high - low) / 2)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    none = "" if curve.has_valley else ": no valley"
    figure.suptitle(f"{name}, {finding.stage.name}{none}", parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
