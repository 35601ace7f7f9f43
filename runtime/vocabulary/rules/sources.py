"""Sources and sets that do not fit their task, or each other, and what validation is asked to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.compose.problems import GivenTwice
from recipe_lang.problem import Kind, Problem
from recipe_lang.source import Span
from recipe_lang.words import listed
from runtime.data.class_map import old_names
from runtime.data.sources.catalog import SOURCES
from runtime.data.sources.label_sources import COLUMNS
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.tasks.catalog import TASKS, task_of
from runtime.tasks.protocol import Task

ThresholdOfNothing = Kind(
    "E446",
    "threshold of nothing",
    reason="""A threshold says from which probability on a label is given, or the second of two classes answered.

    Numbers have none, the classes of pixels are compared with each other, and objects are shown from the score on that
    has the best F1 on validation anyway.""",
    fields="task having",
    message="`task = {task}` has no threshold",
    help="leave it out; it is for {having:quoted or}",
)

SeparatorWithoutCells = Kind(
    "E448",
    "separator without cells",
    reason="A separator stands between several labels in a cell: of columns with 0 and 1 it separates nothing.",
    fields="",
    message="`separator` is for `labels` that name one column",
    help='leave it out, or name one column: `labels = "tags"`',
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
        "name a source of {takes}, `{column}`",
        "name a source of {takes}",
    ),
)

NoTestSet = Kind(
    "E426",
    "no test set",
    reason="A claim on the test set needs one.",
    message="this is a claim on the test set, but there is none",
    help="add `test = folder(…)` or `test = holdout(20%)` to `data`, or claim `valid.…`",
)

NotOfThreshold = Kind(
    "E414",
    "not of a threshold",
    reason="""A threshold is the best by a metric that both of its mistakes lower.

    The best precision, recall, loss or calibration error would be that of a threshold that answers one class alone, or
    of any.""",
    fields="metric allowed",
    message="no threshold is chosen by `{metric}`",
    help=lambda p: f"choose by {p.allowed}",
)

TtaNotBuilt = Kind(
    "E415",
    "tta not built",
    reason="""Test-time augmentation takes the mean of the probabilities of an image in all views that flips make of it:
    what has no end of views is not for it, and boxes, masks and numbers are not averaged.""",
    fields="name task",
    message=lambda p: (
        f"`tta` is for `task = classification`, not for `task = {p.task}`" if p.task else f"`{p.name}` is not for `tta`"
    ),
    help=lambda p: "leave it out" if p.task else "write `tta = [flip]`, or `[flip(horizontal), flip(vertical)]`",
)


def _tta(recipe: CheckedRecipe) -> Iterator[Problem]:
    data, task = recipe.block("data"), task_of(recipe)
    if data["tta"] and not task.has_views:
        yield TtaNotBuilt(span=data.span_of("tta"), name="", task=task.name)
        return
    for step in data["tta"] or ():
        if TRANSFORMS[step.value.name].outcomes != 2:
            yield TtaNotBuilt(span=step.span, name=step.value.name, task="")


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
    task, threshold = task_of(recipe), recipe.block("data").fields["threshold"]
    if threshold.value is not None and not task.threshold_metrics:
        having = tuple(each.name for each in TASKS.values() if each.threshold_metrics)
        yield ThresholdOfNothing(span=threshold.span, task=task.name, having=having)
    elif isinstance(threshold.value, CallValue) and threshold.value["metric"].name not in task.threshold_metrics:
        allowed = listed(tuple(f"`valid.{name}`" for name in task.threshold_metrics), "or")
        yield NotOfThreshold(span=threshold.span, metric=str(threshold.value["metric"]), allowed=allowed)


def _class_map(recipe: CheckedRecipe) -> Iterator[Problem]:
    call = recipe.block("data")["classes"]
    first: dict[str, Span | None] = {}
    for each in old_names(call) if call is not None else ():
        if each.value in first:
            yield GivenTwice(span=each.span, what=f'class "{each.value}"', first=first[each.value])
        first.setdefault(each.value, each.span)
    if call is not None:
        rests = [key for key, olds in call["names"] or () if olds.value == "rest"]
        if len(rests) > 1 or rests and call["others"] == "drop":
            what = "what becomes of the other classes"
            span = rests[1].span if len(rests) > 1 else call.args["others"].span
            yield GivenTwice(span=span, what=what, first=rests[0].span)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _threshold,
    _tta,
    _kinds,
    _class_map,
)
