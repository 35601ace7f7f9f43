"""Stages, rates and claims that contradict themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe, Quantity
from recipe_lang.check.describe import range_text
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.check.vocabulary import Number
from recipe_lang.problem import Kind, Problem
from runtime.plan.schedules import SCHEDULES
from runtime.tasks.catalog import METRICS, task_of
from runtime.tasks.protocol import PARTS
from runtime.vocabulary.rules.sources import NoTestSet

WarmupTooLong = Kind(
    "E421",
    "warmup too long",
    reason="Warm-up lies inside the stage and is shorter than it: otherwise the learning rate never reaches its peak.",
    fields="warmup length length_span",
    message="the warm-up of {warmup} is not shorter than the stage of {length}",
    help="write a share of the stage, `warmup = 10%`, or train for longer",
    related={"length_span": "the stage's length"},
)

NothingMonitored = Kind(
    "E422",
    "nothing monitored",
    reason="The best weights are the best by a metric: `keep = best` needs `monitor` or `stop`.",
    fields="metric",
    message="`keep = best` needs a metric to tell which weights are best",
    help="add `monitor = valid.{metric}`",
)

ScaleOfFrozen = Kind(
    "E424",
    "scale of frozen",
    reason="`lr_scale` is for parts that train in the stage.",
    fields="parts train_span",
    message=("{parts:quoted} {parts:plural has|have} an `lr_scale` and {parts:plural does|do} not train in this stage"),
    help="add {parts:plural it|them} to `train`, or remove {parts:plural its|their} `lr_scale`",
    related={"train_span": "what trains"},
)

MilestonesNotAscending = Kind(
    "E428",
    "milestones not ascending",
    reason="The milestones of a multistep schedule ascend, in one unit, inside the stage; later ones would do nothing.",
    fields="reason",
    message="{reason}",
)

ScaledTwice = Kind(
    "E430",
    "scaled twice",
    reason="Each part has one scale in `lr_scale`.",
    fields="part",
    message="`{part}` has two scales in `lr_scale`",
)

ScaleOfPattern = Kind(
    "E431",
    "scale of pattern",
    reason="""`lr_scale` is for whole parts; `matching("…")` selects single parameters.""",
    message="`lr_scale` takes parts, not parameters by name",
    help="name the part, such as `base.block3`",
)


def _warmup(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        schedule: CallValue = stage["schedule"]
        warmup: Quantity = schedule["warmup"]
        length: Quantity = stage["for"]
        if warmup.unit == length.unit and warmup.number >= length.number:
            yield WarmupTooLong(
                span=schedule.args["warmup"].span,
                warmup=str(warmup),
                length=str(length),
                length_span=stage.fields["for"].span,
            )


def _multistep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        schedule: CallValue = stage["schedule"]
        if name := SCHEDULES[schedule.name].milestones:
            milestones = [value.value for value in schedule[name]]
            numbers = [each.number for each in milestones]
            length: Quantity = stage["for"]
            reason = ""
            if len({each.unit for each in milestones}) > 1 or numbers != sorted(set(numbers)):
                reason = "these milestones are not in ascending order, or mix epochs and steps"
            elif milestones[0].unit == length.unit and numbers[-1] >= length.number:
                reason = f"the stage of {length} is over before {milestones[-1]}"
            if reason:
                yield MilestonesNotAscending(span=schedule.args[name].span, reason=reason)


def _keep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if stage["keep"] == "best" and stage["monitor"] is None and stage["stop"] is None:
            yield NothingMonitored(span=stage.span_of("keep"), metric=task_of(recipe).monitor)


def _scales(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if not isinstance(stage["lr_scale"], tuple):
            continue
        seen: set[str] = set()
        for key, _ in stage["lr_scale"]:
            if key.value.patterns:
                yield ScaleOfPattern(span=key.span)
            yield from (ScaledTwice(span=key.span, part=part) for part in key.value.parts if part in seen)
            trained = {*seen, *stage["train"].parts}
            frozen = tuple(part for part in key.value.parts if part not in trained)
            if frozen and not stage["train"].patterns:
                yield ScaleOfFrozen(span=key.span, parts=frozen, train_span=stage.span_of("train"))
            seen.update(key.value.parts)


def _claims(recipe: CheckedRecipe) -> Iterator[Problem]:
    for claim in recipe.claims:
        if claim.metric.set in ("test", *PARTS) and recipe.block("data")["test"] is None:
            yield NoTestSet(span=claim.span)


def _bounds(recipe: CheckedRecipe) -> Iterator[Problem]:
    for claim in recipe.claims:
        metric, found = METRICS[claim.metric.name], claim.number
        if (metric.low is not None and found < metric.low) or (metric.high is not None and found > metric.high):
            hint = f"a share is written `{found:g}%`" if metric.high == 1 and 2 <= found <= 100 else ""
            allowed = range_text(Number(metric.low, metric.high))
            yield OutOfRange(span=claim.span, what=f"`{claim.metric}`", found=f"{found:g}", allowed=allowed, hint=hint)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _warmup,
    _multistep,
    _keep,
    _scales,
    _claims,
)

CLAIM_RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_bounds,)
