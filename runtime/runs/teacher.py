"""The teacher that a recipe names: `teacher_of(recipe, names) -> Teacher`, a finished run or its pack, loaded.

Its classes, or labels, are matched by name with those of the recipe: they may stand in another order, and be more.
"""

from __future__ import annotations

from pathlib import Path

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.problem import Kind, RecipeError
from recipe_lang.words import listed, printable
from runtime.compile.components import component
from runtime.features.teacher import Teacher
from runtime.models.catalog import name_of
from runtime.models.run_weights import recipe_hash
from runtime.plan.types import Component, TeacherPlan
from runtime.runs.trained import load
from runtime.tasks.catalog import task_of

NotATeacher = Kind(
    "E610",
    "not a teacher",
    reason="A teacher's outputs are soft targets of what the recipe learns: its run had the same task.",
    fields="path theirs task",
    message="{path} cannot teach: it is a run of `task = {theirs}`, and this recipe one of `task = {task}`",
    help="name a run of `task = {task}`",
)

TeacherOfOthers = Kind(
    "E611",
    "teacher of others",
    reason="""A teacher must say something of each class, or label, of the recipe. They are matched by name, so that
    its own may stand in another order and be more: of more it is asked for those of the recipe alone.""",
    fields="path noun missing theirs ours",
    message="{path} cannot teach: it does not know {missing}; its {noun} are {theirs}, those of this recipe {ours}",
    help="train a teacher on these {noun}, or name them here as they are called there",
)


def teacher_of(recipe: CheckedRecipe, names: tuple[str, ...]) -> Teacher:
    """Load the teacher of a recipe, whose classes or labels are `names`.

    Raises:
        RecipeError: there is no such run, it has another task, or lacks some of the names.
    """
    call: CallValue = recipe["teacher"]
    path: Path = call["path"]
    run, task = load(path), task_of(recipe)
    if run.task is not task:
        raise RecipeError(NotATeacher(path=str(path), theirs=run.task.name, task=task.name))
    theirs = run.data.target.names
    if missing := [name for name in names if name not in theirs]:
        known, ours = _shown(theirs), _shown(names)
        raise RecipeError(
            TeacherOfOthers(path=str(path), noun=task.outputs, missing=_shown(missing), theirs=known, ours=ours)
        )
    plan = TeacherPlan(
        source=component(recipe.fields["teacher"]),
        recipe=recipe_hash(path),
        base=name_of(component(run.recipe.fields["base"])),
        numbers=sum(p.size for part in run.model.facts().parts.values() for p in part if p.kind != "statistic"),
        size=run.data.size,
        mean=run.data.mean,
        std=run.data.std,
        outputs=None if theirs == names else tuple(theirs.index(name) for name in names),
        smoothing=_smoothing(run.loss),
        warning=run.unfinished,
    )
    return Teacher(run.model, plan)


def _smoothing(loss: Component) -> float:
    inner = loss.args.get("loss")  # of a teacher that was taught itself
    return _smoothing(inner) if isinstance(inner, Component) else float(loss.args.get("label_smoothing", 0.0))


_MOST = 12


def _shown(names: list[str] | tuple[str, ...]) -> str:
    """Return names in quotes, of many the first and how many more there are."""
    quoted = tuple(f"`{printable(name)}`" for name in names[:_MOST])
    more = len(names) - len(quoted)
    return f"{', '.join(quoted)} and {more:,} more" if more else listed(quoted, "and")
