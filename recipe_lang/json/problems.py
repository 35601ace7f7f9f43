"""What can be wrong with a recipe that is written as JSON."""

from __future__ import annotations

from recipe_lang.problem import Edit, Kind, Problem
from recipe_lang.suggest import renamed
from recipe_lang.words import listed

JsonSyntax = Kind(
    "E120",
    "json syntax",
    reason="A `.ftr.json` file is JSON as RFC 8259 defines it: no comments, no comma at the end, double quotes only.",
    fields="found expected",  # found: in words or backticks; empty at the end of the text
    optional={
        "advice": "",
        "replacement": None,  # what stands in the place of the span when it is put right
    },
    message=("unexpected {found} in JSON", "the JSON text is not complete"),
    label=("expected {expected:or}", ""),
    help="{advice}",
    edits=lambda p: () if p.span is None or p.replacement is None else (Edit(p.span, p.replacement),),
)

JsonUnclosed = Kind(
    "E121",
    "json unclosed",
    reason="Each bracket and each string of a JSON text is closed by its partner.",
    fields="what closer",
    message="this {what} is not closed",
    help="add `{closer}` where it ends",
)


def _json_escape_message(p: Problem) -> str:
    if p.is_half:
        return f"`{p.found}` is half of a character"
    if p.found.startswith("\\"):
        return f"unknown escape `{p.found}`"
    return f"a string holds no raw character U+{ord(p.found):04X}"


def _json_escape_help(p: Problem) -> str:
    if p.is_half:
        return "write both halves, such as `\\ud83d\\ude00`, or the character itself"
    if p.found.startswith("\\"):
        return "write `\\\\` for a backslash"
    return f"write `\\{'t' if p.found == chr(9) else f'u{ord(p.found):04x}'}`"


JsonEscape = Kind(
    "E122",
    "json escape",
    reason=r"""A JSON string knows the escapes `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t` and `\uXXXX`.

    What `\u` cannot say in four digits takes two of them, a pair of surrogates.""",
    fields="found",
    optional={"is_half": False},  # one half of a surrogate pair
    message=_json_escape_message,
    help=_json_escape_help,
)

JsonNumber = Kind(
    "E123",
    "json number",
    reason="""A JSON number is decimal: digits on both sides of a dot, no sign `+`, no zeros in front, no NaN or
    Infinity.""",
    fields="found",
    message="`{found}` is not a JSON number",
    help="write it as `12`, `0.5` or `1e-4`",
)

JsonStatement = Kind(
    "E124",
    "json statement",
    reason="""Each member of a JSON recipe is a statement: its name says which, such as `"data"` or `"param lr"`.""",
    fields="key",
    optional={"advice": ""},
    message=("`{key}` is not a statement", "a statement has a name"),
    help=(
        "{advice}",
        (
            'a member is a field `"base"`, a block `"data"` or `"stage head"`, `"param lr"`, `"drop stage head"`, or'
            ' in `"expect"` a claim `"test.accuracy >="`'
        ),
    ),
)

JsonShape = Kind(
    "E125",
    "json shape",
    reason="""A value of a JSON recipe has one of a few forms, such as `0.5`, `"text"`, `{"name": "adam"}`.

    A name is `{"name": "adam"}`, a quantity `{"number": 3, "unit": "epochs"}`, a call `{"call": "adam", "with":
    {"lr": 0.1}}`.""",
    fields="what expected found",
    message="{what} takes {expected}, not {found}",
    label="expected {expected}",
)


def _json_member_help(p: Problem) -> str:
    if p.suggestion:
        return f'did you mean `"{p.suggestion}"`?'
    return "it has " + listed(tuple(f'`"{name}"`' for name in p.options)) if p.options else ""


JsonMember = Kind(
    "E126",
    "json member",
    reason="""An object that stands for a value has the members of its form: all that it needs, each once, and no
    others.""",
    fields="name form wrong",  # wrong: `missing`, `unknown` or `given twice`
    optional={"options": (), "suggestion": ""},
    message='"{name}" is {wrong} in {form}',
    help=_json_member_help,
    edits=lambda p: renamed(p.span, p.name, p.suggestion),
)
