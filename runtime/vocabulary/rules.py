"""What no single value shows: fields that contradict each other (E42x). Each rule looks at a whole checked recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.check.checked import CallValue, CheckedRecipe, Quantity
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.words import quoted
from runtime.plan.views import READING_STEPS
from runtime.vocabulary.models import accepts, native_size, size_text


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadWithoutClasses(Problem):
    """The head of a classifier ends with `dense(classes)`: one score for each class of the data."""

    code: ClassVar[str] = "E420"

    def message(self) -> str:
        return "the head does not end with `dense(classes)`"

    def help(self) -> str:
        return "write for example `head = [dropout(0.2), dense(classes)]`"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupTooLong(Problem):
    """Warm-up lies inside the stage and is shorter than it: otherwise the learning rate never reaches its peak."""

    code: ClassVar[str] = "E421"
    warmup: str
    length: str
    length_span: Span | None

    def message(self) -> str:
        return f"the warm-up of {self.warmup} is not shorter than the stage of {self.length}"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.length_span, "the stage's length"),) if self.length_span else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingMonitored(Problem):
    """The best weights are the best by a metric: `keep = best` needs `monitor` or `stop`."""

    code: ClassVar[str] = "E422"

    def message(self) -> str:
        return "`keep = best` needs a metric to tell which weights are best"

    def help(self) -> str:
        return "add `monitor = valid.accuracy`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeConflict(Problem):
    """All crops make images of the side that `size` says."""

    code: ClassVar[str] = "E423"
    crop: int
    size: int
    size_span: Span | None

    def message(self) -> str:
        return f"this crop makes images of {self.crop}px, but `size` is {self.size}px"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.size_span, "the size"),) if self.size_span else ()

    def help(self) -> str:
        return f"write `{self.size}px` here, or leave the crop's size out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOfFrozen(Problem):
    """`lr_scale` is for parts that train in the stage."""

    code: ClassVar[str] = "E424"
    parts: tuple[str, ...]
    train_span: Span | None

    def message(self) -> str:
        names = quoted(self.parts)
        if len(self.parts) == 1:
            return f"{names} has an `lr_scale` and does not train in this stage"
        return f"{names} have an `lr_scale` and do not train in this stage"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.train_span, "what trains"),) if self.train_span else ()

    def help(self) -> str:
        them, their = ("it", "its") if len(self.parts) == 1 else ("them", "their")
        return f"add {them} to `train`, or remove {their} `lr_scale`"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutTooMuch(Problem):
    """The holdouts of `valid` and `test` are disjoint shares of `train` and leave some of it."""

    code: ClassVar[str] = "E425"
    first: Span | None

    def message(self) -> str:
        return "the holdouts leave nothing to train on"

    def help(self) -> str:
        return "`valid` and `test` together must hold out less than all: such as `holdout(20%)` each"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.first, "the other holdout"),) if self.first else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTestSet(Problem):
    """A claim on the test set needs one."""

    code: ClassVar[str] = "E426"

    def message(self) -> str:
        return "this is a claim on the test set, but there is none"

    def help(self) -> str:
        return "add `test = folder(…)` or `test = holdout(20%)` to `data`, or claim `valid.…`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeNotTaken(Problem):
    """Each base takes images of certain sizes only."""

    code: ClassVar[str] = "E427"
    base: str
    size: int
    takes: str

    def message(self) -> str:
        return f"{self.base} cannot train on images of {self.size}px: it takes {self.takes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesNotRising(Problem):
    """The milestones of a multistep schedule ascend, in one unit, inside the stage; later ones would do nothing."""

    code: ClassVar[str] = "E428"
    reason: str

    def message(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMisused(Problem):
    """`normalize`, `flatten_alpha` and `levels` are given once, in `prepare`, where they apply to all images."""

    code: ClassVar[str] = "E429"
    name: str
    where: str

    def message(self) -> str:
        return f"`{self.name}` {self.where}"

    def help(self) -> str:
        when = "last" if self.name == "normalize" else "first"
        return f"write it once, in `prepare`: it is applied {when}, to all images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledTwice(Problem):
    """Each part has one scale in `lr_scale`."""

    code: ClassVar[str] = "E430"
    part: str

    def message(self) -> str:
        return f"`{self.part}` has two scales in `lr_scale`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOfPattern(Problem):
    """`lr_scale` is for whole parts; `matching("…")` selects single parameters."""

    code: ClassVar[str] = "E431"

    def message(self) -> str:
        return "`lr_scale` takes parts, not parameters by name"

    def help(self) -> str:
        return "name the part, such as `base.block3`"


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingCrops(Problem):
    """The network takes square images of one size: a resize sets the shorter side only, so a crop follows it."""

    code: ClassVar[str] = "E432"

    def message(self) -> str:
        return "no crop follows this resize"

    def help(self) -> str:
        return "add `center_crop` after it, or `random_crop` in `augment`"


def image_size(recipe: CheckedRecipe) -> tuple[int, Span | None]:
    """Return the side of the images that the network sees, and where it is written."""
    data = recipe.block("data")
    if data["size"] is not None:
        return data["size"], data.fields["size"].span
    for step in data["prepare"] or ():
        if step.value.name == "center_crop" and step.value["size"] is not None:
            return step.value["size"], step.value.args["size"].span
    return native_size(recipe["base"]), recipe.fields["base"].span


def _head(recipe: CheckedRecipe) -> Iterator[Problem]:
    last: CallValue = recipe["head"][-1].value
    if last.name != "dense" or last["units"] != "classes":
        yield HeadWithoutClasses(span=last.span or recipe.fields["head"].span)


def _warmup(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        schedule: CallValue = stage["schedule"]
        warmup: Quantity = schedule["warmup"]
        length: Quantity = stage["for"]
        if warmup.unit == length.unit and warmup.number >= length.number:
            yield WarmupTooLong(
                span=schedule.args["warmup"].span,
                warmup=str(warmup),
                length=str(length),
                length_span=stage.fields["for"].span,
            )


def _multistep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        schedule: CallValue = stage["schedule"]
        if schedule.name == "multistep":
            places = [value.value for value in schedule["at"]]
            numbers = [place.number for place in places]
            length: Quantity = stage["for"]
            reason = ""
            if len({place.unit for place in places}) > 1 or numbers != sorted(set(numbers)):
                reason = "these milestones are not in ascending order, or mix epochs and steps"
            elif places[0].unit == length.unit and numbers[-1] >= length.number:
                reason = f"the stage of {length} is over before {places[-1]}"
            if reason:
                yield PlacesNotRising(span=schedule.args["at"].span, reason=reason)


def _keep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if stage["keep"] == "best" and stage["monitor"] is None and stage["stop"] is None:
            yield NothingMonitored(span=stage.place("keep"))


def _sizes(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    size, size_span = image_size(recipe)
    lists = [data["prepare"], *(block["augment"] for block in (data, *recipe.all("stage")))]
    for step in (step.value for steps in lists if isinstance(steps, tuple) for step in steps):
        crop = step["size"] if "crop" in step.name else None
        if crop not in (None, size):
            yield SizeConflict(span=step.args["size"].span, crop=crop, size=size, size_span=size_span)
    base: CallValue = recipe["base"]
    if not accepts(base, size):
        yield SizeNotTaken(span=size_span, base=base["name"], size=size, takes=size_text(base))


def _uncropped(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    for block, name in ((data, "prepare"), (data, "augment"), *((stage, "augment") for stage in recipe.all("stage"))):
        steps = block[name] if isinstance(block[name], tuple) else ()
        resizes = [place for place, step in enumerate(steps) if step.value.name == "resize"]
        crops = [place for place, step in enumerate(steps) if "crop" in step.value.name]
        # In `prepare` the compiler adds the crop where none is written.
        if resizes and max(crops, default=len(steps) if name == "prepare" else -1) < resizes[-1]:
            yield NothingCrops(span=steps[resizes[-1]].span)


def _once(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find misuse of what holds for all images."""
    data = recipe.block("data")
    names = ("normalize", *READING_STEPS)
    seen: set[str] = set()
    for step in data["prepare"] or ():
        if step.value.name in names and step.value.name in seen:
            yield StepMisused(span=step.span, name=step.value.name, where="is given twice")
        seen.add(step.value.name)
    for block in (data, *recipe.all("stage")):
        augment = block["augment"]
        for step in augment if isinstance(augment, tuple) else ():
            if step.value.name in names:
                yield StepMisused(span=step.span, name=step.value.name, where="is not an augmentation")


def _scales(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if not isinstance(stage["lr_scale"], tuple):
            continue
        seen: set[str] = set()
        for key, _ in stage["lr_scale"]:
            if key.value.patterns:
                yield ScaleOfPattern(span=key.span)
            yield from (ScaledTwice(span=key.span, part=part) for part in key.value.parts if part in seen)
            trained = {*seen, *stage["train"].parts}
            frozen = tuple(part for part in key.value.parts if part not in trained)
            if frozen and not stage["train"].patterns:
                yield ScaleOfFrozen(span=key.span, parts=frozen, train_span=stage.place("train"))
            seen.update(key.value.parts)


def _holdouts(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    shares = [
        data.fields[name]
        for name in ("valid", "test")
        if isinstance(data[name], CallValue) and data[name].family == "split"
    ]
    if sum(share.value["share"] for share in shares) >= 1:
        yield HeldOutTooMuch(span=shares[-1].span or data.head_span, first=shares[0].span)


def _claims(recipe: CheckedRecipe) -> Iterator[Problem]:
    for claim in recipe.claims:
        if claim.metric.set == "test" and recipe.block("data")["test"] is None:
            yield NoTestSet(span=claim.span)


def _shares(recipe: CheckedRecipe) -> Iterator[Problem]:
    for claim in recipe.claims:
        what = f"`{claim.metric}`"
        if claim.metric.name != "loss" and not 0 <= claim.number <= 1:
            hint = f"a share is written `{claim.number:g}%`" if 2 <= claim.number <= 100 else ""
            found = f"{claim.number:g}"
            yield OutOfRange(span=claim.span, what=what, found=found, allowed="from 0 to 1", hint=hint)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _head,
    _warmup,
    _multistep,
    _keep,
    _sizes,
    _uncropped,
    _once,
    _scales,
    _holdouts,
    _claims,
)

CLAIM_RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_shares,)
