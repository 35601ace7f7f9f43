"""Classes of a source as others: merged, renamed or dropped, before anything else is done with its images.

A row, and what it makes of a listing. Where an image has one class, one of a dropped class takes no part; several
labels, objects and pixels go without theirs: the objects are left out, the pixels count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import CallValue, Value
from recipe_lang.check.vocabulary import Arg, Either, Entry, ListOf, MapOf, NothingType, Text, Word
from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import a_few, counted

if TYPE_CHECKING:
    from runtime.data.listing import Listing, Sample

CLASS_MAP = Entry(
    "class_map",
    "Merges, renames and drops classes of all sets. A class that has a new name already belongs to it.",
    (
        Arg(
            "names",
            Either(
                (NothingType(), MapOf(Text(), Either((ListOf(Text()), Word({"rest": "All that nothing else names."})))))
            ),
            "New classes, each with the list of those that it is made of.",
            None,
        ),
        Arg(
            "drop",
            Either((NothingType(), ListOf(Text()))),
            "Classes that take no part: images of them, labels or objects are left out, pixels count for nothing.",
            None,
        ),
        Arg(
            "others",
            Word({"keep": "They stay as they are.", "drop": "They are dropped."}),
            "What becomes of classes that neither names.",
            "keep",
        ),
    ),
    examples=(
        'classes = class_map({ "cat" = ["tabby", "siamese"], "dog" = ["beagle"] })',
        'classes = class_map(names = { "rose" = ["rose"], "other" = rest }, drop = ["blurred"])',
        'classes = class_map({ "rose" = ["roses"], "tulip" = ["tulips"] }, others = drop)',
    ),
)

DROPPED = "of classes that `classes` drops"
"""Why an object takes no part."""


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The new name by the old one, the names that are dropped, and what all others become: None, themselves.

    `rest` is a new class of all others, `drops_others` is whether they are dropped.
    """

    new: Mapping[str, str]
    drop: frozenset[str]
    rest: str | None
    drops_others: bool

    @classmethod
    def of(cls, call: CallValue) -> ClassMap:
        """Return what a call says."""
        given = list(named(call))
        new = {each.value: name for name, olds in given if isinstance(olds, tuple) for each in olds}
        rest = next((name for name, olds in given if not isinstance(olds, tuple)), None)
        new |= {name: name for name, _ in given if name not in new}
        drop = frozenset(each.value for each in call["drop"] or ())
        return cls(new, drop, rest, call["others"] == "drop")

    def name(self, old: str) -> str | None:
        """Return the new name of a class; None where it is dropped."""
        if old in self.drop:
            return None
        return self.new.get(old, self.rest or (None if self.drops_others else old))


def named(call: CallValue) -> Iterator[tuple[str, Any]]:
    """Yield the new classes, each with the values that name its old ones, or the word `rest`."""
    for name, olds in call["names"] or ():
        yield name.value, olds.value


def old_names(call: CallValue) -> Iterator[Value]:
    """Yield the values that name old classes."""
    for _, olds in named(call):
        yield from olds if isinstance(olds, tuple) else ()
    yield from call["drop"] or ()


def mapped(listing: Listing, call: CallValue, set_name: str, *, training: bool) -> Listing:
    """Return a listing with its classes as a map makes them, in the order of the first old class of each.

    A set that only evaluates (`training` false) may lack classes that the map names.

    Raises:
        RecipeError: the training set has no such class, or what is left of them cannot be learned.
    """
    if training:
        _check(call, listing.names)
    table = ClassMap.of(call)
    names = [table.name(old) for old in listing.names]
    new = tuple(dict.fromkeys(name for name in names if name is not None))
    places = [None if name is None else new.index(name) for name in names]
    samples = tuple(sample for each in listing.samples if (sample := _mapped(each, places)) is not None)
    if training:
        _check_left(call, samples, new)
    lost = [old for old, name in zip(listing.names, names, strict=True) if name is None]
    left_out = [
        *listing.left_out,
        *(each for sample in listing.samples for each in _lost(sample, places, listing.names)),
    ]
    notes = _note(listing, samples, set_name, lost, len(new), len(left_out) - len(listing.left_out))
    return replace(listing, samples=samples, names=new, left_out=tuple(left_out), notes=(*listing.notes, *notes))


def _check(call: CallValue, names: Sequence[str]) -> None:
    from runtime.data.problems import ClassesNotThere

    unknown = [each for each in old_names(call) if each.value not in names]
    if unknown:
        first = unknown[0]
        raise RecipeError(
            ClassesNotThere(
                span=first.span,
                names=tuple(each.value for each in unknown),
                classes=tuple(names),
                nearest=suggest(first.value, tuple(names)),
            )
        )


def _check_left(call: CallValue, samples: Sequence[Sample], new: Sequence[str]) -> None:
    from runtime.data.problems import ClassesNotThere

    of_one = bool(samples) and isinstance(samples[0].target, int) and len(new) == 1
    if not new or of_one:
        raise RecipeError(ClassesNotThere(span=call.span, names=(), classes=tuple(new), nearest=""))


def _mapped(sample: Sample, places: Sequence[int | None]) -> Sample | None:
    """Return a sample with its target moved; None where its one class is dropped."""
    target = sample.target
    if isinstance(target, int):
        place = places[target]
        return None if place is None else replace(sample, target=place)
    if isinstance(target, tuple):
        kept = {place for label in target if (place := places[label]) is not None}
        return replace(sample, target=tuple(sorted(kept)))
    return replace(sample, target=target.with_classes(places))


def _lost(sample: Sample, places: Sequence[int | None], names: Sequence[str]) -> Iterator[Any]:
    """Yield the objects of a sample whose classes are dropped."""
    from runtime.data.listing import DroppedObject

    if hasattr(sample.target, "corners"):
        for corners, label in zip(sample.target.corners.tolist(), sample.target.classes.tolist(), strict=True):
            if places[label] is None:
                yield DroppedObject(sample.id, DROPPED, names[label], tuple(corners))


def _note(
    listing: Listing, samples: Sequence[Sample], set_name: str, lost: Sequence[str], left: int, objects: int
) -> Iterator[str]:
    if len(listing.names) != left:
        yield f"{set_name}: {counted(len(listing.names), 'class', 'classes')} of the source become {left:,}"
    if lost:
        gone = len(listing.samples) - len(samples)
        what = [*([counted(gone, "image")] if gone else []), *([counted(objects, "object")] if objects else [])]
        yield f"{set_name}: without {a_few(lost)}" + (f": {' and '.join(what)} left out" if what else "")
