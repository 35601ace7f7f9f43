"""The stack of a pickle that is read and not run: values, marks and the memo. What instructions do, its readers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class PickleError(ValueError):
    """The pickle does not make sense; the text says why."""


@dataclass(slots=True)
class PickleStack:
    """The values that a pickle has made so far, where its marks are, and what it has put aside by number."""

    values: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.values.append(value)

    def mark(self) -> None:
        """Mark the top of the stack."""
        self.marks.append(len(self.values))

    def pop(self) -> Any:
        """Take the top of the stack, never from below the last mark."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise PickleError("a value is missing")
        return self.values.pop()

    def several(self, count: int) -> tuple[Any, ...]:
        """Take the last values, in order."""
        return tuple(reversed([self.pop() for _ in range(count)]))

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        at = self.marks.pop()
        values = self.values[at:]
        del self.values[at:]
        return values

    def top(self) -> Any:
        """Return the top of the stack."""
        self.push(value := self.pop())
        return value

    def append(self, values: list[Any]) -> None:
        """Append values to the list on top."""
        into = self.top()
        if not isinstance(into, list):
            raise PickleError("it appends to something else than a list")
        into.extend(values)

    def put(self, number: int) -> None:
        """Put the top aside."""
        self.memo[number] = self.top()

    def get(self, number: int) -> None:
        """Push what was put aside."""
        self.push(self.memo[number])
