"""Weights of torchvision and timm in bases of ours: which fit, and how they are put in.

In goes a state dict and a base; out comes the base with its weights, or a problem that names the first layer that
differs and the bases that the file does fit. The names are those of `runtime.models.torch_names` for the zoos'
networks, timm's own for `timm` bases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.backend.mx import nd, nn
from runtime.models import zoo
from runtime.models.catalog import BASES, ZOOS
from runtime.models.timm import network as timm
from runtime.models.timm.catalog import TIMM
from runtime.models.torch_names import PAIRS, as_named_now, torch_names
from runtime.plan.size import Size
from runtime.weights.assign import fill, refuse_not_finite
from runtime.weights.bounded import open_bounded
from runtime.weights.problems import LayerDoesNotFit, NoSuchLayers
from runtime.weights.safetensors_file import read_safetensors
from runtime.weights.torch_file import read_torch_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runtime.models.base import Base
    from runtime.plan.types import Component
    from runtime.weights.state_dict import StateDict

Array = np.ndarray[Any, Any]
Block = Any
Parameter = Any


def read_state(path: Path, *, shapes_only: bool = False) -> StateDict:
    """Read a file of PyTorch or safetensors, whichever it is by its first bytes.

    With `shapes_only`, of the latter no more than its header, and the arrays are of zeros.

    Raises:
        RecipeError: it is neither, or damaged.
    """
    with open_bounded(path) as file:
        start = file.read(2)
    if start in (b"PK", b"\x80\x02"):
        return read_torch_file(path)
    return read_safetensors(path, shapes_only=shapes_only)


def as_in_torch(net: Block, name: str) -> Block:
    """Change a network of a zoo, before it has weights, where PyTorch's differs in what no file says; return it.

    The last convolutions of the MobileNets are dense layers with a bias there (of MobileNetV3 small also narrower), and
    all norms of MobileNetV3 add 1e-3.
    """
    for path, (channels_in, channels) in _BIASED.get(name, {}).items():
        parent, _, place = path.rpartition(".")
        with zoo.layer_at(net, parent).name_scope():
            layer = nn.Conv2D(channels, 1, in_channels=channels_in)
        zoo.layer_at(net, parent)._children[place] = layer
    if name.startswith("mobilenetv3"):
        net.apply(_with_their_epsilon)
    return net


_BIASED = {
    "mobilenetv2_1.0": {"output.0": (1280, 1000)},
    "mobilenetv3_large": {"features.22": (960, 1280)},
    "mobilenetv3_small": {"features.18": (576, 1024), "output.0": (1024, 1000)},
}


def _with_their_epsilon(block: Block) -> None:
    if isinstance(block, nn.BatchNorm):
        block._kwargs["eps"] = 1e-3


def load_state(state: StateDict, base: Component, cut: Base, whole: Block) -> None:
    """Put a state dict into the base's parts, all of them or nothing; its classifier is left out.

    Raises:
        RecipeError: the two do not fit, or no file of PyTorch fits this base.
    """
    found = matched(state, base, cut, whole)
    refuse_not_finite(state.arrays, state.path)
    for parameter, array in found:
        fill(parameter, array.reshape(parameter.shape))


def matched(state: StateDict, base: Component, cut: Base, whole: Block) -> list[tuple[Parameter, Array]]:
    """Return the parameters of a base's parts with what a state dict has for them; its classifier is left out.

    Counters of batches and auxiliary classifiers are not needed.

    Raises:
        RecipeError: the two do not fit, or no file of PyTorch fits this base.
    """
    name = base.args["name"]
    call = _call(base.name, name)
    wanted, heads = _wanted(whole, cut, base.name, name)
    arrays = arrays_in_torch(state, base.name, whole)
    different = next(_differences(wanted, arrays, heads), None)
    if different is not None:
        problem = LayerDoesNotFit(
            path=str(state.path),
            base=call,
            layer=different.layer,
            found=_shape(different.found),
            wanted=_shape(different.wanted),
            bases=tuple(fit.call for fit in fitting(state)),
            searched=True,
        )
        raise RecipeError(problem)
    return [(parameter, arrays[torch]) for torch, parameter in wanted.items()]


def refuse(base: Component) -> NoReturn:
    """Raise what there is to say of a file for a base that PyTorch does not have."""
    path = base.args["weights"].args["file"]
    bases = tuple(fit.call for fit in fitting(read_state(path)))
    raise RecipeError(NoSuchLayers(path=str(path), base=call_of(base), bases=bases, searched=True))


@dataclass(frozen=True, slots=True)
class _Difference:
    """A layer's shape in the file and in the base; None where it is not there."""

    layer: str
    found: tuple[int, ...] | None
    wanted: tuple[int, ...] | None


def _differences(
    wanted: Mapping[str, Parameter], arrays: Mapping[str, Array], heads: list[str]
) -> Iterator[_Difference]:
    """Yield where a network and a file differ: first its layers in order, then what only the file has."""
    for name, parameter in wanted.items():
        array = arrays.get(name)
        if array is None or _plain(array.shape) != _plain(parameter.shape) or array.dtype.kind != "f":
            yield _Difference(name, None if array is None else array.shape, parameter.shape)
    for name, array in arrays.items():
        if name not in wanted and not name.startswith((*heads, *_ONLY_TRAINING)) and not name.endswith(_COUNTER):
            yield _Difference(name, array.shape, None)


_ONLY_TRAINING = ("aux1.", "aux2.", "AuxLogits.")  # the auxiliary classifiers of GoogLeNet and Inception
_COUNTER = "num_batches_tracked"  # of use for a PyTorch momentum of None only


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape, where a convolution of one pixel is the dense layer that it is."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"


def _wanted(whole: Block, cut: Base, kind: str, name: str) -> tuple[dict[str, Parameter], list[str]]:
    """Return the parameters of a base by PyTorch's names, and what the names of its classifier begin with."""
    named = names_in_torch(whole, kind, name)
    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    wanted = {torch: parameter for torch, parameter in named.items() if id(parameter) in owned}
    return wanted, [torch.rpartition(".")[0] + "." for torch in named if torch not in wanted]


def arrays_in_torch(state: StateDict, kind: str, whole: Block) -> Mapping[str, Array]:
    """Return a file's arrays by today's names; a position embedding for the size that the network was built for."""
    if kind == "timm":
        return timm.fitted(whole, state.arrays)
    return {as_named_now(name): array for name, array in state.arrays.items()}


def names_in_torch(whole: Block, kind: str, name: str) -> Mapping[str, Parameter]:
    """Return the parameters of a whole network by their names in files of PyTorch."""
    return timm.timm_names(whole) if kind == "timm" else torch_names(whole, name)


def has_other_layers(name: str) -> bool:
    """Whether a network has layers or settings in PyTorch that the zoo's does not have."""
    return name in _BIASED


def call_of(base: Component) -> str:
    """Return a base as a recipe writes it."""
    return _call(base.name, base.args["name"])


def _call(kind: str, name: str) -> str:
    return f'{kind}("{name}")'


# --- which bases a file fits ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fit:
    """A base that a file fits; `classes` of the file's classifier, None where it has none."""

    kind: str
    name: str
    classes: int | None

    @property
    def call(self) -> str:
        """The base as a recipe writes it."""
        return _call(self.kind, self.name)


def fitting(state: StateDict) -> tuple[Fit, ...]:
    """Return the bases that a file fits. Those that may are built, which takes some tenths of a second each."""
    count = _count(state)
    candidates = _candidates(count - _OF_A_HEAD, count + _OF_A_HEAD)
    return tuple(fit for candidate in candidates if (fit := _fit(state, *candidate)))


def nearest(state: StateDict) -> str:
    """Say which base has most arrays of a file that fits none, if more than half; of several the smallest."""
    count = _count(state)
    near = [_shared(state, *candidate) for candidate in _candidates(count // 2, 2 * count)]
    same, size, name, first = max(near, default=(0, 0, "", ""), key=lambda each: each[:2])
    if 2 * same <= count:
        return ""
    return f"the nearest is {name}: {same} of its {-size} arrays are there; the first difference is `{first[:100]}`"


def _shared(state: StateDict, kind: str, name: str) -> tuple[int, int, str, str]:
    """Return how many arrays of a base a file has, less how many there are, its name, and the first that differs."""
    whole, cut = _built_once(kind, name)
    wanted, heads = _wanted(whole, cut, kind, name)
    arrays = arrays_in_torch(state, kind, whole)
    if not wanted.keys() & arrays.keys():
        return 0, 0, "", ""
    infer(cut, Size.square(BASES[kind][name].native))
    other = [each.layer for each in _differences(wanted, arrays, heads)]
    missing = sum(layer in wanted for layer in other)
    return len(wanted) - missing, -len(wanted), _call(kind, name), next(iter(other), "")


def _count(state: StateDict) -> int:
    return sum(not name.endswith(_COUNTER) and not name.startswith(_ONLY_TRAINING) for name in state.arrays)


def _candidates(least: int, most: int) -> Iterator[tuple[str, str]]:
    """Yield the networks of the zoos that have so many arrays, and all of timm."""
    for name, pair in PAIRS.items():
        if least <= pair.arrays <= most:
            yield "gluon" if name in ZOOS["gluon"] else "gluoncv", name
    yield from (("timm", name) for name in TIMM)


_OF_A_HEAD = 6  # arrays by which a file with another classifier may differ


@cache
def _built_once(kind: str, name: str) -> tuple[Block, Base]:
    """Return a network without weights, to compare files with: it holds names and shapes only."""
    return built(kind, name, Size.square(BASES[kind][name].native))


def _fit(state: StateDict, kind: str, name: str) -> Fit | None:
    size = Size.square(BASES[kind][name].native)
    whole, cut = _built_once(kind, name)
    wanted, heads = _wanted(whole, cut, kind, name)
    arrays = arrays_in_torch(state, kind, whole)
    if not wanted.keys() <= arrays.keys():
        return None
    infer(cut, size)
    if next(_differences(wanted, arrays, heads), None) is not None:
        return None
    heads_of_file = (array for torch, array in arrays.items() if torch.startswith(tuple(heads)) and array.ndim > 1)
    *_, classifier = (None, *heads_of_file)
    return Fit(kind, name, None if classifier is None else classifier.shape[0])


def built(kind: str, name: str, size: Size) -> tuple[Block, Base]:
    """Return a whole network, as PyTorch has it, and the base that is cut from it."""
    if kind == "timm":
        whole = timm.build(name, size)
        return whole, timm.split(whole, name)
    whole = as_in_torch(zoo.build(kind, name), name)
    return whole, zoo.split(whole, kind, name)


def infer(cut: Base, size: Size) -> None:
    """Let all shapes of a base be known."""
    from runtime.backend.blocks import sequence

    sequence([*(part for _, part in cut.parts), cut.tail]).infer_shape(nd.zeros((1, 3, *size)))
