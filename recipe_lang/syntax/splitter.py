"""A text cut into statements, without the grammar: `statements(text)`.

Used where the grammar refuses the text, so that the mistake of one statement does not hide those of the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SCAN = re.compile(r'"(?:\\.|[^"\\\r\n])*"|#[^\n]*|\n|[^\S\n]+|[A-Za-z0-9_.$%]+|.', re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Statement:
    """A slice of the text: an `item`, a block's header (`open`), or its end (`close`)."""

    kind: str
    start: int
    end: int
    unclosed: tuple[int, str] | None = None  # a bracket that the statement leaves open


def statements(text: str) -> Iterator[Statement]:
    """Cut a text into statements; a bracket that is not closed ends with its line."""
    start: int | None = None
    end = 0  # of the last token
    stack: list[tuple[int, str]] = []
    before = ""  # the last token that is neither blank nor comment
    tokens = [match for match in _SCAN.finditer(text) if not match[0].isspace() or match[0] == "\n"]
    tokens = [match for match in tokens if not match[0].startswith("#")]
    for index, match in enumerate(tokens):
        token, at = match[0], match.start()
        if token == "\n":
            if start is None or (stack and _goes_on(before, tokens, index, stack, _indent(text, start))):
                continue
            if not stack and _brace_follows(tokens, index, text[start:at]):
                continue
            yield Statement("item", start, end, stack[-1] if stack else None)
            start, before, stack = None, "", []
            continue
        if token == "}" and "{" not in [bracket for _, bracket in stack]:
            if start is not None:
                yield Statement("item", start, end, stack[-1] if stack else None)
            yield Statement("close", at, at + 1)
            start, before, stack = None, "", []
            continue
        start, end = at if start is None else start, match.end()
        if token == "{" and not stack and (before != "=" or _titled(text[start:at])) and not before.endswith("$"):
            yield Statement("open", start, at + 1)
            start, before = None, ""
            continue
        if token in _CLOSES:
            stack.append((at, token))
        elif stack and token == _CLOSES[stack[-1][1]]:
            stack.pop()
        before = token
    if start is not None:
        yield Statement("item", start, end, stack[-1] if stack else None)


def _titled(statement: str) -> bool:
    """Whether `stage "x" = {` is meant: with a title it is no field."""
    return re.fullmatch(r'[A-Za-z]\w*\s+"[^"\n]*"\s*=\s*', statement) is not None


def _indent(text: str, at: int) -> int:
    return at - text.rfind("\n", 0, at) - 1


def _brace_follows(tokens: list[re.Match[str]], index: int, statement: str) -> bool:
    """Whether this is a block's header with its brace on the next line."""
    following = _next(tokens, index)
    return (
        following is not None
        and following[0] == "{"
        and re.fullmatch(r"\w+(\s+[^={}\n#]*)?(#.*)?", statement) is not None
    )


def _next(tokens: list[re.Match[str]], index: int) -> re.Match[str] | None:
    """Return the first token from `index` on that is no newline."""
    while index < len(tokens):
        if tokens[index][0] != "\n":
            return tokens[index]
        index += 1
    return None


def _goes_on(before: str, tokens: list[re.Match[str]], index: int, stack: list[tuple[int, str]], indent: int) -> bool:
    """Whether a newline inside brackets is one of those that do not end the statement."""
    if before in ("(", "[", "{", ","):
        following = [match[0] for match in tokens[index : index + 4] if match[0] != "\n"]
        return following[1:2] != ["{"] and following[2:3] != ["{"]  # a block's header never follows
    rest = _next(tokens, index)
    if rest is None:
        return False
    if rest[0] not in [_CLOSES[bracket] for _, bracket in stack]:
        return _indent(rest.string, rest.start()) > indent  # what is missing is a comma
    # A `}` that stands further left than a map's field closes the block, and the map is open.
    return rest[0] != "}" or _indent(rest.string, rest.start()) >= indent
