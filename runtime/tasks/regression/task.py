"""Regression: one number, or several, for each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipe_lang.words import counted, printable
from runtime.data.targets import NUMBERS
from runtime.tasks.protocol import Loss, Measure, Metric, Suggestion, Task
from runtime.tasks.regression.losses import LOSSES
from runtime.tasks.regression.metrics import METRICS, NumberEvaluator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.problem import Problem
    from runtime.data.listing import Listing
    from runtime.plan.size import Size
    from runtime.plan.types import DataPlan, Plan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Served
    from runtime.tasks.regression.network import Prediction
    from runtime.tasks.regression.targets import NumberFacts


def _numbers(facts: TargetFacts) -> NumberFacts:
    from runtime.tasks.regression.targets import NumberFacts

    assert isinstance(facts, NumberFacts)
    return facts


class Regression(Task):
    """The task's row, and what is its own of what `Task` asks for."""

    name = "regression"
    doc = "One number for each image, or several."
    target = NUMBERS
    outputs = "targets"
    head = "[dense(targets)]"
    loss = "huber"
    monitor = "mae"
    losses: tuple[Loss, ...] = LOSSES
    metrics: Mapping[str, Metric] = METRICS
    shown: tuple[str, ...] = ("mae", "r2")
    curves: tuple[str, ...] = ("r2", "spearman")
    file = "targets.json"
    answers = "values"
    key = "target"

    def strata(self, listing: Listing) -> Mapping[str, int]:
        from runtime.tasks.regression.targets import strata

        return strata(listing)

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.regression.targets import align

        return align(listing, names, set_name)

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        from runtime.tasks.regression.targets import constant

        return constant(sets)

    def facts(self, sets: Mapping[str, Listing]) -> NumberFacts:
        from runtime.tasks.regression.targets import facts

        return facts(sets)

    def read(self, plain: Any, result: Mapping[str, Any]) -> NumberFacts:
        from runtime.tasks.regression.targets import read

        return read(plain)

    def text(self, target: tuple[float, ...], names: tuple[str, ...]) -> str:
        return ", ".join(map(repr, target))

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with {counted(len(names), 'target')}"

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        from runtime.tasks.regression.advice import mixed_scales

        return mixed_scales(recipe, plan, _numbers(plan.data.target))

    def caption(self, target: Any, names: tuple[str, ...]) -> str:
        return ", ".join(f"{printable(name)} {value:.4g}" for name, value in zip(names, target, strict=True))

    def collate(self, targets: Sequence[Any], facts: TargetFacts) -> NDArray[np.float64]:
        from runtime.tasks.regression.network import standardized

        return standardized(targets, _numbers(facts))

    def evaluator(self, facts: TargetFacts, measure: Measure) -> NumberEvaluator:
        return NumberEvaluator(_numbers(facts), measure)

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.regression.network import predictions

        return predictions(outputs, images, _numbers(facts))

    def draw(self, picture: Image.Image, prediction: Prediction) -> None:
        from runtime.tasks.captions import caption

        caption(picture, [f"{printable(name)} {value:.4g}" for name, value in prediction.values])

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.regression.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return tuple(f"target_{name}" if name in ("image", "error") else name for name in facts.names)

    def exported(self, symbol: Any, facts: TargetFacts, size: Size) -> tuple[Any, Mapping[str, NDArray[np.float32]]]:
        from runtime.tasks.regression.network import exported

        return exported(symbol, _numbers(facts))

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        from runtime.tasks.answers import Served
        from runtime.tasks.regression.network import exported

        return Served("values", "numbers in the units of the data", *exported(symbol, _numbers(facts)))

    def agreement(
        self, prediction: Any, served: NDArray[np.float32], facts: TargetFacts, tolerance: float
    ) -> Agreement:
        from runtime.tasks.answers import Agreement

        """Numbers are apart in standard deviations of the training targets; the same are within the tolerance."""
        pairs = zip(prediction.values, served, _numbers(facts).target_std, strict=True)
        apart = max(abs(ours - float(theirs)) / std for (_, ours), theirs, std in pairs)
        return Agreement(apart, same=apart <= tolerance)

    def suggest(self, train: Listing) -> Suggestion:
        from runtime.tasks.regression.suggestion import suggested

        return suggested(train)

    def card(self, facts: TargetFacts) -> CardWords:
        from runtime.tasks.answers import CardWords

        count = len(facts.names)
        return CardWords(
            pipeline="",
            tag="image-regression",
            metrics=("mae", "rmse", "r2", "spearman", "loss"),
            headline="mae",
            sentence=f"Predicts {'a number' if count == 1 else f'{count} numbers'} for each image.",
            warning="it gives a number for any image, even for one like none of the data, and may leave their range.",
            heading="Targets, in the order of the outputs:",
            entries=facts.names,
            data='\'csv("photos.csv", image = "file", target = "column")\'',
        )


REGRESSION = Regression()
