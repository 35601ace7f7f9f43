"""What a finished run says of image files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.backend.mx import array
from runtime.data.decoded import Opening, opening
from runtime.data.images import ImageError, upright_size
from runtime.data.listing import Sample
from runtime.data.problems import UnreadableData
from runtime.data.sets import to_input
from runtime.data.sources.files import images_below
from runtime.data.sources.skipped import PassedOver, passed_line
from runtime.data.tiles import tiles_of
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import changed
from runtime.data.transforms.views import chosen, every_view
from runtime.plan.size import Size
from runtime.runs.trained import TrainedRun
from runtime.tasks.answers import Prediction
from runtime.training.problems import NoImages
from runtime.training.stage import whole_net


def say_nothing(line: str) -> None:
    """Tell nobody."""


def predict(
    run: TrainedRun, paths: Sequence[Path], context: Any, top: int = 5, tell: Callable[[str], None] = say_nothing
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
    tell_ignored(run, passed, tell)
    run.move(context)
    net = whole_net(run.model)
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


def tell_ignored(run: TrainedRun, passed: Sequence[PassedOver], tell: Callable[[str], None]) -> None:
    """Tell what is ignored, unless the run has said the same of its images."""
    line = passed_line(passed)
    if line and line != run.result.get("passed_over"):
        tell(line)


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
