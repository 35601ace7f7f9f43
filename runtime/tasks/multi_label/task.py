"""Multi-label classification: any number of labels for each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipe_lang.words import counted, printable
from runtime.data.targets import LABELS
from runtime.tasks.distillation import soft_labels, with_distillation
from runtime.tasks.multi_label.losses import LOSSES
from runtime.tasks.multi_label.metrics import METRICS, LabelEvaluator
from runtime.tasks.protocol import Loss, Measure, Metric, Suggestion, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.problem import Problem
    from runtime.data.listing import Listing
    from runtime.plan.types import DataPlan, Plan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Served
    from runtime.tasks.multi_label.network import Prediction
    from runtime.tasks.multi_label.targets import LabelFacts

Labels = tuple[int, ...]


def _labels(facts: TargetFacts) -> LabelFacts:
    from runtime.tasks.multi_label.targets import LabelFacts

    assert isinstance(facts, LabelFacts)
    return facts


class MultiLabel(Task):
    """The task's row, and what is its own of what `Task` asks for."""

    name = "multi_label"
    doc = "Any number of labels for each image."
    target = LABELS
    outputs = "labels"
    head = "[dense(labels)]"
    loss = "binary_cross_entropy"
    monitor = "map"
    losses: tuple[Loss, ...] = with_distillation(LOSSES, soft_labels)
    metrics: Mapping[str, Metric] = METRICS
    shown: tuple[str, ...] = ("map", "f1_micro")
    curves: tuple[str, ...] = ("map", "f1_micro", "f1_macro")
    file = "labels.json"
    threshold_metrics = ("f1_macro",)
    answers = "labels"
    key = "labels"

    def strata(self, listing: Listing) -> Mapping[str, Labels]:
        return {sample.id: sample.target for sample in listing.samples}

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.multi_label.targets import align

        return align(listing, names, set_name)

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        from runtime.tasks.multi_label.targets import without_images

        return without_images(sets)

    def facts(self, sets: Mapping[str, Listing]) -> LabelFacts:
        from runtime.tasks.multi_label.targets import facts

        return facts(sets)

    def asked(self, facts: TargetFacts, recipe: CheckedRecipe) -> LabelFacts:
        from runtime.tasks.multi_label.targets import BEST

        threshold = recipe.block("data")["threshold"]
        if threshold is None:
            return _labels(facts)
        return replace(_labels(facts), threshold=threshold if isinstance(threshold, int | float) else BEST)

    def with_threshold(self, facts: TargetFacts, threshold: float) -> LabelFacts:
        return replace(_labels(facts), threshold=threshold)

    def read(self, plain: Any, result: Mapping[str, Any]) -> LabelFacts:
        from runtime.tasks.multi_label.targets import read

        return read(plain, result)

    def text(self, target: Labels, names: tuple[str, ...]) -> str:
        from runtime.tasks.multi_label.targets import text

        return text(target, names)

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with {counted(len(names), 'label')}"

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        from runtime.tasks.multi_label.advice import advice

        return advice(recipe, _labels(plan.data.target))

    def findings(self, sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
        from runtime.tasks.multi_label.targets import findings

        return findings(sets)

    def caption(self, target: Labels, names: tuple[str, ...]) -> str:
        from runtime.tasks.multi_label.targets import caption

        return caption(target, names)

    def collate(self, targets: Sequence[Labels], facts: TargetFacts) -> NDArray[np.float32]:
        from runtime.tasks.multi_label.network import collated

        return collated(targets, len(facts.names))

    def evaluator(self, facts: TargetFacts, measure: Measure) -> LabelEvaluator:
        return LabelEvaluator(facts.names, measure, _labels(facts).limits)

    def chosen(self, facts: TargetFacts, valid: Any) -> LabelFacts:
        from runtime.tasks.multi_label.targets import best_thresholds

        result = {} if valid is None else {"valid": valid.in_result()}
        return replace(_labels(facts), thresholds=best_thresholds(result, facts.names))

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.multi_label.network import predictions

        return predictions(outputs, images, _labels(facts))

    def draw(self, picture: Image.Image, prediction: Prediction) -> None:
        from runtime.tasks.captions import caption

        caption(picture, [f"{printable(name)} {share:.0%}" for name, share in prediction.lines()] or ["no label"])

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.multi_label.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return ("labels", *(f"label_{name}" if name in ("image", "labels", "error") else name for name in facts.names))

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        from runtime.backend.mx import mx
        from runtime.tasks.answers import Served

        return Served("probabilities", "probabilities of the labels", mx.sym.sigmoid(symbol))

    def agreement(
        self, prediction: Any, served: NDArray[np.float32], facts: TargetFacts, tolerance: float
    ) -> Agreement:
        from runtime.tasks.answers import Agreement

        pairs = zip(prediction.probabilities, served, strict=True)
        apart = max(abs(ours - float(theirs)) for (_, ours), theirs in pairs)
        return Agreement(apart, same=apart <= tolerance)

    def suggest(self, train: Listing) -> Suggestion:
        from runtime.tasks.multi_label.suggestion import suggested

        return suggested(train)

    def card(self, facts: TargetFacts) -> CardWords:
        from runtime.tasks.answers import CardWords

        return CardWords(
            pipeline="image-classification",
            tag="multi-label-classification",
            metrics=("map", "f1_micro", "f1_macro", "exact_match", "loss"),
            headline="map",
            sentence=f"Gives images any of {len(facts.names)} labels.",
            warning="it gives its labels alone, each by itself: also to an image like none of the data.",
            heading="Labels, in the order of the scores:",
            entries=facts.names,
            data='\'csv("photos.csv", image = "file", labels = "tags")\'',
        )


MULTI_LABEL = MultiLabel()
