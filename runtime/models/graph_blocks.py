"""An exported network as Gluon blocks: its graph, cut as its row says, with a parameter for each of its variables.

In goes an `ExportedRow`; out come the base, and its parameters by the names of the graph. Norms and dropout become
Gluon's own layers, which freeze as those of any network; all other operators are called by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recipe_lang.problem import Kind, RecipeError
from runtime.backend.blocks import sequence
from runtime.backend.mx import gluon, mx, nn
from runtime.models.base import Base
from runtime.weights.assign import fill, fits, refuse_not_finite
from runtime.weights.params_file import read_params
from runtime.weights.problems import WeightsDoNotFit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from runtime.models.exported import ExportedRow
    from runtime.plan.size import Size
    from runtime.weights.symbol_file import Graph, Node

GraphRefused = Kind(
    "E547",
    "graph refused",
    reason="""The graph cannot be built for these images: a layer with settings that MXNet refuses, or one that is made
    for images of another size, as a dense layer behind flattened maps is.""",
    fields="path size reason",
    message="the graph in `{path}` does not take images of {size}: {reason}",
    help="write the `size` that the network was trained on, or cut it before the layer that is named",
)

_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("Convolution", "Deconvolution", "FullyConnected"), ("", "weight", "bias")),
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm"), ("", "gamma", "beta")),
    "LeakyReLU": ("", "alpha"),
    "Embedding": ("", "weight"),
}
"""What an operator's inputs are called; what stands nowhere here is a `value`."""
_STATISTICS: Final = ("gamma", "beta", "running_mean", "running_var")
_COUNTED: Final = frozenset(("num_args", "cudnn_off", "cudnn_tune", "workspace"))  # of no use here


@dataclass(frozen=True, slots=True, eq=False)
class GraphNetwork:
    """The parameters of a base by the graph's names of its variables."""

    row: ExportedRow
    size: Size
    variables: Mapping[str, Any]

    def is_dense(self, variable: str) -> bool:
        """Whether a variable belongs to a dense layer, whose weight depends on the size of images behind a map."""
        nodes = self.row.graph.nodes
        dense = (node for node in nodes if node.operator == "FullyConnected")
        return any(nodes[source].name == variable for node in dense for source, _ in node.inputs)


class Layers(gluon.HybridBlock):  # type: ignore[misc]
    """Operators of a graph between two places where one value alone passes."""

    def __init__(self, graph: Graph, numbers: Sequence[int], entry: tuple[int, int]) -> None:
        super().__init__(prefix="")
        self._graph, self._numbers, self._entry = graph, tuple(numbers), entry
        self._own: dict[int, Any] = {}  # Gluon's layers, by node
        self._names: dict[int, str] = {}  # of parameters, by variable
        self.variables: dict[str, Any] = {}
        for number in numbers:
            node = graph.nodes[number]
            if (layer := _layer(node)) is not None:
                self._own[number] = layer
                self.register_child(layer, _plain(node.name))
                self._note_norm(node, layer)
            else:
                self._add_parameters(node)

    def _note_norm(self, node: Node, layer: Any) -> None:
        for (source, _), role in zip(node.inputs[1:], _STATISTICS, strict=False):
            self.variables[self._graph.nodes[source].name] = layer._reg_params[role]

    def _add_parameters(self, node: Node) -> None:
        roles = _ROLES.get(node.operator, ())
        for place, (source, _) in enumerate(node.inputs):
            variable = self._graph.nodes[source]
            if variable.operator or source == self._entry[0] or source in self._names:
                continue
            role = roles[place] if place < len(roles) else "value"
            name = f"{_plain(node.name)}{place if role == 'value' else ''}.{role or 'value'}"
            shape = variable.shape if variable.shape and min(variable.shape) > 0 else None
            parameter = self.params.get(f"graph_{variable.name}", shape=shape, allow_deferred_init=True)
            self._reg_params[name] = self.variables[variable.name] = parameter
            self._names[source] = name

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:  # noqa: N803
        """Return the value behind the last operator; Gluon calls this."""
        values = {self._entry: x, **{(source, 0): parameters[name] for source, name in self._names.items()}}
        for number in self._numbers:
            node = self._graph.nodes[number]
            if number in self._own:
                values[number, 0] = self._own[number](values[node.inputs[0]])
                continue
            made = _operator(F, node.operator)(*(values[each] for each in node.inputs), **_settings(node))
            several = list(made) if node.operator in _SPLIT else [made]
            values |= {(number, output): value for output, value in enumerate(several)}
        return values[self._numbers[-1], 0]


_SPLIT: Final = ("split", "SliceChannel")


def build(row: ExportedRow, size: Size) -> tuple[Base, GraphNetwork]:
    """Return the base that a row cuts, with all shapes known and no weights yet, and its variables.

    Raises:
        RecipeError: the network does not take images of this size.
    """
    graph, entry = row.graph, (row.data, 0)
    made: dict[str, Any] = {}
    parts = []
    try:
        for name, group in zip(row.parts, row.groups, strict=True):
            block = nn.HybridSequential(prefix=f"{name}_")
            for piece in group:
                layer = Layers(graph, piece, entry)
                made |= layer.variables
                block.add(layer)
                entry = (piece[-1], 0)
            parts.append((name, block))
        features, is_map = _shapes(parts, row, size)
        tail = nn.HybridSequential(prefix="tail_")
        for piece in row.tail:
            tail.add(Layers(graph, piece, entry))
            entry = (piece[-1], 0)
        if is_map and not row.tail:
            tail.add(nn.GlobalAvgPool2D())
    except RecipeError:
        raise
    except (mx.MXNetError, TypeError, ValueError, AssertionError, LookupError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise _refused(row, size, reason) from None
    return Base(tuple(parts), tail, features), GraphNetwork(row, size, made)


def _refused(row: ExportedRow, size: Size, reason: str) -> RecipeError:
    shown = "".join(char if char.isprintable() else " " for char in reason)
    return RecipeError(GraphRefused(path=str(row.graph.path), size=f"{size.height} x {size.width}px", reason=shown))


def _shapes(parts: Sequence[tuple[str, Any]], row: ExportedRow, size: Size) -> tuple[int, bool]:
    """Infer the shapes of all parameters; return the channels of what comes out, and whether that is a map."""
    whole = sequence([block for _, block in parts])
    value = whole(mx.sym.var("data"))
    arguments, shapes, others = value.infer_shape_partial(data=(1, 3, *size))
    names = [*value.list_arguments(), *value.list_auxiliary_states()]
    parameters = whole.collect_params()
    for name, shape in zip(names, [*arguments, *others], strict=True):
        if name == "data":
            continue
        if not shape or min(shape) <= 0:
            raise _refused(row, size, f"nothing says how large `{name.removeprefix('graph_')}` is")
        parameters[name].shape = shape
    (shape,) = shapes
    if len(shape) not in (2, 4) or min(shape) <= 0:
        raise _refused(row, size, f"what it gives has the shape {shape}, and a head takes maps or a vector")
    return shape[1], len(shape) == 4


def load(network: GraphNetwork, path: Path) -> None:
    """Fill the variables of a network from the `.params` file that was exported with it; what else it has is left.

    Raises:
        RecipeError: the file cannot be read, or is that of another network.
    """
    found = matched(network, path)
    refuse_not_finite({parameter.name: array for parameter, array in found}, path)
    for parameter, array in found:
        fill(parameter, array)


def matched(network: GraphNetwork, path: Path) -> list[tuple[Any, np.ndarray[Any, Any]]]:
    """Return the parameters of a network with what a file has for them.

    Raises:
        RecipeError: the file cannot be read, or is that of another network.
    """
    arrays = {name.removeprefix("arg:").removeprefix("aux:"): array for name, array in read_params(path).items()}
    wanted = network.variables
    missing = tuple(name for name in wanted if name not in arrays)
    other = tuple(name for name, each in wanted.items() if name in arrays and not fits(each, arrays[name]))
    if other and not missing and all(network.is_dense(name) for name in other):
        shapes = [" x ".join(map(str, each)) for each in (arrays[other[0]].shape, wanted[other[0]].shape)]
        raise _refused(network.row, network.size, "`{}` has {} numbers, and would have {}".format(other[0], *shapes))
    if missing or other:
        raise RecipeError(WeightsDoNotFit(origin=f"`{path}`", missing=missing, misshaped=other))
    return [(parameter, arrays[name]) for name, parameter in wanted.items()]


def _layer(node: Node) -> Any:
    """Return Gluon's own layer for a norm or dropout; None for all else."""
    settings = node.settings
    if node.operator == "Dropout":
        return nn.Dropout(float(settings.get("p", "0.5")))
    if node.operator != "BatchNorm":
        return None
    if len(node.inputs) != 5:
        raise ValueError(f"`{node.name}` is no norm of five inputs")
    return nn.BatchNorm(
        axis=int(settings.get("axis", "1")),
        momentum=float(settings.get("momentum", "0.9")),
        epsilon=float(settings.get("eps", "1e-3")),
        scale=not _is_true(settings.get("fix_gamma", "True")),
        use_global_stats=_is_true(settings.get("use_global_stats", "False")),
        prefix=f"graph_{node.name}_",
    )


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1")


def _operator(F: Any, name: str) -> Any:  # noqa: N803
    if name.startswith("_contrib_"):
        return getattr(F.contrib, name.removeprefix("_contrib_"))
    return getattr(F._internal if name.startswith("_") else F, name)


def _settings(node: Node) -> dict[str, str]:
    return {name: value for name, value in node.settings.items() if name not in _COUNTED}


def _plain(name: str) -> str:
    """Return a node's name as one step of a parameter's name."""
    return name.replace(".", "_")
