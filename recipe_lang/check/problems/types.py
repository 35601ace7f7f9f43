"""Values of the wrong kind, and numbers out of range: E3."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem
from recipe_lang.suggest import instead

_SHORT = 70  # characters; a longer label repeats too much of the message


WrongType = Kind(
    "E301",
    "wrong type",
    reason="A value of one kind is given where another kind is expected.",
    fields="what expected found",
    optional={
        "hint": "",
        "meant": "",  # the right text, where there is no doubt
    },
    message="{what} takes {expected}, not {found}",
    label=lambda p: f"expected {p.expected}" if len(p.expected) <= _SHORT else "",
    help="{hint}",
    edits=lambda p: instead(p.span, p.meant) if p.meant else (),
)

OutOfRange = Kind(
    "E302",
    "out of range",
    reason="A number lies outside the range that makes sense here.",
    fields="what found allowed",
    optional={"hint": ""},
    message="{what} is {found}; it must be {allowed}",
    help="{hint}",
)

WrongUnit = Kind(
    "E303",
    "wrong unit",
    reason="A number's unit is missing, unknown, or belongs to another kind of quantity.",
    fields="what found expected example",
    optional={"is_plain": False},  # the example is what was meant
    message=("{what} takes {expected}, not `{found}`", "{what} takes {expected}; this number has no unit"),
    help=("write `{example}`", ""),
    edits=lambda p: instead(p.span, p.example) if p.is_plain and p.example else (),
)


def _too_many(p: Problem) -> str:
    count = {0: "no argument", 1: "one argument"}.get(p.limit, f"{p.limit} arguments")
    return f"`{p.call}` takes {count} by position" if p.options else f"`{p.call}` takes no arguments"


TooManyArguments = Kind(
    "E304",
    "too many arguments",
    reason="Only the first arguments of a call may be positional.",
    fields="call limit options",
    message=_too_many,
    help=lambda p: "name it: " + ", ".join(f"`{name} = …`" for name in p.options) if p.options else "",
)

PositionalAfterNamed = Kind(
    "E305",
    "positional after named",
    reason="Positional arguments come before named ones.",
    message="a positional argument follows a named one",
    help="name it, or put it first",
)

OutsideDomain = Kind(
    "E306",
    "outside domain",
    reason="A parameter's value, its default or the one from `--set`, lies in the domain that it declares.",
    fields="name found domain domain_span",
    message="parameter `{name}` is {found}, outside its domain {domain}",
    related={"domain_span": "the domain"},
)

BadArithmetic = Kind(
    "E307",
    "bad arithmetic",
    reason="Arithmetic takes numbers; a sum takes numbers of one unit, nothing divides by zero.",
    fields="reason",
    message="{reason}",
)

TooFew = Kind(
    "E308",
    "too few",
    reason="A list has fewer values than this place needs.",
    fields="what least",
    message="{what} needs at least {least} value{least:plural |s}",
)

NotWhole = Kind(
    "E309",
    "not whole",
    reason="This place counts things: it takes a whole number.",
    fields="what found",
    optional={"near": ""},  # the whole numbers below and above it
    message="{what} takes a whole number, not {found}",
    help=("write {near}", ""),
)

BackwardRange = Kind(
    "E310",
    "backward range",
    reason="A range goes from the lower to the higher end; parts go in the order of the network.",
    fields="low high",
    message="this range runs backwards: {low} comes after {high}",
    help="write `{high} .. {low}`",
)

BadHash = Kind(
    "E311",
    "bad hash",
    reason="A hash is the first 8 to 64 hex digits of the file's SHA-256.",
    message="a hash has 8 to 64 hex digits",
    help="copy it from `sha256sum FILE`",
)

EmptySelection = Kind(
    "E312",
    "empty selection",
    reason="A selector selects at least one part.",
    message="this selector selects nothing",
    help="select at least one part, such as `head`",
)
