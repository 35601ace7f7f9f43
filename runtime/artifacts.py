"""The run folder: what a run leaves, written atomically.

recipe.ftr       the recipe as written
resolved.ftr     every value, as it was run
plan.json        the plan
classes.json     the names of the classes, in the order of the scores
metrics.jsonl    one line for each event, as they come
model.params     the final weights; of an interrupted or failed run, what `result.json` says under `weights`
model-symbol.json, model-0000.params   the same, exported: needs no ftr to run
curves.png       loss, rate and metrics over the steps
recipe.ftr.lock  what it was made from, by hashes and versions, and the result, for `ftr verify`
result.json      what came out; written last

A run that was interrupted or failed leaves all but the exported model, the curves and the lock, and no weights when
they are of no use.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from recipe_lang.checked import CheckedRecipe
from recipe_lang.checker import check
from recipe_lang.diagnostics import RecipeError
from recipe_lang.parser import parse
from recipe_lang.source import Source
from runtime.events import Evaluated, Event, StageFinished, StageStarted, StepFinished, Tested
from runtime.plan import Plan, as_json
from runtime.run_problems import FolderTaken, NotARun, NotWritable
from runtime.vocabulary import VOCABULARY

_MAX_JSON = 64_000_000


def create_folder(out: Path | None, name: str) -> Path:
    """Create a new folder: `out`, or the next free `runs/<name>-<n>`.

    Two runs that start together get two numbers: creation is exclusive.

    Raises:
        RecipeError: `out` holds something already, or nothing can be created.
    """
    with writing(out or Path("runs")):
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise RecipeError(FolderTaken(path=str(out)))
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
        reason = error.strerror or str(error)
        raise RecipeError(NotWritable(path=str(error.filename or path), reason=reason)) from error


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: to a temporary name, to the disk, then renamed.

    Raises:
        OSError: it cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # A file name that is not UTF-8 has surrogates in it: as \udcXX they are JSON, and load again.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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


def _whole(digits: str) -> int | float:
    """Return a whole number; one that is larger than any of ours as a float, since not every `int` can become one."""
    return int(digits) if len(digits) < 20 else float(digits)


def read_classes(folder: Path) -> tuple[str, ...]:
    """Read the names of a run's classes, in the order of the scores.

    Raises:
        RecipeError: it is not there, or no list of names.
    """
    classes = read_json(folder, "classes.json")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise RecipeError(NotARun(path=str(folder), reason="`classes.json` is not a list of names"))
    return tuple(classes)


def written_recipe(source: Source, result: Mapping[str, Any]) -> CheckedRecipe:
    """Check a run's `recipe.ftr` again, with the settings that `result.json` names: its paths are still relative.

    Raises:
        RecipeError: it is wrong.
    """
    given = result.get("settings", result.get("params"))
    settings = [f"{name}={value}" for name, value in given.items()] if isinstance(given, dict) else []
    return check(parse(source), VOCABULARY, settings)


@dataclass(slots=True)
class Record:
    """Writes `metrics.jsonl` and remembers what the result and the curves need."""

    file: TextIO
    steps: list[StepFinished] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """Take one event.

        Raises:
            OSError: the file cannot be written.
        """
        match event:
            case StageStarted():
                self.stages.append({"title": event.plan.title, "steps": event.plan.steps})
            case StepFinished():
                self.steps.append(event)
            case Evaluated():
                self.evaluations.append(event)
            case StageFinished():
                self.stages[-1] |= {
                    "steps_done": event.step,
                    "epochs_done": event.epoch,
                    "ended": event.reason,
                    "kept": event.kept,
                    "best": event.best,
                }
            case Tested():
                self.reports[event.set] = event.report
            case _:
                return
        self.file.write(json.dumps(as_json(_line(event)), ensure_ascii=False) + "\n")
        self.file.flush()


@contextmanager
def recording(folder: Path) -> Iterator[Record]:
    """Open a run's record for as long as the block lasts.

    Raises:
        RecipeError: the file cannot be written.
    """
    path = folder / "metrics.jsonl"
    with writing(path):
        file = path.open("w", encoding="utf-8", errors="backslashreplace")
    try:
        yield Record(file)
    finally:
        with writing(path):
            file.close()


def _line(event: Event) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower(),
        "stage": event.stage,
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
        case StageFinished():
            line |= {"reason": event.reason, "kept": event.kept}
        case Tested():
            line |= {"set": event.set, **event.report.values}
    return line


def claims_of(plan: Plan, reports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each claim with the value that was reached and whether it holds."""
    compare = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    found = []
    for claim in plan.claims:
        value = reports[claim.metric.set].values[claim.metric.name]
        found.append({"claim": str(claim), "value": value, "holds": compare[claim.operator](value, claim.number)})
    return found


def result_of(
    plan: Plan,
    record: Record,
    status: str,
    weights: str | None,
    skipped: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return the content of `result.json`, but for the time and the versions.

    `status` is `finished`, `interrupted` or `failed`; `weights` says which ones `model.params` holds.
    """
    best = [event for event in record.evaluations if event.is_best]
    result: dict[str, Any] = {
        "recipe": plan.name,
        "hash": plan.hash,
        "status": status,
        "weights": weights,
        "seed": plan.seed,
        "params": dict(plan.params),
        "classes": list(plan.data.classes),
        "images": {name: plan.data.images(name) for name in plan.data.counts},
        "skipped_images": [list(pair) for pair in skipped],
        "stages": record.stages,
        "best": None,
    }
    if best:
        last = best[-1]
        result["best"] = {"stage": last.stage, "epoch": last.epoch, "step": last.step, **last.values}
    for name, report in record.reports.items():
        result[name] = {**report.values, "classes": [as_json(row) for row in report.classes]}
    result["expect"] = claims_of(plan, record.reports) if status == "finished" else None
    return result
