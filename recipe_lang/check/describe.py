"""Types and values in words, for messages and documentation."""

from __future__ import annotations

from recipe_lang.check import vocabulary as v
from recipe_lang.check.quantities import quantity_text
from recipe_lang.syntax import nodes
from recipe_lang.words import listed

LENGTH = "a length such as `3 epochs` or `500 steps`"


def describe(type_: v.Type, vocabulary: v.Vocabulary) -> str:
    """Say in a few words what a type takes."""
    match type_:
        case v.Number():
            kind, unit = "a whole number" if type_.whole else "a number", type_.unit and f"of {type_.unit}"
            return " ".join(filter(None, (kind, unit, range_text(type_))))
        case v.Duration(share=True):
            return f"{LENGTH.replace(' or', ',')} or `10%` of the stage"
        case v.Duration():
            return LENGTH
        case v.Truth():
            return "`true` or `false`"
        case v.Text():
            return "a string"
        case v.FilePath():
            return "a path in a string"
        case v.HexDigits():
            return "8 to 64 hex digits in a string"
        case v.NothingType():
            return "`none`"
        case v.Word(options):
            return listed(tuple(f"`{option}`" for option in options))
        case v.OneOfStrings(noun):
            return f"the name of a {noun} in a string"
        case v.CallOf(families, then):
            nouns = listed(tuple(vocabulary.families[name].noun for name in families))
            return f"{nouns}, or several joined by `then`" if then else nouns
        case v.ListOf(item):
            return f"a list, each item {describe(item, vocabulary)}"
        case v.RangeOf(item):
            return f"a range `low .. high`, both {describe(item, vocabulary)}"
        case v.MapOf(key, value):
            return f"a map `{{ key = value }}` from {describe(key, vocabulary)} to {describe(value, vocabulary)}"
        case v.Select():
            return "parts of the network such as `head` or `base.block3 .. head`"
        case v.MetricOf(sets):
            return f"a metric such as `{sets[0]}.{next(iter(vocabulary.metrics))}`"
        case v.Either(options):
            return listed(tuple(text for option in options for text in _each(option, vocabulary)))


def _each(type_: v.Type, vocabulary: v.Vocabulary) -> list[str]:
    """Say what a type takes, words and families one by one, so that a list of them stays flat."""
    match type_:
        case v.Word(options):
            return [f"`{option}`" for option in options]
        case v.CallOf(families):
            return [vocabulary.families[name].noun for name in families]
    return [describe(type_, vocabulary)]


def _end_text(end: float) -> str:
    return f"{end:,.0f}" if abs(end) >= 1e5 else f"{end:g}"


def range_text(number: v.Number) -> str:
    """Say which numbers are allowed; empty when all are."""
    low, high = (None if end is None else _end_text(end) for end in (number.low, number.high))
    if low is not None and high is not None and not number.above and not number.below:
        return f"from {low} to {high}"
    bounds = []
    if low is not None:
        bounds.append(f"above {low}" if number.above else f"at least {low}")
    if high is not None:
        bounds.append(f"below {high}" if number.below else f"at most {high}")
    return " and ".join(bounds)


def describe_node(node: nodes.Node) -> str:
    """Say in a few words what a value is."""
    match node:
        case nodes.Number():
            return quantity_text(node)
        case nodes.Text():
            return "a string"
        case nodes.Name():
            return f"the name `{node.value}`"
        case nodes.Reference():
            return f"`${node.name}`"
        case nodes.Call():
            return f"a call of `{node.name}`"
        case nodes.List():
            return "a list"
        case nodes.Map():
            return "a map"
        case nodes.Range():
            return "a range"
        case nodes.Except():
            return "an `except`"
        case nodes.Then():
            return "a `then`"
        case nodes.Arithmetic() | nodes.Negative():
            return "arithmetic"


def fits(node: nodes.Node, type_: v.Type, vocabulary: v.Vocabulary) -> bool:
    """Whether a value has the form of a type; its content may still be wrong."""
    match type_:
        case v.Number():
            return isinstance(node, nodes.Number)
        case v.Duration(share=share):
            is_share = share and isinstance(node, nodes.Number) and node.unit is None and 0 <= node.value < 1
            return is_share or (isinstance(node, nodes.Number) and node.unit in ("epochs", "steps"))
        case v.Text() | v.FilePath() | v.HexDigits() | v.OneOfStrings():
            return isinstance(node, nodes.Text)
        case v.ListOf():
            return isinstance(node, nodes.List)
        case v.RangeOf():
            return isinstance(node, nodes.Range)
        case v.MapOf():
            return isinstance(node, nodes.Map)
        case v.Truth():
            return isinstance(node, nodes.Name) and node.value in ("true", "false")
        case v.NothingType():
            return isinstance(node, nodes.Name) and node.value == "none"
        case v.Word(options):
            return isinstance(node, nodes.Name) and node.value in options
        case v.CallOf(then=True) if isinstance(node, nodes.Then):
            return True
        case v.CallOf(families):
            return isinstance(node, nodes.Name | nodes.Call) and any(
                (node.name if isinstance(node, nodes.Call) else node.value) in vocabulary.families[name].entries
                for name in families
            )
        case v.MetricOf(sets):
            return isinstance(node, nodes.Name) and node.value.partition(".")[0] in sets
        case v.Select():
            return isinstance(node, nodes.Name | nodes.Range | nodes.List | nodes.Except | nodes.Call)
        case v.Either(options):
            return any(fits(node, option, vocabulary) for option in options)


def lower_first(text: str) -> str:
    """Return a sentence of documentation so that it can go on a sentence: small first letter, no full stop."""
    return text[:1].lower() + text[1:].rstrip(".")
