"""Advice on the data, its augmentation and views, the base, and claims (W724 to W730, W796)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Value
from recipe_lang.problem import Kind, Problem
from recipe_lang.source import Span
from runtime.data.sources.catalog import SOURCES
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.data.transforms.views import is_idle, view_count
from runtime.vocabulary.advice.facts import chooses, is_pretrained, whole_base

_VERSIONS = "docs/language.md: versions of images"


def _random_frozen_message(p: Problem) -> str:
    shown = f"`{p.parts[0]}`" if len(p.parts) == 1 else f"`{p.parts[0]}` and {len(p.parts) - 1} more"
    return f"no stage trains {shown}, and the weights are random"


RandomFrozen = Kind(
    "W724",
    "random frozen",
    reason="With `weights = none` the base is random; what no stage trains stays so; the rest must make do with noise.",
    source="Yosinski et al. 2014, arXiv 1411.1792, section 4.3",
    fields="parts",
    message=_random_frozen_message,
    help="start from pretrained weights, or train all parts",
)


def _random_bases(recipe: CheckedRecipe) -> Iterator[Problem]:
    stages = [stage["train"] for stage in recipe.all("stage")]
    if is_pretrained(recipe) or any(selection.patterns for selection in stages):
        return
    trained = {part for selection in stages for part in selection.parts}
    left = tuple(part for part in whole_base(recipe) if part not in trained)
    if left:
        yield RandomFrozen(span=recipe.fields["base"].span, parts=left)


FlippedDigits = Kind(
    "W725",
    "flipped digits",
    reason="""Nobody writes mirrored digits: a flip trains on shapes that never occur, some of them like another digit.

    On the digits of scikit-learn both flips together cost 7 points of accuracy in two epochs; the horizontal one
    alone made no difference that could be measured, so it is of no use there either.""",
    source="Shorten and Khoshgoftaar 2019, Journal of Big Data 6:60, on flipping; measured",
    fields="direction train_span",
    message="a {direction} flip shows these digits as nobody writes them",
    help="leave it out; a `random_crop` with some padding moves them instead",
    related={"train_span": "the digits"},
)


def _flips(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    if not SOURCES[data["train"].name].shows_characters:
        return
    for augment in (data["augment"], *(each.value for each in recipe.all_values("stage", "augment"))):
        for step in augment if isinstance(augment, tuple) else ():
            if TRANSFORMS[step.value.name].mirrors:
                yield FlippedDigits(
                    span=step.span, direction=step.value["direction"], train_span=data.fields["train"].span
                )


SameImages = Kind(
    "W726",
    "same images",
    reason="Images that were trained on, or that chose between models, cannot say how good the model is on new ones.",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="set_name other other_span",
    message="`{set_name}` has the images of `{other}`",
    help="name other images, or hold some out: `{set_name} = holdout(20%)`",
    related={"other_span": "the same source"},
)


def _leaks(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    for name, others in (("valid", ("train",)), ("test", ("train", "valid"))):
        source = data[name]
        same = next((other for other in others if data[other] == source), None)
        if same and source and source.family == "source":
            yield SameImages(span=data.span_of(name), set_name=name, other=same, other_span=data.span_of(same))


ClaimOnChosen = Kind(
    "W727",
    "claim on chosen",
    reason="""The best of many values on one set is too good by chance: a set that chose the weights flatters them.

    The test set chooses nothing; claim what it shows.""",
    source="Cawley and Talbot 2010, JMLR 11, pages 2079 to 2107",
    fields="metric title choice_span",
    message='`{metric}` is claimed on the set that chose the weights of stage "{title}"',
    help="claim `test.…`, with `test = holdout(20%)` where there is no test set",
    related={"choice_span": "chosen here"},
)

TestUnclaimed = Kind(
    "W728",
    "test unclaimed",
    reason="""Where there is a test set, it is the one to make claims on: it took no part in any choice, by hand or
    by rule.""",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="metric name",
    message="`{metric}` is claimed on the validation set, and nothing on the test set",
    help="claim `test.{name}`",
)


def _claims(recipe: CheckedRecipe) -> Iterator[Problem]:
    chooser = next((stage for stage in reversed([*recipe.all("stage")]) if chooses(stage)), None)
    tested = {claim.metric.name for claim in recipe.claims if claim.metric.set == "test"}
    for claim in recipe.claims:
        if claim.metric.set != "valid" or claim.metric.name in tested:
            continue
        if chooser is not None:
            span = chooser.span_of("stop" if chooser["monitor"] is None else "monitor")
            yield ClaimOnChosen(span=claim.span, metric=str(claim.metric), title=chooser.title, choice_span=span)
        elif recipe.block("data")["test"] is not None and not tested:
            yield TestUnclaimed(span=claim.span, metric=str(claim.metric), name=claim.metric.name)


ViewsUnused = Kind(
    "W729",
    "views unused",
    reason="""`views` fixes a few versions of an image where the augmentation could make more.

    Where nothing is random, or flips make no more than so many, frozen features are computed once anyway.""",
    source=_VERSIONS,
    fields="views outcomes augment_span",
    message=lambda p: (
        f"`views = {p.views}` has no effect: "
        + ("nothing is random" if p.outcomes == 1 else f"the augmentation has {p.outcomes} outcomes")
    ),
    help="leave it out",
    related={"augment_span": "the augmentation"},
)

ViewsNeverRepeat = Kind(
    "W730",
    "views never repeat",
    reason="""Each epoch takes the next version of an image.

    With more versions than epochs none is seen a second time: nothing is gained, and the last ones are never made.""",
    source=_VERSIONS,
    fields="views length length_span",
    message="none of the {views} versions of an image is seen twice in {length}",
    help="take fewer, or write `views = none`",
    related={"length_span": "the stage's length"},
)


def _views(recipe: CheckedRecipe) -> Iterator[Problem]:
    for value, stages in _versions(recipe):
        augments = [_augmentation(recipe, stage) for stage in stages]
        counts = [view_count([step.value for step in augment.value or ()]) for augment in augments]
        outcomes = [count for count in counts if count is not None and count <= value.value]
        if len(outcomes) == len(counts):
            most = outcomes.index(max(outcomes))
            yield ViewsUnused(
                span=value.span, views=value.value, outcomes=outcomes[most], augment_span=augments[most].span
            )
            continue
        lengths = [stage.fields["for"] for stage in stages]
        if all(length.value.unit == "epochs" and length.value.number < value.value for length in lengths):
            longest = max(lengths, key=lambda length: length.value.number)
            yield ViewsNeverRepeat(
                span=value.span, views=value.value, length=str(longest.value), length_span=longest.span
            )


def _versions(recipe: CheckedRecipe) -> Iterator[tuple[Value, tuple[CheckedBlock, ...]]]:
    """Yield each `views` that is written with a number, and the stages for which it holds."""
    data = recipe.block("data")
    holds: dict[Span, tuple[Value, tuple[CheckedBlock, ...]]] = {}
    for stage in recipe.phases("stage"):
        value = data.fields["views"] if stage["views"] == "shared" else stage.fields["views"]
        if isinstance(value.value, int) and value.span is not None:
            _, before = holds.get(value.span, (value, ()))
            holds[value.span] = (value, (*before, stage))
    yield from holds.values()


def _augmentation(recipe: CheckedRecipe, stage: CheckedBlock) -> Value:
    return recipe.block("data").fields["augment"] if stage["augment"] == "shared" else stage.fields["augment"]


IdleAugmentation = Kind(
    "W796",
    "idle augmentation",
    reason="An augmentation whose strengths are all 0 leaves each image as it is; the plan goes without it.",
    source="docs/language.md: data",
    fields="name example",
    message="`{name}` changes nothing: all its strengths are 0",
    help="leave it out, or write a strength, such as `{example}`",
)


def _idle(recipe: CheckedRecipe) -> Iterator[Problem]:
    for augment in (recipe.block("data")["augment"], *(each.value for each in recipe.all_values("stage", "augment"))):
        for step in augment if isinstance(augment, tuple) else ():
            if is_idle(step.value):
                example = TRANSFORMS[step.value.name].example
                yield IdleAugmentation(span=step.span, name=step.value.name, example=example)


WeighedTwice = Kind(
    "W752",
    "weighed twice",
    reason="""Sampling shows rare classes more often, and weights of a loss, or an adjustment, by the classes' shares of
    all images count them for more: together they are taken for more frequent than the others.

    Weights of `balanced` with `sampling = balanced` weigh the rarest class by the square of what either does alone. On
    the digits of W753 that was a point better than either, and `logit_adjusted` alone two points better still.""",
    source="the definitions: the expected gradient of a class is its share of an epoch times its weight",
    fields="loss sampling_span",
    message="`{loss}` makes up for rare classes, and `sampling` does so already",
    help="keep one of them",
    related={"sampling_span": "the sampling"},
)


def _weighed(recipe: CheckedRecipe) -> Iterator[Problem]:
    seen: set[Span | None] = set()
    for stage in recipe.phases("stage"):
        loss = (recipe if stage["loss"] == "shared" else stage).fields["loss"]
        drawn = (recipe.block("data") if stage["sampling"] == "shared" else stage).fields["sampling"]
        by_share = loss.value.name == "logit_adjusted" or isinstance(loss.value.args.get("weights", loss).value, str)
        if drawn.value is not None and by_share and loss.span not in seen:
            seen.add(loss.span)
            yield WeighedTwice(span=loss.span, loss=loss.value.name, sampling_span=drawn.span)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _random_bases,
    _flips,
    _leaks,
    _claims,
    _views,
    _idle,
    _weighed,
)
