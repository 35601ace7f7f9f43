"""A study for people: a line for each trial, on a terminal the best so far, what matters and the time left below them.

`StudyDisplay` follows a search; `study_summary` prints the best trials when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from types import TracebackType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recipe_lang.words import counted
from runtime.reporting.console import LiveLines, bar, say
from runtime.reporting.plan import duration
from runtime.system.streams import surviving
from runtime.workflows.tune.objectives import Objective
from runtime.workflows.tune.search import Limits, StudyEvent, TrialEnded, TrialEpoch, TrialFeatures, TrialStarted
from runtime.workflows.tune.study import Finished, Study

_SHOWN = 5  # of the best, below the lines
_LISTED = 10  # at the end
_REFRESH_S = 0.2


class StudyDisplay:
    """Follows a study on a console. To be used as a context."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float],
        study: Study,
        objectives: Sequence[Objective],
        limits: Limits,
        quiet: bool = False,
    ) -> None:
        self._console, self._clock, self._study = console, clock, study
        self._objectives, self._limits, self._quiet = objectives, limits, quiet
        self._live = LiveLines.on(console, quiet)
        self._started: TrialStarted | None = None
        self._epoch: TrialEpoch | None = None
        self._features: TrialFeatures | None = None
        self._drawn_at = 0.0
        self._best: list[Finished] = []
        self._importance: dict[str, float] = {}
        self._took: list[float] = []

    def __call__(self, event: StudyEvent) -> None:
        """Take an event of the study."""
        match event:
            case TrialStarted():
                self._started, self._epoch, self._features = event, None, None
            case TrialFeatures():
                self._features = event if event.done < event.total else None
                if self._clock() - self._drawn_at < _REFRESH_S:
                    return
            case TrialEpoch():
                self._epoch = event
            case TrialEnded():
                self._ended(event)
        self._drawn_at = self._clock()
        if self._live is not None:
            with surviving(self._console.file):
                self._live.draw(self._lines())

    def _ended(self, event: TrialEnded) -> None:
        finished = self._study.finished()
        trial = next((each for each in finished if each.number == event.number), None)
        self._best = self._study.best()
        self._importance = self._study.importance()
        if trial is None:
            return
        self._took += [trial.seconds] if trial.seconds else []
        line = Text(self._count(len(finished)))
        line.append(f"  {_outcome(trial, self._objectives)}")
        line.append("  best" if trial.number in [each.number for each in self._best] else "", "bold")
        line.append(f"  {_texts(trial.texts)}{': ' * bool(_reason(trial))}{_reason(trial)}")
        with surviving(self._console.file):
            if self._live is not None:
                self._live.print(line)
            elif not self._quiet:
                say(self._console, line.plain)

    def _count(self, done: int) -> str:
        return f"{done}/{self._limits.trials}" if self._limits.trials is not None else str(done)

    def _lines(self) -> list[Text]:
        lines = []
        if self._started is not None:
            doing = f"trial {self._count(self._started.place + 1)}"
            if self._epoch is not None:
                doing += f"  epoch {self._epoch.epoch}  {_scores(self._epoch.values, self._objectives)}"
            if self._features is not None:
                doing += f"  frozen features: {self._features.done:,} of {self._features.total:,} images"
            lines.append(Text(f"{doing}  {_texts(self._started.texts)}", "dim"))
        lines += [
            Text(f"best  {_outcome(each, self._objectives)}  {_texts(each.texts)}") for each in self._best[:_SHOWN]
        ]
        if self._importance:
            lines.append(Text(f"importance  {_shares(self._importance)}"))
        if self._limits.trials is not None and self._started is not None:
            done, ascii_only = self._started.place, self._console.encoding != "utf-8"
            left = duration(median(self._took) * (self._limits.trials - done)) if self._took else ""
            progress = bar(done, self._limits.trials, 20, ascii_only)
            lines.append(Text.assemble(progress, f"  about {left} left" if left else ""))
        return lines

    def __enter__(self) -> StudyDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with surviving(self._console.file):
                self._live.close()


def study_summary(console: Console, study: Study, objectives: Sequence[Objective]) -> None:
    """Print the best trials of a study, beside the recipe's own values, and what its parameters matter."""
    finished, best = study.finished(), study.best()
    states = {state: sum(each.state == state for each in finished) for state in ("complete", "pruned", "failed")}
    told = [f"{count} {state}" for state, count in states.items() if count]
    say(console, ": ".join(filter(None, [counted(len(finished), "trial"), ", ".join(told)])))
    if not best:
        return
    whole = [each for each in finished if each.values is not None]
    shown = best
    if study.is_single:
        sign = -1 if objectives[0].higher_is_better else 1
        shown = sorted(whole, key=lambda each: sign * (each.values or (0.0,))[0])[:_LISTED]
    own = study.own
    table = Table(title="" if study.is_single else "the Pareto front: none is better in all")
    for name in ("", *(each.name for each in study.space)):
        table.add_column(name, justify="right")
    for objective in objectives:
        table.add_column(objective.title, justify="right")
    table.add_column("epochs", justify="right")
    rows = [*shown, *(each for each in whole if each.texts == own and each not in shown)]
    for number, each in enumerate(rows, 1):
        assert each.values is not None
        place = f"{number}" if each in shown else ""
        values = [each.texts[dimension.name] for dimension in study.space]
        scores = [one.text(value) for one, value in zip(objectives, each.values, strict=True)]
        table.add_row(place, *values, *scores, str(each.epochs), style="dim" if each.texts == own else "")
    console.print(table)
    if any(each.texts == own for each in whole):
        say(console, "the dim row has the recipe's own values" if console.is_terminal else _own_line(own))
    if importance := study.importance():
        say(console, f"importance of the parameters (PED-ANOVA): {_shares(importance)}")


def _own_line(own: dict[str, str]) -> str:
    return f"the recipe's own values are {_texts(own)}"


def _texts(texts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in texts.items())


def _scores(values: Mapping[str, float], objectives: Sequence[Objective]) -> str:
    return ", ".join(f"{each.title} {each.text(values[each.name])}" for each in objectives if each.name in values)


def _outcome(trial: Finished, objectives: Sequence[Objective]) -> str:
    """Return what came of a trial, the figures first: below one another they can be compared."""
    if trial.values is not None:
        values = dict(zip((each.name for each in objectives), trial.values, strict=True))
        return f"{_scores(values, objectives)}  {duration(trial.seconds)}"
    if not _reason(trial):
        return f"{_scores(trial.metrics, objectives)}  {duration(trial.seconds)}  pruned after epoch {trial.epochs}"
    return trial.state


def _reason(trial: Finished) -> str:
    """Return why a trial has no value, where its epochs do not say it."""
    return "" if trial.values is not None or trial.reason == "pruned" else trial.reason


def _shares(importance: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in importance.items())
