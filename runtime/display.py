"""What a person sees of a run: live on a terminal, plain lines elsewhere.

Consumes events; takes the console and the clock, so that a test can look at it. On a terminal a few lines at the bottom
move, and each evaluation leaves a line above them; elsewhere only those lines are printed, without control codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runtime.events import (
    Evaluated,
    EvaluationStarted,
    Event,
    FeaturesComputed,
    Resumed,
    RolledBack,
    StageFinished,
    StageStarted,
    StepFinished,
)
from runtime.metrics import telling
from runtime.output import going_on
from runtime.plan import Plan, StagePlan

_REFRESH_S = 0.2


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


class Display:
    """Shows a run's events; use it as a context manager, and call it with each event."""

    def __init__(self, console: Console, clock: Callable[[], float], plan: Plan, quiet: bool = False) -> None:
        self._console = console
        self._clock = clock
        self._plan = plan
        self._quiet = quiet
        self._now: _Now | None = None
        self._best = ""
        self._shown_at = 0.0
        self._stack = ExitStack()
        self._live: Live | None = None

    def __enter__(self) -> Display:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._stack.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with going_on(self._console.file):
            self._stack.close()

    def checking(self, done: int, total: int) -> None:
        """Show how far the check of the images is."""
        with going_on(self._console.file, self._be_quiet):
            self._show(Text(f"checking images: {done:,} of {total:,}"))
            if done == total:  # what is said next may go to standard error, which this line must not stand before
                self._show(Text(""), force=True)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with going_on(self._console.file, self._be_quiet):
            self._take(event)

    def _be_quiet(self) -> None:
        self._quiet, self._live = True, None

    def _take(self, event: Event) -> None:
        now = self._clock()
        match event:
            case Resumed():
                for reason in event.passed_over:
                    self._say(Text(f"passed over, because it is damaged: {reason}", style="yellow"))
                for name, before, then in event.changed:
                    self._say(Text(f"{name} was {before}, is {then}: this may change the weights", style="yellow"))
                steps = self._plan.stages[event.stage].steps
                is_over = event.step == steps and event.stage == len(self._plan.stages) - 1
                where = f"goes on in stage {event.stage + 1} behind step {event.step:,} of {steps:,}"
                if event.stage == event.step == 0:
                    where = "begins again: there is no checkpoint yet"
                self._say(Text("has trained already; what is left is measured" if is_over else where))
            case StageStarted():
                self._now, self._best = _Now(event.plan, now, event.step, resumed=now), ""
                self._show(self._progress(), force=True)
                self._say(self._stage_line(event.plan))
            case StepFinished() if self._now is not None:
                self._now.last, self._now.doing = event, ""
                self._now.images += event.images
                self._show(self._progress())
            case FeaturesComputed() if self._now is not None:
                self._now.doing = f"frozen part: {event.done:,} of {event.total:,} images"
                self._show(self._progress(), force=event.done == event.total)
            case EvaluationStarted() if self._now is not None:
                self._now.busy_s += now - self._now.resumed
                self._now.doing = f"evaluating {event.set}"
                self._show(self._progress(), force=True)
            case Evaluated() if self._now is not None:
                self._say(self._evaluation_line(event))
                self._now.resumed = now
                self._now.images, self._now.busy_s = 0, 0.0
                self._show(self._progress(), force=True)
            case RolledBack():
                self._say(
                    Text(
                        f"  the {event.what} is {event.loss} at step {event.failed}: back to step {event.step}, "
                        f"at {event.factor:.3g} times the rate",
                        style="yellow",
                    )
                )
            case StageFinished() if self._now is not None:
                took = _duration(now - self._now.started)
                early = "stopped early, " if event.reason != "done" else ""
                self._say(Text(f"  {early}{took}; keeps {event.kept}", style="dim"))

    def _stage_line(self, stage: StagePlan) -> Text:
        count = len(self._plan.stages)
        return Text.assemble(
            (f"stage {stage.position + 1} of {count}", "bold cyan"),
            (f"  {stage.title}", "bold"),
            f"  trains {stage.trained:,} of {sum(part.numbers for part in stage.parts):,}",
        )

    def _evaluation_line(self, event: Evaluated) -> Text:
        stage = self._now.stage if self._now else self._plan.stages[event.stage]
        values = event.values
        monitor = stage.monitor.name if stage.monitor else ""
        names = dict.fromkeys(("accuracy", "balanced_accuracy", monitor))
        shown = "  ".join(
            f"{name.replace('balanced_accuracy', 'balanced')} {values[name]:.3f}"
            for name in names
            if name and name != "loss"
        )
        if event.is_best and stage.monitor is not None:
            self._best = f"best {stage.monitor} {values[monitor]:.4f}, epoch {event.epoch}"
        return Text.assemble(
            f"  epoch {event.epoch}/{stage.epochs}  loss {_number(event.train_loss, 3)}",
            ("  valid", "bold"),
            f" loss {_number(values['loss'], 3)}  {shown}",
            (f"  {self._speed()}", "dim"),
            ("  best" if event.is_best else "", "green"),
        )

    def _speed(self) -> str:
        if self._now is None or self._now.busy_s <= 0:
            return ""
        return f"{self._now.images / self._now.busy_s:,.0f} images/s"

    def _progress(self) -> RenderableType:
        now = self._now
        if now is None:
            return Text("")
        stage, last = now.stage, now.last
        step = last.step if last else now.first_step
        elapsed, done = self._clock() - now.started, step - now.first_step
        left = f"{_duration(elapsed / done * (stage.steps - step))} left" if done > 0 else ""
        busy = now.busy_s + (self._clock() - now.resumed if not now.doing else 0.0)
        speed = f"{now.images / busy:,.0f} images/s" if busy > 0 and now.images else ""
        head = f"stage {stage.position + 1}/{len(self._plan.stages)}  {stage.title}"
        details = [f"loss {_number(last.loss, 3)}", f"rate {last.rate:.2e}", speed] if last else []
        epoch = min(step // stage.steps_per_epoch + 1, stage.epochs)
        state = [f"epoch {epoch}/{stage.epochs}", *details, now.doing]
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(ProgressBar(stage.steps, step), f"{step}/{stage.steps}  {left}")
        lines: list[RenderableType] = [Text(head, style="cyan", overflow="ellipsis", no_wrap=True), bar]
        lines.append(Text("  ".join(part for part in state if part)))
        if self._best:
            lines.append(Text(self._best, style="green"))
        return Group(*lines)

    def _show(self, what: RenderableType, force: bool = False) -> None:
        if self._live is None:
            return
        now = self._clock()
        if force or now - self._shown_at >= _REFRESH_S:
            self._shown_at = now
            self._live.update(what, refresh=True)

    def _say(self, line: Text) -> None:
        if not self._quiet:
            self._console.print(line, soft_wrap=not self._console.is_terminal, highlight=False)


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text if float(text) else text.removeprefix("-")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def summary(console: Console, result: Mapping[str, Any], folder: object) -> None:
    """Print what came out: metrics of the sets, the verdict on each claim, where it is."""
    sets = [name for name in ("valid", "test") if name in result]
    if sets:
        table = Table(title=f"{result['recipe']}: the final weights", title_justify="left")
        table.add_column("")
        for name in sets:
            table.add_column(name, justify="right")
        for metric in telling(len(result["classes"])):
            table.add_row(metric.replace("_", " "), *(_number(result[name][metric], 4) for name in sets))
        table.add_row("images", *(f"{result['images'][name]:,}" for name in sets))
        console.print(table)
    for claim in result["expect"] or ():
        style, verdict = ("green", "holds") if claim["holds"] else ("bold red", "does not hold")
        console.print(Text.assemble("claim ", claim["claim"], ": ", (verdict, style), f" ({claim['value']:.4f})"))
    console.print(Text(f"{_duration(result['wall_s'])} in all; run folder: {folder}"), soft_wrap=True)
