"""A checked value of a recipe to a component of the plan."""

from __future__ import annotations

from typing import Any

from recipe_lang.check.checked import CallValue, Value
from runtime.plan.types import Component
from runtime.vocabulary import VOCABULARY


def component(value: Value) -> Component:
    """Return a checked call as a component of the plan, lengths and nested calls left as they are.

    As in the resolved form, an argument that is newer than its call is left out while it is a default: a plan of before
    has none.
    """
    call: CallValue = value.value
    newer = {arg.name for arg in VOCABULARY.families[call.family].entries[call.name].args if arg.since}
    args = {name: _plain(arg) for name, arg in call.args.items() if name not in newer or arg.span is not None}
    return Component(call.name, args, call.span or value.span)


def _plain(value: Any) -> Any:
    """Return a checked value, or one within it, as plain values: a list or a range as a tuple, a map as pairs."""
    if isinstance(value, Value):
        return component(value) if isinstance(value.value, CallValue) else _plain(value.value)
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value
