"""What a run leaves in its folder: the record and checkpoints while it trains, weights and results when it ends.

In goes a session that is ready to train; out comes what `result.json` says. Whatever ends a run, it leaves what it has.

Each event of the loop is on the disk before anybody else is told of it. A checkpoint is written whole, with the length
that the record has then, so that a run that is killed at any point resumes at the last one (`resume.py`), and its
record and its weights become those of a run that never stopped. A run that is interrupted, by a signal or because its
caller says so, ends between two steps with a checkpoint of exactly there.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from recipe_lang.problem import InternalError, Kind, Problem, RecipeError
from runtime.runs.checkpoints import Checkpoints
from runtime.runs.exported_model import export_model
from runtime.runs.folder import LATER, stage_weights, write_json, write_text, writing
from runtime.runs.lock.facts import outcome
from runtime.runs.lock.file import LOCK, Facts, lock_text
from runtime.runs.record import Record, recording
from runtime.runs.result import result_of
from runtime.system.best_effort import attempt
from runtime.system.files import sync_folder
from runtime.system.memory import is_refusal
from runtime.training.averages import has_begun
from runtime.training.events import CheckpointDue, Event, StageFinished
from runtime.training.loop import kept_best, train
from runtime.training.problems import CheckpointDoesNotFit, LossNotFinite, OutOfMemory
from runtime.training.settings import CheckpointSchedule
from runtime.training.stage import Interrupted, Session
from runtime.training.state import Best, Origin
from runtime.weights.params_file import write_params

Failure: TypeAlias = "RecipeError | InternalError"


@dataclass(frozen=True, slots=True, eq=False)
class Extra:
    """Files that a run leaves beside its result, written after it; `write(folder, session, record)` may fail.

    `import_ahead` loads what takes long to load, while the run trains.
    """

    names: tuple[str, ...]
    write: Callable[[Path, Session, Record], object]
    import_ahead: Callable[[], object] = lambda: None


EXPORTED = Extra(
    ("model-symbol.json", "model-0000.params"),
    lambda folder, session, record: export_model(
        session.model, session.task, session.plan.data.target, folder / "model"
    ),
)


class ResumableError(RecipeError):
    """A run that failed, and left a checkpoint in its folder from which it can go on."""


def weights_left(folder: Path, result: Mapping[str, Any]) -> str:
    """Say which weights an unfinished run left, and where."""
    return f"{folder}/model.params has {result['weights']}" if result["weights"] else f"{folder} has no weights"


def how_to_resume(folder: Path) -> str:
    """Say how a run that stopped goes on."""
    return f"to resume: ftr run --resume {shlex.quote(str(folder))}"


@dataclass(frozen=True, slots=True, eq=False)
class RunWriter:
    """Trains a session and leaves what there is: `facts` in the lock, `said` in the result besides what came out.

    `since` is when the run began on the monotonic clock, without the time in which it did not run.
    """

    session: Session
    folder: Path
    due: CheckpointSchedule
    since: float
    facts: Facts
    said: Mapping[str, Any]
    refused: Problem  # what to say when the system gives no memory
    extras: tuple[Extra, ...]

    def __call__(self, tell: Callable[[Event], None]) -> dict[str, Any]:
        """Train; return the content of `result.json`. `tell` gets each event when the folder has it.

        Raises:
            RecipeError: it failed; what was trained is kept.
            ResumableError: the same, and it may go on.
        """
        with suppress(RuntimeError):  # no thread can be had: it is imported when it is needed
            for extra in self.extras:
                threading.Thread(target=extra.import_ahead).start()
        checkpoint = self.session.checkpoint
        checkpoints = Checkpoints.after(self.folder, self.session.plan.hash, checkpoint)
        with recording(self.folder, self.session.plan, checkpoint.metrics_bytes if checkpoint else 0) as record:
            status, failure = self._train(record, checkpoints, tell)
            notes = []
            try:
                result = self._leave(record, status, failure)
                if status == "finished":
                    self._decorate(record, checkpoints, result)
                notes = [weights_left(self.folder, result)]
            except RecipeError as fault:
                failure = failure or fault
        if failure is not None:
            if isinstance(failure, RecipeError):
                if checkpoints.written and not _is(failure, LossNotFinite, CheckpointDoesNotFit):
                    notes.append(how_to_resume(self.folder))
                    failure = ResumableError(failure.problems)
                failure.note = "\n".join(notes)
            raise failure
        return result

    def _train(
        self, record: Record, checkpoints: Checkpoints, tell: Callable[[Event], None]
    ) -> tuple[str, Failure | None]:
        try:
            for event in train(self.session):
                with writing(self.folder):
                    if isinstance(event, CheckpointDue):
                        checkpoints.write(event.snapshot, record.length(), time.monotonic() - self.since)
                        self.due.taken(self.session.state)
                    if isinstance(event, StageFinished):
                        self._keep_weights(event.stage)
                    record.note(event)
                tell(event)
        except Interrupted:
            return "interrupted", None
        except (RecipeError, InternalError) as error:
            return "failed", error
        except Exception as error:
            if not is_refusal(error):
                raise
            return "failed", RecipeError(self.refused)
        return "finished", None

    def _keep_weights(self, position: int) -> None:
        """Write what a stage hands on to the next; what the last hands on is the run's `model.params`.

        Raises:
            OSError: they cannot be written.
        """
        if position < len(self.session.plan.stages) - 1:
            path = stage_weights(self.folder, position)
            if not path.parent.is_dir():
                path.parent.mkdir()
                sync_folder(self.folder)
            write_params(path, self.session.model.arrays())

    def _leave(self, record: Record, status: str, failure: Failure | None) -> dict[str, Any]:
        session, folder = self.session, self.folder
        weights, weights_from = _final(session) if status == "finished" else _settle(session, failure)
        result = result_of(session.plan, record, status, weights, weights_from)
        with writing(folder):
            if weights is not None:
                write_params(folder / "model.params", session.model.arrays())
            later = [name for extra in self.extras for name in extra.names]
            for name in later if weights is not None else ("model.params", *later):  # of an earlier result
                (folder / name).unlink(missing_ok=True)
            if status == "finished":
                write_text(folder / LOCK, lock_text({**self.facts, **outcome(result, folder / "model.params")}))
            result |= {**self.said, "wall_s": round(time.monotonic() - self.since, 2)}
            result["missing"] = [[name, LATER] for name in later if status == "finished"]
            write_json(folder / "result.json", result)
        return result

    def _decorate(self, record: Record, checkpoints: Checkpoints, result: dict[str, Any]) -> None:
        """Add what the result can do without; what fails is said in the result, under `missing`."""
        folder = self.folder
        failed = {
            " and ".join(extra.names): reason
            for extra in self.extras
            if (reason := attempt(partial(extra.write, folder, self.session, record)))
        }
        result["missing"] = [list(each) for each in failed.items()]
        attempt(lambda: write_json(folder / "result.json", result))
        attempt(lambda: checkpoints.keep_last(1))  # those before it only take room


Left: TypeAlias = "tuple[str | None, Mapping[str, Any] | None]"
"""Which weights a run leaves, in words, and as `weights_from` of its result; None when all are of no use."""


def _final(session: Session) -> Left:
    state = session.state
    best = kept_best(state, session.plan.stages[state.stage])
    origin = state.origin(best.epoch if best else state.epoch)
    return "the final weights", _weights_from(session, origin, best)


def _settle(session: Session, failure: Failure | None) -> Left:
    """Put the weights in place that an unfinished run leaves, and say which.

    These are the best so far where the running stage has some. Else they are the last, unless the loss, or a step that
    got no memory, has ruined them: then those that the stage began with.
    """
    state, plan = session.state, session.plan
    best = state.best if state.best is not None and state.best.weights else None
    name = plan.stages[state.stage].name
    is_ruined = _is(failure, LossNotFinite, OutOfMemory) and not state.ended  # after its end, they are whole
    if best is None and is_ruined and not state.stage:
        return None, None
    if best is None and not is_ruined and not state.stage and not state.step:
        return f"the weights that {name} begins with: no step is trained", _weights_from(session, Origin(0))
    if best is None and not is_ruined and state.step:
        which = "average of the weights" if has_begun(plan.stages[state.stage], state.step) else "weights"
        return f"the {which} after step {state.step} of {name}", _weights_from(session, Origin(state.stage))
    for parameter, copy in (best.weights if best else state.begun_with).items():
        session.model.parameters[parameter].set_data(copy)
    origin = state.origin(best.epoch if best else 0)
    text = "the best weights so far" if best else f"the weights that {name} began with"
    return f"{text}, of {origin.named(plan)}", _weights_from(session, origin, best)


def _weights_from(session: Session, origin: Origin, best: Best | None = None) -> dict[str, Any]:
    """Say of which stage and epoch weights are, and by what they were the best of the stage that hands them on."""
    monitor, stage = session.plan.stages[session.state.stage].monitor, session.plan.stages[origin.stage]
    return {
        "stage": stage.position + 1,
        "title": stage.title,
        "epoch": origin.epoch or None,
        "metric": str(monitor) if best else None,
        "value": best.value if best else None,
    }


def _is(failure: Failure | None, *kinds: Kind) -> bool:
    return isinstance(failure, RecipeError) and any(problem.kind in kinds for problem in failure.problems)
