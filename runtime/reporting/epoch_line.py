"""The line that each evaluation leaves: as long as there is room for, and never longer.

In goes what an epoch came to; out comes a `Text` for a number of columns. Of a few forms the first is taken that fits
with the longest values that are usual, so that the lines of a stage look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Literal

from rich.text import Text

from runtime.plan.types import StagePlan
from runtime.tasks.protocol import Metric, Task
from runtime.training.events import Evaluated


@dataclass(frozen=True, slots=True)
class EpochLine:
    """What a line says: `metrics` with their values, the monitored one first; `speed` in images a second, 0 where it is
    unknown.
    """

    place: str
    loss: float
    valid_loss: float
    metrics: Sequence[tuple[str, Metric, float]]
    speed: float
    is_best: bool

    @classmethod
    def of(cls, task: Task, stage: StagePlan, event: Evaluated, speed: float) -> EpochLine:
        """Return the line of an evaluation."""
        monitor = stage.monitor.name if stage.monitor else ""
        names = dict.fromkeys(name for name in (monitor, *task.shown) if name not in ("", "loss"))
        metrics = [(name, task.metrics[name], event.values[name]) for name in names]
        speed, is_best = (speed, event.is_best) if event.epoch else (0.0, False)  # what the stage began with
        return cls(place(stage, event.step), event.train_loss, event.values["loss"], metrics, speed, is_best)

    def text(self, columns: int | None) -> Text:
        """Return the line for so many columns, or without a limit."""
        forms = (form(self) for form in _FORMS)
        if columns is None:
            return next(forms)
        largest = replace(self, loss=9.999, valid_loss=9.999, speed=max(self.speed, 999), is_best=True)
        fitting = (form(self) for form in _FORMS if max(form(self).cell_len, form(largest).cell_len) <= columns)
        return next(fitting, _FORMS[-1](self))


def place(stage: StagePlan, step: int) -> str:
    """Return where a stage stands, in the unit of its length: `epoch 3/8`, `step 100/500`; always equally long."""
    unit, done, total = ("step", step, int(stage.steps))
    if not stage.steps.is_in_steps:
        unit, done, total = ("epoch", -(-step // stage.steps_per_epoch), stage.epochs)
    return f"{unit} {done:>{len(f'{total:,}')},}/{total:,}"


def number(value: float, digits: int) -> str:
    """Return a number with so many digits behind the point, never `-0.000`; a dash as long for none."""
    if isnan(value):
        return "-".rjust(digits + 2)
    text = f"{value:.{digits}f}"
    return text if float(text) else text.removeprefix("-")


def _metrics(line: EpochLine, form: Literal["short", "long"], count: int) -> list[str]:
    """Return the first metrics, each at its place in the line, whichever is monitored."""
    chosen = sorted(line.metrics[:count], key=lambda each: each[0])
    return [f"{getattr(metric, form) or name} {metric.text(value)}" for name, metric, value in chosen]


def _full(line: EpochLine) -> Text:
    return Text.assemble(
        f"  {line.place}  loss {number(line.loss, 3)}",
        ("  valid", "bold"),
        f" loss {number(line.valid_loss, 3)}",
        *(f"  {metric}" for metric in _metrics(line, "long", 3)),
        (f"  {line.speed:,.0f} images/s" if line.speed else "", "dim"),
        ("  best" if line.is_best else "", "green"),
    )


def _short(metrics: int, with_speed: bool) -> Callable[[EpochLine], Text]:
    def form(line: EpochLine) -> Text:
        return Text.assemble(
            f"  {line.place}  loss {number(line.loss, 3)} ",
            ("valid", "bold"),
            f" {number(line.valid_loss, 3)}  ",
            " ".join(_metrics(line, "short", metrics)),
            (f"  {line.speed:,.0f}/s" if with_speed and line.speed else "", "dim"),
            ("  best" if line.is_best else "", "green"),
        )

    return form


def _compact(loss: str, mark: str) -> Callable[[EpochLine], Text]:
    def form(line: EpochLine) -> Text:
        return Text.assemble(
            f" {line.place.partition(' ')[2]} {loss}{number(line.loss, 3)}/{number(line.valid_loss, 3)} ",
            *_metrics(line, "short", 1),
            (mark if line.is_best else "", "green"),
        )

    return form


_FORMS: tuple[Callable[[EpochLine], Text], ...] = (
    _full,
    *(_short(metrics, with_speed) for metrics, with_speed in ((3, True), (2, True), (2, False), (1, False))),
    _compact("loss ", " best"),
    _compact("", " best"),
    _compact("", " *"),
)
