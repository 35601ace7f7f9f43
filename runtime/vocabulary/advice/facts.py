"""What several rules of advice ask of a checked recipe."""

from __future__ import annotations

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Value
from recipe_lang.source import Span
from runtime.vocabulary.models import parts_of, weights_of


def whole_base(recipe: CheckedRecipe) -> tuple[str, ...]:
    """Return the base's parts as selectors name them."""
    found = parts_of(recipe["base"])
    return tuple(f"base.{name}" for name in found[0]) if found else ()


def is_pretrained(recipe: CheckedRecipe) -> bool:
    """Whether the base starts with weights, and not at random."""
    return weights_of(recipe["base"]).is_pretrained


def argument_span(value: Value, name: str, otherwise: Span | None) -> Span | None:
    """Return where a call's argument stands, if inside the call: a parameter's value stands elsewhere."""
    whole, own = value.span, value.value.args[name].span
    if whole is None or own is None:
        return whole or otherwise
    is_inside = own.source is whole.source and whole.start <= own.start and own.end <= whole.end
    return own if is_inside else whole


def chooses(stage: CheckedBlock) -> bool:
    """Whether a stage keeps the best weights by the validation set."""
    is_watched = stage["monitor"] is not None or stage["stop"] is not None
    return is_watched and stage["keep"] != "last"
