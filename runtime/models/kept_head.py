"""The classifier in a file of weights as the head of a recipe: `head = kept` in `torch(…)`, `hub(…)` and the others.

In goes a plan's base and its network; out come the head's parameters with what the file has for them. The base's own
tail and one dense layer are the classifier that the file was trained with: any other head is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recipe_lang.problem import Problem, RecipeError
from runtime.backend.mx import gluoncv, nn
from runtime.models import zoo
from runtime.models.catalog import ZOOS
from runtime.models.problems import ClassesUnnamed, HeadCannotBeKept
from runtime.models.pytorch import arrays_in_torch, call_of, names_in_torch, read_state
from runtime.models.trained_weights import TRAINED
from runtime.models.weights_sources import source_for
from runtime.weights.assign import structural_arrays
from runtime.weights.bounded import open_bounded
from runtime.weights.params_file import is_params, read_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runtime.models.base import Base, OwnHead
    from runtime.plan.types import Component

Array = np.ndarray[Any, Any]
Block = Any
Parameter = Any


def file_head(base: Component, cut: Base, whole: Block, head: Block) -> list[tuple[Parameter, Array]]:
    """Return the head's parameters with the arrays of the file's classifier; none where the recipe does not keep it.

    There are none either where the file is not here yet.

    Raises:
        RecipeError: the file cannot be read, has no classifier, or the head is another one.
    """
    path = _kept(base)
    if path is None:
        return []
    if cut.own is not None:
        return _own_head(path, cut.own, whole)
    layer, found = _classifier(base, whole), _arrays(path, base, whole)
    weight = None if layer is None else found.get(id(layer.weight))
    dense = head[-1] if isinstance(head, nn.HybridSequential) and isinstance(head[-1], nn.Dense) else None
    if layer is None or weight is None:
        raise _refused(path, f"{call_of(base)} has none of one dense layer" if layer is None else "it has none")
    if dense is None or not _same_pooling(list(head)[:-1], cut.tail):
        raise _refused(path, "the recipe's head is not one dense layer behind the pooling of the base")
    bias = found.get(id(layer.bias)) if layer.bias is not None else None
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    if len(weight) != dense.weight.shape[0]:
        raise _refused(path, f"it has {len(weight):,} outputs, and the recipe's head {dense.weight.shape[0]:,}")
    if weight.size != dense.weight.shape[0] * dense.weight.shape[1] or bias.shape != (len(weight),):
        raise _refused(path, f"it takes {weight.size // len(weight):,} numbers, and the head {dense.weight.shape[1]:,}")
    if dense.bias is None:
        raise _refused(path, "the recipe's head has no bias")
    return [(dense.weight, weight.reshape(dense.weight.shape)), (dense.bias, bias)]


def _own_head(path: Path, own: OwnHead, whole: Block) -> list[tuple[Parameter, Array]]:
    found, parameters = structural_arrays(whole, read_params(path)), whole._collect_params_with_prefix()
    new = {name: each for name, each in parameters.items() if own.is_new(name) and name.split(".")[0] not in _UNUSED}
    for name, parameter in new.items():
        if name not in found:
            raise _refused(path, f"it has no `{name}`")
        if found[name].shape != parameter.shape:
            raise _refused(path, f"its `{name}` is of {len(found[name])} outputs, not {parameter.shape[0]}")
    return [(parameter, found[name]) for name, parameter in new.items()]


_UNUSED = ("auxlayer", "anchor_generators")  # of a file: no part of the head


def unnamed(base: Component, targets: object) -> tuple[Problem, ...]:
    """Return advice where a head is kept whose classes the file does not name, and the recipe's are not ImageNet's."""
    path = _kept(base)
    if path is None or not isinstance(targets, tuple | list) or not targets or _are_imagenet(targets):
        return ()
    first, last = str(targets[0]), str(targets[-1])
    return (ClassesUnnamed(path=str(path), count=len(targets), first=first, last=last),)


def imagenet_classes() -> list[str]:
    """Return the names of ImageNet's 1,000 classes, in the order of the outputs of networks that were trained on it."""
    return list(gluoncv().data.ImageNet1kAttr().classes)


def _are_imagenet(targets: Sequence[object]) -> bool:
    attributes = gluoncv().data.ImageNet1kAttr()
    return list(targets) in (attributes.synset, attributes.classes)


def _kept(base: Component) -> Path | None:
    """Return the file whose classifier is to be the head; a run's or a pack's own head is put in by its name."""
    args = getattr(base.args.get("weights"), "args", {})
    source = source_for(base)
    return source.provenance(base)[1] if args.get("head") == "kept" and source not in TRAINED else None


def _classifier(base: Component, whole: Block) -> Block | None:
    """Return the layer that gives the classes' scores; None where something stands behind it, or there is none."""
    if base.name == "timm":
        layer = whole
        for name in whole.classifier.split("."):
            layer = layer._children.get(name)  # an attribute of this name says where it is
            if layer is None:
                return None
        return layer
    family = ZOOS[base.name][base.args["name"]].family
    return None if family == "squeezenet" else zoo.layer_at(whole, zoo.FAMILIES[family].classifier)


def _arrays(path: Path, base: Component, whole: Block) -> Mapping[int, Array]:
    """Return what a file has for a network, by the identity of the parameter."""
    with open_bounded(path) as file:
        of_gluon = is_params(file.read(8))
    if of_gluon:
        parameters = whole._collect_params_with_prefix()
        return {id(parameters[name]): array for name, array in structural_arrays(whole, read_params(path)).items()}
    names = names_in_torch(whole, base.name, base.args["name"])
    arrays = arrays_in_torch(read_state(path), base.name, whole)
    return {id(parameter): arrays[name] for name, parameter in names.items() if name in arrays}


def _same_pooling(layers: list[Block], tail: Block) -> bool:
    """Whether the layers before a head's dense one do what the base's tail does; dropout and flattening aside."""
    if layers and layers[0] is tail:
        layers = [*tail, *layers[1:]]
    kinds = [[type(each) for each in one if not isinstance(each, nn.Dropout | nn.Flatten)] for one in (layers, tail)]
    return kinds[0] == kinds[1]


def _refused(path: Path, reason: str) -> RecipeError:
    return RecipeError(HeadCannotBeKept(path=str(path), reason=reason))
