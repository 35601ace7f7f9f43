"""Words and names as parts of a sentence, and the sentences: templates for messages."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any


def listed(words: tuple[str, ...], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(words: tuple[str, ...], limit: int = 12) -> str:
    """List names in backticks, the first `limit` of them."""
    shown = ", ".join(f"`{word}`" for word in words[:limit])
    return f"{shown}, … ({len(words)} in all)" if len(words) > limit else shown


def suggested(suggestion: str) -> str:
    """Turn a suggestion into help: a name becomes a question, a sentence stands as it is."""
    return f"did you mean `{suggestion}`?" if suggestion and " " not in suggestion else suggestion


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things: `1 image`, `2,000 images`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: object, kept: str = "") -> str:
    """Return text whose characters all show: others, such as those that steer a terminal, are replaced by U+FFFD.

    `kept` holds characters that stay all the same, such as the line feed. Halves of surrogate pairs stay too: they are
    bytes that are no UTF-8, and streams show their number.
    """
    return "".join(
        char if char.isprintable() or char in kept or "\ud800" <= char <= "\udfff" else "\N{REPLACEMENT CHARACTER}"
        for char in str(text)
    )


def wrapped(text: str, columns: int | None, indent: str = "  ") -> str:
    """Break a line between words so that it fits, later lines indented; a longer word, such as a path, stays whole.

    Without `columns` it stays one line.
    """
    if columns is None or len(text) <= columns:
        return text
    first = text[: len(text) - len(text.lstrip())]
    return "\n".join(
        textwrap.wrap(
            text.lstrip(),
            columns,
            initial_indent=first,
            subsequent_indent=first + indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


_SHOWN = 5


def a_few(names: Sequence[object], total: int = 0) -> str:
    """Return the first of some names in backticks, and how many more there are."""
    more = (total or len(names)) - min(len(names), _SHOWN)
    shown = ", ".join(f"`{printable(name)}`" for name in names[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def gigabytes(size: int) -> str:
    """Return bytes as text, in GB (10**9 bytes)."""
    return f"{size / 1e9:.1f} GB"


class _Template(Formatter):
    """`str.format`, whose specifications are also words of a sentence.

    `{path:printable}`, `{names:and}` or `{names:or}` (a, b and c), the same in backticks as `{names:quoted and}`,
    `{names:quoted}` and `{names:quoted 20}` (the first ones), `{names:few}`, `{number:counted image}` or
    `{number:counted class|classes}` (with the number), `{number:plural is|are}` (without it; also by how many there
    are of a tuple), `{size:GB}`, `{text:suggested}`; and `{more:if , {more} more}`, words that stand there where the
    field holds something.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        how, _, rest = format_spec.partition(" ")
        one, _, many = rest.partition("|")
        match how:
            case "and" | "or":
                return listed(tuple(value), how)
            case "counted":
                return counted(value, one, many)
            case "few":
                return a_few(value)
            case "GB":
                return gigabytes(value)
            case "if":
                return rest if value else ""
            case "plural":
                return one if (value if isinstance(value, int) else len(value)) == 1 else many
            case "printable":
                return printable(value)
            case "quoted" if rest in ("and", "or"):
                return listed(tuple(f"`{printable(each)}`" for each in value), rest)
            case "quoted":
                return quoted(tuple(value), int(rest or 12))
            case "suggested":
                return suggested(value)
        return str(super().format_field(value, format_spec))


_TEMPLATE = _Template()


def filled(templates: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Fill in the first template whose values all hold something, not zero and not empty; where none is, the last."""
    for template in templates[:-1]:
        fields = [(name, spec) for _, name, spec, _ in _TEMPLATE.parse(template) if name]
        if all(_TEMPLATE.get_field(name, (), values)[0] or (spec or "").startswith("if ") for name, spec in fields):
            return _TEMPLATE.vformat(template, (), values)
    return _TEMPLATE.vformat(templates[-1], (), values)
