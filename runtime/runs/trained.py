"""A finished run, loaded from its folder or its pack: predict, evaluate, export.

Either may come from somebody else: its recipe is checked like any other, its weights are read by the bounded
reader, and nothing in it runs code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image

from recipe_lang.check.checked import CallValue, CheckedRecipe, Value
from recipe_lang.check.checker import check, check_value
from recipe_lang.check.conditions import narrowed
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import read_source
from recipe_lang.words import counted, printable
from runtime.backend.mx import array
from runtime.compile.compiler import component, data_plan, stage_loss
from runtime.data.class_map import mapped
from runtime.data.decoded import Opening, opening
from runtime.data.images import ImageError, find_broken, upright_size
from runtime.data.listing import Listing, Sample
from runtime.data.problems import SetTooSmall, UnreadableData
from runtime.data.sets import Sets, list_sets, load_source, to_input, under_root
from runtime.data.sources.files import images_below
from runtime.data.sources.skipped import PassedOver, passed_line
from runtime.data.tiles import tiled, tiles_of
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import changed
from runtime.data.transforms.views import chosen, every_view
from runtime.export.symbol import network
from runtime.features.inputs import SetInputs
from runtime.models.network import Model, build_model, frozen_units
from runtime.plan.size import Size
from runtime.plan.types import Component, DataFacts, DataPlan, TargetFacts, stage_name
from runtime.runs.base_weights import recorded_weights
from runtime.runs.folder import read_json, read_targets, stage_weights, write_text, written_recipe
from runtime.runs.own_graph import with_own_graph
from runtime.runs.pack.file import opened
from runtime.runs.pack.signature import is_pack
from runtime.runs.recipe_files import read_recipe
from runtime.runs.seeds import is_summary, read_seeds, seed_folder
from runtime.runs.training_images import ImageOverlap, refuse_overlap, seen, told
from runtime.system.cache.disk import user_cache
from runtime.system.files import nearest
from runtime.tasks.answers import Prediction
from runtime.tasks.catalog import task_of
from runtime.tasks.evaluation import AnswersEvaluator, Evaluator, Report
from runtime.tasks.protocol import Task, head_builder
from runtime.tasks.tiles import set_evaluator
from runtime.training.loop import measure
from runtime.training.problems import NoImages, NoStageWeights, NoSuchSet, NoSuchStage, NotARun
from runtime.training.stage import features_of, whole_net
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.sources import source_problems
from runtime.weights.params_file import Arrays, read_params, write_params


def _say_nothing(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """A run's recipe, task, data plan and trained network."""

    path: Path  # the folder of the run, or its pack
    recipe: CheckedRecipe
    task: Task
    data: DataPlan
    model: Model
    result: dict[str, Any]
    cut: int  # how many units its last stage left frozen
    loss: Component  # of that stage
    stage: str = ""  # whose weights these are, where not the final ones were asked for

    @property
    def unfinished(self) -> str:
        """That the run has not ended, and which weights it left; empty where it has, or where a stage's were asked."""
        status, weights = self.result.get("status"), self.result.get("weights")
        return "" if status == "finished" or self.stage else f"the run is {status}: these are {weights}"


class Evaluation(NamedTuple):
    """The set that a run was measured on, and the numbers; of other data, how many images the run has seen.

    `worst` are the images that it is worst at, the worst first, as many as were asked for.
    """

    name: str
    report: Report
    seen: ImageOverlap | Problem | None
    worst: tuple[Sample, ...] = ()


def load(path: Path, stage: str | None = None) -> TrainedRun:
    """Load a run from its folder or its pack; with `stage`, a title or a number, the weights that it handed on.

    Raises:
        RecipeError: it is neither, a file in it is damaged, or there are no such weights.
    """
    if is_summary(path):
        reason = f"it holds runs with several seeds: name one of them, such as {seed_folder(path, read_seeds(path)[0])}"
        raise RecipeError(NotARun(path=str(path), reason=reason))
    with opened(path) as folder:
        if not os.path.isfile(folder / "resolved.ftr"):  # unlike Path.is_file, false where nobody may look
            is_there = os.path.isdir(folder)
            reason = "it has no `resolved.ftr`" if is_there else "there is no such folder"
            near = "" if is_there else nearest(folder)
            raise RecipeError(NotARun(path=str(folder), reason=reason, nearest=near))
        name = str(folder / "resolved.ftr") if folder == path else str(path)
        recipe = check(parse(read_source(folder / "resolved.ftr", name)), VOCABULARY)
        recipe = with_own_graph(recipe, folder)
        task = task_of(recipe)
        result = read_json(folder, "result.json")
        if not isinstance(result, dict) or not isinstance(result.get("params"), dict):
            raise RecipeError(NotARun(path=str(folder), reason="`result.json` is not that of a run"))
        targets = read_targets(folder, task, result)
        base, head = component(recipe.fields["base"]), [component(layer) for layer in recipe["head"]]
        used = recorded_weights(base, result)
        data = data_plan(recipe, DataFacts(targets), used.normalization)
        model = build_model(base, head, data.size, head_builder(task, targets), used.as_torch)
        stages = tuple(recipe.all("stage"))
        titles = tuple(block.title for block in stages)
        position = None if stage is None else _position(path, titles, stage)
        if position is None or position == len(titles) - 1 and result.get("status") == "finished":
            file = _final(folder, result)
        else:
            file = _handed_on(path, folder, result, position)
        model.load(read_params(file), f"`{path / file.relative_to(folder)}`")
        name = "" if position is None else stage_name(position, titles[position])
        *_, ending = stages[-1 if position is None else position].phases()
        loss = stage_loss(recipe, ending, targets)
        return TrainedRun(path, recipe, task, data, model, result, _cut(folder, model, position), loss, name)


def with_threshold(run: TrainedRun, least: float) -> TrainedRun | None:
    """Return a run that shows what has a score of `least` or more; None where its answers have no such threshold."""
    target = run.task.with_threshold(run.data.target, least)
    return None if target is None else replace(run, data=replace(run.data, target=target))


def _position(path: Path, titles: tuple[str, ...], stage: str) -> int:
    """Return the position of a stage by its title, or by its number from 1."""
    numbers = tuple(str(number) for number in range(1, len(titles) + 1))
    found = next((names.index(stage) for names in (titles, numbers) if stage in names), None)
    if found is None:
        known = ", ".join(stage_name(position, title) for position, title in enumerate(titles))
        raise RecipeError(NoSuchStage(path=str(path), stage=stage, known=known))
    return found


def _final(folder: Path, result: dict[str, Any]) -> Path:
    if not (folder / "model.params").is_file():
        why = "it was packed without weights" if result.get("weights") else "the run left no weights"
        raise RecipeError(NotARun(path=str(folder), reason=f"it has no `model.params`: {why}"))
    return folder / "model.params"


def _handed_on(path: Path, folder: Path, result: dict[str, Any], position: int) -> Path:
    file, status = stage_weights(folder, position), result.get("status")
    if not file.is_file():
        gone = (
            f"`{file.relative_to(folder)}` is not there" if status == "finished" else f"the run is {printable(status)}"
        )
        reason = gone if folder == path else "a pack has the final weights only"
        raise RecipeError(NoStageWeights(path=str(path), number=position + 1, reason=reason))
    return file


def handed_on(path: Path, position: int) -> Arrays:
    """Return the weights that a stage of a finished run handed on, by structural name.

    Raises:
        RecipeError: it is no run, or it has no such weights.
    """
    with opened(path) as folder:
        result = read_json(folder, "result.json")
        if not isinstance(result, dict):
            raise RecipeError(NotARun(path=str(folder), reason="`result.json` is not that of a run"))
        return read_params(_handed_on(path, folder, result, position))


def predict(
    run: TrainedRun, paths: Sequence[Path], context: Any, top: int = 5, tell: Callable[[str], None] = _say_nothing
) -> Iterator[Prediction]:
    """Predict of image files, and of all images in folders, in order; one that cannot be read is reported.

    So is one of several paths that is not there, or is a folder without an image. `tell` is told what is ignored in the
    folders, if anything that the run has not said of its own images.

    Raises:
        RecipeError: there is no image in any of the paths.
    """
    passed: list[PassedOver] = []
    files: list[Path] = []
    wrong: dict[Path, RecipeError] = {}
    for path in paths:
        try:
            files += _files(path, passed)
        except RecipeError as error:
            wrong[path] = error
            files.append(path)
    if wrong and len(wrong) == len(files):
        raise RecipeError([problem for error in wrong.values() for problem in error.problems])
    _tell_ignored(run, passed, tell)
    net = _net(run, context)
    opened = opening(run.data.prepare, None, again=False)
    if run.data.tiles is not None:
        for file in files:
            gone = wrong[file].problems[0].message() if file in wrong else ""
            yield run.task.unreadable(str(file), gone) if gone else _in_tiles(net, run, opened, file, context)
        return
    queue, size = iter(files), min(len(files), run.data.batch)
    while chunk := list(islice(queue, size)):
        pixels: list[Any] = []
        errors: dict[Path, str] = {}
        for file in chunk:
            if file in wrong:
                errors[file] = wrong[file].problems[0].message()
                continue
            try:
                pixels.append(np.asarray(opened(file)))
            except ImageError as error:
                errors[file] = str(error)
        read = [str(file) for file in chunk if file not in errors]
        found = iter(_predictions(net, run, pixels, read, size, context, top))
        for file in chunk:
            yield run.task.unreadable(str(file), errors[file]) if file in errors else next(found)


def _in_tiles(net: Any, run: TrainedRun, opened: Opening, file: Path, context: Any) -> Prediction:
    """Predict of an image by its tiles, a batch of them at a time."""
    assert run.data.tiles is not None
    outputs: list[Any] = []
    try:
        size = upright_size(file)
        tiles = tiles_of(Sample(str(file), None, file), size, run.data.tiles)
        for first in range(0, len(tiles), run.data.batch):
            pixels = [np.asarray(opened(tile)) for tile in tiles[first : first + run.data.batch]]
            found = _outputs(net, run, pixels, min(len(tiles), run.data.batch), context)
            outputs += list(found.asnumpy()[: len(pixels)])
    except ImageError as error:
        return run.task.unreadable(str(file), str(error))
    return run.task.whole(run.task.merged(outputs, tiles, run.data), str(file), size, run.data.target, run.data)


def _tell_ignored(run: TrainedRun, passed: Sequence[PassedOver], tell: Callable[[str], None]) -> None:
    """Tell what is ignored, unless the run has said the same of its images."""
    line = passed_line(passed)
    if line and line != run.result.get("passed_over"):
        tell(line)


def _net(run: TrainedRun, context: Any) -> Callable[[Any], Any]:
    _move(run, context)
    return whole_net(run.model)


def _move(run: TrainedRun, context: Any) -> None:
    for parameter in run.model.parameters.values():
        parameter.reset_ctx(context)


def _files(path: Path, passed: list[PassedOver]) -> list[Path]:
    """Return the file that a path is, or the images in the folder; note what is passed over there."""
    if os.path.exists(path) and not os.path.isdir(path):
        return [path]
    try:
        found, others = images_below(path) if os.path.exists(path) else ([], [])
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    if not found:
        raise RecipeError(NoImages(path=str(path), passed=passed_line(others)))
    passed += others
    return found


def _predictions(
    net: Any, run: TrainedRun, pixels: list[Any], names: Sequence[str], size: int, context: Any, top: int
) -> Sequence[Prediction]:
    if not pixels:
        return ()
    outputs = _outputs(net, run, pixels, size, context)
    return run.task.predictions(outputs, names, run.data.target, top, run.data)


def _outputs(net: Any, run: TrainedRun, pixels: Sequence[Any], size: int, context: Any) -> Any:
    """Return the outputs of images, of a batch of a size that the last one fills up; with `tta` those of all views."""
    images = np.stack([*pixels, *[pixels[-1]] * (size - len(pixels))])
    flips = Pipeline(run.data.tta or ())
    found = []
    for view in every_view(flips.steps):
        changes = flips.draw(Size(*images.shape[1:3]), chosen(view))
        seen = np.stack([np.asarray(changed(Image.fromarray(each), changes)) for each in images]) if changes else images
        found.append(net(to_input(seen, run.data.mean, run.data.std, context)))
    if len(found) == 1:
        return found[0]
    return array(run.task.averaged([each.asnumpy() for each in found]), ctx=context)


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
    tell: Callable[[str], None] = _say_nothing,
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
        _tell_ignored(run, listing.passed, tell)
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
    _move(run, context)
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


def _cut(folder: Path, model: Model, position: int | None) -> int:
    """Return how many units a stage (the last, if None) left frozen; 0, as right but slower, when no plan says it."""
    try:
        cut = read_json(folder, "plan.json")["stages"][-1 if position is None else position]["cut"]
    except (RecipeError, LookupError, TypeError):
        return 0
    return frozen_units(model, cut) if isinstance(cut, int) and 0 <= cut < len(model.parts) else 0


def moved_recipe(run: TrainedRun, data_root: Path) -> CheckedRecipe:
    """Return the recipe as it was written, whose paths are still relative, with its data below a root."""
    source = read_recipe(run.path if is_pack(run.path) else run.path / "recipe.ftr")
    return under_root(written_recipe(parse(source), run.result), data_root)


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


def export_model(model: Model, task: Task, targets: TargetFacts, prefix: Path) -> tuple[int | str, ...]:
    """Write `<prefix>-symbol.json` and `<prefix>-0000.params`, which `SymbolBlock.imports` reads.

    The input is named `data`: float32 (batch, 3, height, width), normalized as `plan.json` says. The outputs are in the
    units of the data. Returns their sides.

    Raises:
        OSError: a file cannot be written.
    """
    made = network(model, lambda symbol: task.exported(symbol, targets, model.size))
    arrays = {f"{'aux' if name in made.statistics else 'arg'}:{name}": values for name, values in made.arrays.items()}
    write_text(prefix.with_name(f"{prefix.name}-symbol.json"), made.symbol.tojson())
    write_params(prefix.with_name(f"{prefix.name}-0000.params"), arrays)
    return "batch", *made.symbol.infer_shape(data=(2, 3, *model.size))[1][0][1:]
