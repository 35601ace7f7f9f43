"""Switches inside a stage that come at the wrong time, or make its epochs incomparable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Quantity
from recipe_lang.problem import Kind, Problem
from runtime.models.problems import OneSizeOnly
from runtime.tasks.catalog import task_of
from runtime.vocabulary.models import accepts, base_name, is_of_one_size
from runtime.vocabulary.rules.images import image_size, written_size

SwitchMisplaced = Kind(
    "E417",
    "switch misplaced",
    reason="""Images and loss change between two epochs, inside the stage, and each `from` comes after the one before.

    A share of the stage falls on the end of an epoch that is nearest.""",
    fields="reason hint",
    message="{reason}",
    help="{hint}",
)

LossesCompared = Kind(
    "E418",
    "losses compared",
    reason="""`valid.loss` is of the loss in force. Of two losses the lower value is not the better one: neither the
    best weights nor the end of a stage can be told by it once the loss has changed.""",
    fields="metric_span example",
    message="the loss changes here, and the stage is judged by `valid.loss`",
    help="judge it by a metric that stays what it is, such as `valid.{example}`",
    related={"metric_span": "where it is judged"},
)


def _places(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        length: Quantity = stage["for"]
        for before, switch in pairwise((None, *stage.inside)):
            assert switch is not None
            begins, reason, hint = _begins(switch), "", ""
            earlier = None if before is None else _begins(before)
            if begins.unit == "steps":
                reason = f"`from {begins}` may be in the middle of an epoch"
                hint = "write epochs, or a share of the stage"
            elif begins.number <= 0:
                reason = f"`from {begins}` is the beginning of the stage"
                hint = "write what it holds in the stage itself"
            elif begins.unit == length.unit and begins.number >= length.number:
                reason = f"the stage of {length} is over before `from {begins}`"
                hint = "write an earlier epoch, or a longer stage"
            elif earlier is not None and earlier.unit == begins.unit and earlier.number >= begins.number:
                reason = f"`from {begins}` stands behind `from {earlier}`"
                hint = "write the earlier one first, and each once"
            if reason:
                yield SwitchMisplaced(span=switch.head_span, reason=reason, hint=hint)


def _begins(switch: CheckedBlock) -> Quantity:
    assert switch.begins is not None
    found: Quantity = switch.begins.value
    return found


def _losses(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        watched = [stage.fields["monitor"], *(stage["stop"].args.values() if stage["stop"] else ())]
        judged = [value.span for value in watched if str(value.value) == "valid.loss"]
        for before, phase in pairwise(stage.phases() if judged else ()):
            own = phase.fields["loss"]
            if before["loss"] != own.value:
                yield LossesCompared(span=own.span, metric_span=judged[0], example=task_of(recipe).monitor)


def _sizes(recipe: CheckedRecipe) -> Iterator[Problem]:
    if is_of_one_size(recipe["base"]):
        size, _ = image_size(recipe)
        for value in recipe.all_values("stage", "size"):
            own = size if value.value == "shared" else written_size(value.value)
            if own != size and all(accepts(recipe["base"], side) for side in own):
                yield OneSizeOnly(span=value.span, base=base_name(recipe["base"]), size=size.short, own=own.short)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_places, _losses, _sizes)
