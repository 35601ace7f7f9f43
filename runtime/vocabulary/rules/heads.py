"""Heads that do not fit their base, their task or their loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.data.targets import CLASS
from runtime.models.catalog import ZooRow
from runtime.models.heads import LAYERS, MEANS, OWN_HEAD
from runtime.tasks.catalog import task_of
from runtime.vocabulary.models import (
    UNREAD,
    base_name,
    row_of,
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

PriorsElsewhere = Kind(
    "E413",
    "priors elsewhere",
    reason="The classes' shares are a bias for their scores: of the last layer, `dense(classes)`, of classification.",
    message="`bias = priors` is for the last layer of a head that gives the scores of classes",
    help="write it there: `head = [dense(classes, bias = priors)]`, or leave it out",
)


MeansElsewhere = Kind(
    "E467",
    "means elsewhere",
    reason="""Class means are for the layer that gives the scores of classes, in classification.

    With `dense` a score is minus the squared distance from a mean, which takes a bias; `cosine_classifier` compares
    directions, and has none.""",
    fields="bias",
    message=(
        "`init = class_means` takes the bias of `dense`",
        "`init = class_means` is for the last layer of a head that gives the scores of classes",
    ),
    help=(
        "leave `bias = none` out, or write `cosine_classifier(classes, init = class_means)`",
        "write it there: `head = [dense(classes, init = class_means)]`, or leave it out",
    ),
)


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


def _priors(recipe: CheckedRecipe) -> Iterator[Problem]:
    for layer in recipe["head"]:
        call: CallValue = layer.value
        has_scores = layer is recipe["head"][-1] and call.args.get("units", layer).value == "classes"
        is_asked = "bias" in call.args and call["bias"] == "priors"
        if is_asked and not (has_scores and task_of(recipe).target == CLASS):
            yield PriorsElsewhere(span=call.args["bias"].span)


def _means(recipe: CheckedRecipe) -> Iterator[Problem]:
    for layer in recipe["head"]:
        call: CallValue = layer.value
        if "init" in call.args and call["init"] == MEANS:
            has_scores = layer is recipe["head"][-1] and call["units"] == "classes"
            if not (has_scores and task_of(recipe).target == CLASS):
                yield MeansElsewhere(span=call.args["init"].span, bias="")
            elif "bias" in call.args and call["bias"] is None:
                yield MeansElsewhere(span=call.args["init"].span, bias="none")


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


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _head,
    _priors,
    _means,
    _own,
    _losses,
)
