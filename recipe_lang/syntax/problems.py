"""What is wrong with a recipe's syntax, or with its file: E1."""

from __future__ import annotations

import re

from recipe_lang.problem import Edit, Kind, Problem
from recipe_lang.suggest import instead
from recipe_lang.words import listed


def _found(p: Problem) -> str:
    if p.found.isprintable():
        return f"unexpected `{p.found}`" if p.found else "the statement is not complete"
    return f"unexpected character U+{ord(p.found[0]):04X}"


Unexpected = Kind(
    "E101",
    "unexpected",
    reason="The text does not follow the grammar: every statement is `name = value` or a block, one a line.",
    fields="found expected",
    optional={"advice": "", "fix": ()},
    message=_found,
    label=lambda p: f"expected {listed(p.expected)}" if 0 < len(p.expected) <= 5 else "",
    help="{advice}",
    edits=lambda p: p.fix,
)

UnclosedString = Kind(
    "E102",
    "unclosed string",
    reason="A string begins with a double quote and ends with one on the same line.",
    message="this string has no end",
    help='close it with `"` on the same line; write `\\n` for a new line and `\\"` for a quote',
)


_CLOSERS = {"(": ")", "[": "]", "{": "}"}


UnclosedBracket = Kind(
    "E103",
    "unclosed bracket",
    reason="A bracket is closed by its partner; inside it a line breaks only after the opener or a comma.",
    fields="bracket",
    message="this `{bracket}` is not closed",
    help=lambda p: f"add `{_CLOSERS[p.bracket]}`; a line may break only after `{p.bracket}` or a comma",
)

UnclosedBlock = Kind(
    "E104",
    "unclosed block",
    reason="A block ends with `}`.",
    fields="block",
    message="the block `{block}` is not closed",
    help="add `}}` on a line of its own after its last field",
)

StrayBrace = Kind(
    "E105",
    "stray brace",
    reason="A `}` closes a block; here none is open.",
    message="this `}}` closes nothing",
    help="remove it, or look for a block above that was closed too early",
)


def _path(p: Problem) -> str:
    """Return the string with `/` for its backslashes; empty where they can be meant otherwise."""
    is_other = p.escape.startswith("\\u") or '\\"' in p.string.text
    return "" if is_other else re.sub(r"\\+", "/", p.string.text)


def _bad_escape_help(p: Problem) -> str:
    path = f"if it is a path, write `{_path(p)}`; else " if _path(p) else ""
    return path + 'write `\\\\` for a backslash; the others are `\\"`, `\\n`, `\\t`, `\\uXXXX`'


BadEscape = Kind(
    "E106",
    "bad escape",
    reason=r"""A string knows the escapes `\"`, `\\`, `\n`, `\t` and `\uXXXX`.

    Paths have `/` between their parts, also those of Windows: in `"data\train"` a backslash and a `t` are a tab.""",
    fields="escape string",
    message="unknown escape `{escape}`",
    help=_bad_escape_help,
    edits=lambda p: instead(p.string, _path(p)) if _path(p) else (),
)

TooDeep = Kind(
    "E107",
    "too deep",
    reason="Brackets and blocks nest at most 32 levels deep.",
    fields="limit",
    message="brackets nest deeper than {limit} levels",
)

NotText = Kind(
    "E108",
    "not text",
    reason="A recipe is UTF-8 text.",
    fields="path offset",
    optional={"encoding": ""},  # what it seems to be instead
    message=("{path} is {encoding}, a recipe is UTF-8 text", "{path} is not UTF-8 text (byte {offset})"),
    help="save it as UTF-8 in your editor",
)

TooLong = Kind(
    "E109",
    "too long",
    reason="A recipe file has at most 1 MB.",
    fields="path limit",
    message="{path} is longer than {limit:,} bytes",
)


def _unreadable_help(p: Problem) -> str:
    if re.search(r"(^|/)[a-z]+:/", p.path):
        return "a recipe is a file on this machine: save it beside yours and name that file"
    return f"did you mean {p.near}?" if p.near else ""


Unreadable = Kind(
    "E110",
    "unreadable",
    reason="The file is not there, or may not be read.",
    fields="path reason",
    optional={"near": ""},  # a file that may be meant
    message="cannot read {path}: {reason}",
    help=_unreadable_help,
)


def _no_version_edits(p: Problem) -> tuple[Edit, ...]:
    if p.span is None or not p.is_recipe:
        return ()
    line = p.span.start - p.span.column + 1
    return instead(p.span.source.span(line, line), f"ftr {p.version}\n")


NoVersion = Kind(
    "E111",
    "no version",
    reason="The first line of a recipe that is not blank or a comment names the version of the language.",
    fields="version",
    optional={"is_recipe": True},  # the rest of the text says so
    message=lambda p: (
        f"{'a recipe' if p.is_recipe else 'this text is not a recipe, which'} begins with the version of the language"
    ),
    help="write `ftr {version}` as the first line",
    edits=_no_version_edits,
)

OtherVersion = Kind(
    "E112",
    "other version",
    reason="This program reads one version of the language; a newer recipe needs a newer program.",
    fields="found version",
    message="this recipe is written in version {found} of the language",
    help="this program reads version {version}: write `ftr {version}`, or use another ftr",
    edits=lambda p: instead(p.span, f"ftr {p.version}") if float(p.found) == p.version else (),
)
