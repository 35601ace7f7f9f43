"""An exported network as a base: its parts, what images it takes, and how they are normalized, without MXNet.

In goes the call `symbol("net-symbol.json", cut = "layer", …)`; out comes an `ExportedRow`, the facts that a checker
wants of any base. The graph is cut where one value alone passes: a part begins with a convolution that strides, and
ends with a pooling that does.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from recipe_lang.problem import Kind, Problem, RecipeError
from recipe_lang.suggest import near
from runtime.weights.symbol_file import Graph, Node, not_a_graph, read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runtime.models.base import Normalization

NoSuchCut = Kind(
    "E545",
    "no such cut",
    reason="""`cut` names the layer of an exported network behind which the new head stands: as a rule the last one
    before its classifier. What stands behind it is left out.""",
    fields="path cut why layers",
    optional={"near": ""},
    message=lambda p: (
        f"`{p.path}` is cut at `{p.cut[:80]}`, {p.why}" if p.cut else f"where `{p.path}` is to be cut is not said"
    ),
    help=lambda p: (
        (f"did you mean `{p.near}`? " if p.near else "")
        + f"write `cut = …`, such as {', '.join(f'`{each}`' for each in p.layers) or 'the layer before the classifier'}"
    ),
)

NormalizationUnknown = Kind(
    "E546",
    "normalization unknown",
    reason="""An exported graph takes normalized images, and Gluon's files do not say how. A guess would give worse
    numbers and no error. The JSON that `ftr export` writes beside a graph says it.""",
    fields="path",
    message="`{path}` does not say how its images were normalized",
    help="write for example `mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]`, for values from 0 to 1",
)

Pieces = tuple[tuple[int, ...], ...]
"""Nodes in order, cut where one value alone passes."""

DATA: Final = "data"
_NATIVE: Final = 224
_MOST_LAYERS: Final = 6
_LARGEST_DESCRIPTION = 64 << 20


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """What is known of an exported network; see `ZooRow`. `normalization` is None where nothing says it."""

    graph: Graph
    data: int
    groups: tuple[Pieces, ...]  # of each part, in order
    tail: Pieces
    native: int
    said: Normalization | None
    classes: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of what can be frozen, from the input on."""
        return ("stem", *(f"block{number}" for number in range(1, len(self.groups))))

    @property
    def has_norms(self) -> bool:
        """Whether there are norms with running statistics."""
        return any(
            self.graph.nodes[number].operator == "BatchNorm"
            for group in self.groups
            for piece in group
            for number in piece
        )

    @property
    def normalization(self) -> Normalization:
        """The mean and the standard deviation of its images.

        Raises:
            RecipeError: nothing says them.
        """
        if self.said is None:
            raise RecipeError(NormalizationUnknown(path=str(self.graph.path)))
        return self.said

    def accepts(self, side: int, pretrained: bool = False) -> bool:  # noqa: ARG002 - as `ZooRow` has it
        """Whether it may take square images of `side` pixels; which it does, shows when it is built."""
        return side >= 1

    def sizes(self, pretrained: bool = False) -> str:  # noqa: ARG002
        """Say which sizes `accepts` takes."""
        return "1px or more"


def exported_row(args: Mapping[str, Any]) -> ExportedRow:
    """Return the row of a network by the arguments of its call, as plain values.

    Raises:
        RecipeError: the file cannot be read, or has no such layer.
    """
    row = _row(args["file"], _stamp(args["file"]), args["cut"] or "")
    if args["mean"] is None or args["std"] is None:
        return row
    return ExportedRow(row.graph, row.data, row.groups, row.tail, row.native, (args["mean"], args["std"]))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _row(path: Path, stamp: tuple[int, int], cut: str) -> ExportedRow:  # noqa: ARG001 - a file that changes is read again
    graph = read_graph(path)
    data = _input(graph)
    last = _place(graph, data, cut)
    pieces = _pieces(graph, data, last)
    body = list(pieces)
    while len(body) > 1 and all(_ends(graph.nodes[number], len(body) < len(pieces)) for number in body[-1]):
        body.pop()
    tail = tuple(pieces[len(body) :])
    native, normalization = _described(path)
    return ExportedRow(graph, data, tuple(_parts(graph, body)), tail, native, normalization)


def _input(graph: Graph) -> int:
    """Return the variable that images come in by: the one called `data`, else the first."""
    variables = [number for number, node in enumerate(graph.nodes) if not node.operator]
    named = [number for number in variables if graph.nodes[number].name == DATA]
    if not variables:
        raise not_a_graph(graph.path, "it takes no images")
    return (named or variables)[0]


def _place(graph: Graph, data: int, cut: str) -> int:
    """Return the node that a cut names."""
    by_name = {node.name: number for number, node in enumerate(graph.nodes) if node.operator}
    found = by_name.get(cut, by_name.get(cut.removesuffix("_output")))
    layers = tuple(graph.nodes[number].name for number in _suggested(graph, data))
    if found is None:
        alike = near(cut, by_name) if cut else []
        why = "which it does not have"
        raise RecipeError(_no_such_cut(graph, cut, why, layers, *alike[:1]))
    if data not in _behind(graph, found):
        raise RecipeError(_no_such_cut(graph, cut, "which does not take the images", layers))
    return found


def _no_such_cut(graph: Graph, cut: str, why: str, layers: Sequence[str], alike: str = "") -> Problem:
    return NoSuchCut(path=str(graph.path), cut=cut, why=why, layers=tuple(layers), near=alike)


def _suggested(graph: Graph, data: int) -> list[int]:
    """Return where a network may be cut: before its last dense layer, and at the ends of the parts before."""
    dense = [number for number, node in enumerate(graph.nodes) if node.operator == "FullyConnected"]
    last = graph.nodes[dense[-1]].inputs[0][0] if dense and graph.nodes[dense[-1]].inputs else len(graph.nodes) - 1
    if not graph.nodes[last].operator or data not in _behind(graph, last):
        return []
    pieces = _pieces(graph, data, last)
    ends = [piece[-1] for piece in pieces[-1:]] + [part[-1][-1] for part in reversed(list(_parts(graph, pieces)))]
    return list(dict.fromkeys(ends))[:_MOST_LAYERS]


def _behind(graph: Graph, last: int) -> set[int]:
    """Return a node and all that it takes, directly or not."""
    found, todo = {last}, [last]
    while todo:
        for source, _ in graph.nodes[todo.pop()].inputs:
            if source not in found:
                found.add(source)
                todo.append(source)
    return found


def _pieces(graph: Graph, data: int, last: int) -> list[tuple[int, ...]]:
    """Return the operators up to a node in pieces, between which nothing but one value passes."""
    order = [number for number in sorted(_behind(graph, last)) if graph.nodes[number].operator]
    last_use = {value: number for number in order for value in graph.nodes[number].inputs} | {(last, 0): _NEVER}
    born, gone = Counter[int](), Counter(last_use.values())
    for (source, _), number in _first_uses(graph, order).items():
        is_made = source == data or graph.nodes[source].operator
        born[source if is_made else number] += 1  # a parameter lives where two operators share it
    pieces, piece, alive = [], [], born[data]
    for number in order:
        alive += born[number] + (number == last) - gone[number]
        piece.append(number)
        if alive == 1 and last_use.get((number, 0), 0) > number:
            pieces.append(tuple(piece))
            piece = []
    return pieces


_NEVER = 1 << 30


def _first_uses(graph: Graph, order: Sequence[int]) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for number in order:
        for value in graph.nodes[number].inputs:
            found.setdefault(value, number)
    return found


def _parts(graph: Graph, pieces: Sequence[tuple[int, ...]]) -> Iterator[Pieces]:
    part: list[tuple[int, ...]] = []
    for piece in pieces:
        nodes = [graph.nodes[number] for number in piece]
        convolves = any(graph.nodes[number].operator == "Convolution" for each in part for number in each)
        if convolves and any(node.operator == "Convolution" and _strides(node) for node in nodes):
            yield tuple(part)
            part = []
        part.append(piece)
        if nodes[-1].operator == "Pooling" and _strides(nodes[-1]):
            yield tuple(part)
            part = []
    if part:
        yield tuple(part)


def _strides(node: Node) -> bool:
    return any(int(number) > 1 for number in re.findall(r"\d{1,6}", node.settings.get("stride", "")))


def _ends(node: Node, is_flattened: bool) -> bool:
    """Whether a layer belongs to what stands between the last map and the classifier."""
    is_global = node.settings.get("global_pool", "").lower() in ("true", "1")
    if node.operator == "Pooling":
        return is_global or is_flattened
    return node.operator in ("Flatten", "flatten", "Dropout")


def _described(path: Path) -> tuple[int, Normalization | None]:
    """Return the size and the normalization of images that `ftr export`, or a run, has noted beside a graph."""
    prefix = path.name.removesuffix("-symbol.json")
    for beside in (path.with_name(name) for name in (f"{prefix}-0000.params.json", "plan.json")):
        try:
            with beside.open("rb") as file:
                plain = json.loads(file.read(_LARGEST_DESCRIPTION))
        except (OSError, ValueError, RecursionError):
            continue
        match plain:
            case {"input": {"shape": [_, 3, int() as height, int()], "mean": [*mean], "std": [*std]}} | {
                "data": {"size": int() as height, "mean": [*mean], "std": [*std]}
            }:
                three = _three(mean), _three(std)
                if 1 <= height <= 1 << 14 and three[0] is not None and three[1] is not None and min(three[1]) > 0:
                    return height, (three[0], three[1])
    return _NATIVE, None


def _three(values: Sequence[Any]) -> tuple[float, float, float] | None:
    if len(values) != 3 or not all(type(each) in (int, float) and abs(each) < 1e6 for each in values):
        return None
    first, second, third = map(float, values)
    return first, second, third
