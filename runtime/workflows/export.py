"""A trained run as files for other runtimes, checked on images of its own before they are written.

In goes a `TrainedRun`; out come files, and for a graph of ONNX a `Check`: the graph and `ftr predict` have answered the
same images, and the answers were compared. A graph that answers otherwise is not written.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.backend.fingerprint import thread_count
from runtime.data.decoded import Opening, opening
from runtime.data.images import ImageError, open_rgb
from runtime.data.listing import ImageRef
from runtime.data.problems import UnreadableImages
from runtime.data.sets import list_sets, to_input
from runtime.data.transforms.changes import changed
from runtime.export.description import described, image_input, tensor_input
from runtime.export.formats import FORMATS
from runtime.export.onnx_file import onnx_model, require_onnx
from runtime.export.operators import UntranslatableError
from runtime.export.problems import ExportDiffers, NotTranslatable
from runtime.export.safetensors import encoded, foreign_names
from runtime.plan.size import Size
from runtime.plan.types import as_json
from runtime.runs.exports import note_exports
from runtime.runs.folder import write_bytes, write_json, writing
from runtime.runs.pack.problems import FileExists
from runtime.runs.pack.signature import is_pack
from runtime.runs.trained import TrainedRun, export_model, moved_recipe
from runtime.training.stage import whole_net
from runtime.weights.params_file import sha256_of

TOLERANCE = 1e-3  # of a probability, or of a standard deviation of numbers
_MOST_IMAGES = 200


@dataclass(frozen=True, slots=True)
class Check:
    """What two runtimes have answered to the same images.

    `difference` is the largest one of an answer: of a probability, or of a number in standard deviations; `same` the
    share of images whose answers mean the same. Images per second are those of one image at a time, from its decoded
    pixels to its answer.
    """

    set: str
    images: int
    difference: float
    same: float
    ftr: float
    onnxruntime: float
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether the answers are the same but for rounding."""
        return self.difference <= self.tolerance and self.same == 1.0

    @property
    def text(self) -> str:
        """The verdict in one line."""
        return (
            f"largest difference {self.difference:.1e}, {math.floor(1000 * self.same) / 10:g}% of answers the same"
            f" on {counted(self.images, 'image')} of {self.set}"
        )

    @property
    def speed(self) -> str:
        """How fast both are."""
        return f"{self.onnxruntime:,.0f} images/s with onnxruntime, {self.ftr:,.0f} with ftr, one at a time"


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that were written, what goes in and comes out, and the check where there was one.

    `noted` is whether the run's lock has them.
    """

    files: tuple[Path, ...]
    description: Mapping[str, Any]
    check: Check | None
    noted: bool


def export(
    run: TrainedRun,
    form: str,
    prefix: Path,
    context: Any,
    *,
    raw: bool = False,
    checked: bool = True,
    data_root: Path | None = None,
    force: bool = False,
) -> Exported:
    """Write a run in a format of `FORMATS`, with a description beside it, and note the files in the run's lock.

    `raw` leaves preparing the images outside of a graph of ONNX; with `checked` false nothing compares it.

    Raises:
        RecipeError: a file is there, the extra is missing, the network has no translation, the images for the check
            are not to be had, or the graph gives other answers.
    """
    files = tuple(prefix.with_name(f"{prefix.name}{ending}") for ending in FORMATS[form])
    beside = files[-1].with_name(f"{files[-1].name}.json")
    for path in (*files, beside):
        if path.exists() and not force:
            raise RecipeError(FileExists(path=str(path)))
    for parameter in run.model.parameters.values():
        parameter.reset_ctx(context)
    given = image_input() if form == "onnx" and not raw else tensor_input(run.data)
    taken = {"name": "", "content": run.data.target.outputs()}
    check = None
    with writing(prefix):
        prefix.parent.mkdir(parents=True, exist_ok=True)
        if form == "symbol":
            export_model(run.model, run.task, run.data.target, prefix)
        elif form == "safetensors":
            write_bytes(files[0], _weights(run))
        else:
            content, taken = _graph(run, given, raw)
            if checked:
                check = _checked(run, content, raw, context, data_root)
            if check is not None and not check.holds:
                raise RecipeError(ExportDiffers(path=str(files[0]), verdict=check.text))
            write_bytes(files[0], content)
        description = described(run.task, run.data, form, given, taken, run.result)
        sums = {path.name: sha256_of(path) for path in files}
        write_json(beside, {**description, "check": as_json(check) if check else None, "sha256": sums})
        said = check.text if check else "not checked" if form == "onnx" else "the run's own weights"
        noted = not is_pack(run.path) and note_exports(run.path, dict.fromkeys(files, f"{form}, {said}"))
    return Exported(files, description, check, noted)


def _weights(run: TrainedRun) -> bytes:
    names = foreign_names(run.model, run.recipe["base"].name)
    arrays = {names[name]: values for name, values in run.model.arrays().items()}
    return encoded(arrays, {"format": "pt", "names": json.dumps(run.data.target.names)})


def _graph(run: TrainedRun, given: Mapping[str, Any], raw: bool) -> tuple[bytes, dict[str, Any]]:
    """Return the content of a graph's file, and what comes out of it."""
    require_onnx()
    description = {"task": run.task.name, "input": given, "run": run.result.get("hash")}
    try:
        made, served = onnx_model(run.model, run.task, run.data, description, raw=raw)
    except UntranslatableError as fault:
        raise RecipeError(NotTranslatable(path=str(run.path), operator=str(fault))) from fault
    return made.SerializeToString(), {"name": served.name, "content": served.says}


# --- the check -----------------------------------------------------------------------------------


def _checked(run: TrainedRun, content: bytes, raw: bool, context: Any, data_root: Path | None) -> Check:
    name, images = _images(run, data_root)
    opened = opening(run.data.prepare, None, again=False)
    net = whole_net(run.model)
    answer = session(content)
    names = run.data.target.names

    def ours(image: Image.Image) -> Any:
        outputs = net(_input(run, opened, image, context))
        return run.task.predictions(outputs, [""], run.data.target, len(names), run.data)[0]

    def theirs(image: Image.Image) -> np.ndarray[Any, Any]:
        given = _input(run, opened, image, context).asnumpy() if raw else np.asarray(image)[None]
        found: np.ndarray[Any, Any] = answer(given)[0]
        return found

    expected, slow = _timed(ours, images)
    found, fast = _timed(theirs, images)
    compared = [run.task.agreement(*pair, run.data.target) for pair in zip(expected, found, strict=True)]
    return Check(
        name,
        len(images),
        float(np.max([each.difference for each in compared])),  # NaN if any is
        sum(each.same for each in compared) / len(compared),
        slow,
        fast,
    )


def session(content: bytes) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """Return what answers a graph's one input with its one output, in onnxruntime, on as many threads as MXNet has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = 3
    loaded = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = loaded.get_inputs()[0].name

    def answer(given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(loaded.run(None, {name: given})[0])

    return answer


def _images(run: TrainedRun, data_root: Path | None) -> tuple[str, list[Image.Image]]:
    """Return some images of the test set, or else of the validation set, from all over it, decoded."""
    recipe: CheckedRecipe = run.recipe if data_root is None else moved_recipe(run, data_root)
    sets = list_sets(recipe, run.task)
    name = "test" if "test" in sets else "valid"
    samples = sets[name].samples
    places = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), _MOST_IMAGES)).round().astype(int))
    return name, list(_decoded(run, [samples[place].image for place in places]))


def _decoded(run: TrainedRun, refs: Sequence[ImageRef]) -> Iterator[Image.Image]:
    reading = opening(run.data.prepare, None, again=False).reading
    for ref in refs:
        try:
            yield open_rgb(ref, reading)
        except ImageError as fault:
            if run.data.on_error == "stop":
                raise RecipeError(UnreadableImages(images=((str(ref), str(fault)),))) from fault


def _input(run: TrainedRun, opened: Opening, image: Image.Image, context: Any) -> Any:
    prepared = changed(image, opened.changes(Size(image.height, image.width)))
    return to_input(np.asarray(prepared)[None], run.data.mean, run.data.std, context)


def _timed(answer: Callable[[Image.Image], Any], images: Sequence[Image.Image]) -> tuple[list[Any], float]:
    """Return the answers to images, and how many a second; the first is asked twice, as it makes things ready."""
    answer(images[0])
    begin = time.perf_counter()
    answers = [answer(image) for image in images]
    return answers, len(images) / (time.perf_counter() - begin)
