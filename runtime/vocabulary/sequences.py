"""The schedules of a stage, one or several joined by `then`, each with its length: what rules ask of them."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_lang.check.checked import CallValue, CheckedBlock, Quantity, Value
from recipe_lang.source import Span


@dataclass(frozen=True, slots=True)
class Part:
    """One schedule of a stage. Its length is None where only the data can tell what is left of the stage for it."""

    value: Value
    length: Quantity | None
    length_span: Span | None

    @property
    def call(self) -> CallValue:
        """The schedule as it is written."""
        call: CallValue = self.value.value
        return call


def parts(stage: CheckedBlock) -> list[Part]:
    """Return the schedules of a stage in their order; the last has what the others leave."""
    value, length = stage.fields["schedule"], stage["for"]
    if not isinstance(value.value, tuple):
        return [Part(value, length, stage.fields["for"].span)]
    *before, last = value.value
    found = [Part(each, _within(each.value.args.get("for"), length), _place(each)) for each in before]
    rest = None
    if all(part.length and part.length.unit == length.unit for part in found):
        rest = Quantity(length.number - sum(part.length.number for part in found if part.length), length.unit)
    return [*found, Part(last, rest, stage.fields["for"].span)]


def _within(own: Value | None, stage: Quantity) -> Quantity | None:
    return own.value.within(stage) if own and own.value else None


def _place(schedule: Value) -> Span | None:
    own = schedule.value.args.get("for")
    return own.span if own else None


def first_warmup(stage: CheckedBlock) -> Quantity:
    """Return the warm-up with which a stage begins."""
    warmup: Quantity = parts(stage)[0].call["warmup"]
    return warmup
