"""Weights in a file of one's own: Gluon's, PyTorch's, or safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Arg,
    Either,
    Entry,
    FilePath,
    HexDigits,
    NothingType,
    Word,
)

if TYPE_CHECKING:
    from pathlib import Path

    from recipe_lang.problem import Problem
    from runtime.models.base import Base, Normalization
    from runtime.plan.types import Component
    from runtime.weights.state_dict import StateDict


from runtime.models.weights_source import WeightsSource, base_normalization

SHA256 = Arg("sha256", Either((NothingType(), HexDigits())), "The first 8 to 64 hex digits of its SHA-256.", None)

HEAD = Arg(
    "head",
    Word({"new": "Starts from random weights.", "kept": "Is the file's classifier, where it has as many classes."}),
    "What becomes of the classifier in the file.",
    "new",
    since="0.2",
    examples=('base = timm("regnety_004.pycls_in1k", weights = hub("me/flowers", head = kept))',),
)


def _check_file(base: Component) -> None:
    from runtime.weights.bounded import open_bounded
    from runtime.weights.params_file import check_sha256

    args = base.args["weights"].args
    with open_bounded(args["file"]):
        pass
    if args["sha256"] is not None:
        check_sha256(args["file"], args["sha256"])


def _load_params(base: Component, cut: Base, whole: Any) -> None:
    _check_file(base)
    load_gluon(base.args["weights"].args["file"], cut, whole)


def load_gluon(path: Path, cut: Base, whole: Any) -> None:
    """Put what a file of Gluon's holds into a network, but its classifier.

    Raises:
        RecipeError: the two do not fit.
    """
    from runtime.weights.assign import load_into, refuse_not_finite
    from runtime.weights.params_file import read_params

    classifier = _new(cut, whole)
    arrays, _ = _of_backbone(read_params(path), whole, classifier)
    refuse_not_finite(arrays, path)
    load_into(whole, arrays, f"`{path}`", classifier)


def _new(cut: Base, whole: Any) -> frozenset[str]:
    """Return the names of those of a network's parameters that its file gives nothing to."""
    names = whole._collect_params_with_prefix()
    if cut.own is not None:
        return frozenset(filter(cut.own.is_new, names))
    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    return frozenset(name for name, parameter in names.items() if id(parameter) not in owned)


def _of_backbone(
    arrays: dict[str, Any], whole: Any, classifier: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the arrays to load, and those of the backbone where the file is that of a network for another task."""
    from runtime.weights.backbone import backbone

    parameters = whole._collect_params_with_prefix()
    wanted = {name: parameter.shape for name, parameter in parameters.items() if name not in classifier}
    found = None if arrays.keys() <= parameters.keys() else backbone(arrays, wanted)
    return (arrays if found is None else found), found


def _params_advice(base: Component, cut: Base, whole: Any) -> tuple[Problem, ...]:
    from runtime.weights.backbone import OnlyBackbone
    from runtime.weights.params_file import read_params

    path = base.args["weights"].args["file"]
    arrays = read_params(path)
    _, found = _of_backbone(arrays, whole, _new(cut, whole))
    if found is None:
        return ()
    return (OnlyBackbone(path=str(path), kept=len(found), total=len(arrays)),)


GLUON_PARAMS = WeightsSource(
    Entry(
        "gluon_params",
        "A `.params` file that `save_parameters`, `export` or `collect_params().save` wrote.",
        (Arg("file", FilePath(), "The file."), SHA256, HEAD),
        examples=(
            'base = gluoncv("resnet50_v1b", weights = gluon_params("resnet50_v1b.params"))',
            'base = gluoncv("resnet50_v1b", weights = gluon_params(file = "r50.params", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_file,
    load=_load_params,
    advice=_params_advice,
)


def _check_torch(base: Component) -> None:
    from runtime.models.torch_names import PAIRS

    _check_file(base)
    if base.name != "timm" and base.args["name"] not in PAIRS:
        from runtime.models.pytorch import refuse

        refuse(base)


def _state(base: Component, *, shapes_only: bool = False) -> StateDict:
    from runtime.weights.safetensors_file import read_safetensors
    from runtime.weights.torch_file import read_torch_file

    path = base.args["weights"].args["file"]
    if base.args["weights"].name == "torch":
        return read_torch_file(path)
    return read_safetensors(path, shapes_only=shapes_only)


def _load_torch(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import load_state

    _check_file(base)
    load_state(_state(base), base, cut, whole)


def _torch_fits(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import matched

    matched(_state(base, shapes_only=True), base, cut, whole)


def _torch_normalization(base: Component) -> Normalization:
    from runtime.models.torch_names import normalization_in_torch

    return normalization_in_torch(base.args["name"], base_normalization(base))


def _safetensors_normalization(base: Component) -> Normalization:
    """Return that of torchvision where a file has its auxiliary classifiers: timm's files of these networks have none.

    The networks are GoogLeNet and Inception, which torchvision gives values from -1 to 1.
    """
    ours, in_torch = base_normalization(base), _torch_normalization(base)
    if ours == in_torch or not base.args["weights"].args["file"].is_file():
        return ours
    return (
        in_torch
        if any(name.startswith(("AuxLogits.", "aux1.")) for name in _state(base, shapes_only=True).arrays)
        else ours
    )


TORCH = WeightsSource(
    Entry(
        "torch",
        "A `.pth` file of torchvision or timm, or a checkpoint with the same names. It is read without running code.",
        (Arg("file", FilePath(), "The file."), SHA256, HEAD),
        source="torch.save",
        examples=(
            'base = gluoncv("resnet50_v1b", weights = torch("resnet50-11ad3fa6.pth"))',
            'base = gluoncv("resnet50_v1b", weights = torch(file = "resnet50.pth", sha256 = "11ad3fa6"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_torch,
    load=_load_torch,
    fits=_torch_fits,
    normalization=_torch_normalization,
    as_in_torch=lambda base: True,
)

SAFETENSORS = WeightsSource(
    Entry(
        "safetensors",
        "A `.safetensors` file with the names of torchvision or timm, or the index of one in several files.",
        (Arg("file", FilePath(), "The file, or `model.safetensors.index.json`."), SHA256, HEAD),
        source="https://github.com/huggingface/safetensors",
        examples=(
            'base = timm("regnety_004.pycls_in1k", weights = safetensors("model.safetensors"))',
            'base = gluoncv("resnet50_v1d", weights = safetensors(file = "model.safetensors", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_torch,
    load=_load_torch,
    fits=_torch_fits,
    normalization=_safetensors_normalization,
    as_in_torch=lambda base: True,
)
