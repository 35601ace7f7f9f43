"""A number or a length of training against its type: in goes a resolved one, out comes its value or what is wrong."""

from __future__ import annotations

from dataclasses import replace

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import Quantity
from recipe_lang.check.describe import LENGTH, range_text
from recipe_lang.check.hints import literal
from recipe_lang.check.problems.types import NotWhole, OutOfRange, WrongType, WrongUnit
from recipe_lang.check.quantities import quantity_text
from recipe_lang.problem import Problem
from recipe_lang.syntax import nodes

_LONGEST = 1e7  # epochs or steps


def number(node: nodes.Number, type_: v.Number, what: str) -> float | Problem:
    """Return the value of a number, an int where the type counts."""
    value, shown = node.value, quantity_text(node)
    if node.unit != type_.unit and not (node.unit is None and type_.unit_optional):
        meant = replace(node, unit=type_.unit)
        return WrongUnit(
            span=node.span,
            what=what,
            found=node.unit or "",
            expected=f"a number of {type_.unit}" if type_.unit else "a plain number",
            example="" if isinstance(number(meant, type_, what), Problem) else quantity_text(meant),
            is_plain=node.unit is None and type_.unit is not None and literal(node.span),
        )
    if type_.whole and value != int(value):
        return NotWhole(span=node.span, what=what, found=shown, near=_whole_near(node, type_.unit))
    too_low = type_.low is not None and (value < type_.low or (type_.above and value == type_.low))
    too_high = type_.high is not None and (value > type_.high or (type_.below and value == type_.high))
    if too_low or too_high:
        is_share = type_.high == 1 and type_.unit is None and 2 <= value <= 100
        is_share = is_share and not isinstance(number(replace(node, value=value / 100), type_, what), Problem)
        tenth = f"`{value / 10:g}`, or " if is_share and value < 10 else ""  # 9 may stand for .9 as well as for 9%
        hint = f"a fraction is written {tenth}`{value:g}%` or `{value / 100:g}`" if is_share else ""
        return OutOfRange(span=node.span, what=what, found=shown, allowed=range_text(type_), hint=hint)
    return int(value) if type_.whole else value


def length(node: nodes.Number, type_: v.Duration, what: str) -> Quantity | Problem:
    """Return a length of training; a share of its stage where the type takes one."""
    value, shown = node.value, quantity_text(node)
    if type_.share and node.unit is None and 0 <= value < 1:
        return Quantity(value, "stages")
    if node.unit is None and (node.span.text.endswith("%") or 0 < value < 1):
        expected = "less than the whole stage" if type_.share else LENGTH
        return WrongType(span=node.span, what=what, expected=expected, found=f"the share {node.span.text}")
    if node.unit not in ("epochs", "steps"):
        meant = replace(node, unit="epochs")
        return WrongUnit(
            span=node.span,
            what=what,
            found=node.unit or "",
            expected="a number of epochs or steps",
            example="" if isinstance(length(meant, type_, what), Problem) else quantity_text(meant),
            is_plain=node.unit is None and type_.in_epochs and literal(node.span),
        )
    if (type_.whole or node.unit == "steps") and value != int(value):
        return NotWhole(span=node.span, what=what, found=shown, near=_whole_near(node))
    if value < 0 or (value == 0 and not type_.zero) or value > _LONGEST:
        allowed = "0 or more" if type_.zero else "more than 0, at most 10,000,000"
        return OutOfRange(span=node.span, what=what, found=shown, allowed=allowed)
    return Quantity(value, node.unit)


def _whole_near(node: nodes.Number, unit: str | None = None) -> str:
    """Return the whole numbers below and above a number, as choices; for a share, which counts nothing, any count."""
    if node.value < 1:
        return f"a number of {unit}, such as `500 {unit}`" if unit == "images" else ""
    below = replace(node, value=float(int(node.value)))
    above = replace(below, value=below.value + 1)
    return " or ".join(f"`{quantity_text(each)}`" for each in (below, above))
