"""Advice on classes (W740, W741, W743, W761, W785, W794, W795): that only the data shows.

As in `runtime/vocabulary/advice.py`, a class's docstring is the reason, and `source` where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Problem
from recipe_lang.words import listed
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.similar_labels import alike, meant
from runtime.plan.types import ClaimPlan, Plan
from runtime.tasks.classification.metrics import telling
from runtime.tasks.classification.targets import UNEQUAL, ClassFacts, class_counts

_FEW_OF_CLASS = 10
_ROUGH = 0.02
_BY_CLASS = ("balanced_accuracy", "precision", "recall", "f1")  # metrics that count classes alike
_MISSING = frozenset(("nan", "na", "n/a", "#n/a", "<na>", "null", "#null!"))
_CHANCE = "the binomial distribution: sqrt(p (1 - p) / n)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance(Problem):
    """Accuracy counts images, so a model can ignore a rare class at little cost.

    A metric that weighs classes equally (balanced accuracy, recall, f1) shows it; monitor one, or claim one.
    """

    code: ClassVar[str] = "W740"
    source: ClassVar[str] = "Brodersen et al. 2010, ICPR, The balanced accuracy and its posterior distribution"
    largest: tuple[str, int]
    smallest: tuple[str, int]

    def message(self) -> str:
        (most, many), (least, few) = self.largest, self.smallest
        rare = f"{quoted(least)} {few:,}"
        return f"{quoted(most)} has {many:,} training images and {rare}, and no metric weighs the classes equally"

    def help(self) -> str:
        return "write `monitor = valid.balanced_accuracy` in the last stage, or claim `test.balanced_accuracy`"


@dataclass(frozen=True, slots=True, kw_only=True)
class FewOfClass(Problem):
    """With fewer than 10 images of a class, what a model learns of it depends on which ones they are.

    Transfer gains most from 1 to 10 images per class; after that, more images help more slowly.
    """

    code: ClassVar[str] = "W741"
    source: ClassVar[str] = "Kolesnikov et al. 2020 (BiT), arXiv 1912.11370: accuracy by images of a class"
    classes: tuple[str, ...]
    fewest: int

    def message(self) -> str:
        if len(self.classes) == 1:
            return f"{quoted(self.classes[0])} has {self.fewest} training image{'s' if self.fewest > 1 else ''}"
        shown = listed(tuple(map(quoted, self.classes[:5])), "and")
        shown = shown if len(self.classes) <= 5 else f"{len(self.classes)} classes, such as {shown},"
        return f"{shown} have fewer than {_FEW_OF_CLASS} training images each, the smallest {self.fewest}"

    def help(self) -> str:
        return "add images, merge classes, or hold out fewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoughClaim(Problem):
    """A claim on few images holds or fails by chance: on other images of the same kind the number would differ.

    Two standard errors either way are common.
    """

    code: ClassVar[str] = "W743"
    source: ClassVar[str] = f"{_CHANCE}; for the mean of classes, of each class"
    claim: str
    images: int
    error: float

    def message(self) -> str:
        points = 100 * self.error
        return f"`{self.claim}` on {self.images:,} images has a standard error of {points:.1f} points"

    def help(self) -> str:
        return "hold out more images for it, or read the claim as that rough"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesAlike(Problem):
    """Classes that people write in more than one way: what belongs to one is learned as several.

    They differ in upper and lower case, in how a number is written, or in spaces, hyphens and underscores. Single
    letters are not advised on: `a` and `A` may be letters that are read.
    """

    code: ClassVar[str] = "W794"
    source: ClassVar[str] = "OpenRefine's key collision methods, which find such values in tables"
    groups: tuple[tuple[tuple[str, int], ...], ...]

    def message(self) -> str:
        shown = [listed(tuple(f"{quoted(name)} ({n:,})" for name, n in group), "and") for group in self.groups[:5]]
        more = f"; and {len(self.groups) - 5} more" if len(self.groups) > 5 else ""
        return f"classes that may be the same, with their training images: {'; '.join(shown)}{more}"

    def help(self) -> str:
        return "if so, spell them the same in the table, or merge their folders"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLabelAsClass(Problem):
    """A word that programs write where a value is missing became a class, and the model learns to predict it.

    pandas writes `nan`, R `NA`, spreadsheets `#N/A`, databases `NULL`.
    """

    code: ClassVar[str] = "W795"
    source: ClassVar[str] = "pandas.read_csv, `na_values`: what it reads as missing"
    classes: tuple[tuple[str, int], ...]

    def message(self) -> str:
        shown = listed(tuple(f"{quoted(name)} ({count:,} training images)" for name, count in self.classes), "and")
        return f"{shown} {'is a class' if len(self.classes) == 1 else 'are classes'}, and may stand for a missing label"

    def help(self) -> str:
        return "take these images out, or label them"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertainMetric(Problem):
    """Of five classes or fewer, the true one is always among the top five, whatever the network predicts."""

    code: ClassVar[str] = "W785"
    source: ClassVar[str] = "the definition: Russakovsky et al. 2015, arXiv 1409.0575, section 4.1 (1,000 classes)"
    metric: str
    classes: int

    def message(self) -> str:
        return f"`{self.metric}` is always 1: there are {self.classes} classes"

    def help(self) -> str:
        return f"write `{self.metric.replace('top5', 'accuracy')}`"


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


def _imbalance(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = sorted(zip(facts.counts["train"], facts.classes, strict=True))
    (few, least), (many, most) = counts[0], counts[-1]
    looked_at = [stage.monitor for stage in plan.stages] + [claim.metric for claim in plan.claims]
    if many > UNEQUAL * few and not any(metric and metric.name in _BY_CLASS for metric in looked_at):
        place = recipe.block("data").place("train")
        yield Imbalance(span=place, largest=(most, many), smallest=(least, few))


def _few_of_class(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    few = {
        name: count for name, count in zip(facts.classes, facts.counts["train"], strict=True) if count < _FEW_OF_CLASS
    }
    if few:
        yield FewOfClass(span=recipe.block("data").place("train"), classes=tuple(few), fewest=min(few.values()))


def _rough_claims(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    for claim in plan.claims:
        counts = [count for count in facts.counts.get(claim.metric.set, ()) if count]
        error = _standard_error(claim, counts)
        if error > _ROUGH and claim.metric.name in telling(len(facts.classes)):
            yield RoughClaim(span=claim.place, claim=str(claim), images=sum(counts), error=error)


def _standard_error(claim: ClaimPlan, counts: list[int]) -> float:
    """Return the standard error of a claimed share if it is just so; 0 for metrics that are no plain share."""
    variance = claim.number * (1 - claim.number)
    if claim.metric.name in ("accuracy", "top5"):
        return sqrt(variance / sum(counts))
    if claim.metric.name in ("balanced_accuracy", "recall"):
        return sqrt(sum(variance / count for count in counts)) / len(counts)
    return 0


def _certain_metric(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    count = len(facts.classes)
    stages = zip(plan.stages, recipe.all("stage"), strict=True)
    monitors = dict.fromkeys(
        (stage.monitor, block.place("monitor")) for stage, block in stages
    )  # `defaults` count once
    for metric, place in [*monitors, *((claim.metric, claim.place) for claim in plan.claims)]:
        if metric is not None and metric.name not in telling(count):
            yield CertainMetric(span=place, metric=str(metric), classes=count)


def _classes_alike(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = dict(zip(facts.classes, facts.counts["train"], strict=True))
    groups = tuple(tuple((name, counts[name]) for name in group) for group in alike(counts, meant))
    if groups:
        yield ClassesAlike(span=recipe.block("data").place("train"), groups=groups)


def _no_label_as_class(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = zip(facts.classes, facts.counts["train"], strict=True)
    classes = tuple((name, count) for name, count in counts if name.casefold() in _MISSING)
    if classes:
        yield NoLabelAsClass(span=recipe.block("data").place("train"), classes=classes)


def class_lost(recipe: CheckedRecipe, name: str, before: Listing, after: Listing) -> Iterator[Problem]:
    """Yield advice on a set in which a class has no image left."""
    counts = zip(after.names, class_counts(before), class_counts(after), strict=True)
    lost = tuple(label for label, had, has in counts if had and not has)
    if lost:
        yield ClassLost(span=recipe.block("data").place(name), set_name=name, classes=lost)


RULES: tuple[Callable[[CheckedRecipe, Plan, ClassFacts], Iterator[Problem]], ...] = (
    _imbalance,
    _few_of_class,
    _rough_claims,
    _certain_metric,
    _classes_alike,
    _no_label_as_class,
)
