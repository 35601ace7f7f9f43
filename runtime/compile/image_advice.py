"""Advice that only the images themselves show, once they are read (W760 to W769).

In go the sets as listed and as they are without images that cannot be read; out comes advice, less what comments
suppress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, ordered
from runtime.data.listing import ImageRef, Listing
from runtime.system.cache.disk import FeatureCache
from runtime.tasks.catalog import task_of

SameImages = Kind(
    "W760",
    "same images",
    reason="Files with the same content in two sets: part of what the second one measures is memorization.",
    source="Barz and Denzler 2020, arXiv 1902.00423: 3% to 10% of CIFAR's test images are copies",
    fields="set_name other count examples",
    message=(
        "{count:counted image} of `{set_name}` {count:plural is|are} in `{other}` as well:"
        " `{examples[0]:printable}` is `{examples[1]:printable}`"
    ),
    help="`ftr data check RECIPE --fix` lists them for `exclude`",
)


def image_advice(
    recipe: CheckedRecipe,
    before: Mapping[str, Listing],
    after: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache | None,
    stopped: Callable[[], bool],
) -> tuple[Problem, ...]:
    """Return what the images advise. Copies are looked for where there is a cache: without, each file would be read."""
    lost = (task_of(recipe).lost(recipe, name, before[name], each) for name, each in after.items())
    found = [*chain.from_iterable(lost), *(_same(recipe, after, threads, cache, stopped) if cache else ())]
    kept = apply_suppressions(found, [file.source for file in files(recipe.written)], lambda code: False)
    return tuple(ordered(problem for problem in kept if problem in found))


def copies_advice(recipe: CheckedRecipe, listings: Mapping[str, Listing], threads: int) -> tuple[Problem, ...]:
    """Return advice on files that are in two sets, for a plan: only those are read that others equal by size.

    Of files that are as large, their middle is compared before the whole.
    """
    sets = {
        name: replace(listing, samples=tuple(s for s in listing.samples if isinstance(s.image, Path)))
        for name, listing in listings.items()
    }
    for key in (_size, _middle):
        sets = _shared(sets, key)
    found = tuple(_same(recipe, sets, threads, None, lambda: False))
    kept = apply_suppressions(found, [file.source for file in files(recipe.written)], lambda code: False)
    return tuple(ordered(problem for problem in kept if problem in found))


def _shared(sets: Mapping[str, Listing], key: Callable[[Path], object]) -> dict[str, Listing]:
    """Return the sets with those files alone whose key a file of another set has as well."""
    keys = {
        name: {s.id: key(s.image) for s in each.samples if isinstance(s.image, Path)} for name, each in sets.items()
    }
    sets_of: dict[object, set[str]] = {}
    for name, each in keys.items():
        for value in each.values():
            sets_of.setdefault(value, set()).add(name)
    return {
        name: replace(each, samples=tuple(s for s in each.samples if len(sets_of[keys[name][s.id]]) > 1))
        for name, each in sets.items()
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # said where the image is opened
        return -1


def _middle(path: Path) -> tuple[int, bytes]:
    size = _size(path)
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(max(0, size // 2))
            return size, file.read(4096)
    except OSError:
        return -1, b""


def _is_one_file(one: ImageRef, other: ImageRef) -> bool:
    return isinstance(one, Path) and isinstance(other, Path) and one == other


def _same(
    recipe: CheckedRecipe,
    sets: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache | None,
    stopped: Callable[[], bool],
) -> Iterator[Problem]:
    """Yield advice on each two sets that share content, but not the file itself: of that the listings have told."""
    from runtime.data.content_hashes import set_hashes  # loads NumPy, which `ftr explain` needs not

    hashes = set_hashes(sets, threads, cache, stopped=stopped)
    by_set = {name: dict(zip(hashes[name], listing.samples, strict=True)) for name, listing in sets.items()}
    for other, name in combinations(by_set, 2):
        shared = [
            (sample.id, by_set[other][content].id)
            for content, sample in zip(hashes[name], sets[name].samples, strict=True)
            if content is not None and content in by_set[other]
            if not _is_one_file(sample.image, by_set[other][content].image)
        ]
        if shared:
            span = recipe.block("data").span_of(name)
            yield SameImages(span=span, set_name=name, other=other, count=len(shared), examples=min(shared))
