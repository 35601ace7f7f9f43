"""The network of a recipe: the base's parts in order, then the head.

In goes what a recipe says of base and head; out comes a `Model`, whose parameters have structural names
(`base.block3.0.weight`, `head.1.bias`) that depend on nothing but the recipe. Weights come afterwards, from the source
that the recipe names; whatever has none starts from the recipe's seed, each parameter by its own name.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.backend.blocks import sequence
from runtime.backend.freezing import dropouts
from runtime.backend.mx import array, mx, nd
from runtime.models import efficientnet_lite, graph_blocks, zoo
from runtime.models.catalog import OWN, ZOOS
from runtime.models.chain import Chain
from runtime.models.exported import exported_row
from runtime.models.heads import LAYERS
from runtime.models.kept_head import file_head
from runtime.models.own import network as own
from runtime.models.problems import HeadDoesNotFit, OneSizeOnly
from runtime.models.pytorch import as_in_torch
from runtime.models.taps import pyramid
from runtime.models.timm import network as timm
from runtime.models.weights_sources import source_for
from runtime.plan.types import Component, NetFacts, Parameter
from runtime.system.random import generator
from runtime.weights.assign import fill, fits
from runtime.weights.problems import WeightsDoNotFit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.models.base import Base
    from runtime.plan.size import Size

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Parts by name, in the order in which they run; each maps the output of the one before.

    The input is float32 (batch, 3, height, width), normalized; the output float32 (batch, outputs).
    """

    parts: Mapping[str, Any]
    parameters: Mapping[str, Any]
    base: Base
    whole: Any  # the network with its classifier that the parts were cut from; None for a packaged base
    size: Size
    taps: tuple[int, ...] = ()  # how many units lie before each map that the head takes; none: it takes the last alone

    @property
    def chain(self) -> Chain:
        """The units, in the order in which they run, and which of their outputs the head takes."""
        return Chain(units(self), self.taps)

    @property
    def net(self) -> Any:
        """The whole network as one block."""
        if self.taps:
            return self.chain.net(0, len(units(self)))
        return sequence(list(self.parts.values()))

    def facts(self) -> NetFacts:
        """Return the facts that the compiler wants."""
        facts: dict[str, list[Parameter]] = {name: [] for name in self.parts}
        for name, parameter in self.parameters.items():
            part = next(part for part in self.parts if name.startswith(f"{part}."))
            facts[part].append(Parameter(name, math.prod(parameter.shape), _kind(name)))
        return NetFacts({name: tuple(owned) for name, owned in facts.items()}, self._inputs())

    def _inputs(self) -> dict[str, int]:
        """Return how many numbers each part gets for an image, the head behind its pooling."""
        outputs = self.chain.outputs(mx.sym.var("data"))
        _, shapes, _ = mx.sym.Group(outputs[1:]).infer_shape(data=(2, 3, *self.size))
        numbers = [3 * self.size.pixels, *(math.prod(shape[1:]) for shape in shapes)]
        places = [self.chain.live(frozen_units(self, index)) for index in range(len(self.parts))]
        return {name: sum(numbers[place] for place in live) for name, live in zip(self.parts, places, strict=True)}

    def arrays(self) -> dict[str, Array]:
        """Return a copy of all parameters and statistics by name."""
        nd.waitall()  # oneDNN reorders weights in place while a forward pass runs
        return {name: parameter.data().asnumpy() for name, parameter in self.parameters.items()}

    def load(self, arrays: Mapping[str, Array], origin: str) -> None:
        """Set all parameters from arrays by name.

        Raises:
            RecipeError: a name is missing or unknown, or a shape differs; nothing is changed then.
        """
        mine = self.parameters
        problem = WeightsDoNotFit(
            origin=origin,
            missing=tuple(name for name in mine if name not in arrays),
            extra=tuple(name for name in arrays if name not in mine),
            misshaped=tuple(n for n, values in arrays.items() if n in mine and not fits(mine[n], values)),
        )
        if problem.missing or problem.extra or problem.misshaped:
            raise RecipeError(problem)
        for name, values in arrays.items():
            fill(mine[name], values)


def build_model(
    base: Component,
    layers: Sequence[Component],
    size: Size,
    head: Callable[[Base, Sequence[Component]], Any],
    as_torch: bool | None = None,
) -> Model:
    """Build the network with all shapes known and no weights yet; `head` makes its last part of the layers.

    `as_torch` says that the base is PyTorch's where the two differ; None leaves it to the source of its weights.

    Raises:
        RecipeError: the head does not fit the base.
    """
    source = source_for(base)
    cut, whole = _BUILDERS[base.name](base, size, source.as_in_torch(base) if as_torch is None else as_torch)
    finest = LAYERS[layers[0].name].finest
    taps: tuple[int, ...] = ()
    if finest is None:
        blocks = {f"base.{name}": block for name, block in cut.parts}
        blocks["head"] = head(cut, layers)
        _infer_shapes(list(blocks.values()), layers, size)
    else:
        chosen = pyramid(cut, size, finest(layers[0].args))
        if chosen is None:
            raise RecipeError(HeadDoesNotFit(span=layers[0].span, layer=layers[0].name))
        blocks, taps = {f"base.{name}": block for name, block in chosen.parts}, chosen.places
        blocks["head"] = head(replace(cut, maps=chosen.channels), layers)
        if cut.own is not None:
            Chain(list(blocks.values()), taps).net(0, len(blocks)).infer_shape(nd.zeros((2, 3, *size)))
    parameters = {
        f"{part}.{name}": parameter
        for part, block in blocks.items()
        for name, parameter in block._collect_params_with_prefix().items()
    }
    return Model(blocks, parameters, cut, whole, size, taps)


def _packaged(base: Component, size: Size, as_torch: bool) -> tuple[Base, None]:  # noqa: ARG001
    return efficientnet_lite.build(base.args["name"], size), None


def _timm(base: Component, size: Size, as_torch: bool) -> tuple[Base, Any]:  # noqa: ARG001
    whole = timm.build(base.args["name"], size)
    return timm.split(whole, base.args["name"]), whole


def _zoo(base: Component, size: Size, as_torch: bool) -> tuple[Base, Any]:
    if base.args["name"] in OWN:
        return own.build(base.args["name"], size)
    whole = zoo.build(base.name, base.args["name"])
    if as_torch:
        whole = as_in_torch(whole, base.args["name"])
    return zoo.split(whole, base.name, base.args["name"]), whole


def _exported(base: Component, size: Size, as_torch: bool) -> tuple[Base, Any]:  # noqa: ARG001
    return graph_blocks.build(exported_row(base.args), size)


_BUILDERS: Mapping[str, Callable[[Component, Size, bool], tuple[Base, Any]]] = {
    "packaged": _packaged,
    "timm": _timm,
    "symbol": _exported,
    **dict.fromkeys(ZOOS, _zoo),
}
"""What builds the base of each kind, and the whole network that it was cut from, where there is one."""


def refuse_other_size(model: Model, other: Model, name: str) -> None:
    """Refuse to train a network on images of another size where its layers would be others: `other` is built for that.

    Raises:
        RecipeError: they would.
    """
    if _layers(model) != _layers(other):
        raise RecipeError(OneSizeOnly(base=name, size=model.size.short, own=other.size.short))


def _layers(model: Model) -> list[Any]:
    """Return a network's operations and how they hang together, without their names, and the parameters' shapes."""
    output = model.chain.outputs(mx.sym.var("data"))[-1]
    nodes = json.loads(output.tojson())["nodes"]
    operations = [[node["op"], node.get("attrs"), [each[:2] for each in node["inputs"]]] for node in nodes]
    return [operations, {name: parameter.shape for name, parameter in model.parameters.items()}]


def check_weights(base: Component) -> None:
    """Refuse a base whose weights cannot be had, before anything is done for it: none is loaded or downloaded yet.

    Raises:
        RecipeError: the file, the package or the hosted file is not there, or is another one than the recipe says.
    """
    source_for(base).check(base)


def start_weights(model: Model, base: Component, seed: int, context: Any, output_bias: Sequence[float] = ()) -> None:
    """Give every parameter its first value: the base's from its source, the others' from the seed.

    `output_bias` are the biases of the last layer, where they do not begin as 0.

    Raises:
        RecipeError: the weights cannot be had, or do not fit.
    """
    for name, parameter in model.parameters.items():
        parameter.initialize(init=mx.init.Zero(), ctx=context, force_reinit=True)
        parameter.set_data(array(_first_value(name, parameter, seed)))
    if output_bias:
        last = [parameter for name, parameter in model.parameters.items() if name.startswith("head.")][-1]
        fill(last, np.array(output_bias, np.float32))
    source = source_for(base)
    source.load(base, model.base, model.whole)
    source.load_head(base, {name: each for name, each in model.parameters.items() if name.startswith("head.")})
    for parameter, values in file_head(base, model.base, model.whole, model.parts["head"]):
        fill(parameter, values)


def units(model: Model) -> list[Any]:
    """Return the network's blocks in the order in which they run: the base's parts, then the head's layers."""
    *base, head = model.parts.values()
    return [*base, head] if model.taps else [*base, *head._children.values()]


def frozen_units(model: Model, cut: int) -> int:
    """Return how many units lie before the first that trains, where the first `cut` parts are frozen.

    Of a head that trains, the layers at its beginning that have nothing to train and drop nothing count as frozen.
    """
    base = len(model.parts) - 1
    if cut < base or model.taps:
        return cut
    layers = units(model)[base:]
    return base + next((number for number, layer in enumerate(layers) if not _is_fixed(layer)), len(layers) - 1)


def _is_fixed(layer: Any) -> bool:
    return not layer.collect_params().keys() and not dropouts(layer)


def _infer_shapes(blocks: Sequence[Any], layers: Sequence[Component], size: Size) -> None:
    try:
        sequence(blocks).infer_shape(nd.zeros((2, 3, *size)))
    except mx.MXNetError as error:
        pool = next((layer for layer in layers if LAYERS[layer.name].pools), None)
        if pool is None:
            raise
        raise RecipeError(HeadDoesNotFit(span=pool.span, layer=pool.name)) from error


def _kind(name: str) -> str:
    last = name.rpartition(".")[2]
    if last in ("running_mean", "running_var"):
        return "statistic"
    if last in ("gamma", "beta"):
        return "norm"
    return "weight" if last == "weight" else "bias"


def _first_value(name: str, parameter: Any, seed: int) -> Array:
    """Return a parameter's random or constant start.

    Convolutions: He et al., arXiv 1502.01852, normal by fan-out. Dense layers: Glorot and Bengio 2010, uniform. What
    else a network has (embeddings, the scale of a layer), as it says itself.
    """
    shape, last = parameter.shape, name.rpartition(".")[2]
    if isinstance(parameter.init, mx.init.Normal):
        return np.asarray(generator(seed, "init", name).normal(0, parameter.init.sigma, shape), np.float32)
    if isinstance(parameter.init, mx.init.MSRAPrelu):
        rng = generator(seed, "init", name)
        return np.asarray(rng.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape), np.float32)
    if isinstance(parameter.init, mx.init.Constant):
        return np.full(shape, parameter.init.value, np.float32)
    if last == "weight" and len(shape) > 1:
        rng = generator(seed, "init", name)
        area = math.prod(shape[2:])
        if area > 1 or len(shape) > 2:
            std = math.sqrt(2 / (shape[0] * area))
            return np.asarray(rng.normal(0, std, shape), np.float32)
        bound = math.sqrt(6 / (shape[0] + shape[1]))
        return np.asarray(rng.uniform(-bound, bound, shape), np.float32)
    ones = last in ("gamma", "running_var") and parameter.init != "zeros"
    return np.full(shape, 1.0 if ones else 0.0, np.float32)
