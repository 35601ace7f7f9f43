"""Stochastic depth: which residual branches of a base it can drop, and how it drops them.

Huang et al. (arXiv 1603.09382), as timm's `drop_path` and torchvision's `StochasticDepth` in its mode `row` have it: in
training all that a branch adds to an image is zeroed with a probability, and else divided by one minus it. The
probability rises linearly over the blocks of the base, from 0 at the first to the given one at the last.

A branch is dropped behind its last layer, so that networks need not know of it, and those that drop nothing stay as
they are. MXNet is imported where something is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.models.catalog import BASES
from runtime.models.packaged import PackagedBase

_CHILD: Final = "stochastic_depth"  # what a layer calls the dropout behind it
_MAPS: Final = (1, 2, 3)
_TOKENS: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class Branches:
    """The residual blocks of a family, by the name of their class, each with the last layers of its branches.

    A layer is an attribute's path, `-1` the last child. `axes` are those of an image in what the layer gives. `adds`
    names the attribute that says whether a block has a shortcut at all; where it has none, it always has.
    """

    ends: Mapping[str, Sequence[str]]
    axes: tuple[int, ...] = _MAPS
    adds: str = ""


_BODY: Final = ("body.-1",)
_V1: Final = Branches(dict.fromkeys(("BasicBlockV1", "BottleneckV1", "CIFARBasicBlockV1"), _BODY))
_FAMILIES: Final[Mapping[str, Branches]] = {
    "efficientnet_lite": Branches({"MBConv": _BODY}, adds="_skips"),
    "vit": Branches({"Block": ("attn", "mlp")}, axes=_TOKENS),
    "convnext": Branches({"Block": ("mlp",)}),
    "regnet": Branches({"Bottleneck": ("conv3",)}),
    "mobile": Branches({"Residual": ("-1",)}, adds="_skips"),
    "resnet_v1": _V1,
    "cifar_resnet": _V1,
    "resnet_v1b": Branches({"BasicBlockV1b": ("bn2",), "BottleneckV1b": ("bn3",)}),
    "mobilenetv2": Branches({"LinearBottleneck": ("out.-1",)}, adds="use_shortcut"),
}
CARRIERS: Final = (
    "those of `packaged` and `timm`, and of GluonCV `resnet…_v1`, `_v1b` to `_v1s`, `cifar_resnet…_v1` and"
    " `mobilenetv2_…`"
)
"""The bases whose branches can be dropped, for messages."""


def branches_of(kind: str, name: str) -> Branches | None:
    """Return the branches of a base by its kind and name; None where it has none that can be dropped.

    Those of GluonCV's networks with squeeze and excite, or with activations first, end in no layer of their own.
    """
    row = BASES.get(kind, {}).get(name)
    if row is None or name.startswith("se_") or (name.startswith("cifar_") and not name.endswith("_v1")):
        return None
    return _FAMILIES.get("efficientnet_lite" if isinstance(row, PackagedBase) else row.family)


def set_stochastic_depth(parts: Sequence[Any], branches: Branches | None, rate: float) -> None:
    """Let the blocks of a base drop their branches in training, as far as anything of them trains.

    `parts` are the base's, in the order in which they run, ready for their stage and before they are hybridized;
    `rate` is that of the last block. What an earlier call has set is undone.
    """
    if branches is None:
        return
    blocks = [each for part in parts for each in _blocks(part) if type(each).__name__ in branches.ends]
    for number, block in enumerate(blocks):
        own = rate * number / max(1, len(blocks) - 1)
        trains = any(parameter.grad_req != "null" for parameter in block.collect_params().values())
        adds = getattr(block, branches.adds) if branches.adds else True
        for path in branches.ends[type(block).__name__]:
            _set(_layer_at(block, path), own if trains and adds else 0.0, branches.axes)


def _set(layer: Any, rate: float, axes: tuple[int, ...]) -> None:
    from runtime.backend.mx import nn

    if layer._children.pop(_CHILD, None) is not None:
        del layer.hybrid_forward
    if rate > 0:
        drop, plain = nn.Dropout(rate, axes=axes), layer.hybrid_forward
        layer.register_child(drop, _CHILD)  # where freezing, and the seed of each step, look for what drops
        layer.hybrid_forward = lambda F, *inputs, **own: drop(plain(F, *inputs, **own))  # noqa: N803


def _layer_at(block: Any, path: str) -> Any:
    for step in path.split("."):
        block = list(block._children.values())[-1] if step == "-1" else getattr(block, step)
    return block


def _blocks(block: Any) -> Iterator[Any]:
    yield block
    for child in block._children.values():
        yield from _blocks(child)
