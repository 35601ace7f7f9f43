"""Heads that are extended by classes, and claims on those that an earlier run knew."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.tasks.catalog import TASKS, task_of
from runtime.tasks.protocol import PARTS

ExtendedElsewhere = Kind(
    "E464",
    "extended elsewhere",
    reason="A head is extended by an output for each class that it does not know. Other tasks have other outputs.",
    fields="task able",
    message="`head = extended` is for {able:quoted or}, not for `task = {task}`",
    help="write `head = kept`, where the outputs are the same, or leave it out",
)

ClaimOfPart = Kind(
    "E465",
    "claim of a part",
    reason="""`old` and `new` are parts of the test set: the images of the classes that an earlier run knew, whose head
    is extended, and those of the others. All classes may be answered for both.

    What the images of some classes say by themselves can be claimed of a part. Precision and F1 of a class depend on
    the images of all others.""",
    fields="claim metrics",
    message=(
        "`{claim}` depends on the images of all classes, not of a part of them",
        "`{claim}` is of a head that is extended, and this one is not",
    ),
    help=(
        "claim {metrics:quoted or} of it, or `test.` for all images",
        'write `base = run("…", head = extended)`, or claim `test.` for all images',
    ),
)


def is_extended(recipe: CheckedRecipe) -> bool:
    """Whether a recipe extends the head of an earlier run."""
    return _word(recipe) is not None


def _word(recipe: CheckedRecipe) -> CallValue | None:
    """Return the call that says `head = extended`: a run or a pack."""
    base: CallValue = recipe["base"]
    weights = base.args.get("weights")
    for call in (base, getattr(weights, "value", None)):
        if isinstance(call, CallValue) and "head" in call.args and call["head"] == "extended":
            return call
    return None


def _elsewhere(recipe: CheckedRecipe) -> Iterator[Problem]:
    call, task = _word(recipe), task_of(recipe)
    if call is not None and not task.part_metrics:
        able = tuple(f"task = {each.name}" for each in TASKS.values() if each.part_metrics)
        yield ExtendedElsewhere(span=call.args["head"].span, task=task.name, able=able)


def _claims(recipe: CheckedRecipe) -> Iterator[Problem]:
    metrics = task_of(recipe).part_metrics
    for claim in recipe.claims:
        if claim.metric.set in PARTS:
            known = tuple(f"{claim.metric.set}.{name}" for name in metrics)
            if not is_extended(recipe):
                yield ClaimOfPart(span=claim.span, claim=str(claim.metric), metrics=())
            elif metrics and claim.metric.name not in metrics:
                yield ClaimOfPart(span=claim.span, claim=str(claim.metric), metrics=known)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_elsewhere, _claims)
