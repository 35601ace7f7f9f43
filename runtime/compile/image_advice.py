"""Advice that only the images themselves show, once a run has read them (W760 to W769).

In go the sets as listed and as they are without images that cannot be read; out comes advice, less what comments
suppress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


def _is_one_file(one: ImageRef, other: ImageRef) -> bool:
    return isinstance(one, Path) and isinstance(other, Path) and one == other


def _same(
    recipe: CheckedRecipe,
    sets: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache,
    stopped: Callable[[], bool],
) -> Iterator[Problem]:
    """Yield advice on each two sets that share content, but not the file itself: of that the listings have told."""
    from runtime.data.content_hashes import content_hashes  # loads NumPy, which `ftr explain` needs not

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
            span = recipe.block("data").span_of(name)
            yield SameImages(span=span, set_name=name, other=other, count=len(shared), examples=min(shared))
