"""Sets that are drawn from the training images: what they go by, and whether they leave some."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.problems.types import OutOfRange
from recipe_lang.problem import Kind, Problem
from runtime.data.parts import parts_of_train, share_of
from runtime.data.sources.catalog import SOURCES
from runtime.data.targets import CLASS, LABELS, NUMBERS
from runtime.tasks.catalog import TASKS, task_of

HeldOutTooMuch = Kind(
    "E425",
    "held out too much",
    reason="The holdouts of `valid` and `test` are disjoint shares of `train` and leave some of it.",
    fields="first",
    message="the holdouts leave nothing to train on",
    help="`valid` and `test` together must hold out less than all: such as `holdout(20%)` each",
    related={"first": "the other holdout"},
)

SplitsDisagree = Kind(
    "E468",
    "splits disagree",
    reason="""`valid` and `test` are drawn from the same images. Where one keeps a patient's images together and the
    other does not, images of a patient are on both sides all the same; `valid` is drawn at random where it is not
    written. Folds of both are those of one division, and each is another one. Images are taken by group or by time.""",
    fields="reason hint",
    optional={"first": None},
    message="{reason}",
    help="{hint}",
    related={"first": "the other set"},
)

NothingToGoBy = Kind(
    "E469",
    "nothing to go by",
    reason="""A division goes by what is known of images: a column, of a table that has a row for each image, or object;
    classes, of which each image has one.""",
    fields="reason hint",
    message="{reason}",
    help="{hint}",
)


def _too_much(recipe: CheckedRecipe) -> Iterator[Problem]:
    parts = parts_of_train(recipe)
    if len(parts) == 2 and parts["valid"].value.name == "folds" != parts["test"].value.name:
        return  # the folds are those of what the test set leaves
    if sum(share_of(each.value) for each in parts.values()) > 1 - 1e-9:
        (first, *_, last) = parts.values()
        yield HeldOutTooMuch(span=last.span or recipe.block("data").head_span, first=first.span)


def _folds(recipe: CheckedRecipe) -> Iterator[Problem]:
    folds = [each for each in parts_of_train(recipe).values() if each.value.name == "folds"]
    for each in folds:
        use, count = each.value["use"], each.value["count"]
        if use > count:
            span = each.value.args["use"].span or each.span
            yield OutOfRange(
                span=span, what="`use`", found=f"{use:g}", allowed=f"from 1 to {count:g}, one of the folds"
            )
    for one, other in pairwise(folds):
        if one.value["count"] != other.value["count"]:
            reason, hint = "`valid` and `test` are folds of different divisions", "write the same number of folds"
        elif one.value["use"] == other.value["use"]:
            reason, hint = "`valid` and `test` are the same fold", "use another one for `valid`"
        else:
            continue
        yield SplitsDisagree(span=other.span, reason=reason, hint=hint, first=one.span)


def _groups(recipe: CheckedRecipe) -> Iterator[Problem]:
    data, parts = recipe.block("data"), parts_of_train(recipe)
    for each in parts.values():
        call: CallValue = each.value
        by = call["by"]
        if isinstance(by, CallValue) and by.name == "pattern":
            yield from _pattern(by)
        if by is not None and "latest" in call.args and call["latest"] is not None:
            reason = "`by` and `latest` are two ways to choose images"
            yield SplitsDisagree(span=each.span, reason=reason, hint="leave out one of them", first=None)
    by_of = {name: each.value["by"] for name, each in parts.items()}
    if len(by_of) == 2 and by_of["valid"] != by_of["test"]:
        grouped = parts["valid" if by_of["valid"] is not None else "test"]
        written = grouped.value.args["by"].span
        text = written.text if written is not None else "…"
        yield SplitsDisagree(
            span=parts["test"].span,
            reason="`valid` and `test` do not keep the same images together",
            hint=f"write `by = {text}` in both"
            + ("" if parts["valid"].span else f"; `valid = holdout(20%, by = {text})` is not the default"),
            first=parts["valid"].span,
        )
    for name, each in parts.items():
        for arg in ("by", "latest"):
            value = each.value.args.get(arg)
            if value is not None and isinstance(value.value, str) and not SOURCES[data["train"].name].has_columns:
                yield NothingToGoBy(
                    span=value.span,
                    reason=f"`{arg}` of `{name}` names a column, and `{data['train'].name}` has none",
                    hint='write `by = folder` or `by = pattern("…")`, or name the images by a table'
                    if arg == "by"
                    else 'name the images by a table: `csv("…", image = "file", label = "class")`',
                )


def _pattern(by: CallValue) -> Iterator[Problem]:
    span, found = by.args["pattern"].span, ""
    try:
        expression = re.compile(by["pattern"])
        if expression.match(""):
            found = "an expression that matches any name"
    except re.error as fault:
        found = f"no expression ({fault})"
    if found:
        yield OutOfRange(span=span, what="`pattern`", found=found, allowed="a regular expression that names a group")


def _weights(recipe: CheckedRecipe) -> Iterator[Problem]:
    data, task = recipe.block("data"), task_of(recipe)
    for name in ("train", "valid", "test"):
        weights = data[name].args.get("weights") if data[name] is not None else None
        if weights is None or weights.value is None:
            continue
        if name != "train":
            reason = "`weights` are of the training images, and what is measured is of images that count alike"
            yield NothingToGoBy(span=weights.span, reason=reason, hint="leave it out here")
        elif task.target not in (CLASS, LABELS, NUMBERS):
            reason = f"`weights` are of images that have one loss, and with `task = {task.name}` objects and pixels do"
            yield NothingToGoBy(span=weights.span, reason=reason, hint="leave it out")


def _shots(recipe: CheckedRecipe) -> Iterator[Problem]:
    data, task = recipe.block("data"), task_of(recipe)
    if data["shots"] is not None and task.target is not CLASS:
        having = " or ".join(f"`{each.name}`" for each in TASKS.values() if each.target is CLASS)
        reason = f"`shots` are images of each class, and with `task = {task.name}` an image is of no one class"
        hint = f"write `take = {data['shots']:g} images`, which is of all; `shots` is for {having}"
        yield NothingToGoBy(span=data.span_of("shots"), reason=reason, hint=hint)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_too_much, _folds, _groups, _weights, _shots)
