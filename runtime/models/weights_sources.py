"""Where a base's first weights come from: what a recipe may say of each source, and how it is read, put into the
network, normalized for, and named in a lock.

`SOURCES` has a row for each, and a row is all that there is of one; the readers of files are in `runtime/weights/`. The
vocabulary reads the rows, so that nothing here imports MXNet or NumPy before weights are wanted. A base is that of a
plan: `packaged`, `gluon` or `gluoncv` with its arguments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Arg,
    Either,
    Entry,
    FilePath,
    HexDigits,
    ListOf,
    NothingType,
    Number,
    Text,
    Word,
)
from recipe_lang.problem import Problem
from runtime.models import run_weights
from runtime.models.base import Base, Normalization
from runtime.models.catalog import BASES
from runtime.models.packaged import PACKAGED, packaged_file
from runtime.weights.zoo_cache import zoo_cache

if TYPE_CHECKING:
    from runtime.plan.types import Component


def base_normalization(base: Component) -> Normalization:
    """Return mean and standard deviation per channel, values from 0 to 1, that a base was made for."""
    return BASES[base.name][base.args["name"]].normalization


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """All about one source of weights.

    `provenance` says in a lock's words where they come from, and gives their file, once they are here. `check` refuses
    weights that cannot be had, before anything is built, loaded or downloaded for it. `load` puts them into the base's
    parts; it takes the whole network as well, that the parts were cut from. Both raise RecipeError. `normalization`
    gives the mean and the standard deviation that the weights expect. `is_here` is one look for the weights of a
    network's name, without a network. `of_zoos` says that a zoo's base may name the source. `load_head` puts weights
    into the head's parameters, where the source has some; `facts` is what a lock says beside the
    provenance; `advice` is what `ftr plan` should say of the weights, once the network is built.
    """

    entry: Entry
    provenance: Callable[[Component], tuple[str, Path | None]]
    check: Callable[[Component], None] = lambda base: None
    load: Callable[[Component, Base, Any], None] = lambda base, cut, whole: None
    normalization: Callable[[Component], Normalization] = base_normalization
    load_head: Callable[[Component, Mapping[str, Any]], None] = lambda base, head: None
    facts: Callable[[Component], Mapping[str, str | int]] = lambda base: {}
    advice: Callable[[Component, Base, Any], tuple[Problem, ...]] = lambda base, cut, whole: ()
    is_here: Callable[[str], bool] = lambda name: True
    is_pretrained: bool = True
    of_zoos: bool = True


def source_of(weights: Any) -> WeightsSource:
    """Return the source that a base's `weights` say: None, a word, or a call, a checked recipe's or a plan's."""
    return SOURCES["none" if weights is None else getattr(weights, "name", weights)]


NONE = WeightsSource(
    Entry("none", "Random weights, each from the recipe's seed and its own name."),
    provenance=lambda base: ("random, from the seed", None),
    is_pretrained=False,
    of_zoos=False,  # not as a call: the language has a word for nothing
)


# --- those that a package ships --------------------------------------------------------------


def _package(base: Component) -> tuple[str, Path | None]:
    from importlib.metadata import version  # loads twenty modules, which `ftr check` needs not

    package = PACKAGED[base.args["name"]].package
    return f"package {package} {version(package)}", packaged_file(base.args["name"])


def _check_package(base: Component) -> None:
    packaged_file(base.args["name"])


def _load_package(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.efficientnet_lite import load_packaged

    load_packaged(base.args["name"], cut)


PACKAGE = WeightsSource(
    Entry("packaged", "The ImageNet weights that the package ships."),
    provenance=_package,
    check=_check_package,
    load=_load_package,
    of_zoos=False,
)


# --- those that a zoo hosts ------------------------------------------------------------------


def _hosted(base: Component) -> tuple[str, Path | None]:
    from runtime.weights.hosted import hosted_file

    return f"hosted by {base.name}", hosted_file(base.name, base.args["name"])


def _check_hosted(base: Component) -> None:
    from runtime.weights.hosted import check_hosted

    check_hosted(base.name, base.args["name"])


def _load_hosted(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models import zoo

    hosted = zoo.split(zoo.build(base.name, base.args["name"], pretrained=True), base.name, base.args["name"])
    for (_, block), (_, trained) in zip(cut.parts, hosted.parts, strict=True):
        mine = block._collect_params_with_prefix()
        for name, parameter in trained._collect_params_with_prefix().items():
            mine[name].set_data(parameter.data())


def _is_cached(name: str) -> bool:
    """Whether the cache has a file of a network, whose name ends in the first digits of its hash.

    Whoever names a host of their own knows what it has.
    """
    if "MXNET_GLUON_REPO" in os.environ:
        return True
    try:
        names = os.listdir(zoo_cache())
    except OSError:
        return False
    return any(each.startswith(f"{name}-") and each.endswith(".params") for each in names)


IMAGENET = WeightsSource(
    Entry(
        "imagenet",
        "The zoo's own hosted file, through the zoo's own cache.",
        examples=('base = gluon("resnet18_v2", weights = imagenet)',),
    ),
    provenance=_hosted,
    check=_check_hosted,
    load=_load_hosted,
    is_here=_is_cached,
)


# --- those of a file of Gluon's --------------------------------------------------------------


def _check_params(base: Component) -> None:
    from runtime.weights.bounded import open_bounded
    from runtime.weights.params_file import check_sha256

    args = base.args["weights"].args
    with open_bounded(args["file"]):
        pass
    if args["sha256"] is not None:
        check_sha256(args["file"], args["sha256"])


def _load_params(base: Component, cut: Base, whole: Any) -> None:
    from runtime.weights.assign import load_into
    from runtime.weights.params_file import read_params

    _check_params(base)
    path = base.args["weights"].args["file"]
    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    names = whole._collect_params_with_prefix().items()
    classifier = frozenset(name for name, parameter in names if id(parameter) not in owned)
    arrays, _ = _of_backbone(read_params(path), whole, classifier)
    load_into(whole, arrays, f"`{path}`", classifier)


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
    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    names = whole._collect_params_with_prefix().items()
    arrays = read_params(path)
    _, found = _of_backbone(arrays, whole, frozenset(name for name, each in names if id(each) not in owned))
    if found is None:
        return ()
    return (OnlyBackbone(path=str(path), kept=len(found), total=len(arrays)),)


GLUON_PARAMS = WeightsSource(
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
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_params,
    load=_load_params,
    advice=_params_advice,
)


# --- those of a run of ours ------------------------------------------------------------------

_STATISTIC = Either((NothingType(), ListOf(Number(), 3)))


def run_args(noun: str, *more: Arg) -> tuple[Arg, ...]:
    """Return what may be said of a run, or of a pack, whose network is the base."""
    head = Word({"new": "Starts from random weights.", "kept": "Is the parent's, where the classes are the same."})
    return (Arg("path", FilePath(), noun), *more, Arg("head", head, "What becomes of the parent's head.", "new"))


def own_args(args: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """Return them with what a recipe's resolved form says of the parent."""
    why = "where it is not that of the base; read from the parent"
    return (
        *args,
        Arg("mean", _STATISTIC, f"The mean of each channel of the parent's images, {why}.", None),
        Arg("std", _STATISTIC, f"The standard deviation of each channel of the parent's images, {why}.", None),
    )


_STAGE = Arg(
    "stage",
    Either((NothingType(), Number(1, 1000, whole=True), Text())),
    "The stage, by title or number, whose weights are taken; `none` takes the final ones.",
    None,
)
RUN_ARGS = run_args("The folder of the run.", _STAGE)
PACK_ARGS = run_args("The pack.")


_HALVES, _QUARTERS = "[0.5, 0.5, 0.5]", "[0.25, 0.25, 0.25]"


def _trained(name: str, doc: str, args: tuple[Arg, ...], example: str) -> WeightsSource:
    shown = (f"base = {example}, head = kept))", f"base = {example}, mean = {_HALVES}, std = {_QUARTERS}))")
    return WeightsSource(
        Entry(name, doc, own_args(args), examples=shown),
        provenance=lambda base: (f"{name} {base.args['weights'].args['path'].name}", None),
        check=run_weights.check,
        load=lambda base, cut, whole: run_weights.load(base, cut),
        load_head=run_weights.load_head,
        normalization=lambda base: run_weights.normalization(base) or base_normalization(base),
        facts=run_weights.facts,
        of_zoos=False,
    )


RUN = _trained(
    "run",
    "What an earlier run of the same network has learned.",
    RUN_ARGS,
    'packaged("efficientnet_lite0", weights = run(path = "runs/flowers-3", stage = 1',
)
PACK = _trained(
    "pack",
    "What the run in a pack has learned, of the same network.",
    PACK_ARGS,
    'gluoncv("resnet18_v1", weights = pack(path = "flowers.ftrpack"',
)
TRAINED = (RUN, PACK)

SOURCES: dict[str, WeightsSource] = {row.entry.name: row for row in (NONE, PACKAGE, IMAGENET, GLUON_PARAMS, *TRAINED)}
"""The sources by name, in the order in which they are shown."""
