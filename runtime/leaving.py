"""What a run leaves in its folder: the record and checkpoints while it trains, weights and results when it ends.

In goes a session that is ready to train; out comes what `result.json` says. Whatever ends a run, it leaves what it has.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from recipe_lang.diagnostics import InternalError, Problem, RecipeError
from runtime.artifacts import Record, recording, result_of, write_json, write_text, writing
from runtime.checkpoints import Checkpoints
from runtime.curves import draw_curves
from runtime.decorations import attempt
from runtime.events import CheckpointDue, Event, Resumed
from runtime.finished import export_model
from runtime.lock_file import LOCK, Facts, lock_text
from runtime.locking import outcome
from runtime.memory import is_refusal
from runtime.run_problems import CheckpointDoesNotFit, LossNotFinite, OutOfMemory
from runtime.run_settings import Due
from runtime.train import Interrupted, Session, train
from runtime.weights.params_file import write_params

Failure: TypeAlias = "RecipeError | InternalError"

_EXPORTED, _PICTURE = ("model-symbol.json", "model-0000.params"), ("curves.png",)
_LATER = (*_EXPORTED, *_PICTURE)
"""The files that are written after the result."""


class ResumableError(RecipeError):
    """A run that failed, and left a checkpoint in its folder from which it can go on."""


def what_is_left(folder: Path, result: Mapping[str, Any]) -> str:
    """Say which weights an unfinished run left, and where."""
    return f"{folder}/model.params has {result['weights']}" if result["weights"] else f"{folder} has no weights"


def how_to_go_on(folder: Path) -> str:
    """Say how a run that stopped goes on."""
    return f"to go on: ftr run --resume {shlex.quote(str(folder))}"


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """Trains a session and leaves what there is: `facts` in the lock, `said` in the result besides what came out.

    `since` is when the run began on the monotonic clock, without the time in which it did not run.
    """

    session: Session
    folder: Path
    due: Due
    since: float
    facts: Facts
    said: Mapping[str, Any]
    refused: OutOfMemory  # what to say when the system gives no memory

    def __call__(self, watch: Callable[[Event], None]) -> dict[str, Any]:
        """Train; return the content of `result.json`.

        Raises:
            RecipeError: it failed; what was trained is kept.
            ResumableError: the same, and it may go on.
        """
        checkpoint = self.session.checkpoint
        if checkpoint is not None:
            at = (checkpoint.state.stage, checkpoint.state.epoch, checkpoint.state.step)
            changed = tuple(tuple(change) for change in self.said["resumed"][-1])
            watch(Resumed(*at, changed, checkpoint.passed_over))
        checkpoints = Checkpoints.after(self.folder, self.session.plan.hash, checkpoint)
        with recording(self.folder, self.session.plan, checkpoint.metrics_bytes if checkpoint else 0) as record:
            status, failure = self._train(record, checkpoints, watch)
            notes = []
            try:
                result = self._leave(record, status, failure)
                if status == "finished":
                    self._decorate(record, checkpoints, result)
                notes = [what_is_left(self.folder, result)]
            except RecipeError as fault:
                failure = failure or fault
        if failure is not None:
            if isinstance(failure, RecipeError):
                if checkpoints.written and not _is(failure, LossNotFinite, CheckpointDoesNotFit):
                    notes.append(how_to_go_on(self.folder))
                    failure = ResumableError(failure.problems)
                failure.note = "\n".join(notes)
            raise failure
        return result

    def _train(
        self, record: Record, checkpoints: Checkpoints, watch: Callable[[Event], None]
    ) -> tuple[str, Failure | None]:
        try:
            for event in train(self.session):
                with writing(self.folder):
                    if isinstance(event, CheckpointDue):
                        checkpoints.write(event.snapshot, record.length(), time.monotonic() - self.since)
                        self.due.taken(self.session.state)
                    record.note(event)
                watch(event)
        except Interrupted:
            return "interrupted", None
        except (RecipeError, InternalError) as error:
            return "failed", error
        except Exception as error:
            if not is_refusal(error):
                raise
            return "failed", RecipeError(self.refused)
        return "finished", None

    def _leave(self, record: Record, status: str, failure: Failure | None) -> dict[str, Any]:
        session, folder = self.session, self.folder
        weights = _settle(session, failure) if status != "finished" else "the final weights"
        result = result_of(session.plan, record, status, weights)
        with writing(folder):
            if weights is not None:
                write_params(folder / "model.params", session.model.arrays())
            for name in _LATER:  # of a result that the folder had before
                (folder / name).unlink(missing_ok=True)
            if status == "finished":
                write_text(folder / LOCK, lock_text({**self.facts, **outcome(result, folder / "model.params")}))
            result |= {**self.said, "wall_s": round(time.monotonic() - self.since, 2)}
            result["missing"] = [[name, "it is written after the result"] for name in _LATER if status == "finished"]
            write_json(folder / "result.json", result)
        return result

    def _decorate(self, record: Record, checkpoints: Checkpoints, result: dict[str, Any]) -> None:
        """Add what the result can do without; what fails is said in the result, under `missing`."""
        folder, model, plan = self.folder, self.session.model, self.session.plan
        works: Mapping[tuple[str, ...], Callable[[], object]] = {
            _EXPORTED: lambda: export_model(model, folder / "model"),
            _PICTURE: lambda: draw_curves(folder / "curves.png", plan, record),
        }
        failed = {" and ".join(names): reason for names, work in works.items() if (reason := attempt(work))}
        result["missing"] = [list(each) for each in failed.items()]
        attempt(lambda: write_json(folder / "result.json", result))
        attempt(lambda: checkpoints.keep_last(1))  # those before it only take room


def _settle(session: Session, failure: Failure | None) -> str | None:
    """Put the weights in place that an unfinished run leaves, and say which; None when all are of no use.

    These are the best so far where the running stage has some. Else they are the last, unless the loss, or a step that
    got no memory, has ruined them: then those that the stage began with.
    """
    state = session.state
    stage = f"of stage {state.stage + 1}"
    if state.best is not None and state.best.weights:
        kept, text = state.best.weights, f"the best weights so far, of epoch {state.best.epoch} {stage}"
    elif _is(failure, LossNotFinite, OutOfMemory):
        kept, text = state.begun_with, f"the weights from before the first step {stage}"
    else:
        return f"the weights after step {state.step} {stage}"
    for name, copy in kept.items():
        session.model.parameters[name].set_data(copy)
    return text if kept else None


def _is(failure: Failure | None, *kinds: type[Problem]) -> bool:
    return isinstance(failure, RecipeError) and any(isinstance(problem, kinds) for problem in failure.problems)
