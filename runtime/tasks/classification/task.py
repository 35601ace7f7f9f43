"""Classification: one class for each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.data.class_weights import read_shares
from runtime.data.targets import CLASS
from runtime.tasks.class_names import class_names
from runtime.tasks.classification.decisions import THRESHOLD_METRICS, decided, mean_scores
from runtime.tasks.classification.losses import LOSSES
from runtime.tasks.classification.metrics import METRICS, PART_METRICS, ClassEvaluator, telling
from runtime.tasks.distillation import soft_classes, with_distillation
from runtime.tasks.protocol import Loss, Measure, Metric, Suggestion, Suspects, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.problem import Problem
    from runtime.data.listing import Listing
    from runtime.plan.types import DataPlan, Plan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Served
    from runtime.tasks.classification.network import Prediction
    from runtime.tasks.classification.targets import ClassFacts


def _classes(facts: TargetFacts) -> ClassFacts:
    from runtime.tasks.classification.targets import ClassFacts

    assert isinstance(facts, ClassFacts)
    return facts


class Classification(Task):
    """The task's row, and what is its own of what `Task` asks for."""

    name = "classification"
    doc = "One class for each image."
    target = CLASS
    outputs = "classes"
    head = "[dense(classes)]"
    loss = "cross_entropy"
    monitor = "accuracy"
    losses: tuple[Loss, ...] = with_distillation(LOSSES, soft_classes)
    metrics: Mapping[str, Metric] = METRICS
    shown: tuple[str, ...] = ("accuracy", "balanced_accuracy")
    curves: tuple[str, ...] = ("accuracy", "balanced_accuracy", "f1")
    file = "classes.json"
    has_top = True
    threshold_metrics: tuple[str, ...] = tuple(THRESHOLD_METRICS)
    has_views = True
    is_right_or_wrong = True
    part_metrics: tuple[str, ...] = PART_METRICS
    answers = "classes"
    key = "class"

    def strata(self, listing: Listing) -> Mapping[str, int]:
        return {sample.id: sample.target for sample in listing.samples}

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        from runtime.tasks.classification.targets import align

        return align(listing, names, set_name)

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        from runtime.tasks.classification.targets import without_images

        return without_images(sets)

    def facts(self, sets: Mapping[str, Listing]) -> ClassFacts:
        from runtime.tasks.classification.targets import ClassFacts, class_counts

        train = sets["train"]
        return ClassFacts(
            train.names, {name: class_counts(each) for name, each in sets.items()}, known=train.known or None
        )

    def read(self, plain: Any, result: Mapping[str, Any]) -> ClassFacts:
        from runtime.tasks.classification.targets import ClassFacts

        names, valid = class_names(plain), result.get("valid")
        threshold, temperature = decided(valid if isinstance(valid, dict) else {})
        shares = read_shares(result, len(names)) or None
        known = result.get("known")
        known = known if type(known) is int and 0 < known <= len(names) else None
        return ClassFacts(names, {}, shares, threshold=threshold, temperature=temperature, known=known)

    def known(self, facts: TargetFacts) -> tuple[str, ...]:
        return facts.names[: _classes(facts).known or 0]

    def images_of(self, facts: TargetFacts, part: str) -> int:
        from runtime.tasks.classification.targets import part_counts

        return sum(part_counts(_classes(facts), part))

    def asked(self, facts: TargetFacts, recipe: CheckedRecipe) -> TargetFacts:
        from runtime.tasks.classification.targets import asked

        return asked(_classes(facts), recipe.block("data"))

    def chosen(self, facts: TargetFacts, valid: Any) -> TargetFacts:
        threshold, temperature = decided({} if valid is None else valid.in_result())
        return replace(_classes(facts), threshold=threshold, temperature=temperature)

    def decisions(self, facts: TargetFacts) -> Mapping[str, Any]:
        found = {"threshold": _classes(facts).threshold, "temperature": _classes(facts).temperature}
        return {name: value for name, value in found.items() if value is not None}

    def groups(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names

    def group(self, target: int, names: tuple[str, ...]) -> str:
        return names[target]

    def text(self, target: int, names: tuple[str, ...]) -> str:
        return names[target]

    def counted(self, names: tuple[str, ...]) -> str:
        return f"of {len(names):,} classes"

    def contradict(self, one: str, other: str, *, nearly: bool) -> bool:
        return one != other

    def telling(self, facts: TargetFacts) -> tuple[str, ...]:
        return telling(len(facts.names))

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        from runtime.tasks.classification.advice import RULES
        from runtime.tasks.classification.targets import ClassFacts

        facts = plan.data.target
        assert isinstance(facts, ClassFacts)
        for rule in RULES:
            yield from rule(recipe, plan, facts)

    def lost(self, recipe: CheckedRecipe, name: str, before: Listing, after: Listing) -> Iterator[Problem]:
        from runtime.tasks.classification.advice import class_lost

        return class_lost(recipe, name, before, after)

    def findings(self, sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
        from runtime.tasks.classification.targets import findings

        return findings(sets["train"])

    @property
    def suspects(self) -> Suspects:
        from runtime.tasks.classification.suspects import noted_suspects

        return noted_suspects

    def caption(self, target: int, names: tuple[str, ...]) -> str:
        return names[target]

    def collate(self, targets: Sequence[Any], facts: TargetFacts) -> NDArray[np.int32]:
        import numpy as np

        return np.array(targets, np.int32)

    def evaluator(self, facts: TargetFacts, measure: Measure) -> ClassEvaluator:
        return ClassEvaluator(_classes(facts), measure)

    def averaged(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return mean_scores(outputs)

    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> list[Prediction]:
        from runtime.tasks.classification.network import predictions

        return predictions(outputs, images, _classes(facts), top)

    def draw(self, picture: Image.Image, prediction: Prediction) -> None:
        from runtime.tasks.captions import caption

        caption(picture, [f"{printable(name)} {share:.0%}" for name, share in prediction.classes])

    def unreadable(self, image: str, error: str) -> Prediction:
        from runtime.tasks.classification.network import Prediction

        return Prediction(image, error=error)

    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        return ("class", "probability")

    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        from runtime.backend.mx import mx
        from runtime.tasks.answers import Served

        temperature = _classes(facts).temperature
        scores = symbol if temperature is None else symbol / temperature
        return Served("probabilities", "probabilities of the classes", mx.sym.softmax(scores))

    def agreement(
        self, prediction: Any, served: NDArray[np.float32], facts: TargetFacts, tolerance: float
    ) -> Agreement:
        from runtime.tasks.answers import Agreement
        from runtime.tasks.classification.network import by_answer

        ours = dict(prediction.classes)
        return Agreement(
            max(abs(ours[name] - float(share)) for name, share in zip(facts.names, served, strict=True)),
            same=prediction.classes[0][0] == facts.names[by_answer(served, _classes(facts).threshold)[0]],
        )

    def suggest(self, train: Listing) -> Suggestion:
        from runtime.tasks.classification.suggestion import suggested

        return suggested(train)

    def card(self, facts: TargetFacts) -> CardWords:
        from runtime.tasks.answers import CardWords

        return CardWords(
            pipeline="image-classification",
            tag="image-classification",
            metrics=("accuracy", "balanced_accuracy", "f1", "precision", "recall", "top5", "loss"),
            headline="accuracy",
            sentence=f"Classifies images into {len(facts.names)} classes.",
            warning="it always names one of its classes, even for an image that shows none of them.",
            heading="Classes, in the order of the scores:",
            entries=facts.names,
            data="photos   # one folder per class",
        )


CLASSIFICATION = Classification()
