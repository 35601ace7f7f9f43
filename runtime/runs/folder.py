"""The run folder: what a run leaves, written atomically.

recipe.ftr       the recipe as written
resolved.ftr     every value, as it was run
plan.json        the plan
run.json         how the run began: the command's arguments
classes.json     the names of the classes, in the order of the scores
images.json      which images it trains and validates on, by 64 bits of a hash of each; no pack holds it
metrics.jsonl    one line for each event, as they come
model.params     the final weights; of an interrupted or failed run, what `result.json` says under `weights`
stages/1.params  the weights that the first stage handed on, and so on; those of the last are `model.params`
model-symbol.json, model-0000.params   the same, exported: needs no ftr to run
checkpoints/     where the run can go on: the last two while it runs, the last when it is over
curves.png       loss, rate and metrics over the steps
recipe.ftr.lock  what it was made from, by hashes and versions, and the result, for `ftr verify`
result.json      what came out; `missing` names what was to be written after it, exported model or curves, and was not

`metrics.jsonl` and `result.json` count stages from 1, as the screen does. Epoch 0 is what a stage began with.

A run that was interrupted or failed leaves all but the exported model, the curves and the result in the lock, and no
weights when they are of no use.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from recipe_lang.check.checked import CheckedRecipe, Metric
from recipe_lang.check.checker import check
from recipe_lang.problem import RecipeError
from recipe_lang.syntax.nodes import Recipe
from runtime.plan.types import Plan, TargetFacts, as_json
from runtime.system.files import sync_folder, whole_file
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import PARTS, Task
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
from runtime.training.problems import FolderBusy, FolderTaken, NotARun, NotResumable, NotWritable
from runtime.training.state import Origin
from runtime.vocabulary import VOCABULARY

_MAX_JSON = 64_000_000


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a run folder for oneself as long as the block lasts. The system lets go of it when the process ends.

    Raises:
        RecipeError: another run has it.
        OSError: there is no such folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecipeError(FolderBusy(path=str(folder))) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what a run that was killed had half written.

    Raises:
        OSError: it cannot be removed.
    """
    for path in (*folder.glob(".*"), *(folder / _STAGES).glob(".*")):
        if path.is_file():
            path.unlink()


def stage_weights(folder: Path, position: int) -> Path:
    """Return the file with the weights that a stage handed on to the next."""
    return folder / _STAGES / f"{position + 1}.params"


_STAGES = "stages"


def create_folder(out: Path | None, name: str) -> Path:
    """Create a new folder: `out`, or the next free `runs/<name>-<n>`.

    Two runs that start together get two numbers: creation is exclusive.

    Raises:
        RecipeError: `out` holds something already, or nothing can be created.
    """
    with writing(out or Path("runs")):
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if any(not path.match(".run.json.*") for path in out.iterdir()):  # what a run that was killed leaves
                raise RecipeError(FolderTaken(path=str(out), is_run=(out / "run.json").exists()))
            return out
        safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "recipe"
        parent = Path("runs")
        parent.mkdir(exist_ok=True)
        taken = [int(m[1]) for p in parent.iterdir() if (m := re.fullmatch(re.escape(safe) + r"-(\d+)", p.name))]
        number = max(taken, default=0) + 1
        while True:
            try:
                (parent / f"{safe}-{number}").mkdir()
            except FileExistsError:
                number += 1
            else:
                sync_folder(parent)
                return parent / f"{safe}-{number}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into the user's error (a full disk, a folder that may not be written).

    Raises:
        RecipeError: the operating system refused.
    """
    try:
        yield
    except OSError as error:
        name = re.sub(_TEMPORARY, r"\1", str(error.filename or path))
        raise RecipeError(NotWritable(path=name, reason=error.strerror or str(error))) from error


_TEMPORARY = r"(?:^|(?<=/))\.([^/]+)\.(?:[a-z0-9_]{8}|\d+\.part)$"
"""How `write_text` and its like name a file until it is whole."""


def write_text(path: Path, text: str) -> None:
    """Write a file of text whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    # A file name that is not UTF-8 has surrogates in it: as \udcXX they are JSON, and load again.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name, to the disk, then renamed.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically.

    Raises:
        OSError: it cannot be written.
    """
    write_text(path, json.dumps(as_json(value), indent=2, ensure_ascii=False) + "\n")


def read_json(folder: Path, name: str) -> Any:
    """Read a JSON file of a run folder that may come from somebody else.

    Raises:
        RecipeError: it is not there, too large, or no JSON.
    """
    path = folder / name
    try:
        if path.stat().st_size > _MAX_JSON:
            raise RecipeError(NotARun(path=str(folder), reason=f"`{name}` is too large"))
        return json.loads(path.read_text(encoding="utf-8"), parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        reason = f"`{name}` cannot be read ({getattr(error, 'strerror', None) or error})"
        raise RecipeError(NotARun(path=str(folder), reason=reason)) from error


LATER = "it is written after the result"
"""Why a file is missing from the result while the run is still to write it."""


def has_ended(folder: Path) -> bool:
    """Whether a run has trained to its end, and has written all that comes behind its result, or has said why not."""
    try:
        result = read_json(folder, "result.json")
    except RecipeError:  # not there, or not whole
        return False
    if not isinstance(result, dict) or result.get("status") != "finished":
        return False
    missing = result.get("missing")
    return not isinstance(missing, list) or all(LATER not in each for each in missing if isinstance(each, list))


def _whole(digits: str) -> int | float:
    """Return a whole number; one that is larger than any of ours as a float, since not every `int` can become one."""
    return int(digits) if len(digits) < 20 else float(digits)


def read_targets(folder: Path, task: Task, result: Mapping[str, Any]) -> TargetFacts:
    """Read what a run's outputs are: the names of its classes, in the order of the scores, and what its result adds.

    Raises:
        RecipeError: it is not there, or is not what the task writes.
    """
    plain = read_json(folder, task.file)
    try:
        return task.read(plain, result)
    except ValueError as error:
        raise RecipeError(NotARun(path=str(folder), reason=str(error))) from error


def written_recipe(tree: Recipe, result: Mapping[str, Any]) -> CheckedRecipe:
    """Check the tree of a run's `recipe.ftr` with the settings that `result.json` names: its paths are still relative.

    Raises:
        RecipeError: it is wrong.
    """
    given = result.get("settings", result.get("params"))
    settings = [f"{name}={value}" for name, value in given.items()] if isinstance(given, dict) else []
    return check(tree, VOCABULARY, settings)


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


def claims_of(plan: Plan, reports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each claim with the value that was reached and whether it holds; None where it is over several seeds."""
    compare = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    found = []
    for claim in plan.claims:
        value = _reached(reports, claim.metric)
        holds = None if claim.seeds else compare[claim.operator](value, claim.number)
        found.append({"claim": str(claim), "value": value, "holds": holds})
    return found


def _reached(reports: Mapping[str, Any], metric: Metric) -> float:
    """Return the value of a metric on a set, or on a part of the test set; NaN where no image is left of that."""
    if metric.set in PARTS:
        return float(reports["test"].parts.get(metric.set, {}).get(metric.name, math.nan))
    return float(reports[metric.set].values[metric.name])


def result_of(
    plan: Plan,
    record: Record,
    status: str,
    weights: str | None,
    weights_from: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the content of `result.json`, but for the time and the versions.

    `status` is `finished`, `interrupted` or `failed`; `weights` says which ones `model.params` holds, `weights_from`
    of which stage and epoch they are.
    """
    best = [event for event in record.evaluations if event.is_best]
    result: dict[str, Any] = {
        "recipe": plan.name,
        "hash": plan.hash,
        "status": status,
        "weights": weights,
        "weights_from": weights_from,
        "seed": plan.seed,
        "params": dict(plan.params),
        **({} if plan.task == USUAL.name else {"task": plan.task}),
        **plan.data.target.in_result(),
        "images": {name: plan.data.whole_images(name) for name in plan.data.target.counts},
        "stages": record.stages,
        "best": None,
    }
    if best:
        last = best[-1]
        result["best"] = {"stage": last.stage + 1, "epoch": last.epoch, "step": last.step, **last.values}
    for name, report in record.reports.items():
        result[name] = {**report.values, **report.in_result()}
    result["expect"] = claims_of(plan, record.reports) if status == "finished" else None
    return result
