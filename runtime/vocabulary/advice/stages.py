"""Advice on the course of stages: lengths, schedules, stopping, which weights are kept (W714 to W719, W758, W780)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import floor

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Quantity
from recipe_lang.compose.merge import merge
from recipe_lang.problem import Kind, Problem
from recipe_lang.syntax import nodes
from runtime.plan.schedules import SCHEDULES
from runtime.plan.stage_rules import STOP_RULES
from runtime.tasks.catalog import task_of
from runtime.vocabulary.advice.facts import argument_span, chooses
from runtime.vocabulary.sequences import Part, parts

_LENGTHS = "docs/language.md: how lengths are counted"


def _timed(recipe: CheckedRecipe) -> Iterator[tuple[CheckedBlock, Part, Quantity]]:
    """Yield the schedules of all stages whose lengths the text shows, each with its stage and its length."""
    for stage in recipe.all("stage"):
        yield from ((stage, part, part.length) for part in parts(stage) if part.length)


LongWarmup = Kind(
    "W714",
    "long warmup",
    reason="""Warm-up is a short start: 5 of 90 epochs where it was introduced for images.

    A longer one leaves most of the stage below the learning rate that was asked for.""",
    source="Goyal et al. 2017, arXiv 1706.02677, section 2.2",
    fields="warmup length length_span",
    message="the warm-up of {warmup} is more than half of the stage of {length}",
    help="a tenth of the stage is plenty",
    related={"length_span": "the stage's length"},
)


def _warmups(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage, part, length in _timed(recipe):
        warmup = part.call["warmup"].within(length)
        if warmup.unit == length.unit and warmup.number > length.number / 2:
            span = argument_span(part.value, "warmup", stage.head_span)
            warmup_text = str(part.call["warmup"])
            yield LongWarmup(span=span, warmup=warmup_text, length=str(length), length_span=part.length_span)


NeverDrops = Kind(
    "W715",
    "never drops",
    reason="""A `step` schedule lowers the learning rate each time `every` has passed since the warm-up.

    When that is not shorter than the stage, the learning rate is constant.""",
    source=_LENGTHS,
    fields="every length length_span",
    message="the learning rate never drops: the stage of {length} is over before {every} have passed",
    help="give a shorter `every`, or write `schedule = constant`",
    related={"length_span": "the stage's length"},
)


def _drops(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage, part, length in _timed(recipe):
        period = SCHEDULES[part.call.name].period
        every: Quantity | None = part.call[period] if period else None
        if every is None or every.unit != length.unit:
            continue
        warmup = part.call["warmup"].within(length)
        if every.number + (warmup.number if warmup.unit == length.unit else 0) >= length.number:
            span = argument_span(part.value, period, stage.head_span)
            yield NeverDrops(span=span, every=str(every), length=str(length), length_span=part.length_span)


NeverStops = Kind(
    "W716",
    "never stops",
    reason="""Early stopping waits for `patience` without a better value.

    When that is not shorter than the stage, the stage is over first and nothing stops.""",
    source=_LENGTHS,
    fields="patience length length_span",
    message="this never stops the stage: the patience of {patience} is not shorter than {length}",
    help="give a shorter `patience`; if only the best weights are wanted, `monitor` is enough",
    related={"length_span": "the stage's length"},
)


def _patience(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        stop: CallValue | None = stage["stop"]
        length: Quantity = stage["for"]
        name = STOP_RULES[stop.name].patience if stop else ""
        patience: Quantity | None = stop[name] if stop and name else None
        if patience and patience.unit == length.unit and patience.number >= length.number:
            span = argument_span(stage.fields["stop"], name, stage.head_span)
            yield NeverStops(
                span=span, patience=str(patience), length=str(length), length_span=stage.fields["for"].span
            )


NeverReduces = Kind(
    "W758",
    "never reduces",
    reason="""The first epoch gives `reduce_on_plateau` a value to beat. It reduces the learning rate after one epoch
    more than `patience` without a better one, for the epochs that follow.

    In a stage of `patience` and two epochs, or fewer, no epoch is left to follow, and the learning rate is constant.
    Epochs of the warm-up do not count.""",
    source="torch.optim.lr_scheduler.ReduceLROnPlateau; docs/language.md: `reduce_on_plateau`",
    fields="patience length needed length_span",
    message="with a patience of {patience} the learning rate never drops in a stage of {length}",
    help="give a shorter `patience`, train for {needed:g} epochs or longer, or write `schedule = constant`",
    related={"length_span": "the stage's length"},
)


def _plateaus(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage, part, length in _timed(recipe):
        schedule = part.call
        if SCHEDULES[schedule.name].judge is None:
            continue
        lengths = {name: schedule[name].within(length) for name in ("patience", "warmup")}
        if any(each.unit != length.unit for each in lengths.values() if each.number) or length.unit != "epochs":
            continue
        needed = floor(lengths["warmup"].number) + lengths["patience"].number + 3
        if length.number < needed:
            yield NeverReduces(
                span=argument_span(part.value, "patience", stage.head_span),
                patience=str(schedule["patience"]),
                length=str(length),
                needed=needed,
                length_span=part.length_span,
            )


SameStage = Kind(
    "W717",
    "same stage",
    reason="""Two consecutive stages that differ only in length add nothing new, and the second one's optimizer starts
    fresh.

    Where a warm restart is meant, as in SGDR, this is right: silence it with a comment.""",
    source="docs/language.md: each stage begins with a fresh optimizer; arXiv 1608.03983 (SGDR)",
    fields="title before before_span",
    message='stage "{title}" repeats stage "{before}"',
    help="make that stage longer, or change something",
    related={"before_span": "the same"},
)


def _repeated(recipe: CheckedRecipe) -> Iterator[Problem]:
    for before, stage in pairwise(recipe.all("stage")):
        if all(value == before.fields[name] for name, value in stage.fields.items() if name != "for"):
            yield SameStage(span=stage.head_span, title=stage.title, before=before.title, before_span=before.head_span)


MonitorIgnored = Kind(
    "W718",
    "monitor ignored",
    reason="""`monitor` says which weights are the best; with `keep = last` these are not kept, and nothing asks for
    them.""",
    source="docs/language.md: which weights a stage hands on",
    fields="keep_span",
    message="nothing uses this metric: the last weights are kept, not the best",
    help="remove one of the two",
    related={"keep_span": "the last weights"},
)


def _monitors(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        own, whole = stage.fields["monitor"].span, stage.span
        if stage["monitor"] is None or stage["keep"] != "last" or own is None or whole is None:
            continue
        if own.source is whole.source and whole.start <= own.start < whole.end:  # not one of `defaults`
            yield MonitorIgnored(span=own, keep_span=stage.fields["keep"].span)


UnmonitoredLast = Kind(
    "W780",
    "unmonitored last",
    reason="""A later stage may make the result worse, with a learning rate that is too high or too many epochs on few
    images.

    Where nothing is monitored the weights of its last epoch are the final ones all the same. With `monitor` the
    best are kept, and those that the stage began with are among them.""",
    source="docs/language.md: which weights a stage hands on; Prechelt 1998, Early Stopping - But When?",
    fields="before metric",
    message='the last weights of this stage are kept, even if those of stage "{before}" were better',
    help="add `monitor = valid.{metric}`, or write `keep = last` if that is meant",
)


def _unmonitored(recipe: CheckedRecipe) -> Iterator[Problem]:
    *before, last = recipe.all("stage")
    if before and not chooses(last) and last["keep"] != "last":
        yield UnmonitoredLast(span=last.head_span, before=before[-1].title, metric=task_of(recipe).monitor)


DefaultUnused = Kind(
    "W719",
    "default unused",
    reason="A field of `defaults` holds where a stage does not write it; where all stages do, it says nothing.",
    source="docs/language.md: `defaults`",
    fields="name",
    message="this default is not used: all stages write their own `{name}`",
    help="remove it, or remove the field from the stages that mean the same",
)


def _unused_defaults(recipe: CheckedRecipe) -> Iterator[Problem]:
    own = [item for item in recipe.written.items if isinstance(item, nodes.Block) and item.kind == "defaults"]
    if not own:
        return
    blocks = [item for item in merge(recipe.written).items if isinstance(item, nodes.Block) and item.kind == "stage"]
    written = [{item.name for item in block.items if isinstance(item, nodes.Field)} for block in blocks]
    for field in (item for block in own for item in block.items if isinstance(item, nodes.Field)):
        if all(field.name in names for names in written):
            yield DefaultUnused(span=field.name_span, name=field.name)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _warmups,
    _drops,
    _patience,
    _plateaus,
    _repeated,
    _monitors,
    _unmonitored,
    _unused_defaults,
)
