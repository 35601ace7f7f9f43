"""Networks of the two zoos, and where they are cut into a base and a classifier.

In goes a zoo and a name (both from `runtime/models/catalog.py`); out comes the zoo's own network (`build`), or
that network cut into named parts that share its parameters (`split`). One row of `FAMILIES` says where a
family's blocks begin and where its classifier sits; what the zoos wrote as a Python function instead of a
list of layers is in `runtime/models/branching.py`.

A block begins where width or resolution changes; a pooling layer ends the part before it. A densenet's
transition begins the block that it narrows the features for. The base ends before global pooling, and what
follows (pooling, dropout) is the tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.backend.mx import gluoncv, mx, nn
from runtime.models.base import Base
from runtime.models.branching import dla_parts, hrnet_parts
from runtime.models.catalog import ZOOS
from runtime.weights.hosted import hosted_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Block = Any
Groups = list[list[Block]]


@dataclass(frozen=True, slots=True)
class Family:
    """How to cut one family of networks.

    `groups` gives the network's layers in the order in which they run, up to the classifier: those of the
    stem, then those of each block; pooling and dropout at the end of the last group are the tail.
    `classifier` is the path of the layer that gives the class scores. `fixed_pool` says that the zoo
    averages a window of one size, so that its network takes its native input size only; here that window is
    the whole map, which is the same at the native size and lets other sizes in.
    """

    groups: Callable[[Block], Groups]
    classifier: str
    fixed_pool: bool = False


def _cut(layers: list[Block], starts: list[int]) -> Groups:
    bounds = [0, *starts, len(layers)]
    return [layers[begin:end] for begin, end in zip(bounds, bounds[1:], strict=False)]


def _at(*starts: int) -> Callable[[Block], Groups]:
    """Cut a network's `features` before the layers of these positions."""
    return lambda net: _cut(list(net.features), list(starts))


def _at_stages(net: Block) -> Groups:
    """Cut `features` where one of the residual stages begins: they are its only sequences."""
    layers = list(net.features)
    return _cut(layers, [index for index, layer in enumerate(layers) if type(layer) is nn.HybridSequential])


def _after_pools(net: Block) -> Groups:
    """Cut `features` behind each max pooling."""
    layers = list(net.features)
    return _cut(layers, [index + 1 for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2D)])


def _squeezenet(net: Block) -> Groups:
    # The zoo pools what its classifier gives. A new classifier needs one vector: pooling comes first.
    groups = _after_pools(net)
    groups[-1].append(net.output[2])
    return groups


def _darknet(net: Block) -> Groups:
    # Each block begins with its convolution of stride 2. The zoo pools by a function.
    groups = _at(1, 3, 6, 15, 24)(net)
    groups[-1].append(nn.GlobalAvgPool2D())
    return groups


def _named(text: str) -> Callable[[Block], Groups]:
    """Cut a network along its attributes: names in order, `|` before each block; None is left out."""

    def groups(net: Block) -> Groups:
        found = [[layer_at(net, path) for path in group.split()] for group in text.split("|")]
        return [[layer for layer in group if layer is not None] for group in found]

    return groups


def layer_at(net: Block, path: str) -> Block:
    """Return the layer of a network at a path of attribute names and positions, such as `output.0`."""
    for step in path.split("."):
        net = net[int(step)] if step.isdigit() else getattr(net, step)
    return net


_RESIDUAL = _named("conv1 bn1 relu maxpool | layer1 | layer2 | layer3 | layer4 avgpool flat drop")
_ATTENTION = (
    " | residual_block1 attention_module1 | residual_block2 attention_module2"
    " | residual_block3 attention_module3"
    " | residual_block4 residual_block5 residual_block6 mpool2.0 mpool2.1 mpool2.2"
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "resnet_v1": Family(_at_stages, "output"),
        "resnet_v2": Family(_at_stages, "output"),
        "resnext": Family(_at_stages, "output"),
        "senet": Family(_at_stages, "output"),
        "cifar_resnet": Family(_at_stages, "output"),
        "resnet_v1b": Family(_RESIDUAL, "fc"),
        "resnet_v1b_pruned": Family(_RESIDUAL, "fc"),
        "resnest": Family(_RESIDUAL, "fc"),
        "vgg": Family(_after_pools, "output"),
        "alexnet": Family(_after_pools, "output"),
        "squeezenet": Family(_squeezenet, "output.0", fixed_pool=True),
        "densenet": Family(_at(4, 5, 7, 9), "output", fixed_pool=True),
        "inceptionv3": Family(_at(7, 10, 15), "output", fixed_pool=True),
        "mobilenet": Family(_at(9, 21, 33, 69), "output"),
        "mobilenetv2": Family(_at(3, 4, 6, 9, 13, 16, 19), "output.0"),
        "mobilenetv3_large": Family(_at(3, 4, 6, 9, 13, 15), "output.0"),
        "mobilenetv3_small": Family(_at(3, 4, 6, 9, 11), "output.0"),
        "shufflenet": Family(_at(2, 3, 4), "output"),
        "darknet": Family(_darknet, "output"),
        "googlenet": Family(
            _named(
                "conv1 maxpool1 conv2 conv3 maxpool2 | inception3a inception3b maxpool3"
                " | inception4a inception4b inception4c inception4d inception4e maxpool4"
                " | inception5a inception5b avgpool dropout"
            ),
            "output",
            fixed_pool=True,
        ),
        "xception": Family(
            _named(
                "conv1 bn1 relu conv2 bn2 relu | block1 relu | block2 | block3 | midflow"
                " | block20 relu conv3 bn3 relu conv4 bn4 relu conv5 bn5 relu avgpool flat"
            ),
            "fc",
        ),
        "residualattention": Family(_named("conv1 mpool1" + _ATTENTION), "fc"),
        "cifar_residualattention": Family(_named("conv1" + _ATTENTION), "fc"),
        "hrnet": Family(hrnet_parts, "classifier"),
        "dla": Family(dla_parts, "fc"),
    }
)


def build(zoo: str, name: str, *, root: str | None = None, pretrained: bool = False) -> Block:
    """Return the zoo's own network for its default classes (1000 of ImageNet, 10 of CIFAR), not hybridized.

    Its parameters are not initialized, except those of the pruned networks and those that come with
    `pretrained`. DropBlock (resnest) is off: it is made for one input size, and a hybridized network keeps
    it on or off for good, as its first call was.

    Args:
        zoo: a key of `ZOOS`.
        name: a key of `ZOOS[zoo]`.
        root: the folder where the zoo keeps its downloaded weights; None means the zoo's default.
        pretrained: take the zoo's hosted weights, from `root` or by download.

    Raises:
        RecipeError: the zoo hosts no weights for this network, or they could not be downloaded.
    """
    make = gluoncv().model_zoo.get_model if zoo == "gluoncv" else mx.gluon.model_zoo.vision.get_model
    options = {} if root is None else {"root": root}
    if pretrained:
        with hosted_weights(zoo, name):
            net = make(name, pretrained=True, **options)
    else:
        net = make(name, pretrained=False, **options)
    if ZOOS[zoo][name].family == "resnest":
        net.apply(lambda block: gluoncv().nn.dropblock.set_drop_prob(0.0, block))
    return net


def split(net: Block, zoo: str, name: str) -> Base:
    """Cut a network that `build` made; the parts share its parameters, and its classifier is left out.

    Each part takes the NDArray or Symbol that the part before gave, of shape (batch, channels, height,
    width), and gives one such value (the last block of vgg and alexnet gives (batch, features)). Parts, and
    any run of them in a new `HybridSequential`, can be hybridized. No parameter's shape is fixed by this.
    """
    row = ZOOS[zoo][name]
    family = FAMILIES[row.family]
    groups = family.groups(net)
    body, tail_layers = _without_tail(groups[-1])
    parts = [_sequence(part, layers) for part, layers in zip(row.parts, [*groups[:-1], body], strict=True)]
    tail = _tail(tail_layers, family.fixed_pool)
    known = layer_at(net, family.classifier).weight.shape[1]
    return Base(
        parts=tuple(zip(row.parts, parts, strict=True)),
        tail=tail,
        features=known or _features([*parts, tail], row.native),
    )


_TAIL_KINDS = (nn.GlobalAvgPool2D, nn.AvgPool2D, nn.Flatten, nn.Dropout)


def _without_tail(layers: list[Block]) -> tuple[list[Block], list[Block]]:
    end = len(layers)
    while isinstance(layers[end - 1], _TAIL_KINDS):
        end -= 1
    return layers[:end], layers[end:]


def _tail(layers: list[Block], fixed_pool: bool) -> Block:
    if fixed_pool:
        layers = [nn.GlobalAvgPool2D() if isinstance(layer, nn.AvgPool2D) else layer for layer in layers]
    if not (layers and isinstance(layers[-1], nn.Flatten)):
        layers = [*layers, nn.Flatten()]
    return _sequence("tail", layers)


def _sequence(part: str, layers: list[Block]) -> Block:
    sequence = nn.HybridSequential(prefix=f"{part}_")
    sequence.add(*layers)
    return sequence


def _features(sequences: list[Block], side: int) -> int:
    """Infer the length of the vector that the last sequence gives, without touching a parameter."""
    value = mx.sym.var("data")
    for sequence in sequences:
        value = sequence(value)
    _, (shape,), _ = value.infer_shape(data=(1, 3, side, side))
    return int(shape[1])
