"""A source of weights: all that is said of one, as `runtime/models/weights_sources.py` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.models.catalog import BASES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from recipe_lang.check.vocabulary import (
        Entry,
    )
    from recipe_lang.problem import Problem
    from runtime.models.base import Base, Normalization
    from runtime.plan.types import Component
    from runtime.weights.hub_config import HubConfig
    from runtime.weights.published import PublishedFile


def base_normalization(base: Component) -> Normalization:
    """Return mean and standard deviation per channel, values from 0 to 1, that a base was made for."""
    return BASES[base.name][base.args["name"]].normalization


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """All about one source of weights.

    `provenance` says in a lock's words where they come from, and gives their file, once they are here. `check` refuses
    weights that cannot be had, before anything is built, loaded or downloaded for it. `load` puts them into the base's
    parts; it takes the whole network as well, that the parts were cut from; `fits` refuses those that are here and are
    of another network, and changes nothing. All raise RecipeError. `normalization`
    gives the mean and the standard deviation that the weights expect. `published` is the file that others publish and
    that is fetched where it is not here, by the base's kind and name and the arguments of its weights; where there is
    none, `is_here` is one look for the weights of a network's name, without a network. `as_in_torch` says that the base
    is built as PyTorch has it, where that differs; `of_zoos`, that a zoo's base may name the source. `load_head` puts
    weights into the head's parameters, where the source has some; `facts` is what a lock says beside the provenance;
    `advice` is what `ftr plan` should say of the weights, once the network is built; `images` what images they were
    made for, where others publish that.
    """

    entry: Entry
    provenance: Callable[[Component], tuple[str, Path | None]]
    check: Callable[[Component], None] = lambda base: None
    load: Callable[[Component, Base, Any], None] = lambda base, cut, whole: None
    fits: Callable[[Component, Base, Any], None] = lambda base, cut, whole: None
    normalization: Callable[[Component], Normalization] = base_normalization
    published: Callable[[str, str, Mapping[str, Any]], PublishedFile | None] = lambda kind, name, args: None
    load_head: Callable[[Component, Mapping[str, Any]], None] = lambda base, head: None
    facts: Callable[[Component], Mapping[str, str | int]] = lambda base: {}
    advice: Callable[[Component, Base, Any], tuple[Problem, ...]] = lambda base, cut, whole: ()
    images: Callable[[Component], HubConfig | None] = lambda base: None
    is_here: Callable[[str], bool] = lambda name: True
    is_pretrained: bool = True
    as_in_torch: Callable[[Component], bool] = lambda base: False
    of_zoos: bool = True
