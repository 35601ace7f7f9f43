"""Advice on norms, weight decay, label smoothing and dropout (W720 to W723), and on stochastic depth (W778)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.training.optimizers import OPTIMIZERS
from runtime.vocabulary.advice.facts import argument_span
from runtime.vocabulary.models import row_of

_SMALLEST_BATCH = 16  # for norms: half a point is lost at 16, and more than one at 8


NormsOfSmallBatches = Kind(
    "W720",
    "norms of small batches",
    reason="""BatchNorm estimates mean and variance from the batch; the error of a network grows as its batches shrink.

    A ResNet-50 loses a point of accuracy with 8 images, three with 4, eleven with 2. Frozen norm layers keep the
    statistics of many images.""",
    source="Wu and He 2018 (Group Normalization), arXiv 1803.08494;"
    " measured: digits, blocks 5 to 7, two epochs of batches of 4: accuracy .62 with trained norms, .95 with frozen",
    fields="batch batch_span",
    message="the base's norm layers train on batches of {batch}",
    help="write `norm = frozen` in the stage, or take 16 images or more",
    related={"batch_span": "the batch"},
)


def _small_batches(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    if data["batch"] >= _SMALLEST_BATCH or not row_of(recipe["base"]).has_norms:
        return
    for stage in recipe.all("stage"):
        if stage["norm"] == "train" and any(part != "head" for part in stage["train"].parts):
            yield NormsOfSmallBatches(
                span=stage.span_of("train"), batch=data["batch"], batch_span=data.span_of("batch")
            )


DecayWithAdam = Kind(
    "W721",
    "decay with adam",
    reason="""In `adam`, weight decay is a term of the gradient, and Adam divides it by the gradient's size: it
    decays least the weights whose gradients are largest. `adamw` decays all alike.""",
    source="Loshchilov and Hutter 2019, arXiv 1711.05101",
    fields="optimizer decoupled",  # decoupled: the optimizer that decays all weights alike
    message="`{optimizer}` weakens weight decay where gradients are large",
    help="write `{decoupled}`; its decay is multiplied by the learning rate, so larger values are usual, such as 0.01",
)


def _decay(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        name, decoupled = stage["optimizer"].name, OPTIMIZERS[stage["optimizer"].name].decoupled
        if decoupled and stage["optimizer"]["weight_decay"] > 0:
            span = argument_span(stage.fields["optimizer"], "weight_decay", stage.head_span)
            yield DecayWithAdam(span=span, optimizer=name, decoupled=decoupled)


StrongSmoothing = Kind(
    "W722",
    "strong smoothing",
    reason="""Label smoothing takes a fraction from the true class and spreads it over all; 0.1 is usual.

    With much more, there is little left to learn from.""",
    source="Szegedy et al. 2016, arXiv 1512.00567, section 7; Mueller et al. 2019, arXiv 1906.02629",
    fields="share",
    message="this label smoothing spreads {share:.0%} of the target over all classes",
    help="0.1 is usual",
)


def _smoothing(recipe: CheckedRecipe) -> Iterator[Problem]:
    for loss in (recipe.fields["loss"], *recipe.all_values("stage", "loss")):
        smoothing = loss.value.args.get("label_smoothing") if isinstance(loss.value, CallValue) else None
        if smoothing and smoothing.value > 0.3:
            yield StrongSmoothing(span=argument_span(loss, "label_smoothing", None), share=smoothing.value)


StrongDropout = Kind(
    "W723",
    "strong dropout",
    reason="""Dropout works best where 20% to 60% of the values are zeroed; beyond, too little of the network is left to
    fit.

    Some libraries give the fraction that is kept: here, `p` is the fraction that is zeroed.""",
    source="Srivastava et al. 2014, JMLR 15, section 7.3",
    fields="share",
    message="this dropout zeroes {share:.0%} of the values",
    help=lambda p: f"`p` is what is zeroed; to keep {p.share:.0%}, write `dropout({1 - p.share:.3g})`",
)


def _dropout(recipe: CheckedRecipe) -> Iterator[Problem]:
    for layer in recipe["head"]:
        if layer.value.name == "dropout" and layer.value["p"] > 0.7:
            yield StrongDropout(span=argument_span(layer, "p", None), share=layer.value["p"])


DepthOfNothing = Kind(
    "W778",
    "depth of nothing",
    reason="""Stochastic depth drops residual branches of those parts of the base that train. Where the whole base is
    frozen it drops nothing.""",
    source="Huang et al. 2016, arXiv 1603.09382; docs/language.md: stages",
    fields="train_span",
    message="`stochastic_depth` drops nothing: the base is frozen in this stage",
    help="write it in a stage that trains parts of the base, or remove it",
    related={"train_span": "what trains"},
)


def _depth(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        own, whole, selection = stage.fields["stochastic_depth"].span, stage.span, stage["train"]
        is_frozen = not selection.patterns and set(selection.parts) <= {"head"}
        if not stage["stochastic_depth"] or not is_frozen or own is None or whole is None:
            continue
        if own.source is whole.source and whole.start <= own.start < whole.end:  # not one of `defaults`
            yield DepthOfNothing(span=own, train_span=stage.span_of("train"))


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_small_batches, _decay, _smoothing, _dropout, _depth)
