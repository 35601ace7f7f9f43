"""A finished run, measured on one of its own sets or on other data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from recipe_lang.check.checked import CallValue, Value
from recipe_lang.check.checker import check_value
from recipe_lang.check.conditions import narrowed
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.words import counted
from runtime.compile.components import component
from runtime.data.class_map import mapped
from runtime.data.images import find_broken
from runtime.data.listing import Listing, Sample
from runtime.data.problems import SetTooSmall
from runtime.data.sets import Sets, list_sets, load_source
from runtime.data.tiles import tiled
from runtime.data.transforms.views import every_view
from runtime.features.inputs import SetInputs
from runtime.runs.prediction import say_nothing, tell_ignored
from runtime.runs.trained import TrainedRun, moved_recipe
from runtime.runs.training_images import ImageOverlap, refuse_overlap, seen, told
from runtime.system.cache.disk import user_cache
from runtime.tasks.evaluation import AnswersEvaluator, Evaluator, Report
from runtime.tasks.protocol import Task
from runtime.tasks.tiles import set_evaluator
from runtime.training.loop import measure
from runtime.training.problems import NoSuchSet
from runtime.training.stage import features_of
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.sources import source_problems


class Evaluation(NamedTuple):
    """The set that a run was measured on, and the numbers; of other data, how many images the run has seen.

    `worst` are the images that it is worst at, the worst first, as many as were asked for.
    """

    name: str
    report: Report
    seen: ImageOverlap | Problem | None
    worst: tuple[Sample, ...] = ()


def evaluate(
    run: TrainedRun,
    context: Any,
    workers: int,
    *,
    data: str | None = None,
    set_name: str | None = None,
    data_root: Path | None = None,
    cache: bool = True,
    strict: bool = False,
    worst: int = 0,
    tell: Callable[[str], None] = say_nothing,
) -> Evaluation:
    """Measure a run on one of its own sets, or on other data.

    `strict` refuses a test set, or other data, of which the run has seen an image, or may have.
    With `cache`, what the frozen part gives of an image is taken from the disk, and kept there.

    `data` is a folder, or a source as a recipe writes it (`csv("f.csv", image = "file", label = "class")`). Images that
    cannot be read are left out of other data, and where the recipe says `on_error = skip`. `tell` is told what is
    ignored in other data, how many images are left out, and how many of them the run has seen, if any.

    Raises:
        RecipeError: the data cannot be used, or its classes are not the run's, or the run has seen them.
    """
    if data is not None:
        given = _source(data, data_root, run.task)
        if (classes := run.recipe.block("data")["classes"]) is not None:
            given = mapped(given, classes, "evaluation", training=False)
        listing, name = run.task.align(given, run.data.target.names, "evaluation"), data
    else:
        recipe = run.recipe if data_root is None else moved_recipe(run, data_root)
        listings = list_sets(recipe, run.task, run.task.known(run.data.target))
        name = set_name or ("test" if "test" in listings else "valid")
        if name not in listings:
            raise RecipeError(NoSuchSet(path=str(run.path), set_name=name))
        listing = run.task.align(listings[name], run.data.target.names, name)
    if data is not None:  # of its own images the run has said it
        tell_ignored(run, listing.passed, tell)
    samples = _readable(listing, workers, data is None and run.data.on_error == "stop")
    if not samples:
        raise RecipeError(SetTooSmall(set_name="evaluation" if data is not None else name, count=0, needed=1))
    if broken := len(listing.samples) - len(samples):
        tell(f"{broken:,} of {counted(len(listing.samples), 'image')} cannot be read: left out")
    known = None
    if data is not None or name == "test":
        known = seen(run.path, samples, workers, user_cache() if cache else None)
        if data is None and isinstance(known, Problem) and not strict:
            known = None  # a pack's own test set
    if known is not None and strict:
        refuse_overlap(run.path, known)
    if line := told(known):
        tell(line)
    collate = partial(run.task.collate, facts=run.data.target)
    parts = tiled(samples, run.data.tiles)
    sets = Sets(run.data, run.recipe["seed"], {"these": parts}, workers, collate)
    report, evaluator = _measured(run, sets, context, cache)
    badness = evaluator.badness()
    order = sorted(range(len(samples)), key=lambda place: -badness[place])
    return Evaluation(name, report, known, tuple(samples[place] for place in order[:worst]))


def right_answers(run: TrainedRun, context: Any, workers: int, set_name: str) -> dict[str, bool]:
    """Return for each image of one of a run's own sets, by its id, whether the run answers it right.

    Only runs of tasks whose answers are right or wrong are asked (`Task.is_right_or_wrong`).

    Raises:
        RecipeError: the images cannot be used any more.
    """
    listings = list_sets(run.recipe, run.task, run.task.known(run.data.target))
    samples = _readable(run.task.align(listings[set_name], run.data.target.names, set_name), workers, stops=False)
    collate = partial(run.task.collate, facts=run.data.target)
    sets = Sets(run.data, run.recipe["seed"], {"these": samples}, workers, collate)
    _, evaluator = _measured(run, sets, context, cache=True)
    found = cast(AnswersEvaluator, evaluator).correct()
    return dict(zip((each.id for each in samples), found, strict=True))


def _measured(run: TrainedRun, sets: Sets, context: Any, cache: bool) -> tuple[Report, Evaluator]:
    """Measure on the set `these` as the run did: behind the frozen part of its last stage."""
    run.move(context)
    base = component(run.recipe.fields["base"])
    features = features_of(run.model, base, sets, context, fuse=True, keep=cache, cache=user_cache() if cache else None)
    try:
        cut = run.cut
        rows = len(sets.samples["these"]) * len(every_view(run.data.tta or ()))
        inputs = SetInputs(sets, features.prefix(cut, (), rows))
        for _ in inputs.fill_evaluation("these"):
            pass
        evaluator = set_evaluator(run.task, run.data.target, run.loss, run.data, sets.samples["these"])
        return measure(features.predicting(cut), inputs, "these", evaluator), evaluator
    finally:
        features.close()


def _readable(listing: Listing, workers: int, stops: bool) -> Sequence[Sample]:
    if stops:
        return listing.samples
    broken = {name for name, _ in find_broken(listing.samples, max(1, workers))}
    return [sample for sample in listing.samples if sample.id not in broken]


def _source(text: str, data_root: Path | None, task: Task) -> Listing:
    if "(" not in text or os.path.isdir((data_root or Path()) / text):
        text = f"folder({json.dumps(text, ensure_ascii=False)})"
    written = Source("--data", f"data = {text}", data_root)
    vocabulary = narrowed(VOCABULARY, {"task": Value(task.name)})
    source: CallValue = check_value(written, vocabulary.blocks["data"].fields["train"].type, vocabulary).value
    if problems := list(source_problems(source, task)):
        raise RecipeError([problem.replace(other_task="") for problem in problems])  # the run's is settled
    return load_source(source, training=False)
