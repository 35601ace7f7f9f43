"""Segmentation: a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.data.targets import MASK
from runtime.tasks.protocol import Agreement, CardWords, Loss, Metric, Served, loss_of
from runtime.tasks.segmentation.losses import LOSSES
from runtime.tasks.segmentation.metrics import METRICS, MaskEvaluator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.problem import Problem
    from runtime.data.listing import Listing
    from runtime.data.masks import Mask
    from runtime.plan.size import Size
    from runtime.plan.types import Component, DataPlan, Plan, TargetFacts
    from runtime.tasks.segmentation.network import Prediction
    from runtime.tasks.segmentation.suggestion import MaskSuggestion
    from runtime.tasks.segmentation.targets import MaskFacts

_ALL = "all"


class Segmentation:
    """The task's row and its functions, as `runtime/tasks/protocol.py` asks for them."""

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
    has_boxes = False
    has_top = False
    answers = "classes"
    key = "mask"

    @property
    def suspects(self) -> None:
        return None

    def strata(self, listing: Listing) -> Mapping[str, tuple[int, ...]]:
        from runtime.tasks.segmentation.contents import shown

        return shown(listing)

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.segmentation.targets import align

        return align(listing, names, set_name)

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        return []

    def facts(self, sets: Mapping[str, Listing]) -> MaskFacts:
        from runtime.tasks.segmentation.targets import MaskFacts

        return MaskFacts(sets["train"].names, {name: (len(each.samples),) for name, each in sets.items()})

    def read(self, plain: Any, result: Mapping[str, Any]) -> MaskFacts:
        from runtime.tasks.segmentation.targets import MaskFacts, shares

        if not isinstance(plain, list) or not plain or not all(isinstance(name, str) for name in plain):
            raise ValueError("`classes.json` is not a list of names")
        return MaskFacts(tuple(plain), {}, shares(result, len(plain)))

    def groups(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return (_ALL,)

    def group(self, target: Mask, names: tuple[str, ...]) -> str:
        return _ALL

    def text(self, target: Mask, names: tuple[str, ...]) -> str:
        return target.digest()

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with masks of {len(names):,} classes"

    def contradict(self, one: str, other: str, *, nearly: bool) -> bool:
        return not nearly and one != other

    def telling(self, facts: TargetFacts) -> tuple[str, ...]:
        return tuple(METRICS)

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        return iter(())

    def lost(self, recipe: CheckedRecipe, name: str, before: Listing, after: Listing) -> Iterator[Problem]:
        return iter(())

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

    def head_block(self, base: Any, layers: Sequence[Component], facts: TargetFacts) -> Any:
        from runtime.models.heads import head_block

        return head_block(base, layers, {self.outputs: len(facts.names)})

    def evaluator(self, facts: TargetFacts, loss: Component) -> MaskEvaluator:
        return MaskEvaluator(facts.names, partial(loss_of(self, loss).measure, loss.args))

    def chosen(self, facts: TargetFacts, valid: Any) -> TargetFacts:
        return facts

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.segmentation.network import predictions

        return predictions(outputs, images, facts.names, plan)

    def draw(self, picture: Image.Image, prediction: Prediction) -> None:
        from runtime.tasks.segmentation.drawing import overlay

        overlay(picture, prediction)

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.segmentation.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return tuple(f"share of {name}" for name in facts.names)

    def exported(self, symbol: Any, facts: TargetFacts, size: Size) -> tuple[Any, Mapping[str, NDArray[np.float32]]]:
        return symbol, {}

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        return Served("scores", "scores of the classes for each cell, to be enlarged before the best is taken", symbol)

    def agreement(self, prediction: Any, served: NDArray[np.float32], facts: TargetFacts) -> Agreement:
        """Masks are apart by the fraction of their pixels; the same are so in all but a thousandth."""
        from runtime.tasks.segmentation.network import best_classes

        apart = float((best_classes(served, prediction.classes.shape) != prediction.classes).mean())
        return Agreement(apart, same=apart <= 1e-3)

    def suggest(self, train: Listing) -> MaskSuggestion:
        from runtime.tasks.segmentation.suggestion import MaskSuggestion

        return MaskSuggestion(train)

    def card(self, facts: TargetFacts) -> CardWords:
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
