"""The picture of a run: loss, rate and metrics over all steps, stages side by side."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from runtime.artifacts import Record
from runtime.plan import Plan

_SHOWN = ("accuracy", "balanced_accuracy", "f1")


def draw_curves(path: Path, plan: Plan, record: Record) -> None:
    """Draw a run as a PNG file.

    Raises:
        OSError: it cannot be written.
    """
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
    for name in _SHOWN:
        metrics.plot(places, [e.values[name] for e in epochs], "o-", ms=3, label=f"valid.{name}")
    for axes, title in ((loss, "loss"), (rate, "learning rate"), (metrics, "metrics")):
        _finish(axes, title, plan, starts)
    metrics.set_xlabel("step")
    figure.suptitle(plan.name)
    temporary = path.with_name(f".{path.name}.tmp")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # of a script that the font does not have
        figure.savefig(temporary, format="png")
    temporary.replace(path)


def _finish(axes: Any, title: str, plan: Plan, starts: list[int]) -> None:
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    for start, stage in zip(starts, plan.stages, strict=False):
        axes.axvline(start, color="grey", lw=0.8, ls="--")
        if title == "loss":
            place = (start, 1.01)
            axes.annotate(stage.title, place, xycoords=("data", "axes fraction"), fontsize="small")
