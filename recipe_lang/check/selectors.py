"""Selectors: which parts of the network a value means.

A base has ordered parts (`stem`, `block1` ..); behind it stands the `head`. `base`, `head`, `all`, one part, a range of
parts in the base's own order, lists of these, `except`, and `matching("…")` over parameter names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recipe_lang.check.checked import Selection
from recipe_lang.check.describe import describe_node
from recipe_lang.check.params import Params
from recipe_lang.check.problems.names import UnknownPart
from recipe_lang.check.problems.types import BackwardRange, EmptySelection, WrongType
from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.suggest import suggest
from recipe_lang.syntax import nodes

_ALWAYS = ("base", "head", "all")
_COMMON = ("base.stem", *(f"base.block{number}" for number in range(1, 9)))  # what a base that is not known may have
EXPECTED = "parts of the network such as `head` or `base.block3 .. head`"


class Selector:
    """Checks selectors against the parts of one base; until it knows them it accepts any part."""

    def __init__(self, problems: list[Problem], params: Params, habits: Mapping[str, str]) -> None:
        self.problems = problems
        self.params = params
        self.habits = habits
        self.base = ""
        self._of_params: dict[str, Selection | None] = {}  # each once: lists of lists of parameters grow fast
        self.parts: tuple[str, ...] | None = None

    def use(self, found: tuple[tuple[str, ...], str] | None) -> None:
        """Take the base's parts (`stem` …) and the name that messages use for it."""
        if found is not None:
            parts, self.base = found
            self.parts = (*(f"base.{part}" for part in parts), "head")

    def select(self, node: nodes.Node) -> Selection | None:
        """Return what a selector means; None when a mistake was reported."""
        before = len(self.problems)
        selection = self._select(node)
        if len(self.problems) > before or selection is None:
            return None
        if self.parts is not None and not selection.parts and not selection.patterns:
            self.problems.append(EmptySelection(span=node.span))
            return None
        return selection

    def _select(self, written: nodes.Node) -> Selection | None:
        if isinstance(written, nodes.Reference):
            if written.name not in self._of_params:
                value = self.params.resolve(written)
                self._of_params[written.name] = None if value is None else self._select(value)
            return self._of_params[written.name]
        # Nothing can be computed with parts.
        node = written if isinstance(written, nodes.Arithmetic | nodes.Negative) else self.params.resolve(written)
        match node:
            case None:
                return None
            case nodes.Name():
                return self._named(node)
            case nodes.Range():
                return self._range(node)
            case nodes.List():
                return self._union([self._select(item) for item in node.items])
            case nodes.Except():
                return self._without(self._select(node.whole), self._select(node.without))
            case nodes.Call("matching", (nodes.Argument(None, nodes.Text(pattern)),)):
                return Selection((), (pattern,))
        self._no_selector(node)
        return None

    def _no_selector(self, node: nodes.Node) -> None:
        hint, meant = "", ""
        match node:
            case nodes.Call("matching"):
                hint = 'write one pattern over parameter names: `matching("*gamma")`'
            case nodes.Text(meant) if self._is_known(meant):
                hint = f"write it without the quotes: `{meant}`"
            case nodes.Arithmetic() | nodes.Negative():
                hint = "several parts are a list, `[base.stem, head]`, or a range, `base.block3 .. head`"
        self._wrong(node.span, "a selector", EXPECTED, node, hint, meant if hint else "")

    def _is_known(self, name: str) -> bool:
        return name in (self.parts or _COMMON) or name in _ALWAYS

    def _named(self, node: nodes.Name) -> Selection | None:
        parts = self.parts
        match node.value:
            case name if parts is None and (name in _ALWAYS or name.startswith("base.")):
                return Selection(())
            case _ if parts is None:
                parts = ()
            case "all":
                return Selection(parts)
            case "base":
                return Selection(parts[:-1])
            case name if name in parts:
                return Selection((name,))
            case "none":
                self.problems.append(EmptySelection(span=node.span))
                return None
        known = (*_ALWAYS, *(parts or _COMMON))
        near = suggest(node.value, known, self.habits)
        if not near and f"base.{node.value}" in parts:
            near = f"base.{node.value}"
        self.problems.append(
            UnknownPart(
                span=node.span,
                name=node.value,
                base=self.base,
                parts=tuple(part.removeprefix("base.") for part in parts[:-1]),
                suggestion=near,
            )
        )
        return None

    def _range(self, node: nodes.Range) -> Selection | None:
        if node.low == nodes.Name("base", node.span) and isinstance(node.high, nodes.Name):  # from its first part on
            meant = "all" if node.high.value == "head" else f"base.stem .. {node.high.value}"
            self._no_single_part(node.low, f"write `{meant}`", meant, node.span)
            return None
        ends = (self._end(node.low), self._end(node.high))
        if self.parts is None or ends[0] is None or ends[1] is None:
            return Selection(()) if self.parts is None else None
        low, high = (self.parts.index(end) for end in ends if end is not None)
        if low > high:
            self.problems.append(BackwardRange(span=node.span, low=ends[0], high=ends[1]))
            return None
        return Selection(self.parts[low : high + 1])

    def _end(self, written: nodes.Node) -> str | None:
        node = self.params.resolve(written)
        if node is None:
            return None
        if not isinstance(node, nodes.Name) or node.value in ("base", "all"):
            self._no_single_part(node)
            return None
        selection = self._named(node)
        return selection.parts[0] if selection is not None and selection.parts else None

    def _no_single_part(self, node: nodes.Node, hint: str = "", meant: str = "", span: Span | None = None) -> None:
        expected = "a single part such as `base.block3` or `head` at each end"
        self._wrong(span or node.span, "a range of parts", expected, node, hint, meant)

    def _wrong(self, span: Span, what: str, expected: str, node: nodes.Node, hint: str, meant: str) -> None:
        found = describe_node(node)
        self.problems.append(WrongType(span=span, what=what, expected=expected, found=found, hint=hint, meant=meant))

    def _union(self, selections: Iterable[Selection | None]) -> Selection | None:
        parts: set[str] = set()
        patterns: list[str] = []
        without: list[str] = []
        for selection in selections:
            if selection is None:
                return None
            parts.update(selection.parts)
            patterns += selection.patterns
            without += selection.without
        return Selection(self._in_order(parts), _each_once(patterns), _each_once(without))

    def _without(self, whole: Selection | None, rest: Selection | None) -> Selection | None:
        if whole is None or rest is None:
            return None
        parts = self._in_order(set(whole.parts) - set(rest.parts))
        # A pattern may reach into a part that is taken away: its names begin with the part's.
        gone = tuple(f"{part}.*" for part in rest.parts) if whole.patterns else ()
        return Selection(parts, whole.patterns, _each_once([*whole.without, *rest.patterns, *gone]))

    def _in_order(self, parts: set[str]) -> tuple[str, ...]:
        return tuple(part for part in self.parts or () if part in parts)


def _each_once(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(patterns))
