"""Segmentation: a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.data.class_weights import read_shares
from runtime.data.targets import MASK
from runtime.tasks.class_names import class_names
from runtime.tasks.protocol import Loss, Measure, Metric, Suggestion, Task
from runtime.tasks.segmentation.losses import LOSSES
from runtime.tasks.segmentation.metrics import METRICS, MaskEvaluator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from runtime.data.listing import Listing, Tile
    from runtime.data.masks import Mask
    from runtime.plan.size import Size
    from runtime.plan.types import DataPlan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Served
    from runtime.tasks.segmentation.network import Classes, Prediction
    from runtime.tasks.segmentation.targets import MaskFacts


class Segmentation(Task):
    """The task's row, and what is its own of what `Task` asks for."""

    name = "segmentation"
    doc = "One class for each pixel."
    target = MASK
    outputs = "classes"
    head = "[fpn]"
    loss = "pixel_cross_entropy"
    prepare = "[stretch]"
    takes_maps = True
    monitor = "miou"
    losses: tuple[Loss, ...] = LOSSES
    metrics: Mapping[str, Metric] = METRICS
    shown: tuple[str, ...] = ("miou", "pixel_accuracy")
    curves: tuple[str, ...] = ("miou", "pixel_accuracy")
    file = "classes.json"
    answers = "classes"
    key = "mask"
    all_images = "all"
    few_images = 100  # each has many pixels to learn from

    def strata(self, listing: Listing) -> Mapping[str, tuple[int, ...]]:
        from runtime.tasks.segmentation.contents import shown

        return shown(listing)

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.segmentation.targets import align

        return align(listing, names, set_name)

    def facts(self, sets: Mapping[str, Listing]) -> MaskFacts:
        from runtime.tasks.segmentation.targets import MaskFacts

        return MaskFacts(sets["train"].names, {name: (len(each.samples),) for name, each in sets.items()})

    def read(self, plain: Any, result: Mapping[str, Any]) -> MaskFacts:
        from runtime.tasks.segmentation.targets import MaskFacts

        return MaskFacts(class_names(plain), {}, read_shares(result, len(plain)))

    def text(self, target: Mask, names: tuple[str, ...]) -> str:
        return target.digest()

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with masks of {len(names):,} classes"

    def findings(self, sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
        from runtime.tasks.segmentation.findings import of_sets

        return of_sets(sets)

    def image_findings(
        self, target: Mask, size: Size, learned: Size, names: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        from runtime.tasks.segmentation.findings import of_image

        return of_image(target, size, names)

    def compared(self, one: Mask, other: Mask) -> str:
        from runtime.tasks.segmentation.findings import compared

        return compared(one, other)

    def caption(self, target: Any, names: tuple[str, ...]) -> str:
        from runtime.tasks.segmentation.findings import caption

        return caption(target, names)

    def mark(self, picture: Image.Image, target: Any, names: tuple[str, ...], size: Size) -> None:
        from runtime.tasks.segmentation.drawing import lay_over

        lay_over(picture, target, len(names), size)

    def collate(self, targets: Sequence[Any], facts: TargetFacts) -> NDArray[np.uint8]:
        from runtime.tasks.segmentation.targets import collated

        return collated(targets)

    def as_labels(self, targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[Any]:
        from runtime.tasks.segmentation.network import at_cells

        return at_cells(targets, outputs)

    def evaluator(self, facts: TargetFacts, measure: Measure) -> MaskEvaluator:
        return MaskEvaluator(facts.names, measure)

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.segmentation.network import predictions

        return predictions(outputs, images, facts.names, plan)

    def of_tiles(self, facts: TargetFacts, tiles: Mapping[str, int]) -> MaskFacts:
        from runtime.tasks.segmentation.targets import MaskFacts

        assert isinstance(facts, MaskFacts)
        return replace(facts, counts={name: (count,) for name, count in tiles.items()})

    def merged(self, outputs: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], data: DataPlan) -> Classes:
        from runtime.tasks.segmentation.network import merged

        return merged(outputs, tiles, data)

    def whole(self, merged: Classes, image: str, size: Size, facts: TargetFacts, data: DataPlan) -> Prediction:
        from runtime.tasks.segmentation.network import Prediction

        return Prediction(image, facts.names, merged, whole=False)

    def draw(self, picture: Image.Image, prediction: Prediction) -> None:
        from runtime.tasks.segmentation.drawing import overlay

        overlay(picture, prediction)

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.segmentation.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return tuple(f"share of {name}" for name in facts.names)

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        from runtime.tasks.answers import PixelClasses, Served

        listed = ", ".join(f"{place} {name}" for place, name in enumerate(facts.names))
        says = f"the class of each pixel at the size that the network sees: {listed}"
        return Served("classes", says, symbol, form=PixelClasses())

    def agreement(self, prediction: Any, served: NDArray[np.uint8], facts: TargetFacts, tolerance: float) -> Agreement:
        from runtime.tasks.answers import Agreement

        """Masks are apart by the fraction of their pixels; the same are so but for the tolerance."""
        apart = float((served != prediction.classes).mean())
        return Agreement(apart, same=apart <= tolerance)

    def suggest(self, train: Listing) -> Suggestion:
        from runtime.tasks.segmentation.suggestion import suggested

        return suggested(train, self.few_images)

    def card(self, facts: TargetFacts) -> CardWords:
        from runtime.tasks.answers import CardWords

        return CardWords(
            pipeline="image-segmentation",
            tag="image-segmentation",
            metrics=("miou", "dice", "pixel_accuracy", "mean_recall", "boundary_f1", "loss"),
            headline="miou",
            sentence=f"Says of each pixel which of {len(facts.names)} classes it shows.",
            warning="it gives every pixel one of its classes, even where an image shows none of them.",
            heading="Classes, in the order of the scores:",
            entries=facts.names,
            data='\'masks("photos", "masks", classes = [...])\'',
        )


SEGMENTATION = Segmentation()
