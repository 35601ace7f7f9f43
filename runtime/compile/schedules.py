"""The lengths of a stage in steps, and its schedule made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedBlock, Quantity, Value
from recipe_lang.problem import Problem
from recipe_lang.words import counted
from runtime.compile.problems import TooShort
from runtime.plan.schedules import SEQUENCE
from runtime.plan.types import Component, Length
from runtime.vocabulary.rules.training import SchedulesTooLong


@dataclass(frozen=True, slots=True)
class StageSteps:
    """How many steps a stage has in all, and in an epoch."""

    total: Length
    per_epoch: int

    @classmethod
    def of_stage(cls, block: CheckedBlock, images: int, batch: int) -> StageSteps:
        """Return those of a stage that trains with so many images."""
        per_epoch = max(1, images // (batch * block["accumulate"]))
        return cls(Length(block["for"].steps(per_epoch), str(block["for"])), per_epoch)

    @property
    def epochs(self) -> int:
        """The epochs that the stage begins."""
        return ceil(self.total / self.per_epoch)

    def of(self, length: Quantity, whole: Length | None = None) -> Length:
        """Return a length in steps; a share is one of the stage, or of `whole`."""
        return Length(length.steps(self.per_epoch, whole or self.total), str(length))

    def within(self, value: Any, whole: Length | None = None) -> Any:
        """Return the lengths in a value in steps, and all else as it is."""
        if isinstance(value, tuple):
            return tuple(self.within(item.value, whole) for item in value)
        return self.of(value, whole) if isinstance(value, Quantity) else value


def stage_schedule(block: CheckedBlock, steps: StageSteps, problems: list[Problem]) -> tuple[Component, Length]:
    """Return the schedule of a stage, and its warm-up; what is wrong with their lengths is added to `problems`."""
    value = block.fields["schedule"]
    if isinstance(value.value, tuple):
        return _sequence(block, value, steps, problems), Length(0, "0 steps")
    return _schedule(block, value, steps.total, steps, problems)


def _sequence(block: CheckedBlock, value: Value, steps: StageSteps, problems: list[Problem]) -> Component:
    """Return schedules that follow one another as one."""
    found, left = [], int(steps.total)
    for each in value.value:
        own: Quantity | None = each.value["for"]
        length = steps.of(own) if own else Length(left, f"the last {counted(left, 'step')}")
        schedule, warmup = _schedule(block, each, length, steps, problems)
        own_args = {"warmup": warmup} if warmup else {}
        found.append(replace(schedule, args={**schedule.args, **own_args, **({"for": length} if own else {})}))
        left -= length
        if left <= 0 and own:
            problems.append(
                SchedulesTooLong(
                    span=value.span or block.head_span,
                    total=counted(steps.total - left, "step"),
                    last=value.value[-1].value.name,
                    length=counted(steps.total, "step"),
                    length_span=block.span_of("for"),
                )
            )
            break
    return Component(SEQUENCE, {"schedules": tuple(found)}, value.span)


def _schedule(
    block: CheckedBlock, value: Value, length: Length, steps: StageSteps, problems: list[Problem]
) -> tuple[Component, Length]:
    """Return one schedule, and its warm-up; shares in it are of its own length."""
    call: CallValue = value.value
    given = {name: arg for name, arg in call.args.items() if name != "for" and (name != "peak" or arg.span)}
    args = {name: steps.within(arg.value, length) for name, arg in given.items()}
    warmup: Length = args.pop("warmup")
    if warmup and warmup >= length:
        problems.append(TooShort(span=call.args["warmup"].span or block.head_span, steps=warmup, stage_steps=length))
    return Component(call.name, args, call.span or value.span), warmup
