"""Advice on the labels of a plan (W755 to W757)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_lang.problem import Kind, Problem

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedRecipe
    from runtime.tasks.multi_label.targets import LabelFacts

_FEW = 10

RareLabels = Kind(
    "W755",
    "rare labels",
    reason="""Of a label that fewer than 10 training images have, little is learned, and hardly anything can be
    measured.

    The mean average precision counts it as much as any other, so that it moves with a few images.""",
    fields="names",
    message="fewer than 10 training images have the {names:plural label|labels} {names:few}",
    help="add images that have it, or leave the label out",
    source="Wu et al. 2020, arXiv 2007.09654: rare labels and their weights",
)

OneLabelEach = Kind(
    "W756",
    "one label each",
    reason="""Each training image has exactly one label, which is what `task = classification` learns: its classes
    exclude each other, and one is always given.

    With several labels a network may give none, or two, and learns no order among them.""",
    fields="images",
    message="each of the {images:,} training images has exactly one label",
    help="write `task = classification`, unless images may have none or several later",
    source="Bishop 2006, Pattern Recognition and Machine Learning, section 4.3",
)

UnmeasuredLabels = Kind(
    "W757",
    "unmeasured labels",
    reason="""No image of a set has the label: its average precision is not defined there, and the mean leaves it out.

    A holdout takes a fraction of each label's images; of one or two there may be none for it.""",
    fields="set_name names",
    message="no image of the {set_name} set has the {names:plural label|labels} {names:few}: metrics leave"
    " {names:plural it|them} out",
    help="add images that have it, or hold out more",
    source="scikit-learn's average_precision_score is not defined without a true label",
)


def advice(recipe: CheckedRecipe, facts: LabelFacts) -> Iterator[Problem]:
    """Yield advice on labels that are rare, exclude each other, or cannot be measured."""
    data = recipe.block("data")
    place = data.span_of("train")
    if facts.exclusive:
        yield OneLabelEach(span=place, images=facts.counts["train"][0])
    rare = tuple(name for name, count in zip(facts.labels, facts.images["train"], strict=True) if count < _FEW)
    if rare:
        yield RareLabels(span=place, names=rare)
    for name, counts in facts.images.items():
        absent = tuple(label for label, count in zip(facts.labels, counts, strict=True) if not count)
        if absent and name != "train":
            yield UnmeasuredLabels(span=data.span_of(name) or place, set_name=name, names=absent)
