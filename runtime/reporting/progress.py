"""What a person sees of a run: live on a terminal, plain lines elsewhere.

Consumes events; takes the console and the clock, so that a test can look at it. On a terminal a few lines at the bottom
move, and each evaluation leaves a line above them; elsewhere only those lines are printed, without control codes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.plan.types import Plan, StagePlan
from runtime.reporting.console import LiveLines, bar, columns_of, say, sparkline
from runtime.reporting.epoch_line import EpochLine, number, place
from runtime.reporting.parts import part_lines
from runtime.reporting.plan import changes, epochs_text, later_phases
from runtime.reporting.time_left import TimeLeft
from runtime.system.best_effort import reason_of
from runtime.system.streams import surviving
from runtime.tasks.catalog import TASKS
from runtime.tasks.protocol import Metric
from runtime.training.events import (
    Advised,
    Evaluated,
    EvaluationStarted,
    Event,
    FeaturesComputed,
    FolderOpened,
    ImagesChecked,
    ImagesConverted,
    ImagesSkipped,
    Preliminary,
    RateReduced,
    Resumed,
    RolledBack,
    StageFinished,
    StageStarted,
    StepFinished,
)

_REFRESH_S = 0.2
_WIDEST = 60  # columns of the moving lines: a terminal that becomes narrower, down to this, breaks none of them
_BAR = 24  # columns
_TREND = 16  # epochs
_PATIENCE = 3  # epochs behind the lowest validation loss that are no accident
_MARGIN = 1.01


@dataclass(slots=True)
class _Now:
    """What the moving lines show."""

    stage: StagePlan
    started: float
    first_step: int = 0
    last: StepFinished | None = None
    doing: str = ""
    images: int = 0
    busy_s: float = 0.0
    resumed: float = field(default=0.0)
    best: tuple[str, ...] = ()  # the same in fewer words each time
    evaluated: list[Evaluated] = field(default_factory=list)
    warned: bool = False


class Display:
    """Shows a run's events; use it as a context manager, and call it with each event."""

    def __init__(
        self, console: Console, clock: Callable[[], float], plan: Plan, quiet: bool = False, label: str = ""
    ) -> None:
        self._console = console
        self._clock = clock
        self._plan, self._task = plan, TASKS[plan.task]
        self._quiet = quiet
        self._label = f"{label}  " if label else ""  # which run of several this is
        self._now: _Now | None = None
        self._left = TimeLeft(plan)
        self._shown_at = 0.0
        self._moving: LiveLines | None = None
        self._failed = False

    def __enter__(self) -> Display:
        self._moving = LiveLines.on(self._console, self._quiet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the moving lines away, which the next event draws again: what follows is no training."""
        with surviving(self._console.file):
            if self._moving is not None:
                self._moving.close()

    def __call__(self, event: Preliminary | Event) -> None:
        """Show one event."""
        self._try(partial(self._take, event))

    def _try(self, show: Callable[[], None]) -> None:
        """Show something. The first fault in that is said, and ends no run: it is shown no more then."""
        if self._failed:
            return
        with surviving(self._console.file, self._be_quiet):
            try:
                show()
            except OSError:
                raise
            except Exception as fault:
                self._failed = True
                self.__exit__(None, None, None)
                self._be_quiet()
                print(f"the run continues without a progress display: {reason_of(fault)}", file=sys.stderr)

    def _check(self, done: int, total: int) -> None:
        self._show([Text(f"checking images: {done:,} of {total:,}")])
        if done == total:  # what is said next may go to standard error, which this line must not stand before
            self._show([], force=True)

    def _be_quiet(self) -> None:
        self._quiet, self._moving = True, None

    def _take(self, event: Preliminary | Event) -> None:
        match event:
            case ImagesChecked():
                self._check(event.done, event.total)
            case FolderOpened():  # images that were skipped make another plan
                self._plan, self._left = event.plan, TimeLeft(event.plan)
            case ImagesConverted() | ImagesSkipped() | Advised():  # lines and problems for standard error
                pass
            case _:
                self._trained(event)

    def _trained(self, event: Event) -> None:
        now = self._clock()
        self._left.take(event, now)
        match event:
            case Resumed():
                for reason in event.passed_over:
                    self._say(Text(f"skipped a damaged checkpoint: {reason}", style="yellow"))
                for name, before, then in event.changed:
                    self._say(Text(f"{name} changed from {before} to {then}: weights may differ", style="yellow"))
                steps = self._plan.stages[event.stage].steps
                is_over = event.step == steps and event.stage == len(self._plan.stages) - 1
                where = f"resumes in stage {event.stage + 1}, after step {event.step:,} of {steps:,}"
                if event.stage == event.step == 0:
                    where = "starts over: there is no checkpoint yet"
                self._say(Text("training is done; evaluating the final weights" if is_over else where))
            case StageStarted():
                self._now = _Now(event.plan, now, event.step, resumed=now)
                self._say(*self._stage_lines(event.plan))
                self._progress(force=True)
            case StepFinished() if self._now is not None:
                self._now.last, self._now.doing = event, ""
                self._now.images += event.images
                self._progress()
            case FeaturesComputed() if self._now is not None:
                self._now.doing = f"frozen features: {event.done:,} of {event.total:,} images"
                self._progress(force=event.done == event.total)
            case EvaluationStarted() if self._now is not None:
                self._now.busy_s += now - self._now.resumed
                self._now.doing = f"evaluating {event.set}"
                self._progress(force=True)
            case Evaluated() if self._now is not None:
                self._evaluated(self._now, event)
                self._now.resumed = now
                self._now.images, self._now.busy_s = 0, 0.0
                self._progress(force=True)
            case RateReduced():
                self._say(
                    Text(f"  {event.metric} no longer improves: {event.factor:.3g} times the scheduled learning rate")
                )
            case RolledBack():
                self._say(
                    Text(
                        f"  the {event.what} is {event.loss} at step {event.failed}: back to step {event.step}, "
                        f"at {event.factor:.3g} times the learning rate",
                        style="yellow",
                    )
                )
            case StageFinished() if self._now is not None:
                took = _duration(now - self._now.started)
                early = "stopped early, " if event.reason != "done" else ""
                nothing = "; no improvement" if event.gained is False else ""
                self._say(Text(f"  {early}{took}{nothing}; keeps {event.kept}", style="yellow" if nothing else "dim"))

    def _stage_lines(self, stage: StagePlan) -> Sequence[Text]:
        """Return what is said of a stage at its start: on a narrow terminal in two lines."""
        head = Text.assemble(
            (f"stage {stage.position + 1} of {len(self._plan.stages)}", "bold cyan"), (f"  {stage.title}", "bold")
        )
        why = f" ({stage.left_out()})" if stage.left_out() else ""
        whole, short = (f"  trains {stage.trained:,}{of}{why}" for of in (f" of {stage.numbers:,} parameters", ""))
        if self._fits(head.cell_len + len(whole)):
            return (head + Text(whole),)
        return head, Text(whole if self._fits(len(whole)) else short)

    def _fits(self, columns: int) -> bool:
        """Whether a line fits where it will stand."""
        width = columns_of(self._console)
        return width is None or columns <= width

    def _evaluated(self, now: _Now, event: Evaluated) -> None:
        speed = now.images / now.busy_s if now.busy_s > 0 else 0.0
        self._say(EpochLine.of(self._task, now.stage, event, speed).text(columns_of(self._console)))
        if event.epoch:  # not what the stage began with: no training loss goes with it
            now.evaluated.append(event)
        monitor = now.stage.monitor
        if event.is_best and monitor is not None:
            best = f"{event.values[monitor.name]:.4f}, {_at(now.stage, event)}"
            now.best = (f"best {monitor} {best}", f"best {best}")
        name = monitor.name if monitor else self._task.monitor
        since = worse_since(now.evaluated, name, self._task.metrics[name])
        if since is not None and not now.warned:
            where = _at(now.stage, since)
            text = f"  valid loss up, train loss down since {where}: overfitting?"
            self._say(Text(text if self._fits(len(text)) else f"  overfitting since {where}?", style="yellow"))
        now.warned = since is not None
        for before, epochs, phase in later_phases(now.stage):
            if epochs.start == event.epoch and event.epoch:
                now.evaluated.clear()  # of other images, or by another loss: no trend
                text = f"  {epochs_text(epochs)}: {'; '.join(changes(self._plan, before, phase))}"
                self._say(Text(text, style="dim"))

    def _progress(self, force: bool = False) -> None:
        if self._moving is not None and (force or self._clock() - self._shown_at >= _REFRESH_S):
            self._show(self._lines(), force=True)

    def _lines(self) -> list[Text]:
        now, width = self._now, min(self._console.width, _WIDEST)
        if now is None:
            return []
        stage, last, ascii_only = now.stage, now.last, self._console.options.ascii_only
        step = last.step if last else now.first_step
        busy = now.busy_s + (self._clock() - now.resumed if not now.doing else 0.0)
        speed = f"{now.images / busy:,.0f} images/s" if busy > 0 and now.images else ""
        details = [f"loss {number(last.loss, 3)}", speed, f"lr {last.rate:.2e}"] if last else []
        where = "" if stage.steps.is_in_steps else place(stage, min(step + (not now.doing), stage.steps))
        count = f"{step:,}/{stage.steps:,}{' steps' if stage.steps.is_in_steps else ''}"
        done = "  ".join(part for part in (count, self._time_left(width - len(count) - 2)) if part)
        length = max(0, min(_BAR, width - len(done) - 2))
        lines = [
            _cut(
                Text(f"{self._label}stage {stage.position + 1}/{len(self._plan.stages)}  {stage.title}", style="cyan"),
                width,
            ),
            Text.assemble(bar(step, stage.steps, length, ascii_only), f"  {done}"),
            Text(_joined([where, now.doing, *details], width)),
        ]
        trend = self._trend(now, ascii_only)
        if trend or now.best:
            best = next((best for best in now.best if len(best) <= width), "")
            lines.append(Text(_joined([best, trend], width), style="green"))
        return lines

    def _time_left(self, room: int) -> str:
        """Say how long the run will still take; what is guessed stands behind what is measured, if it fits."""
        run, stage = self._left.of_run(), self._left.of_stage()
        if stage is None or self._now is None:
            return ""
        may_stop = any(each.stop for each in self._plan.stages[self._now.stage.position :])
        bound = " at most" if may_stop else ""
        if run is not None and not self._left.guesses:
            return f"~{_duration(run)} left{bound}"
        measured = f"~{_duration(stage)} left in this stage"
        whole = f"{measured}, ~{_rough(run)} in all{bound}" if run is not None else measured
        return whole if len(whole) <= room else measured

    def _trend(self, now: _Now, ascii_only: bool) -> str:
        """Return the validation loss of the last epochs as a small curve."""
        losses = [event.values["loss"] for event in now.evaluated[-_TREND:]]
        if len(losses) < 2:
            return ""
        low, high = min(losses), max(losses)
        heights = (0.1 + 0.9 * (loss - low) / (high - low or 1.0) for loss in losses)
        return f"valid loss {sparkline(heights, ascii_only)}"

    def _show(self, lines: Sequence[Text], force: bool = False) -> None:
        if self._moving is not None and (force or self._clock() - self._shown_at >= _REFRESH_S):
            self._shown_at = self._clock()
            self._moving.draw(lines)

    def _say(self, *lines: Text) -> None:
        for line in lines:
            if self._moving is not None:
                self._moving.print(line)
            elif not self._quiet:
                self._console.print(line, soft_wrap=not self._console.is_terminal, highlight=False)


def worse_since(evaluated: Sequence[Evaluated], name: str, metric: Metric) -> Evaluated | None:
    """Return the epoch since which the validation has become worse while the training has become better, if there is.

    It is that of the lowest validation loss, at least three epochs ago. Where the metric is better than then, a loss
    that rises is no harm.
    """
    if not evaluated:
        return None
    last, lowest = evaluated[-1], min(evaluated, key=lambda event: event.values["loss"])
    gained = last.values[name] - lowest.values[name]
    is_better = gained > 0 if metric.higher_is_better else gained < 0
    is_worse = last.values["loss"] > _MARGIN * lowest.values["loss"] and not is_better
    is_old = last.epoch - lowest.epoch >= _PATIENCE
    return lowest if is_old and is_worse and last.train_loss < lowest.train_loss else None


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="crop")
    return text


def _at(stage: StagePlan, event: Evaluated) -> str:
    """Return which epoch, or step, an evaluation is of: `epoch 3`."""
    return " ".join(place(stage, event.step).partition("/")[0].split())


def _joined(parts: Sequence[str], width: int) -> str:
    """Join as many of the first parts as fit."""
    text = ""
    for part in filter(None, parts):
        longer = f"{text}  {part}" if text else part
        if len(longer) <= width or not text:
            text = longer
    return text


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _rough(seconds: float) -> str:
    """Return seconds as one says them who does not know exactly: to one digit, of hours to half of one."""
    if seconds < 50:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = seconds / 60
    if minutes < 55:
        return f"{minutes if minutes < 10 else round(minutes, -1):.0f} min"
    return f"{round(minutes / 30) / 2:g} h"


def summary(console: Console, result: Mapping[str, Any], folder: object, metrics: Sequence[str]) -> None:
    """Print what came out: the `metrics` of the sets, the verdict on each claim, where it is."""
    sets = [name for name in ("valid", "test") if name in result]
    if sets:
        say(console, f"{result['recipe']}: the final weights", "italic")
        table = Table()
        table.add_column("")
        for name in sets:
            table.add_column(name, justify="right")
        for metric in metrics:
            table.add_row(metric.replace("_", " "), *(number(result[name][metric], 4) for name in sets))
        table.add_row("images", *(f"{result['images'][name]:,}" for name in sets))
        console.print(table)
    for line in part_lines(result):
        say(console, line)
    for claim in result["expect"] or ():
        style, verdict = verdict_on(claim)
        console.print(Text.assemble("claim ", claim["claim"], ": ", (verdict, style), f" ({claim['value']:.4f})"))
    say(console, _from(result["weights_from"]))
    say(console, f"{_duration(result['wall_s'])} in all; run folder: {folder}")


def verdict_on(claim: Mapping[str, Any]) -> tuple[str, str]:
    """Return how a claim is shown, and whether it holds, in words; it is not tested where it is over more seeds."""
    if claim["holds"] is None:
        return "yellow", f"not tested: `--seeds {claim['claim'].split()[-2]}` does"
    return ("green", "holds") if claim["holds"] else ("bold red", "does not hold")


def _from(origin: Mapping[str, Any]) -> str:
    """Say of which stage and epoch the final weights are."""
    epoch = f"epoch {origin['epoch']} of " if origin["epoch"] else ""
    best = f": {origin['metric']} {number(origin['value'], 4)}" if origin["metric"] else ""
    return f'weights: {epoch}stage {origin["stage"]} "{origin["title"]}"{best}'
