"""The record of a run, `metrics.jsonl`: a line for each event, as they come.

In go events; a run that resumes reads its lines again, so that its result and curves are those of one run.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from recipe_lang.problem import RecipeError
from runtime.plan.types import Plan, as_json
from runtime.runs.folder import writing
from runtime.tasks.catalog import TASKS
from runtime.training.events import (
    Evaluated,
    Event,
    RateReduced,
    RolledBack,
    StageFinished,
    StageStarted,
    StepFinished,
    Tested,
)
from runtime.training.problems import NotResumable
from runtime.training.state import Origin


@dataclass(slots=True)
class Record:
    """Writes `metrics.jsonl` and remembers what the result and the curves need.

    `first` is the number of the first stage: older runs counted from 0, and go on to.
    """

    file: TextIO
    first: int = 1
    steps: list[StepFinished] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """Take one event: remember it, and write its line.

        Raises:
            OSError: the file cannot be written.
        """
        if self.remember(event):
            self.file.write(json.dumps(as_json(_line(event, self.first)), ensure_ascii=False) + "\n")
            self.file.flush()

    def length(self) -> int:
        """Force what was written to the disk; return how many bytes these are.

        Raises:
            OSError: the file cannot be written.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        return os.fstat(self.file.fileno()).st_size

    def remember(self, event: Event) -> bool:
        """Take one event for the result and the curves; say whether it is one for the file."""
        match event:
            case StageStarted() if event.stage < len(self.stages):  # it goes on
                self.stages[event.stage]["steps"] = event.plan.steps
                return False
            case StageStarted():
                self.stages.append({"stage": event.stage + 1, "title": event.plan.title, "steps": event.plan.steps})
            case RolledBack():
                self.steps = [each for each in self.steps if (each.stage, each.step) <= (event.stage, event.step)]
                self.stages[-1]["rolled_back"] = self.stages[-1].get("rolled_back", 0) + 1
            case StepFinished():
                self.steps.append(event)
            case Evaluated():
                self.evaluations.append(event)
            case RateReduced():
                pass
            case StageFinished():
                self.stages[-1] |= {
                    "steps_done": event.step,
                    "epochs_done": event.epoch,
                    "ended": event.reason,
                    "kept": event.kept,
                    "from": {"stage": event.origin.stage + 1, "epoch": event.origin.epoch or None},
                    "best": event.best,
                    "gained": event.gained,
                }
            case Tested():
                self.reports[event.set] = event.report
            case _:
                return False
        return True


@contextmanager
def recording(folder: Path, plan: Plan, length: int = 0) -> Iterator[Record]:
    """Open a run's record for as long as the block lasts; it goes on behind the first `length` bytes.

    Raises:
        RecipeError: the file cannot be written, or what it should hold is not there.
    """
    path = folder / "metrics.jsonl"
    with writing(path):
        file = path.open("r+" if length else "w", encoding="utf-8", errors="backslashreplace", newline="")
    try:
        record = Record(file)
        if length:
            _take_up(record, path, plan, length)
        yield record
    finally:
        with writing(path):
            file.close()


def _take_up(record: Record, path: Path, plan: Plan, length: int) -> None:
    """Remember all events of a record again, and cut off what came later."""
    try:
        content = path.read_bytes()[:length]
        if len(content) < length:
            raise ValueError("it is shorter than it was")
        lines = [json.loads(line) for line in content.splitlines()]
        record.first = lines[0]["stage"]
        for line in lines:
            record.remember(_event(line, plan, record.first))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        reason = f"`{path.name}` is damaged ({error})"
        raise RecipeError(NotResumable(path=str(path.parent), reason=reason)) from error
    with writing(path):
        record.file.truncate(length)
        record.file.seek(0, os.SEEK_END)


def _line(event: Event, first: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower(),
        "stage": event.stage + first,
        "epoch": event.epoch,
        "step": event.step,
    }
    match event:
        case StageStarted():
            line |= {"title": event.plan.title}
        case StepFinished():
            line |= {"loss": event.loss, "rate": event.rate}
        case Evaluated():
            line |= {"set": event.set, "train_loss": event.train_loss, "best": event.is_best}
            line |= dict(event.values)
        case RateReduced():
            line |= {"metric": event.metric, "factor": event.factor}
        case RolledBack():
            line |= {"failed": event.failed, "what": event.what, "loss": event.loss, "factor": event.factor}
        case StageFinished():
            line |= {"reason": event.reason, "kept": event.kept, "best": event.best, "gained": event.gained}
            line |= {"from_stage": event.origin.stage + first, "from_epoch": event.origin.epoch}
        case Tested():
            line |= {"set": event.set, **event.report.values}
    return line


def _event(line: dict[str, Any], plan: Plan, first: int) -> Event:
    """Return the event of a line that `_line` made; what comes after the last checkpoint is never asked for.

    Raises:
        ValueError, LookupError, TypeError: it is no such line.
    """
    at = {**{name: line[name] for name in ("epoch", "step")}, "stage": line["stage"] - first}
    if not all(type(value) is int and value >= 0 for value in at.values()):
        raise ValueError("a line is at no step")
    stage = plan.stages[at["stage"]]
    match line["event"]:
        case "stage_started":
            return StageStarted(stage, **at)
        case "step_finished":
            return StepFinished(**at, loss=line["loss"], rate=line["rate"], images=plan.data.batch)
        case "evaluated":
            values = {name: _number(line.get(name)) for name in TASKS[plan.task].metrics}
            loss = math.nan if line["train_loss"] is None else line["train_loss"]
            return Evaluated(**at, set=line["set"], values=values, train_loss=loss, is_best=line["best"])
        case "rate_reduced":
            return RateReduced(**at, metric=line["metric"], factor=line["factor"])
        case "rolled_back":
            return RolledBack(**at, failed=line["failed"], what=line["what"], loss=math.nan, factor=line["factor"])
        case "stage_finished":
            origin = Origin(line.get("from_stage", line["stage"]) - first, line.get("from_epoch", 0))
            said = {name: line[name] for name in ("reason", "kept", "best")}
            return StageFinished(**at, **said, origin=origin, gained=line.get("gained"))
    raise ValueError(f"there is no event `{line['event']}`")


def _number(value: float | None) -> float:
    """Return a metric of a line: NaN where it is none, or is newer than the line."""
    return math.nan if value is None else value
