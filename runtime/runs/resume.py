"""Where a run resumes, and whether it may: only a recipe that still means what the run began with goes on.

A run that was interrupted or killed resumes to the same weights, bit for bit, as if it had never stopped. While it
trains, it leaves a checkpoint now and then (`checkpoints.py`): the weights, the optimizer's arrays, the step, and the
length of `metrics.jsonl` at that time. `run.json` and `plan.json` say how it began. To resume, the recipe is prepared
and compiled again; `last_checkpoint` compares the new plan with that of the folder, and the images, the base's weights
and the teacher's with the folder's lock by their hashes, and refuses where anything differs that the weights depend on.
Then the folder says anew what is otherwise now, such as versions (`start.py`), the record is cut off behind the
checkpoint, and the loop takes up its arrays and goes on at its step. No random number depends on those before it, so
that nothing else has to be restored. A run that was killed before its first checkpoint begins again in its folder.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from recipe_lang.check.checker import check
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.plan.types import Plan, StagePlan, as_json
from runtime.runs.checkpoints import newest
from runtime.runs.folder import has_ended, read_json
from runtime.runs.lineage import load_recipe
from runtime.runs.lock.facts import HASHED, refuse
from runtime.runs.lock.file import Facts, existing_lock
from runtime.runs.manifest import RunManifest
from runtime.runs.recipe_files import read_recipe
from runtime.runs.seed import with_seed
from runtime.training.problems import CheckpointDoesNotFit, NothingToExtend, NotResumable, RecipeChanged
from runtime.training.state import Checkpoint, TrainState
from runtime.vocabulary import VOCABULARY

_OUTSIDE_OF_MEANING: Mapping[str, tuple[str, ...]] = {
    "": ("name", "about", "claims", "hash", "params"),
    "data": ("sources",),
    "stages": ("starts_from",),
    "base.args.weights.args": ("file",),
    "teacher": ("warning",),
    "teacher.source.args": ("path",),
}
"""What a plan holds, by where it stands, that the run's weights do not depend on; or the run's lock has its hash."""
_ADDED: Mapping[str, Any] = {
    each.name: as_json(each.default)
    for each in (*fields(Plan), *fields(StagePlan))
    if each.default is not MISSING and each.compare
}
"""What plans of earlier releases do not say, of the whole or of a stage, and what such a run did."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The folder of a run that is to resume. With `extend` the recipe's stages may be longer than they were."""

    folder: Path
    extend: bool = False


def refuse_ended(resume: Resume) -> None:
    """Refuse to resume a run that has ended, with all that it leaves: there is nothing to train but longer stages.

    Raises:
        RecipeError: it has.
    """
    if not resume.extend and has_ended(resume.folder):
        shown = shlex.quote(str(resume.folder))
        reason = (
            f"it has ended. `ftr evaluate {shown}` measures it, `ftr verify {shown}` trains it again and compares; "
            f"`ftr run --resume {shown} --extend` goes on with longer stages"
        )
        raise RecipeError(NotResumable(path=str(resume.folder), reason=reason))


def refuse_edited_copy(folder: Path, began: RunManifest, used: Path) -> None:
    """Refuse to pass over edits in a run's own copy of its recipe: the run resumes with `used`, which nobody named.

    Comments, paths and what else is no part of a recipe's meaning may be edited.

    Raises:
        RecipeError: the copy does not mean what the run began with.
    """
    copy, plan = folder / "recipe.ftr", read_json(folder, "plan.json") if (folder / "plan.json").exists() else {}
    if not copy.is_file() or not isinstance(plan, dict) or "hash" not in plan:
        return
    try:
        source = Source(str(copy), read_recipe(copy).text, Path(began.recipe).parent)
        tree, settings = load_recipe(source), began.settings
        if began.seed is not None:
            tree, settings = with_seed(tree, settings, began.seed)
        if recipe_hash(check(tree, VOCABULARY, settings), VOCABULARY) == plan["hash"]:
            return
    except RecipeError:  # it was well when the run began
        pass
    raise RecipeError(RecipeChanged(path=str(folder), differences=(), resolved=str(used), copy=str(copy)))


def last_checkpoint(resume: Resume, plan: Plan, facts: Facts) -> Checkpoint | None:
    """Return where a run resumes; None where it begins again.

    Other images of the same recipe make another plan too, but the lock tells which they are, so it speaks first.

    Raises:
        RecipeError: the recipe, the images or the base's weights are others, or all checkpoints are damaged.
    """
    refuse_ended(resume)
    checkpoint = newest(resume.folder)
    lock = existing_lock(resume.folder) if (resume.folder / "plan.json").exists() else None
    is_same_recipe = lock is not None and lock.facts.get(("recipe", "hash")) == facts["recipe", "hash"]
    if lock is not None and is_same_recipe:
        refuse(lock, HASHED, facts)
    check_unchanged(resume.folder, plan, checkpoint, resume.extend)
    if lock is not None and not is_same_recipe:
        refuse(lock, HASHED, facts)
    return checkpoint


def differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield where two plans, as read from JSON, mean different things: the name, the old and the new value.

    Paths, places, the recipe's name and its claims are no part of the meaning; names of optimizers and layers are.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        added = [key for key in new if key not in old and (key not in _ADDED or new[key] != _ADDED[key])]
        for key in [*old, *added]:
            if _is_meant(key, name):
                yield from differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and len(old) < 100:
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{name}[{number + 1}]")
    elif old != new:
        yield name, _text(old), _text(new)


def _is_meant(key: str, of: str) -> bool:
    if key == "place":
        return of.endswith("args")
    return key not in _OUTSIDE_OF_MEANING.get(re.sub(r"\[\d+\]", "", of), ())


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_unchanged(folder: Path, plan: Plan, checkpoint: Checkpoint | None, extend: bool) -> None:
    """Refuse to go on with a plan that is not the one that a run began with, but for longer stages with `extend`.

    The stage that the checkpoint is in is then no longer over.

    Raises:
        RecipeError: the plans differ, there is nothing to make longer, or the checkpoint is outside of the plan.
    """
    if not (folder / "plan.json").exists():  # killed before it was written
        if checkpoint is not None:
            raise RecipeError(NotResumable(path=str(folder), reason="it has checkpoints, but no `plan.json`"))
        return
    began, now = read_json(folder, "plan.json"), _as_read(plan)
    if not isinstance(began, dict) or not now.keys() - _ADDED.keys() <= began.keys() <= now.keys():
        raise RecipeError(NotResumable(path=str(folder), reason="`plan.json` is of another kind or version"))
    found = tuple(differences(began, now))
    state = checkpoint.state if checkpoint else TrainState()
    longer = bool(found) and _made_equal(began, now, state.stage)
    others = tuple(differences(began, now))
    if found and not (extend and longer and not others):
        resolved, only_longer = str(folder / "resolved.ftr"), longer and not others
        shown = others if extend else found
        raise RecipeError(RecipeChanged(path=str(folder), differences=shown, resolved=resolved, longer=only_longer))
    if extend:
        _open_again(folder, plan, state, longer)
    if checkpoint is not None and not _lies_within(state, plan):
        raise RecipeError(CheckpointDoesNotFit(number=checkpoint.number, reason="it is at no step of the plan"))


def _lies_within(state: TrainState, plan: Plan) -> bool:
    if state.stage >= len(plan.stages) or state.from_stage > state.stage:
        return False
    stage = plan.stages[state.stage]
    first, last = (min(epoch * stage.steps_per_epoch, stage.steps) for epoch in (state.epoch, state.epoch + 1))
    return first <= state.step <= last and len(state.losses) == (0 if state.ended else state.step - first)


def _as_read(plan: Plan) -> Any:
    return json.loads(json.dumps(as_json(plan)))


def _made_equal(began: Any, now: dict[str, Any], first: int) -> bool:
    """Take the lengths of the stages from `first` on, and stages that were added, out of two plans.

    Return whether anything was longer.
    """
    old, new = began["stages"], now["stages"]
    longer = len(new) > len(old)
    del new[len(old) :]
    for before, after in list(zip(old, new, strict=False))[first:]:
        if isinstance(before["steps"], int) and after["steps"] > before["steps"]:
            longer = True
            before |= {name: after[name] for name in ("steps", "epochs")}
    return longer


def _open_again(folder: Path, plan: Plan, state: TrainState, longer: bool) -> None:
    stage = plan.stages[state.stage]
    reason = "no stage is longer than it was" if not longer else ""
    if state.ended == "done" and state.step < stage.steps:
        state.ended = ""
    elif state.ended == "stopped early" and state.stage == len(plan.stages) - 1:
        reason = "its last stage stopped early"
    if not state.ended and state.step < state.epoch * stage.steps_per_epoch:
        reason = "its last stage ended inside of an epoch"
    if reason:
        raise RecipeError(NothingToExtend(path=str(folder), reason=reason))
