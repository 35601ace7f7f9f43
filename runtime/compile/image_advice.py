"""Advice that only the images themselves show, once they are read (W751, W760 to W769).

In go the sets as listed and as they are without images that cannot be read; out comes advice, less what comments
suppress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

UnreadableStart = Kind(
    "W751",
    "no image in a file",
    reason="""Files with the ending of an image are empty, or hold something else: a web page, a text, a pointer.

    A plan looks at the first bytes of files. Those that break off later are found when a run, or `ftr data check`,
    opens all of them.""",
    source="docs/language.md: data",
    fields="set_name examples more stops",
    message=("files of `{set_name}` hold no image: {examples:few}{more:if  and {more:counted more file}}"),
    help=lambda p: (
        ("a run stops at them, unless the data block says `on_error = skip`; " if p.stops else "a run skips them; ")
        + "`ftr data check RECIPE` lists all"
    ),
)

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


def files_advice(recipe: CheckedRecipe, listings: Mapping[str, Listing], threads: int) -> tuple[Problem, ...]:
    """Return advice on files, for a plan: on those that do not begin as images do, and those that are in two sets.

    Of the latter only those are read that others equal by size, and their middle is compared before the whole.
    """
    from runtime.data.formats import starts_as_image  # loads Pillow, which `ftr explain` needs not

    sets: dict[str, Listing] = {}
    found: list[Problem] = []
    for name, listing in listings.items():
        bad = [s.id for s in listing.samples if isinstance(s.image, Path) and not starts_as_image(s.image)]
        skipped = set(bad)
        there = (s for s in listing.samples if isinstance(s.image, Path) and s.id not in skipped)
        sets[name] = replace(listing, samples=tuple(there))
        if bad:
            found.append(_unreadable(recipe, name, bad))
    for key in (_size, _middle):
        sets = _shared(sets, key)
    found += _same(recipe, sets, threads, None, lambda: False)
    kept = apply_suppressions(found, [file.source for file in files(recipe.written)], lambda code: False)
    return tuple(ordered(problem for problem in kept if problem in found))


def _unreadable(recipe: CheckedRecipe, name: str, bad: Sequence[str]) -> Problem:
    data = recipe.block("data")
    shown, more, stops = tuple(bad[:_EXAMPLES]), len(bad[_EXAMPLES:]), data["on_error"] == "stop"
    return UnreadableStart(span=data.span_of(name), set_name=name, examples=shown, more=more, stops=stops)


_EXAMPLES = 3


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
