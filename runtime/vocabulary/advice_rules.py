"""When the text of a recipe gets advice. Each rule looks at a whole checked recipe and yields what `advice` words.

Thresholds lie where the sources of `advice` leave little doubt: advice that is often wrong is not read. The classes are
imported where they are needed, since most recipes need none and twenty of them take a tenth of a check's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Quantity, Value
from recipe_lang.compose.merge import merge
from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.syntax import nodes
from runtime.data.sources.catalog import SOURCES
from runtime.models.catalog import ZOOS
from runtime.plan.views import is_idle, view_count
from runtime.vocabulary.models import parts_of

# Peak rates above which pretrained weights are carried off: where their norms train, and where these are frozen.
HIGHEST_RATES: Mapping[str, tuple[float, float]] = {
    "adam": (1e-3, 1e-3),
    "adamw": (1e-3, 1e-3),
    "rmsprop": (1e-3, 1e-3),
    "sgd": (0.05, 0.01),
    "nag": (0.05, 0.01),
}
_SMALLEST_BATCH = 16  # for norms: half a point is lost at 16, and more than one at 8
_HARDLY = 1e-3
_NO_NORMS = ("alexnet", "squeezenet")


def _whole(recipe: CheckedRecipe) -> tuple[str, ...]:
    """Return the base's parts as selectors name them."""
    found = parts_of(recipe["base"])
    return tuple(f"base.{name}" for name in found[0]) if found else ()


def _scales(recipe: CheckedRecipe, stage: CheckedBlock) -> dict[str, float]:
    """Return what the rate of each trained part is multiplied by."""
    order = [*_whole(recipe), "head"]
    rule = stage["lr_scale"]
    if isinstance(rule, CallValue):
        return {part: rule["decay"] ** (len(order) - 1 - order.index(part)) for part in stage["train"].parts}
    written = {part: value.value for key, value in rule or () for part in key.value.parts}
    return {part: written.get(part, 1.0) for part in stage["train"].parts}


def _selector(parts: list[str], whole: tuple[str, ...]) -> str:
    """Return how a recipe writes these parts of the base, or the first few of them where they are no range."""
    if len(parts) == len(whole):
        return "base"
    last = next(index for index in reversed(range(len(parts))) if _follow(parts[: index + 1], whole))
    return parts[0] if last == 0 else f"{parts[0]} .. {parts[last]}"


def _follow(parts: list[str], whole: tuple[str, ...]) -> bool:
    start = whole.index(parts[0])
    return tuple(parts) == whole[start : start + len(parts)]


def _is_pretrained(recipe: CheckedRecipe) -> bool:
    return recipe["base"]["weights"] is not None


def _argument(value: Value, name: str, otherwise: Span | None) -> Span | None:
    """Return where a call's argument stands, if inside the call: a parameter's value stands elsewhere."""
    whole, own = value.span, value.value.args[name].span
    if whole is None or own is None:
        return whole or otherwise
    is_inside = own.source is whole.source and whole.start <= own.start and own.end <= whole.end
    return own if is_inside else whole


# --- rates -----------------------------------------------------------------------------------


def _high_rates(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage") if _is_pretrained(recipe) else ():
        call: CallValue = stage["optimizer"]
        scales = {part: scale for part, scale in _scales(recipe, stage).items() if part != "head"}
        part = max(scales, key=scales.__getitem__, default=None)
        if part is None or call.name not in HIGHEST_RATES:
            continue
        is_frozen = stage["norm"] == "frozen"
        limit = HIGHEST_RATES[call.name][is_frozen]
        # Frozen norms cannot follow: with no warm-up the limit itself does harm, which with one it does not.
        is_abrupt = is_frozen and stage["schedule"]["warmup"].number == 0
        if call["lr"] * scales[part] < limit * (1 + (-1 if is_abrupt else 1) * 1e-9):
            continue
        from runtime.vocabulary.advice import RateTooHigh

        place = _argument(stage.fields["optimizer"], "lr", stage.head_span)
        rate = call["lr"] * scales[part]
        selector = _selector(list(scales), _whole(recipe))
        yield RateTooHigh(
            span=place,
            part=part,
            rate=rate,
            optimizer=call.name,
            limit=limit,
            selector=selector,
            norms_frozen=is_frozen,
        )


def _slow_heads(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage") if _is_pretrained(recipe) else ():
        scales = _scales(recipe, stage)
        part = max(scales, key=scales.__getitem__, default="head")
        if "head" in scales and scales["head"] < scales[part]:
            from runtime.vocabulary.advice import HeadSlower

            yield HeadSlower(span=stage.place("lr_scale"), head=scales["head"], part=part, scale=scales[part])


def _fresh_heads(recipe: CheckedRecipe) -> Iterator[Problem]:
    stage = next((stage for stage in recipe.all("stage") if "head" in stage["train"].parts), None)
    if stage is None or not _is_pretrained(recipe):
        return
    scales = _scales(recipe, stage)
    base = {part: scale for part, scale in scales.items() if part != "head"}
    starts_slowly = stage["schedule"]["warmup"].number > 0 or max(base.values(), default=0) < scales["head"]
    if 2 * len(base) > len(_whole(recipe)) and not starts_slowly:
        from runtime.vocabulary.advice import FreshHeadWithBase

        selector = _selector(list(base), _whole(recipe))
        yield FreshHeadWithBase(span=stage.place("train"), parts=len(base), selector=selector)


def _hardly_trained(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        slow = {part: scale for part, scale in _scales(recipe, stage).items() if scale < _HARDLY}
        if slow:
            from runtime.vocabulary.advice import HardlyTrains

            yield HardlyTrains(span=stage.place("lr_scale"), parts=tuple(slow), scale=max(slow.values()))


# --- the course of a stage -------------------------------------------------------------------


def _warmups(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        length: Quantity = stage["for"]
        warmup = stage["schedule"]["warmup"].within(length)
        if warmup.unit == length.unit and warmup.number > length.number / 2:
            from runtime.vocabulary.advice import LongWarmup

            place = _argument(stage.fields["schedule"], "warmup", stage.head_span)
            yield LongWarmup(
                span=place,
                warmup=str(stage["schedule"]["warmup"]),
                length=str(length),
                length_span=stage.fields["for"].span,
            )


def _drops(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        schedule: CallValue = stage["schedule"]
        length: Quantity = stage["for"]
        every: Quantity | None = schedule["every"] if schedule.name == "step" else None
        if every is None or every.unit != length.unit:
            continue
        warmup = schedule["warmup"].within(length)
        if every.number + (warmup.number if warmup.unit == length.unit else 0) >= length.number:
            from runtime.vocabulary.advice import NeverDrops

            place = _argument(stage.fields["schedule"], "every", stage.head_span)
            yield NeverDrops(span=place, every=str(every), length=str(length), length_span=stage.fields["for"].span)


def _patience(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        stop: CallValue | None = stage["stop"]
        length: Quantity = stage["for"]
        patience: Quantity | None = stop["patience"] if stop else None
        if patience and patience.unit == length.unit and patience.number >= length.number:
            from runtime.vocabulary.advice import NeverStops

            place = _argument(stage.fields["stop"], "patience", stage.head_span)
            yield NeverStops(
                span=place, patience=str(patience), length=str(length), length_span=stage.fields["for"].span
            )


def _repeated(recipe: CheckedRecipe) -> Iterator[Problem]:
    for before, stage in pairwise(recipe.all("stage")):
        if all(value == before.fields[name] for name, value in stage.fields.items() if name != "for"):
            from runtime.vocabulary.advice import SameStage

            yield SameStage(span=stage.head_span, title=stage.title, before=before.title, before_span=before.head_span)


def _monitors(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        own, whole = stage.fields["monitor"].span, stage.span
        if stage["monitor"] is None or stage["keep"] != "last" or own is None or whole is None:
            continue
        if own.source is whole.source and whole.start <= own.start < whole.end:  # not one of `defaults`
            from runtime.vocabulary.advice import MonitorIgnored

            yield MonitorIgnored(span=own, keep_span=stage.fields["keep"].span)


def _unmonitored(recipe: CheckedRecipe) -> Iterator[Problem]:
    *before, last = recipe.all("stage")
    if before and not _chooses(last) and last["keep"] != "last":
        from runtime.vocabulary.advice import UnmonitoredLast

        yield UnmonitoredLast(span=last.head_span, before=before[-1].title)


def _unused_defaults(recipe: CheckedRecipe) -> Iterator[Problem]:
    own = [item for item in recipe.written.items if isinstance(item, nodes.Block) and item.kind == "defaults"]
    if not own:
        return
    blocks = [item for item in merge(recipe.written).items if isinstance(item, nodes.Block) and item.kind == "stage"]
    written = [{item.name for item in block.items if isinstance(item, nodes.Field)} for block in blocks]
    for field in (item for block in own for item in block.items if isinstance(item, nodes.Field)):
        if all(field.name in names for names in written):
            from runtime.vocabulary.advice import DefaultUnused

            yield DefaultUnused(span=field.name_span, name=field.name)


# --- regularization --------------------------------------------------------------------------


def _has_norms(base: CallValue) -> bool:
    if base.name == "packaged":
        return True
    family = ZOOS[base.name][base["name"]].family
    return family not in _NO_NORMS and (family != "vgg" or base["name"].endswith("_bn"))


def _small_batches(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    if data["batch"] >= _SMALLEST_BATCH or not _has_norms(recipe["base"]):
        return
    for stage in recipe.all("stage"):
        if stage["norm"] == "train" and any(part != "head" for part in stage["train"].parts):
            from runtime.vocabulary.advice import NormsOfSmallBatches

            yield NormsOfSmallBatches(span=stage.place("train"), batch=data["batch"], batch_span=data.place("batch"))


def _decay(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if stage["optimizer"].name == "adam" and stage["optimizer"]["weight_decay"] > 0:
            from runtime.vocabulary.advice import DecayWithAdam

            yield DecayWithAdam(span=_argument(stage.fields["optimizer"], "weight_decay", stage.head_span))


def _smoothing(recipe: CheckedRecipe) -> Iterator[Problem]:
    for loss in (recipe.fields["loss"], *(stage.fields["loss"] for stage in recipe.all("stage"))):
        share = loss.value.args["label_smoothing"].value if isinstance(loss.value, CallValue) else 0
        if share > 0.3:
            from runtime.vocabulary.advice import StrongSmoothing

            yield StrongSmoothing(span=_argument(loss, "label_smoothing", None), share=share)


def _dropout(recipe: CheckedRecipe) -> Iterator[Problem]:
    for layer in recipe["head"]:
        if layer.value.name == "dropout" and layer.value["p"] > 0.7:
            from runtime.vocabulary.advice import StrongDropout

            yield StrongDropout(span=_argument(layer, "p", None), share=layer.value["p"])


# --- data, base and claims -------------------------------------------------------------------


def _random_bases(recipe: CheckedRecipe) -> Iterator[Problem]:
    stages = [stage["train"] for stage in recipe.all("stage")]
    if _is_pretrained(recipe) or any(selection.patterns for selection in stages):
        return
    trained = {part for selection in stages for part in selection.parts}
    left = tuple(part for part in _whole(recipe) if part not in trained)
    if left:
        from runtime.vocabulary.advice import RandomFrozen

        yield RandomFrozen(span=recipe.fields["base"].span, parts=left)


def _flips(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    if not SOURCES[data["train"].name].shows_characters:
        return
    for augment in (block["augment"] for block in (data, *recipe.all("stage"))):
        for step in augment if isinstance(augment, tuple) else ():
            if step.value.name == "flip":
                from runtime.vocabulary.advice import FlippedDigits

                yield FlippedDigits(
                    span=step.span, direction=step.value["direction"], train_span=data.fields["train"].span
                )


def _leaks(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    for name, others in (("valid", ("train",)), ("test", ("train", "valid"))):
        source = data[name]
        same = next((other for other in others if data[other] == source), None)
        if same and source and source.family == "source":
            from runtime.vocabulary.advice import SameImages

            yield SameImages(span=data.place(name), set_name=name, other=same, other_span=data.place(same))


def _claims(recipe: CheckedRecipe) -> Iterator[Problem]:
    chooser = next((stage for stage in reversed([*recipe.all("stage")]) if _chooses(stage)), None)
    tested = {claim.metric.name for claim in recipe.claims if claim.metric.set == "test"}
    for claim in recipe.claims:
        if claim.metric.set != "valid" or claim.metric.name in tested:
            continue
        if chooser is not None:
            from runtime.vocabulary.advice import ClaimOnChosen

            place = chooser.place("stop" if chooser["monitor"] is None else "monitor")
            yield ClaimOnChosen(span=claim.span, metric=str(claim.metric), title=chooser.title, choice_span=place)
        elif recipe.block("data")["test"] is not None and not tested:
            from runtime.vocabulary.advice import TestUnclaimed

            yield TestUnclaimed(span=claim.span, metric=str(claim.metric), name=claim.metric.name)


def _chooses(stage: CheckedBlock) -> bool:
    """Whether a stage keeps the best weights by the validation set."""
    is_watched = stage["monitor"] is not None or stage["stop"] is not None
    return is_watched and stage["keep"] != "last"


# --- versions of images ----------------------------------------------------------------------


def _versions(recipe: CheckedRecipe) -> Iterator[tuple[Value, tuple[CheckedBlock, ...]]]:
    """Yield each `views` that is written with a number, and the stages for which it holds."""
    data = recipe.block("data")
    holds: dict[Span, tuple[Value, tuple[CheckedBlock, ...]]] = {}
    for stage in recipe.all("stage"):
        value = data.fields["views"] if stage["views"] == "shared" else stage.fields["views"]
        if isinstance(value.value, int) and value.span is not None:
            _, before = holds.get(value.span, (value, ()))
            holds[value.span] = (value, (*before, stage))
    yield from holds.values()


def _augmentation(recipe: CheckedRecipe, stage: CheckedBlock) -> Value:
    return recipe.block("data").fields["augment"] if stage["augment"] == "shared" else stage.fields["augment"]


def _views(recipe: CheckedRecipe) -> Iterator[Problem]:
    for value, stages in _versions(recipe):
        augments = [_augmentation(recipe, stage) for stage in stages]
        counts = [view_count([step.value for step in augment.value or ()]) for augment in augments]
        outcomes = [count for count in counts if count is not None and count <= value.value]
        if len(outcomes) == len(counts):
            from runtime.vocabulary.advice import ViewsUnused

            most = outcomes.index(max(outcomes))
            yield ViewsUnused(
                span=value.span, views=value.value, outcomes=outcomes[most], augment_span=augments[most].span
            )
            continue
        lengths = [stage.fields["for"] for stage in stages]
        if all(length.value.unit == "epochs" and length.value.number < value.value for length in lengths):
            from runtime.vocabulary.advice import ViewsNeverRepeat

            longest = max(lengths, key=lambda length: length.value.number)
            yield ViewsNeverRepeat(
                span=value.span, views=value.value, length=str(longest.value), length_span=longest.span
            )


def _idle(recipe: CheckedRecipe) -> Iterator[Problem]:
    for block in (recipe.block("data"), *recipe.all("stage")):
        augment = block["augment"]
        for step in augment if isinstance(augment, tuple) else ():
            if is_idle(step.value):
                from runtime.vocabulary.advice import IdleAugmentation

                example = {"color_jitter": "color_jitter(0.2)", "lighting": "lighting(0.1)"}[step.value.name]
                yield IdleAugmentation(span=step.span, name=step.value.name, example=example)


ADVICE: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _high_rates,
    _slow_heads,
    _fresh_heads,
    _hardly_trained,
    _warmups,
    _drops,
    _patience,
    _repeated,
    _monitors,
    _unmonitored,
    _unused_defaults,
    _small_batches,
    _decay,
    _smoothing,
    _dropout,
    _random_bases,
    _flips,
    _leaks,
    _claims,
    _views,
    _idle,
)
