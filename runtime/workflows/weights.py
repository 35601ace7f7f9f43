"""What a file of weights holds, which bases it fits, and the same weights in another format.

In goes the path of a `.pth`, `.safetensors` or `.params` file; out comes an `Inspection`, or a file that is written.
Nothing of a file is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load_source
from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.compile.components import component
from runtime.data.sets import located
from runtime.models.base import Normalization
from runtime.models.catalog import BASES
from runtime.models.packaged import PACKAGED
from runtime.models.pytorch import (
    Fit,
    built,
    call_of,
    fitting,
    has_other_layers,
    infer,
    load_state,
    names_in_torch,
    nearest,
    read_state,
)
from runtime.models.torch_names import normalization_in_torch
from runtime.models.weights_sources import fetch_weights, source_for
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.runs.folder import writing
from runtime.runs.recipe_files import read_recipe
from runtime.vocabulary import VOCABULARY
from runtime.weights.bounded import open_bounded
from runtime.weights.params_file import is_params, read_params, sha256_of, write_params
from runtime.weights.problems import NoSuchForm
from runtime.weights.safetensors_file import files_of, write_safetensors

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class FittingBase:
    """A base that a file fits: how a recipe writes it, and what its images are normalized with, values from 0 to 1."""

    base: str
    size: int
    normalization: Normalization
    classes: int | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file holds; `kinds` are the types of its numbers, with how many arrays have each.

    `searched` says whether bases were tried: for Gluon's own files they are not. `nearest` says in a sentence which
    base comes nearest, where none fits.
    """

    path: Path
    format: str
    size: int
    sha256: str
    arrays: int
    numbers: int
    kinds: Mapping[str, int]
    notes: tuple[str, ...]
    bases: tuple[FittingBase, ...]
    searched: bool
    nearest: str = ""


def _not_finite(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[str]:
    """Say which arrays hold NaN or infinity."""
    names = [name for name, each in arrays.items() if each.dtype.kind == "f" and not np.isfinite(each).all()]
    if names:
        yield f"{a_few(tuple(names))}: not all numbers are finite, and such weights are refused"


def inspect(path: Path) -> Inspection:
    """Read a file and try which bases it fits.

    Raises:
        RecipeError: it cannot be read, or holds something else than weights.
    """
    with open_bounded(path) as file:
        start = file.read(8)
    digest = sha256_of(path)
    if is_params(start):
        arrays = read_params(path)
        kind = "MXNet .params"
        notes: tuple[str, ...] = ("which networks of the zoos it fits is not searched for", *_not_finite(arrays))
        bases: tuple[FittingBase, ...] = ()
        near = ""
    else:
        state = read_state(path, shapes_only=True)
        arrays, notes = dict(state.arrays), (*state.notes(), *_not_finite(read_state(path).arrays))
        kind = "PyTorch" if start[:2] in (b"PK", b"\x80\x02") else "safetensors"
        bases = _packaged(digest) or tuple(_base(fit) for fit in fitting(state))
        near = "" if bases else nearest(state)
    return Inspection(
        path=path,
        format=kind,
        size=sum(each.stat().st_size for each in files_of(path)),
        sha256=digest,
        arrays=len(arrays),
        numbers=sum(array.size for array in arrays.values()),
        kinds=Counter(array.dtype.name for array in arrays.values()),
        notes=notes,
        bases=bases,
        searched=not is_params(start),
        nearest=near,
    )


def _packaged(digest: str) -> tuple[FittingBase, ...]:
    """Return the base whose package ships this very file."""
    return tuple(
        FittingBase(f'packaged("{name}")', row.native, row.normalization, row.classes)
        for name, row in PACKAGED.items()
        if row.sha256 == digest
    )


def _base(fit: Fit) -> FittingBase:
    row = BASES[fit.kind][fit.name]
    return FittingBase(fit.call, row.native, normalization_in_torch(fit.name, row.normalization), fit.classes)


def convert(path: Path, base: Component, out: Path) -> tuple[str, ...]:
    """Write the weights of a file as a base has them: `.params` with Gluon's names, `.safetensors` with PyTorch's.

    The base's own parts are written, not the classifier. Returned is what was not taken as it stands in the file.

    Raises:
        RecipeError: the file does not fit the base, it has no such form, or nothing can be written there.
    """
    name, size = base.args["name"], Size.square(BASES[base.name][base.args["name"]].native)
    to_gluon = out.suffix == ".params"
    if to_gluon and has_other_layers(name):
        raise RecipeError(NoSuchForm(path=str(path), base=call_of(base), form="`.params` file of Gluon"))
    whole, cut = built(base.name, name, size)
    infer(cut, size)
    state = read_state(path)
    load_state(state, base, cut, whole)
    owned = {id(each) for _, part in cut.parts for each in part.collect_params().values()}
    names = whole._collect_params_with_prefix() if to_gluon else names_in_torch(whole, base.name, name)
    arrays = {each: parameter.data().asnumpy() for each, parameter in names.items() if id(parameter) in owned}
    with writing(out):
        if to_gluon:
            write_params(out, arrays)
        else:
            write_safetensors(out, {each: array.reshape(state.arrays[each].shape) for each, array in arrays.items()})
    return tuple(state.notes())


def fetch_for(recipe: Path, settings: Sequence[str], outside: bool) -> Iterator[str]:
    """Fetch what the base of a recipe starts from; say in a line what it is and where it lies now.

    Raises:
        RecipeError: the recipe is wrong, or the weights cannot be had.
    """
    checked = check(load_source(read_recipe(recipe), outside=outside), VOCABULARY, settings)
    base = component(checked.fields["base"])
    with located(base.span):
        path = fetch_weights(base)
        origin, _ = source_for(base).provenance(base)
    yield f"{origin}: nothing to fetch" if path is None else f"{origin}, {path.stat().st_size / 1e6:,.1f} MB: {path}"
