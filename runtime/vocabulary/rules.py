"""What no single value shows: fields that contradict each other (E42x). Each rule looks at a whole checked recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe, Quantity
from recipe_lang.check.describe import range_text
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.check.vocabulary import Number
from recipe_lang.compose.problems import GivenTwice
from recipe_lang.problem import Kind, Problem
from recipe_lang.source import Span
from runtime.data.sources.catalog import COLUMNS, SOURCES
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.models.catalog import ZooRow
from runtime.models.heads import LAYERS, OWN_HEAD
from runtime.plan.schedules import SCHEDULES
from runtime.plan.size import Size
from runtime.tasks.catalog import METRICS, TASKS, task_of
from runtime.tasks.protocol import Task
from runtime.vocabulary.models import (
    UNREAD,
    accepts,
    base_name,
    base_problems,
    native_size,
    row_of,
    size_text,
    weights_of,
)

HeadWithoutOutputs = Kind(
    "E420",
    "head without outputs",
    reason="It ends with an output for each thing that is predicted: `dense(classes)`, `dense(labels)` and so on.",
    fields="ending example",
    message="the head does not end with `{ending}`",
    help="write for example `head = {example}`",
)

LossOfOtherHead = Kind(
    "E445",
    "loss of another head",
    reason="What a detection head gives is trained by its own loss: each says in its way which points learn an object.",
    fields="head loss own",
    message="`{loss}` is not the loss of `{head}`",
    help="write `loss = {own}`",
)

ThresholdOfNothing = Kind(
    "E446",
    "threshold of nothing",
    reason="""A threshold says from which probability on a label is given, where each is given or not by itself.

    Classes are compared with each other, numbers have none, and objects are shown from the score on that has the best
    F1 on validation anyway.""",
    fields="task having",
    message="`task = {task}` has no threshold",
    help="leave it out; it is for {having:quoted or}",
)

OtherTunedMetric = Kind(
    "E447",
    "other tuned metric",
    reason="""Thresholds are chosen label by label, each for its own F1, the mean of which is then best as well.

    What ranks images, as average precision does, depends on no threshold.""",
    fields="metric tuned",
    message="thresholds cannot be chosen for `{metric}`",
    help="write `threshold = best(valid.{tuned})`",
)

SeparatorWithoutCells = Kind(
    "E448",
    "separator without cells",
    reason="A separator stands between several labels in a cell: of columns with 0 and 1 it separates nothing.",
    fields="",
    message="`separator` is for `labels` that name one column",
    help='leave it out, or name one column: `labels = "tags"`',
)

HeadOfOtherBase = Kind(
    "E436",
    "head of another base",
    reason="""GluonCV's networks for detection and segmentation are trained with their own heads. Other
    bases have none: theirs is built on top of them.""",
    source="https://cv.gluon.ai/model_zoo/index.html",
    fields="base head",
    message=(
        "`{base}` is trained with its own head, not with `{head}`",
        "`{base}` has no head of its own",
    ),
    help=("write `head = [own]` in place of `{head}`", "leave `own` out, or name a network of GluonCV for this task"),
)

BaseOfOtherTask = Kind(
    "E437",
    "base of another task",
    reason="A network that keeps its own head gives what it was made for: boxes, or a class for each pixel.",
    fields="base gives task takes",
    message="`{base}` gives {gives}, and `task = {task}` learns {takes}",
    help="name a base for {takes}, or write the task that learns {gives}",
)

OwnNeedsAFile = Kind(
    "E438",
    "weights of a network with its own head",
    reason="""The weights of a whole detector or segmenter are in a file that GluonCV wrote. Checkpoints of classifiers
    have none for its head, and PyTorch's have other layers.""",
    fields="base",
    message="`{base}` starts from a `.params` file of GluonCV, from a run, or from random weights",
    help='write `weights = gluon_params("….params")`, or `weights = none`',
)

OtherKindOfTarget = Kind(
    "E433",
    "other kind of target",
    reason="A source gives targets of one kind, such as classes or masks, and a task learns targets of one kind.",
    fields="source task takes gives other_task both extra column",
    message=(
        "`{source}` names {both}, and `task = {task}` learns one of them",
        "`{source}` gives {gives}, and `task = {task}` learns {takes}",
    ),
    help=(
        "leave out `{extra}`",
        "name a source of {takes}, `{column}`, or write `task = {other_task}`",
        "write `task = {other_task}`",
    ),
)

MixedVersions = Kind(
    "E411",
    "mixed versions",
    reason="""A step that mixes images pairs each with another one of its batch, a new one each time.

    Versions that are drawn once, with `views`, are of single images: frozen features of them are cached.""",
    fields="name views_span",
    message="`{name}` mixes each image with others, and cannot have versions that are drawn once",
    help="leave out `views`, or `{name}`",
    related={"views_span": "the versions"},
)

WarmupTooLong = Kind(
    "E421",
    "warmup too long",
    reason="Warm-up lies inside the stage and is shorter than it: otherwise the learning rate never reaches its peak.",
    fields="warmup length length_span",
    message="the warm-up of {warmup} is not shorter than the stage of {length}",
    related={"length_span": "the stage's length"},
)

NothingMonitored = Kind(
    "E422",
    "nothing monitored",
    reason="The best weights are the best by a metric: `keep = best` needs `monitor` or `stop`.",
    fields="metric",
    message="`keep = best` needs a metric to tell which weights are best",
    help="add `monitor = valid.{metric}`",
)

SizeConflict = Kind(
    "E423",
    "size conflict",
    reason="All crops make images of the side that `size` says.",
    fields="crop size size_span",
    message="this crop makes images of {crop}, but `size` is {size}",
    help="write `{size}` here, or leave the crop's size out",
    related={"size_span": "the size"},
)

ScaleOfFrozen = Kind(
    "E424",
    "scale of frozen",
    reason="`lr_scale` is for parts that train in the stage.",
    fields="parts train_span",
    message=("{parts:quoted} {parts:plural has|have} an `lr_scale` and {parts:plural does|do} not train in this stage"),
    help="add {parts:plural it|them} to `train`, or remove {parts:plural its|their} `lr_scale`",
    related={"train_span": "what trains"},
)

HeldOutTooMuch = Kind(
    "E425",
    "held out too much",
    reason="The holdouts of `valid` and `test` are disjoint shares of `train` and leave some of it.",
    fields="first",
    message="the holdouts leave nothing to train on",
    help="`valid` and `test` together must hold out less than all: such as `holdout(20%)` each",
    related={"first": "the other holdout"},
)

NoTestSet = Kind(
    "E426",
    "no test set",
    reason="A claim on the test set needs one.",
    message="this is a claim on the test set, but there is none",
    help="add `test = folder(…)` or `test = holdout(20%)` to `data`, or claim `valid.…`",
)

SizeNotTaken = Kind(
    "E427",
    "size not taken",
    reason="Each base takes images of certain sizes only.",
    fields="base size takes",
    message="{base} cannot train on images of {size}: it takes {takes}",
)

MilestonesNotAscending = Kind(
    "E428",
    "milestones not ascending",
    reason="The milestones of a multistep schedule ascend, in one unit, inside the stage; later ones would do nothing.",
    fields="reason",
    message="{reason}",
)

StepMisused = Kind(
    "E429",
    "step misused",
    reason="`normalize`, `flatten_alpha` and `levels` are given once, in `prepare`, where they apply to all images.",
    fields="name where",
    message="`{name}` {where}",
    help=lambda p: (
        f"write it once, in `prepare`: it is applied {'first' if TRANSFORMS[p.name].reads else 'last'}, to all images"
    ),
)

ScaledTwice = Kind(
    "E430",
    "scaled twice",
    reason="Each part has one scale in `lr_scale`.",
    fields="part",
    message="`{part}` has two scales in `lr_scale`",
)

ScaleOfPattern = Kind(
    "E431",
    "scale of pattern",
    reason="""`lr_scale` is for whole parts; `matching("…")` selects single parameters.""",
    message="`lr_scale` takes parts, not parameters by name",
    help="name the part, such as `base.block3`",
)

CellsCut = Kind(
    "E434",
    "cells cut",
    reason="A head over several maps adds each to the next finer one at twice its size, so sides are whole cells.",
    fields="size step",
    message="a head over maps takes sides in steps of {step}px, not {size}",
    help="write for example `size = 256px`",
)

NothingCrops = Kind(
    "E432",
    "nothing crops",
    reason="The network takes square images of one size: a resize sets the shorter side only, so a crop follows it.",
    message="no crop follows this resize",
    help="add `center_crop` after it, or `random_crop` in `augment`",
)


TilesCut = Kind(
    "E440",
    "tiles cut",
    reason="""All of a tile is seen: where a step cuts it, something lies in no tile.

    `stretch` and `letterbox` show all of an image.""",
    fields="tiles_span",
    message="`prepare` cuts off a part of each tile",
    help="leave `prepare` out, or write `prepare = [stretch]`",
    related={"tiles_span": "the tiles"},
)


_COARSEST = 32  # pixels of a cell of the coarsest map


def image_size(recipe: CheckedRecipe) -> tuple[Size, Span | None]:
    """Return the size of the images that the network sees, and where it is written."""
    data = recipe.block("data")
    if data["size"] is not None:
        return written_size(data["size"]), data.fields["size"].span
    for step in data["prepare"] or ():
        if TRANSFORMS[step.value.name].crops and step.value["size"] is not None:
            return written_size(step.value["size"]), step.value.args["size"].span
    return Size.square(native_size(recipe["base"])), recipe.fields["base"].span


def written_size(value: Any) -> Size:
    """Return a size as a recipe writes it: a side, or height and width."""
    return Size(*(each.value for each in value)) if isinstance(value, tuple) else Size.square(value)


def _head(recipe: CheckedRecipe) -> Iterator[Problem]:
    last: CallValue = recipe["head"][-1].value
    task, row = task_of(recipe), LAYERS[last.name]
    fits = (
        row.outputs
        and last[row.outputs] == task.outputs
        and row.gives in (None, task.target)
        and (row.finest is not None) == task.takes_maps
    )
    if not fits or (task.takes_maps and len(recipe["head"]) > 1):
        ending, example = task.head.strip("[]"), task.head
        if not task.takes_maps:
            example = f"[dropout(0.2), {ending}]"
        yield HeadWithoutOutputs(span=last.span or recipe.fields["head"].span, ending=ending, example=example)


def _own(recipe: CheckedRecipe) -> Iterator[Problem]:
    base: CallValue = recipe["base"]
    head, row, task = recipe["head"][-1].value, row_of(base), task_of(recipe)
    if row is UNREAD:
        return
    gives = row.gives if isinstance(row, ZooRow) else None
    span = recipe.fields["base"].span
    if (gives is not None) != (head.name == OWN_HEAD):
        place = head.span or recipe.fields["head"].span or span
        yield HeadOfOtherBase(span=place, base=base_name(base), head=head.name if gives else "")
    if gives is None:
        return
    if gives != task.target:
        yield BaseOfOtherTask(
            span=span, base=base_name(base), gives=gives.plural, task=task.name, takes=task.target.plural
        )
    if weights_of(base).entry.name not in _OWN_SOURCES:
        yield OwnNeedsAFile(span=span, base=base_name(base))


_OWN_SOURCES = ("none", "gluon_params", "run", "pack")


def _losses(recipe: CheckedRecipe) -> Iterator[Problem]:
    task, head, row = task_of(recipe), recipe["head"][-1].value.name, row_of(recipe["base"])
    if head == OWN_HEAD and isinstance(row, ZooRow):
        head = row.family
    losses = {each.entry.name: each for each in task.losses}
    own = next((name for name, each in losses.items() if head in each.heads), None)
    for loss in (recipe["loss"], *(stage["loss"] for stage in recipe.all("stage"))):
        if isinstance(loss, CallValue) and own is not None and head not in losses[loss.name].heads:
            span = loss.span or recipe.fields["head"].span
            yield LossOfOtherHead(span=span, head=head, loss=loss.name, own=own)


def _kinds(recipe: CheckedRecipe) -> Iterator[Problem]:
    for name in ("train", "valid", "test"):
        source = recipe.block("data")[name]
        if isinstance(source, CallValue) and source.family == "source":
            yield from source_problems(source, task_of(recipe), recipe.block("data").span_of(name))


def source_problems(source: CallValue, task: Task, span: Span | None = None) -> Iterator[Problem]:
    """Yield what makes a source useless to a task: another kind of targets, or one that is named twice."""
    args = {name: value.value for name, value in source.args.items()}
    gives = SOURCES[source.name].gives(args)
    if gives != {task.target}:
        is_both = len(gives) > 1
        yield OtherKindOfTarget(
            span=source.span or span,
            source=source.name,
            task=task.name,
            takes=task.target.plural,
            gives=" and ".join(sorted(kind.plural for kind in gives)),
            other_task=next((each.name for each in TASKS.values() if gives == {each.target}), ""),
            both=" and ".join(sorted(kind.plural for kind in gives)) if is_both else "",
            extra=next(COLUMNS[kind] for kind in COLUMNS if kind in gives - {task.target}) if is_both else "",
            column=task.target.source,
        )
    if isinstance(args.get("boxes"), tuple) and len(args["boxes"]) > 4:
        found = f"{len(args['boxes'])} names"
        yield OutOfRange(span=source.args["boxes"].span, what="`boxes`", found=found, allowed="4 names")
    for name, what in (("target", "target"), ("labels", "label")):
        first: dict[str, Span | None] = {}
        for each in args[name] if isinstance(args.get(name), tuple) else ():
            if each.value in first:
                yield GivenTwice(span=each.span, what=f'{what} "{each.value}"', first=first[each.value])
            first.setdefault(each.value, each.span)
    if "separator" in args:
        yield from _separator(source, args)


def _separator(source: CallValue, args: Mapping[str, Any]) -> Iterator[Problem]:
    span = source.args["separator"].span
    if not args["separator"]:
        yield OutOfRange(span=span, what="`separator`", found="nothing", allowed="a character, or several")
    elif span is not None and not isinstance(args["labels"], str):
        yield SeparatorWithoutCells(span=span)


def _threshold(recipe: CheckedRecipe) -> Iterator[Problem]:
    task, threshold, span = task_of(recipe), recipe["threshold"], recipe.fields["threshold"].span
    if threshold is not None and not task.tuned:
        having = tuple(each.name for each in TASKS.values() if each.tuned)
        yield ThresholdOfNothing(span=span, task=task.name, having=having)
    elif isinstance(threshold, CallValue) and threshold["metric"].name != task.tuned:
        yield OtherTunedMetric(
            span=threshold.args["metric"].span or span, metric=str(threshold["metric"]), tuned=task.tuned
        )


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
        if name := SCHEDULES[schedule.name].milestones:
            milestones = [value.value for value in schedule[name]]
            numbers = [each.number for each in milestones]
            length: Quantity = stage["for"]
            reason = ""
            if len({each.unit for each in milestones}) > 1 or numbers != sorted(set(numbers)):
                reason = "these milestones are not in ascending order, or mix epochs and steps"
            elif milestones[0].unit == length.unit and numbers[-1] >= length.number:
                reason = f"the stage of {length} is over before {milestones[-1]}"
            if reason:
                yield MilestonesNotAscending(span=schedule.args[name].span, reason=reason)


def _keep(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        if stage["keep"] == "best" and stage["monitor"] is None and stage["stop"] is None:
            yield NothingMonitored(span=stage.span_of("keep"), metric=task_of(recipe).monitor)


def _sizes(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    size, size_span = image_size(recipe)
    lists = [data["prepare"], *(block["augment"] for block in (data, *recipe.all("stage")))]
    for step in (step.value for steps in lists if isinstance(steps, tuple) for step in steps):
        crop = step["size"] if TRANSFORMS[step.name].crops else None
        if crop is not None and written_size(crop) != size:
            crop = written_size(crop)
            yield SizeConflict(span=step.args["size"].span, crop=crop.written, size=size.written, size_span=size_span)
    if task_of(recipe).takes_maps and any(side % _COARSEST for side in size):
        yield CellsCut(span=size_span, size=size.short, step=_COARSEST)
    base: CallValue = recipe["base"]
    yield from (problem.replace(span=recipe.fields["base"].span) for problem in base_problems(base))
    if not all(accepts(base, side) for side in size):
        yield SizeNotTaken(span=size_span, base=base_name(base), size=size.short, takes=size_text(base))


def _uncropped(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    for block, name in ((data, "prepare"), (data, "augment"), *((stage, "augment") for stage in recipe.all("stage"))):
        steps = block[name] if isinstance(block[name], tuple) else ()
        rows = [TRANSFORMS[step.value.name] for step in steps]
        resizes = [index for index, row in enumerate(rows) if row.resizes and not row.crops]
        crops = [index for index, row in enumerate(rows) if row.crops]
        # In `prepare` the compiler adds the crop where none is written.
        if resizes and max(crops, default=len(steps) if name == "prepare" else -1) < resizes[-1]:
            yield NothingCrops(span=steps[resizes[-1]].span)


def _once(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find misuse of what holds for all images."""
    data = recipe.block("data")
    names = {name for name, row in TRANSFORMS.items() if not row.augments and row.draw is None}
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


def _mixes(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find fixed versions of images that are mixed with others."""
    data = recipe.block("data")
    for stage in recipe.all("stage"):
        shared = stage["augment"] == "shared"
        views = data if stage["views"] == "shared" else stage
        for step in (data if shared else stage)["augment"] or ():
            if TRANSFORMS[step.value.name].mix and views["views"] is not None:
                yield MixedVersions(span=step.span, name=step.value.name, views_span=views.span_of("views"))


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
                yield ScaleOfFrozen(span=key.span, parts=frozen, train_span=stage.span_of("train"))
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


def _bounds(recipe: CheckedRecipe) -> Iterator[Problem]:
    for claim in recipe.claims:
        metric, found = METRICS[claim.metric.name], claim.number
        if (metric.low is not None and found < metric.low) or (metric.high is not None and found > metric.high):
            hint = f"a share is written `{found:g}%`" if metric.high == 1 and 2 <= found <= 100 else ""
            allowed = range_text(Number(metric.low, metric.high))
            yield OutOfRange(span=claim.span, what=f"`{claim.metric}`", found=f"{found:g}", allowed=allowed, hint=hint)


def _tiles(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    names = {step.value.name for step in data["prepare"] or ()}
    if data["tiles"] is not None and (names.isdisjoint(("stretch", "letterbox")) or "center_crop" in names):
        yield TilesCut(span=data.span_of("prepare"), tiles_span=data.span_of("tiles"))


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _head,
    _own,
    _losses,
    _threshold,
    _kinds,
    _warmup,
    _multistep,
    _keep,
    _sizes,
    _uncropped,
    _once,
    _mixes,
    _tiles,
    _scales,
    _holdouts,
    _claims,
)

CLAIM_RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_bounds,)
