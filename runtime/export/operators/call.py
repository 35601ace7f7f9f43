"""A node of a symbol, as the rows of operators take it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.export.graph import OnnxGraph

Shape = tuple[int | None, ...]
"""The sides of an array; None where one depends on the number of images."""


class UntranslatableError(ValueError):
    """An operator that no row translates, or not with these arguments; its text is the operator."""


@dataclass(frozen=True, slots=True)
class Call:
    """A node of a symbol: its operator, its arguments as text, and the names and shapes of what it takes and gives."""

    operator: str
    attributes: Mapping[str, str]
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument as a value."""
        text = self.attributes.get(name)
        if text is None:
            return default
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    def demand(self, holds: bool, what: str) -> None:
        """Raise where a call is beyond its row."""
        if not holds:
            raise UntranslatableError(f"{self.operator} with {what}")

    @property
    def axis(self) -> int:
        """The argument `axis` of one axis; that of channels by default."""
        return int(self.get("axis", 1))

    @property
    def axes(self) -> tuple[int, ...]:
        """The argument `axis` of reductions: one, several, or all."""
        given = self.get("axis")
        if given is None or given == ():
            return tuple(range(len(self.shapes[0])))
        return (given,) if isinstance(given, int) else tuple(given)


Row = Callable[[OnnxGraph, Call], str]


def same(operator: str, **attributes: Any) -> Row:
    """Return the row of an operator that takes the same inputs."""
    return lambda graph, call: str(graph.add(operator, *call.inputs, **attributes))


def passed(graph: OnnxGraph, call: Call) -> str:  # noqa: ARG001
    """Return what a call takes: it does nothing."""
    return call.inputs[0]
