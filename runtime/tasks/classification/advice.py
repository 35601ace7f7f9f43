"""Advice on classes (W740, W741, W743, W749, W753, W761, W766, W785, W794, W795): that only the data shows.

Each kind with the rule that gives it below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from recipe_lang.words import listed
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.similar_labels import alike, meant
from runtime.plan.types import ClaimPlan, Plan
from runtime.tasks.classification.metrics import telling
from runtime.tasks.classification.targets import UNEQUAL, UNEQUAL_BY_FAR, ClassFacts, class_counts, part_counts

_FEW_OF_CLASS = 10
_ROUGH = 0.02
_BY_CLASS = ("balanced_accuracy", "precision", "recall", "f1")  # metrics that count classes alike
_MISSING = frozenset(("nan", "na", "n/a", "#n/a", "<na>", "null", "#null!"))
_CHANCE = "the binomial distribution: sqrt(p (1 - p) / n)"


Imbalance = Kind(
    "W740",
    "imbalance",
    reason="""Accuracy counts images, so a model can ignore a rare class at little cost.

    A metric that weighs classes equally (balanced accuracy, recall, f1) shows it; monitor one, or claim one.""",
    source="Brodersen et al. 2010, ICPR, The balanced accuracy and its posterior distribution",
    fields="largest smallest",  # each a class's name and how many images it has
    message=(
        "`{largest[0]:printable}` has {largest[1]:,} training images and `{smallest[0]:printable}` {smallest[1]:,},"
        " and no metric weighs the classes equally"
    ),
    help="write `monitor = valid.balanced_accuracy` in the last stage, or claim `test.balanced_accuracy`",
)


Untreated = Kind(
    "W753",
    "untreated imbalance",
    reason="""Of classes this unequal a network learns that the rare ones are rare, and answers them too seldom.

    On the digits with 110 images of the most frequent class and 5 of the rarest, a new head on frozen features had a
    balanced accuracy of 78.1% on a test set of equal classes; with `logit_adjusted` 82.7%, with `weights = balanced`
    79.2%, with `sampling = balanced` 79.0%, with `focal` 77.3% (three seeds, standard deviations of 0.5 to 1.3
    points). Where the images to come are as unequal as those of training, and mistakes weigh alike, nothing is to be
    made up for.""",
    source="measured, see above; Menon et al., arXiv 2007.07314",
    fields="largest smallest",  # each a class's name and how many images it has
    message=(
        "`{largest[0]:printable}` has {largest[1]:,} training images and `{smallest[0]:printable}` {smallest[1]:,},"
        " and nothing makes up for it"
    ),
    help="write `loss = logit_adjusted`, or `sampling = balanced` in `data`",
)


def _some(classes: tuple[str, ...]) -> str:
    shown = listed(tuple(map(quoted, classes[:5])), "and")
    return shown if len(classes) <= 5 else f"{len(classes)} classes, such as {shown},"


def _few_of_class_message(p: Problem) -> str:
    if len(p.classes) == 1:
        return f"{quoted(p.classes[0])} has {p.fewest} training image{'s' if p.fewest > 1 else ''}"
    return f"{_some(p.classes)} have fewer than {_FEW_OF_CLASS} training images each, the smallest {p.fewest}"


FewOfClass = Kind(
    "W741",
    "few of class",
    reason="""With fewer than 10 images of a class, what a model learns of it depends on which ones they are.

    Transfer gains most from 1 to 10 images per class; after that, more images help more slowly.""",
    source="Kolesnikov et al. 2020 (BiT), arXiv 1912.11370: accuracy by images of a class",
    fields="classes fewest",
    optional={"shots": 0},
    message=_few_of_class_message,
    help=lambda p: (
        f"`shots = {p.shots} images` says so: more of them learn faster than anything else"
        if p.shots == p.fewest
        else "add images, merge classes, or hold out fewer"
    ),
)

RoughClaim = Kind(
    "W743",
    "rough claim",
    reason="""A claim on few images holds or fails by chance: on other images of the same kind the number would differ.

    Two standard errors either way are common.""",
    source=f"{_CHANCE}; for the mean of classes, of each class",
    fields="claim images error",
    message=lambda p: f"`{p.claim}` on {p.images:,} images has a standard error of {100 * p.error:.1f} points",
    help="hold out more images for it, or read the claim as that rough",
)


ClassAbsent = Kind(
    "W749",
    "class absent",
    reason="""A set without an image of a class measures nothing of it: the class may be confused with any other.

    Metrics over classes are then the mean of those that there are.""",
    source="how `balanced_accuracy` and the like are defined: the mean of the classes that there are",
    fields="set_name classes",
    message=lambda p: (
        f"{_some(p.classes)} {'have' if len(p.classes) > 1 else 'has'} no image in `{p.set_name}`, and"
        f" {'are' if len(p.classes) > 1 else 'is'} learned"
    ),
    help="add images of it, hold out more, or take the class out of `train`",
)


def _classes_alike_message(p: Problem) -> str:
    shown = [listed(tuple(f"{quoted(name)} ({n:,})" for name, n in group), "and") for group in p.groups[:5]]
    more = f"; and {len(p.groups) - 5} more" if len(p.groups) > 5 else ""
    return f"classes that may be the same, with their training images: {'; '.join(shown)}{more}"


ClassesAlike = Kind(
    "W794",
    "classes alike",
    reason="""Classes that people write in more than one way: what belongs to one is learned as several.

    They differ in upper and lower case, in how a number is written, or in spaces, hyphens and underscores. Single
    letters are not advised on: `a` and `A` may be letters that are read.""",
    source="OpenRefine's key collision methods, which find such values in tables",
    fields="groups",
    message=_classes_alike_message,
    help="if so, spell them the same in the table, or merge their folders",
)


def _no_label_as_class_message(p: Problem) -> str:
    shown = listed(tuple(f"{quoted(name)} ({count:,} training images)" for name, count in p.classes), "and")
    return f"{shown} {'is a class' if len(p.classes) == 1 else 'are classes'}, and may stand for a missing label"


NoLabelAsClass = Kind(
    "W795",
    "no label as class",
    reason="""A word that programs write where a value is missing became a class, and the model learns to predict it.

    pandas writes `nan`, R `NA`, spreadsheets `#N/A`, databases `NULL`.""",
    source="pandas.read_csv, `na_values`: what it reads as missing",
    fields="classes",
    message=_no_label_as_class_message,
    help="take these images out, or label them",
)

CertainMetric = Kind(
    "W785",
    "certain metric",
    reason="Of five classes or fewer, the true one is always among the top five, whatever the network predicts.",
    source="the definition: Russakovsky et al. 2015, arXiv 1409.0575, section 4.1 (1,000 classes)",
    fields="metric classes",
    message="`{metric}` is always 1: there are {classes} classes",
    help=lambda p: f"write `{p.metric.replace('top5', 'accuracy')}`",
)

NotRepeated = Kind(
    "W766",
    "class not repeated",
    reason="""A class that an earlier run knew and that has no training images now is never the right answer: each step
    lowers its score, and it is forgotten.

    A few images of it are the surest remedy. `loss = logit_adjusted` leaves a class without images out of the training,
    and a frozen base leaves its features as they were. A head on frozen features that knew the digits 0 to 7 (an
    accuracy of 94.8%) and learned 8 and 9 had 0% on the old ones without images of them, and 68.4% with
    `logit_adjusted`; with 10 images of each old class 77.4% and 90.1% (one run each; 88% to 93% on the new ones).""",
    source="measured, `bench/extension.py`; Masana et al., arXiv 2010.15277, on few images that are repeated",
    fields="classes",
    message=lambda p: (
        f"{_some(p.classes)} {'are' if len(p.classes) > 1 else 'is'} kept, and"
        f" {'have' if len(p.classes) > 1 else 'has'} no training images: what is known of"
        f" {'them' if len(p.classes) > 1 else 'it'} will be forgotten"
    ),
    help="add some of its images, or write `loss = logit_adjusted`",
)

ClassLost = Kind(
    "W761",
    "class lost",
    reason="""Images that cannot be read are dropped after the split, so that a small set can lose a class.

    Metrics over classes are then the mean of the others, and no longer comparable.""",
    source="how `balanced_accuracy` and the like are defined: the mean of the classes that there are",
    fields="set_name classes",
    message=lambda p: (
        f"{_some(p.classes)} {'have' if len(p.classes) > 1 else 'has'} no image left in `{p.set_name}`:"
        " none of its images can be read"
    ),
    help="replace the files that were skipped, or hold out more",
)


def _with_images(facts: ClassFacts) -> list[tuple[int, str]]:
    """Return how many training images each class has, the fewest first; those that are kept without any aside."""
    return sorted(pair for pair in zip(facts.counts["train"], facts.classes, strict=True) if pair[0])


def _imbalance(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = _with_images(facts)
    (few, least), (many, most) = counts[0], counts[-1]
    looked_at = [stage.monitor for stage in plan.stages] + [claim.metric for claim in plan.claims]
    if many > UNEQUAL * few and not any(metric and metric.name in _BY_CLASS for metric in looked_at):
        span = recipe.block("data").span_of("train")
        yield Imbalance(span=span, largest=(most, many), smallest=(least, few))


def _untreated(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = _with_images(facts)
    (few, least), (many, most) = counts[0], counts[-1]
    is_treated = recipe.block("data")["threshold"] is not None or any(
        stage.sampling is not None or stage.loss.args.get("weights") or "tau" in stage.loss.args
        for stage in (phase for each in plan.stages for _, phase in each.phases())
    )
    if many > UNEQUAL_BY_FAR * few and not is_treated:
        yield Untreated(span=recipe.block("data").span_of("train"), largest=(most, many), smallest=(least, few))


def _few_of_class(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = zip(facts.classes, facts.counts["train"], strict=True)
    few = {name: count for name, count in counts if 0 < count < _FEW_OF_CLASS}
    if few:
        data = recipe.block("data")
        shots = data["shots"] or 0
        yield FewOfClass(span=data.span_of("train"), classes=tuple(few), fewest=min(few.values()), shots=shots)


def _rough_claims(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    for claim in plan.claims:
        counts = [count for count in part_counts(facts, claim.metric.set) if count]
        error = _standard_error(claim, counts)
        if error > _ROUGH and claim.metric.name in telling(len(facts.classes)):
            yield RoughClaim(span=claim.span, claim=str(claim), images=sum(counts), error=error)


def _standard_error(claim: ClaimPlan, counts: list[int]) -> float:
    """Return the standard error of a claimed share if it is just so; 0 for metrics that are no plain share."""
    variance = claim.number * (1 - claim.number)
    if claim.metric.name in ("accuracy", "top5"):
        return sqrt(variance / sum(counts))
    if claim.metric.name in ("balanced_accuracy", "recall"):
        return sqrt(sum(variance / count for count in counts)) / len(counts)
    return 0


def _absent(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    for name in ("valid", "test"):
        counts = facts.counts.get(name, ())
        learned = zip(facts.classes, counts, facts.counts["train"], strict=False)
        absent = tuple(label for label, count, trained in learned if trained and not count)
        if absent and plan.data.images(name):
            yield ClassAbsent(span=recipe.block("data").span_of(name), set_name=name, classes=absent)


def _certain_metric(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    count = len(facts.classes)
    stages = zip(plan.stages, recipe.all("stage"), strict=True)
    monitors = dict.fromkeys(
        (stage.monitor, block.span_of("monitor")) for stage, block in stages
    )  # `defaults` count once
    for metric, span in [*monitors, *((claim.metric, claim.span) for claim in plan.claims)]:
        if metric is not None and metric.name not in telling(count):
            yield CertainMetric(span=span, metric=str(metric), classes=count)


def _classes_alike(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = dict(zip(facts.classes, facts.counts["train"], strict=True))
    groups = tuple(tuple((name, counts[name]) for name in group) for group in alike(counts, meant))
    if groups:
        yield ClassesAlike(span=recipe.block("data").span_of("train"), groups=groups)


def _no_label_as_class(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = zip(facts.classes, facts.counts["train"], strict=True)
    classes = tuple((name, count) for name, count in counts if name.casefold() in _MISSING)
    if classes:
        yield NoLabelAsClass(span=recipe.block("data").span_of("train"), classes=classes)


def _not_repeated(recipe: CheckedRecipe, plan: Plan, facts: ClassFacts) -> Iterator[Problem]:
    counts = zip(facts.classes, facts.counts["train"], strict=True)
    gone = tuple(name for name, count in counts if not count)
    is_adjusted = all("tau" in stage.loss.args for stage in plan.stages)  # which leaves them out of the training
    if gone and not is_adjusted:
        yield NotRepeated(span=recipe.block("data").span_of("train"), classes=gone)


def class_lost(recipe: CheckedRecipe, name: str, before: Listing, after: Listing) -> Iterator[Problem]:
    """Yield advice on a set in which a class has no image left."""
    counts = zip(after.names, class_counts(before), class_counts(after), strict=True)
    lost = tuple(label for label, had, has in counts if had and not has)
    if lost:
        yield ClassLost(span=recipe.block("data").span_of(name), set_name=name, classes=lost)


RULES: tuple[Callable[[CheckedRecipe, Plan, ClassFacts], Iterator[Problem]], ...] = (
    _imbalance,
    _untreated,
    _few_of_class,
    _rough_claims,
    _absent,
    _certain_metric,
    _classes_alike,
    _no_label_as_class,
    _not_repeated,
)
