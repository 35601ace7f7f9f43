"""Advice that only the images themselves show, once a run has read them (W760 to W769).

In go the sets as listed and as they are without images that cannot be read; out comes advice, less what comments
excuse. As in `runtime/vocabulary/advice.py`, a class's docstring is the reason, and `source` where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import ClassVar

from recipe_lang.allowing import excused
from recipe_lang.checked import CheckedRecipe
from recipe_lang.diagnostics import Problem, ordered
from recipe_lang.errors import listed
from recipe_lang.extend import files
from runtime.data.contents import content_hashes
from runtime.data.problems import quoted
from runtime.data.sources import ImageRef, Listing
from runtime.feature_cache import FeatureCache


@dataclass(frozen=True, slots=True, kw_only=True)
class SameImages(Problem):
    """Files with the same content in two sets: part of what the second one measures is memorization."""

    code: ClassVar[str] = "W760"
    source: ClassVar[str] = "Barz and Denzler 2020, arXiv 1902.00423: 3% to 10% of CIFAR's test images are copies"
    set_name: str
    other: str
    count: int
    examples: tuple[str, str]

    def message(self) -> str:
        images = "1 image" if self.count == 1 else f"{self.count:,} images"
        verb = "is" if self.count == 1 else "are"
        one, other = map(quoted, self.examples)
        return f"{images} of `{self.set_name}` {verb} in `{self.other}` as well: {one} is {other}"

    def help(self) -> str:
        return "`ftr data check RECIPE --fix` lists them for `exclude`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLost(Problem):
    """Images that cannot be read are dropped after the split, so that a small set can lose a class.

    Metrics over classes are then the mean of the others, and no longer comparable.
    """

    code: ClassVar[str] = "W761"
    source: ClassVar[str] = "how `balanced_accuracy` and the like are defined: the mean of the classes that there are"
    set_name: str
    classes: tuple[str, ...]

    def message(self) -> str:
        shown = listed(tuple(map(quoted, self.classes[:5])), "and")
        many = len(self.classes) > 1
        shown = shown if len(self.classes) <= 5 else f"{len(self.classes)} classes, such as {shown},"
        return f"{shown} {'have' if many else 'has'} no image left in `{self.set_name}`: none of its images can be read"

    def help(self) -> str:
        return "replace the files that were skipped, or hold out more"


def image_advice(
    recipe: CheckedRecipe,
    before: Mapping[str, Listing],
    after: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache | None,
    stopped: Callable[[], bool],
) -> tuple[Problem, ...]:
    """Return what the images advise. Copies are looked for where there is a cache: without, each file would be read."""
    found = [*_lost(recipe, before, after), *(_same(recipe, after, threads, cache, stopped) if cache else ())]
    kept = excused(found, [file.source for file in files(recipe.written)], lambda code: False)
    return tuple(ordered(problem for problem in kept if problem in found))


def _is_one_file(one: ImageRef, other: ImageRef) -> bool:
    return isinstance(one, Path) and isinstance(other, Path) and one == other


def _lost(recipe: CheckedRecipe, before: Mapping[str, Listing], after: Mapping[str, Listing]) -> Iterator[Problem]:
    for name, listing in after.items():
        counts = zip(listing.classes, before[name].counts(), listing.counts(), strict=True)
        lost = tuple(label for label, had, has in counts if had and not has)
        if lost:
            yield ClassLost(span=recipe.block("data").place(name), set_name=name, classes=lost)


def _same(
    recipe: CheckedRecipe,
    sets: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache,
    stopped: Callable[[], bool],
) -> Iterator[Problem]:
    """Yield advice on each two sets that share content, but not the file itself: of that the listings have told."""
    samples = [sample for listing in sets.values() for sample in listing.samples]
    contents = iter(content_hashes(samples, threads, cache, stopped=stopped))
    by_set = {name: {next(contents): sample for sample in listing.samples} for name, listing in sets.items()}
    for other, name in combinations(by_set, 2):
        shared = [
            (by_set[name][content].id, by_set[other][content].id)
            for content in by_set[name].keys() & by_set[other].keys() - {None}
            if not _is_one_file(by_set[name][content].image, by_set[other][content].image)
        ]
        if shared:
            place = recipe.block("data").place(name)
            yield SameImages(span=place, set_name=name, other=other, count=len(shared), examples=min(shared))
