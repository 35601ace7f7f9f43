"""Words and names as parts of a sentence, for messages."""

from __future__ import annotations


def listed(words: tuple[str, ...], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(words: tuple[str, ...], limit: int = 12) -> str:
    """List names in backticks, the first `limit` of them."""
    shown = ", ".join(f"`{word}`" for word in words[:limit])
    return f"{shown}, … ({len(words)} in all)" if len(words) > limit else shown


def suggested(suggestion: str, fallback: str = "") -> str:
    """Turn a suggestion into help: a name becomes a question, a sentence stands as it is."""
    if " " in suggestion:
        return suggestion
    return f"did you mean `{suggestion}`?" if suggestion else fallback


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
