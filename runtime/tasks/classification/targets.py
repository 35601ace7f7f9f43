"""Classes as targets: positions in a listing's names, and what sets of them must satisfy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import CallValue
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import counted, listed
from runtime.data.listing import Listing
from runtime.data.similar_labels import alike, meant
from runtime.tasks.class_names import beside_number
from runtime.tasks.classification.problems import ClassWithoutImages, ThresholdOfClasses, UnknownClass
from runtime.tasks.protocol import PARTS

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedBlock
    from runtime.plan.types import TargetFacts

UNEQUAL = 5  # largest class to smallest, above which accuracy alone is advised against
UNEQUAL_BY_FAR = 10  # above which the loss should make up for it
_SHOWN, _OUTPUTS = 8, 12  # on the screen


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """The class names in order, and for each set the count of images of each class.

    `shares` are the classes' shares of the training images, where a loss has asked for them. `tuned` is the metric by
    which validation is to choose the threshold, and `calibrated` whether it is to fit a temperature, where a recipe
    asks for them; `threshold`, the probability from which on the second of two classes is answered, and `temperature`,
    by which scores are divided, are what it has chosen. `known` is how many classes, the first, a head that is extended
    has from an earlier run.
    """

    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    shares: tuple[float, ...] | None = None
    tuned: str | None = None
    calibrated: bool | None = None
    threshold: float | None = None
    temperature: float | None = None
    known: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.classes

    def as_file(self) -> Any:
        """Return the content of `classes.json`."""
        return self.classes

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""
        shares = {"shares": list(self.shares)} if self.shares else {}
        return {"classes": list(self.classes), **shares, **({"known": self.known} if self.known else {})}

    def row(self) -> tuple[str, str]:
        """Return the row of `ftr plan --all`."""
        pairs = [f"{beside_number(name)} ({n:,})" for name, n in zip(self.classes, self.counts["train"], strict=True)]
        shown = ", ".join(pairs[:_SHOWN]) + (", …" if len(pairs) > _SHOWN else "")
        return "classes", f"{len(pairs)}: {shown}"

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""
        counts = [count for count in self.counts["train"] if count]
        least, most = min(counts), max(counts)
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        without = len(self.classes) - len(counts)
        more = f", {without:,} kept without images" if without else ""
        return f" ({counted(len(counts), 'class', 'classes')} of {each}{more})"

    def outputs(self) -> str:
        """Return what an exported model gives."""
        shown = ", ".join(self.classes[:_SHOWN])
        more = ", …: see classes.json" if len(self.classes) > _SHOWN else ""
        return f"scores of the classes, in this order: {shown}{more}"


def part_counts(facts: ClassFacts, of: str) -> tuple[int, ...]:
    """Return the images of each class of a set, or of the classes of the test set that are `old`, or `new`."""
    if of not in PARTS:
        return facts.counts.get(of, ())
    return facts.counts.get("test", ())[part_of(facts, of)]


def part_of(facts: ClassFacts, part: str) -> slice:
    """Return which classes are `old`, or `new`: in the order of all."""
    return slice(0, facts.known) if part == "old" else slice(facts.known, None)


def asked(facts: ClassFacts, data: CheckedBlock) -> ClassFacts:
    """Return the facts with what a recipe's `data` asks validation to choose.

    Raises:
        RecipeError: it asks for a threshold, and there are not two classes.
    """
    threshold, facts = data["threshold"], replace(facts, calibrated=True if data["calibrate"] else None)
    if threshold is None:
        return facts
    if len(facts.classes) != 2:
        raise RecipeError(ThresholdOfClasses(span=data.span_of("threshold"), classes=facts.classes))
    if isinstance(threshold, CallValue):
        return replace(facts, tuned=threshold["metric"].name)
    return replace(facts, threshold=threshold)


def with_shares(facts: TargetFacts) -> TargetFacts:
    """Return the facts with the classes' shares of the training images."""
    assert isinstance(facts, ClassFacts)
    counts = facts.counts["train"]
    return replace(facts, shares=tuple(count / sum(counts) for count in counts))


def class_counts(listing: Listing) -> tuple[int, ...]:
    """Return the number of samples of each class, in the order of the names."""
    found = Counter(sample.target for sample in listing.samples)
    return tuple(found[label] for label in range(len(listing.names)))


def align(listing: Listing, classes: tuple[str, ...], set_name: str) -> Listing:
    """Return a listing with its labels renumbered, by class name, to the classes of training.

    Classes that the listing lacks stay without samples. A class that training has not is dropped where it
    has no image; else `RecipeError` names it and the set.
    """
    used = {label for label, count in enumerate(class_counts(listing)) if count}
    unknown = tuple(name for label, name in enumerate(listing.names) if label in used and name not in classes)
    if unknown:
        nearest = _alike(unknown[0], classes)
        raise RecipeError(UnknownClass(set_name=set_name, names=unknown, classes=classes, nearest=nearest))
    position = {name: label for label, name in enumerate(classes)}
    samples = tuple(replace(sample, target=position[listing.names[sample.target]]) for sample in listing.samples)
    return replace(listing, samples=samples, names=classes)


def _alike(name: str, classes: tuple[str, ...]) -> str:
    """Return the class that a name may be meant as: one that reads the same, else one that is spelled much like it."""
    return next((each for each in classes if meant(each) == meant(name)), suggest(name, classes))


def without_images(sets: Mapping[str, Listing]) -> list[Problem]:
    """Return the classes of `train` that have no image left there."""
    train = sets["train"]
    counts = list(zip(train.names, class_counts(train), strict=True))
    empty = tuple(name for name, count in counts[train.known :] if not count)
    return [ClassWithoutImages(names=empty)] if empty else []


def findings(train: Listing) -> Iterator[tuple[str, str]]:
    """Yield what `ftr data check` finds in the classes alone: that they are unequal, or may be one."""
    pairs = sorted(pair for pair in zip(class_counts(train), train.names, strict=True) if pair[0])
    (few, least), (many, most) = pairs[0], pairs[-1]
    if many > UNEQUAL * few:
        yield "balance", f"{most} has {many:,} training images, {least} {few:,}"
    yield from (("classes", listed(names, "and")) for names in alike(train.names, meant))
