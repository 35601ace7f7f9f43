"""The picture of a run: loss, rate and metrics over all steps, stages side by side.

Its settings are ours alone, wherever it is drawn: neither `MPLBACKEND` nor a `matplotlibrc` has a say, and names are
text, whatever TeX would read in them.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runtime.plan.types import Plan
from runtime.runs.record import Record
from runtime.runs.writer import Extra
from runtime.tasks.catalog import TASKS

_LETTERS = 100  # small ones, beside each other over the whole width
_SETTINGS_FROM = ("MPLBACKEND", "MATPLOTLIBRC")


def import_ahead() -> None:
    """Import matplotlib, which takes a second, while other work goes on; why it cannot be is said where it is used."""
    with suppress(Exception), _silent():
        _import()


def draw_curves(path: Path, plan: Plan, record: Record) -> None:
    """Draw a run as a PNG file.

    Raises:
        OSError: it cannot be written.
        Exception: whatever matplotlib raises.
    """
    drawn(path, lambda: _drawn(plan, record))


def drawn(path: Path, draw: Callable[[], bytes]) -> None:
    """Write what `draw` draws with matplotlib, whose settings are ours while it does.

    Raises:
        OSError: it cannot be written.
        Exception: whatever matplotlib raises.
    """
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs of a script that the font does not have, for one
        try:
            _import()
        except Exception:  # settings that it found keep it from loading
            for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
                del sys.modules[name]  # half a package
            with _out_of_sight():
                _import()
        matplotlib = import_module("matplotlib")
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            content = draw()
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _import() -> None:
    for name in ("matplotlib.backends.backend_agg", "matplotlib.figure"):
        import_module(name)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep matplotlib from logging that it dislikes settings, fonts or the home folder."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _out_of_sight() -> Iterator[None]:
    """Hide the settings that matplotlib would find: in the environment, at home, and in the current folder."""
    before = {name: os.environ.pop(name) for name in _SETTINGS_FROM if name in os.environ}
    here = os.open(".", os.O_RDONLY)
    try:
        spec = find_spec("matplotlib")
        if spec is not None and spec.origin:
            own = Path(spec.origin).parent / "mpl-data"
            os.environ["MATPLOTLIBRC"] = str(own)
            os.chdir(own)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
        os.environ.pop("MATPLOTLIBRC", None)
        os.environ.update(before)


def _drawn(plan: Plan, record: Record) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    starts = [0]
    for stage in record.stages:
        starts.append(starts[-1] + stage.get("steps_done", stage["steps"]))
    figure = Figure(figsize=(8, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate, metrics = figure.subplots(3, 1, sharex=True)
    steps = [starts[event.stage] + event.step for event in record.steps]
    loss.plot(steps, [event.loss for event in record.steps], lw=0.8, alpha=0.5, label="train, each step")
    places = [starts[event.stage] + event.step for event in record.evaluations]
    epochs = record.evaluations
    loss.plot(places, [e.train_loss for e in epochs], "o-", ms=3, label="train, mean of the epoch")
    loss.plot(places, [e.values["loss"] for e in epochs], "o-", ms=3, label="validation")
    rate.plot(steps, [event.rate for event in record.steps], color="tab:purple")
    for index, name in enumerate(TASKS[plan.task].curves):
        width = max(1.0, 3.0 - index)  # of equal curves each is seen
        metrics.plot(places, [e.values[name] for e in epochs], "o-", lw=width, ms=width + 2, label=f"valid.{name}")
    for axes, title in ((loss, "loss"), (rate, "learning rate"), (metrics, "metrics")):
        _finish(axes, title, plan, starts)
    metrics.set_xlabel("step")
    figure.suptitle(plan.name, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _finish(axes: Any, title: str, plan: Plan, starts: list[int]) -> None:
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    ends = [*starts[1:], starts[-1]]
    for start, end, stage in zip(starts, ends, plan.stages, strict=False):
        axes.axvline(start, color="grey", lw=0.8, ls="--")
        if title == "loss":
            shown = _shortened(stage.title, _LETTERS * (end - start) // max(1, starts[-1]))
            place = (start, 1.01)
            axes.annotate(shown, place, xycoords=("data", "axes fraction"), fontsize="small", parse_math=False)


def _shortened(title: str, room: int) -> str:
    return title if len(title) <= room else f"{title[: max(0, room - 1)]}…"


CURVES = Extra(
    ("curves.png",),
    lambda folder, session, record: draw_curves(folder / "curves.png", session.plan, record),
    import_ahead,
)
