"""Detection: the objects of each image, their classes and their boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.data.targets import BOXES
from runtime.tasks.class_names import class_names
from runtime.tasks.detection.losses import LOSSES
from runtime.tasks.detection.metrics import METRICS, BoxEvaluator
from runtime.tasks.protocol import Loss, Measure, Metric, Suggestion, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.problem import Problem
    from runtime.data.boxes import Boxes
    from runtime.data.listing import Listing, Tile
    from runtime.plan.size import Size
    from runtime.plan.types import DataPlan, Plan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Served
    from runtime.tasks.detection.network import Prediction
    from runtime.tasks.detection.precision import Detections
    from runtime.tasks.detection.targets import BoxFacts


def _boxes(facts: TargetFacts) -> BoxFacts:
    from runtime.tasks.detection.targets import BoxFacts

    assert isinstance(facts, BoxFacts)
    return facts


class Detection(Task):
    """The task's row, and what is its own of what `Task` asks for."""

    name = "detection"
    doc = "The objects of each image: their classes and boxes."
    target = BOXES
    outputs = "classes"
    head = "[anchor_free]"
    loss = "quality_focal"
    prepare = "[stretch]"
    takes_maps = True
    monitor = "ap"
    losses: tuple[Loss, ...] = LOSSES
    metrics: Mapping[str, Metric] = METRICS
    shown: tuple[str, ...] = ("ap", "ap50")
    curves: tuple[str, ...] = ("ap", "ap50", "ap75")
    file = "classes.json"
    has_boxes = True
    few_images = 50  # each has several objects, and many cells: of 205 head and top together reach more than the head
    answers = "objects"
    key = "objects"

    def strata(self, listing: Listing) -> Mapping[str, tuple[int, ...]]:
        from runtime.tasks.detection.targets import strata

        return strata(listing)

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.detection.targets import align

        return align(listing, names, set_name)

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        from runtime.tasks.detection.targets import without_objects

        return without_objects(sets)

    def facts(self, sets: Mapping[str, Listing]) -> BoxFacts:
        from runtime.tasks.detection.targets import facts

        return facts(sets)

    def read(self, plain: Any, result: Mapping[str, Any]) -> BoxFacts:
        from runtime.tasks.detection.targets import BoxFacts, thresholds

        names = class_names(plain)
        return BoxFacts(names, thresholds=thresholds(result, names))

    def text(self, target: Boxes, names: tuple[str, ...]) -> str:
        from runtime.tasks.detection.targets import text

        return text(target, names)

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with objects of {len(names):,} classes"

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        from runtime.tasks.detection.advice import advice

        return advice(recipe, _boxes(plan.data.target))

    def findings(self, sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
        from runtime.tasks.detection.findings import of_sets

        return of_sets(sets)

    def image_findings(
        self, target: Boxes, size: Size, learned: Size, names: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        from runtime.tasks.detection.findings import of_image

        return of_image(target, size, learned, names)

    def compared(self, one: Boxes, other: Boxes) -> str:
        from runtime.tasks.detection.findings import compared

        return compared(one, other)

    def caption(self, target: Boxes, names: tuple[str, ...]) -> str:
        from runtime.tasks.detection.targets import caption

        return caption(target, names)

    def mark(self, picture: Image.Image, target: Boxes, names: tuple[str, ...], size: Size) -> None:
        from runtime.tasks.detection.drawing import draw_truth

        draw_truth(picture, target, names, size)

    def collate(self, targets: Sequence[Any], facts: TargetFacts) -> NDArray[np.float32]:
        from runtime.tasks.detection.assignment import collated

        return collated(targets)

    def as_labels(self, targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[Any]:
        return targets[:, : outputs[1], :5]

    def evaluator(self, facts: TargetFacts, measure: Measure) -> BoxEvaluator:
        return BoxEvaluator(facts.names, measure, _boxes(facts).thresholds)

    def with_threshold(self, facts: TargetFacts, threshold: float) -> BoxFacts:
        return replace(_boxes(facts), thresholds=(threshold,) * len(facts.names))

    def chosen(self, facts: TargetFacts, valid: Any) -> BoxFacts:
        from runtime.tasks.detection.targets import thresholds

        result = {} if valid is None else {"valid": valid.in_result()}
        return replace(_boxes(facts), thresholds=thresholds(result, facts.names))

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.detection.network import predictions

        return predictions(outputs, images, facts.names, _boxes(facts).thresholds, plan)

    def of_tiles(self, facts: TargetFacts, tiles: Mapping[str, int]) -> BoxFacts:
        return replace(_boxes(facts), counts={name: (count,) for name, count in tiles.items()})

    def merged(self, outputs: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], data: DataPlan) -> Detections:
        from runtime.tasks.detection.tiles import merged

        return merged(outputs, tiles, data)

    def whole(self, merged: Detections, image: str, size: Size, facts: TargetFacts, data: DataPlan) -> Prediction:
        from runtime.tasks.detection.network import prediction

        return prediction(merged, image, size, facts.names, _boxes(facts).thresholds, data)

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.detection.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return ("class", "score", "x0", "y0", "x1", "y1")

    def exported(self, symbol: Any, facts: TargetFacts, size: Size) -> tuple[Any, Mapping[str, NDArray[np.float32]]]:
        from runtime.tasks.detection.network import exported

        return exported(symbol, len(facts.names), size), {}

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        from runtime.tasks.answers import Objects, Served
        from runtime.tasks.detection import network

        says = (
            "objects, the surest first: class, score, x0, y0, x1, y1 in pixels of the input, -1 in rows beyond the last"
        )
        form = Objects(_boxes(facts).thresholds, network.LEAST, network.CANDIDATES, network.KEPT, network.SAME)
        return Served("objects", says, symbol, form=form)

    def agreement(
        self, prediction: Any, served: NDArray[np.float32], facts: TargetFacts, tolerance: float
    ) -> Agreement:
        from runtime.tasks.answers import Agreement

        """Objects are apart by their scores, and by their corners as a share of the image's longer side."""
        from runtime.tasks.detection.network import difference

        apart = difference(prediction, served, _boxes(facts).thresholds, tolerance)
        return Agreement(apart, same=apart <= tolerance)

    def draw(self, picture: Image.Image, prediction: Any) -> None:
        from runtime.tasks.detection.drawing import draw_objects

        draw_objects(picture, prediction)

    def suggest(self, train: Listing) -> Suggestion:
        from runtime.tasks.detection.suggestion import suggested

        return suggested(train, self.few_images)

    def card(self, facts: TargetFacts) -> CardWords:
        from runtime.tasks.answers import CardWords

        return CardWords(
            pipeline="object-detection",
            tag="object-detection",
            metrics=("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar", "voc07", "box_f1", "loss"),
            headline="ap",
            sentence=f"Finds objects of {len(facts.names)} classes in images.",
            warning="it looks for its classes alone, and may find them where there is nothing.",
            heading="Classes, by their number:",
            entries=facts.names,
            data="'voc(\"photos\")'",
        )


DETECTION = Detection()
