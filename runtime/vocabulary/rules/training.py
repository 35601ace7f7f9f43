"""Stages, rates and claims that contradict themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Quantity
from recipe_lang.check.describe import range_text
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.check.vocabulary import Number
from recipe_lang.problem import Kind, Problem
from runtime.models.stochastic_depth import CARRIERS, branches_of
from runtime.plan.schedules import SCHEDULES
from runtime.tasks.catalog import METRICS, task_of
from runtime.tasks.protocol import PARTS
from runtime.vocabulary.models import UNREAD, base_name, row_of
from runtime.vocabulary.rules.sources import NoTestSet
from runtime.vocabulary.sequences import parts

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
    reason="The best weights are the best by a metric: `keep = best` or `greedy_soup` needs `monitor` or `stop`.",
    fields="metric",
    message="`keep` needs a metric to tell which weights are best",
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
    for part in (part for stage in recipe.all("stage") for part in parts(stage)):
        warmup, length = part.call["warmup"], part.length
        if length and warmup.unit == length.unit and warmup.number >= length.number > 0:
            span = part.call.args["warmup"].span
            yield WarmupTooLong(span=span, warmup=str(warmup), length=str(length), length_span=part.length_span)


def _multistep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for part in (part for stage in recipe.all("stage") for part in parts(stage)):
        if name := SCHEDULES[part.call.name].milestones:
            milestones = [value.value for value in part.call[name]]
            numbers, length = [each.number for each in milestones], part.length
            reason = ""
            if len({each.unit for each in milestones}) > 1 or numbers != sorted(set(numbers)):
                reason = "these milestones are not in ascending order, or mix epochs and steps"
            elif length and milestones[0].unit == length.unit and numbers[-1] >= length.number > 0:
                whole = "schedule" if part.call["for"] else "stage"
                reason = f"the {whole} of {length} is over before {milestones[-1]}"
            if reason:
                yield MilestonesNotAscending(span=part.call.args[name].span, reason=reason)


ScheduleLengths = Kind(
    "E449",
    "schedule lengths",
    reason="""Of schedules that `then` joins each but the last says how long it lasts, `for`; the last has the rest of
    the stage.

    A schedule alone has the whole stage, and its peak is the optimizer's `lr`: it takes neither `for` nor `peak`.""",
    fields="reason remedy",
    message="{reason}",
    help="{remedy}",
)

SchedulesTooLong = Kind(
    "E450",
    "schedules too long",
    reason="The schedules before the last `then` are shorter than the stage: otherwise the last would not begin.",
    fields="total last length length_span",
    message="the schedules before `{last}` last {total}, and the stage only {length}",
    help="give shares of the stage, `for = 60%`, or train for longer",
    related={"length_span": "the stage's length"},
)

ReactsInSequence = Kind(
    "E451",
    "reacts in sequence",
    reason="""`then` joins schedules that know their rates beforehand, and `reduce_on_plateau` goes by what validation
    shows. PyTorch's SequentialLR refuses its ReduceLROnPlateau, too.""",
    fields="name",
    message="`{name}` goes by a metric and cannot be joined by `then`",
    help="give it a stage of its own; what it begins with may be its `warmup`",
)


def _sequences(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        yield from _sequence(stage) if isinstance(stage["schedule"], tuple) else _alone(stage)


def _alone(stage: CheckedBlock) -> Iterator[Problem]:
    call: CallValue = stage["schedule"]
    for name, instead in (("for", "the stage has a `for`"), ("peak", "the optimizer has an `lr`")):
        if name in call.args and call.args[name].span is not None:
            reason = f"`{name}` is for schedules that `then` joins, and `{call.name}` stands alone"
            yield ScheduleLengths(span=call.args[name].span, reason=reason, remedy=f"remove it: {instead}")


def _sequence(stage: CheckedBlock) -> Iterator[Problem]:
    *before, last = parts(stage)
    for part in (*before, last):
        name = part.call.name
        if SCHEDULES[name].judge is not None:
            yield ReactsInSequence(span=part.value.span, name=name)
        elif part is last and part.call["for"] is not None:
            reason = f"`{name}` is the last of these schedules and has the rest of the stage"
            yield ScheduleLengths(span=part.call.args["for"].span, reason=reason, remedy="remove its `for`")
        elif part is not last and part.call["for"] is None:
            reason = f"`{name}` comes before a `then` and does not say how long it lasts"
            yield ScheduleLengths(span=part.value.span, reason=reason, remedy=f"write `{name}(for = …)`")
    if last.length and last.length.number <= 0:
        length: Quantity = stage["for"]
        yield SchedulesTooLong(
            span=stage.fields["schedule"].span or stage.head_span,
            total=str(Quantity(length.number - last.length.number, length.unit)),
            last=last.call.name,
            length=str(length),
            length_span=stage.fields["for"].span,
        )


def _keep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if stage["keep"] not in (None, "last") and stage["monitor"] is None and stage["stop"] is None:
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


NoBranchesToDrop = Kind(
    "E473",
    "no branches to drop",
    reason="""Stochastic depth drops what the residual blocks of a base add to their input. Not every network has such
    blocks, and of some the branch is no layer of its own behind which it could be dropped.""",
    source="Huang et al. 2016, arXiv 1603.09382",
    fields="base carriers",
    message="`stochastic_depth` cannot drop branches of `{base}`",
    help="bases that have it are {carriers}; `dropout` in the head is for all",
)


def _depth(recipe: CheckedRecipe) -> Iterator[Problem]:
    base: CallValue = recipe["base"]
    if row_of(base) is UNREAD or branches_of(base.name, base_name(base)) is not None:
        return
    for stage in recipe.all("stage"):
        if stage["stochastic_depth"]:
            span = stage.span_of("stochastic_depth")
            yield NoBranchesToDrop(span=span, base=base_name(base), carriers=CARRIERS)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _warmup,
    _multistep,
    _sequences,
    _keep,
    _depth,
    _scales,
    _claims,
)

CLAIM_RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_bounds,)
