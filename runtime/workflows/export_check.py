"""The check of an exported graph: it and `ftr predict` answer the same images of the run, one at a time.

In go a `TrainedRun` and the content of a graph's file; out comes a `Check`. Images are decoded one by one: photos of a
set need not fit into memory.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.data.decoded import opening
from runtime.data.images import ImageError, open_rgb
from runtime.data.listing import ImageRef, Sample
from runtime.data.problems import UnreadableImages
from runtime.data.sets import list_sets, to_input
from runtime.data.tiles import tiled
from runtime.data.transforms.changes import changed
from runtime.export.precision import CALIBRATION, PRECISIONS
from runtime.export.problems import NothingToCheck
from runtime.export.session import session
from runtime.plan.size import Size
from runtime.runs.trained import TrainedRun, moved_recipe
from runtime.training.stage import whole_net

Array = np.ndarray[Any, Any]

_MOST_IMAGES = 200
_OBJECTS_ALIKE = 0.95  # of the images that a graph prepares itself


@dataclass(frozen=True, slots=True)
class Check:
    """What runtimes have answered to the same images.

    `difference` is the largest one of an answer, on the scale of `Agreement`; `same` the share of images whose answers
    mean the same. Images per second are those of one image at a time, from its decoded pixels to its answer; `float32`
    those of the graph of that precision, where another one is checked. `why` says why it is not the test set.
    """

    set: str
    images: int
    difference: float
    same: float
    ftr: float
    onnxruntime: float
    precision: str = "float32"
    tolerance: float = PRECISIONS["float32"].tolerance
    share: float | None = None  # of the images whose answers have to mean the same; None: no answer differs by more
    float32: float | None = None
    why: str = ""
    unit: str = "image"  # or a tile of one, which is all that a graph takes

    @property
    def holds(self) -> bool:
        """Whether enough of the answers are the same; in 32 bits all are, but for rounding, which may decide a tie."""
        return self.difference <= self.tolerance if self.share is None else self.same >= self.share

    @property
    def text(self) -> str:
        """The verdict in one line."""
        return (
            f"largest difference {self.difference:.1e}, {math.floor(1000 * self.same) / 10:g}% of answers the same"
            f" on {counted(self.images, self.unit)} of {self.set}"
            f"{self.why and f', {self.why}'}"
        )

    @property
    def pays(self) -> bool:
        """Whether a graph of fewer bits is faster than that of 32 on this machine, by more than timings vary."""
        return self.float32 is None or self.onnxruntime > 1.1 * self.float32

    @property
    def speed(self) -> str:
        """How fast all are."""
        plain = "" if self.float32 is None else f", {self.float32:,.0f} in float32"
        return f"{self.onnxruntime:,.0f} images/s with onnxruntime{plain}, {self.ftr:,.0f} with ftr, one at a time"


class CheckImages:
    """The images of a run that a graph is checked with, and those that calibrate one.

    Args:
        run: the run.
        data_root: where the data is, if it has moved.
        raw: whether the graph takes prepared tensors.

    Raises:
        RecipeError: the images are not to be had.
    """

    def __init__(self, run: TrainedRun, data_root: Path | None, raw: bool) -> None:
        self.run, self.raw = run, raw
        recipe = run.recipe if data_root is None else moved_recipe(run, data_root)
        self.sets = list_sets(recipe, run.task, run.task.known(run.data.target))
        self._opened = opening(run.data.prepare, None, again=False)

    def of(self, name: str, most: int) -> Iterator[tuple[ImageRef, Image.Image]]:
        """Yield some images from all over a set, decoded; those that cannot be read as the recipe says."""
        samples = _spread(tiled(self.sets[name].samples, self.run.data.tiles), most)
        fault: tuple[str, str] | None = None
        found = 0
        for sample in samples:
            try:
                image = open_rgb(sample.image, self._opened.reading)
            except ImageError as error:
                if self.run.data.on_error == "stop":
                    raise RecipeError(UnreadableImages(images=((sample.id, str(error)),))) from error
                fault = fault or (sample.id, str(error))
                continue
            found += 1
            yield sample.image, image
        if not found and fault is not None:
            raise RecipeError(NothingToCheck(set=name, count=len(samples), image=fault[0], reason=fault[1]))

    def calibration(self) -> Iterator[Array]:
        """Yield what a graph takes of some training images."""
        for _, image in self.of("train", CALIBRATION):
            yield self.given(image)

    def given(self, image: Image.Image) -> Array:
        """Return what a graph takes of an image."""
        return self.tensor(image).asnumpy() if self.raw else np.asarray(image)[None]

    def prepared(self, image: Image.Image) -> Image.Image:
        """Return an image as the steps of `prepare` leave it."""
        return changed(image, self._opened.changes(Size(image.height, image.width)))

    def tensor(self, image: Image.Image) -> Any:
        """Return what the network takes of an image."""
        context = next(iter(self.run.model.parameters.values())).list_ctx()[0]
        data = self.run.data
        return to_input(np.asarray(self.prepared(image))[None], data.mean, data.std, context)


def _spread(samples: Sequence[Sample], most: int) -> Sequence[Sample]:
    places = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), most)).round().astype(int))
    return [samples[place] for place in places]


def checked(images: CheckImages, content: bytes, precision: str = "float32", plain: bytes | None = None) -> Check:
    """Compare a graph with `ftr predict` on the test set, or where there is none on the validation set.

    A graph of fewer bits is compared on the validation set, since it is a choice whether to take it, and timed beside
    `plain`, the graph of 32 bits.

    Raises:
        RecipeError: there are no images, or onnxruntime refuses the graph.
    """
    name = "test" if "test" in images.sets and precision == "float32" else "valid"
    tolerance = PRECISIONS[precision].tolerance if images.raw else PRECISIONS[precision].inside
    share = PRECISIONS[precision].share
    if share is None and images.run.task.has_boxes and not images.raw:
        share = _OBJECTS_ALIKE  # a pixel that is rounded otherwise may move an object across its threshold
    predict = _Predict(images)
    timers = [_Timer(predict), _Timer(session(content)), *([_Timer(session(plain))] if plain else [])]
    compared = []
    with tempfile.TemporaryDirectory() as folder:
        for ref, image in images.of(name, _MOST_IMAGES):
            predict.file = _as_file(images, ref, image, Path(folder))
            expected = timers[0](image)
            found = [timer(images.given(image))[0] for timer in timers[1:]]
            compared.append(images.run.task.agreement(expected, found[0], images.run.data.target, tolerance))
    return Check(
        name,
        len(compared),
        float(np.max([each.difference for each in compared])),  # NaN if any is
        sum(each.same for each in compared) / len(compared),
        timers[0].rate,
        timers[1].rate,
        precision,
        tolerance,
        share,
        timers[2].rate if plain else None,
        "" if "test" in images.sets or plain else "as there is no test set",
        "image" if images.run.data.tiles is None else "tile",
    )


class _Predict:
    """Answers an image as `ftr predict` does; `file` is where it says that the image is."""

    def __init__(self, images: CheckImages) -> None:
        self.images, self.file = images, Path()
        self._net = whole_net(images.run.model)
        data = images.run.data
        self._data = replace(data, prepare=()) if images.raw else data  # a prepared tensor is all that a graph knows

    def __call__(self, image: Image.Image) -> Any:
        run = self.images.run
        outputs = self._net(self.images.tensor(image))
        names = run.data.target.names
        return run.task.predictions(outputs, [str(self.file)], run.data.target, len(names), self._data)[0]


def _as_file(images: CheckImages, ref: ImageRef, image: Image.Image, folder: Path) -> Path:
    """Return a file that has the image that a graph is given: objects lie in an image of its size."""
    if isinstance(ref, Path) and not images.raw:
        return ref
    path = folder / "image.png"
    (images.prepared(image) if images.raw else image).save(path, compress_level=0)
    return path


class _Timer:
    """Calls a function, and knows how often a second; before the first call it is called once to make things ready."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer, self._calls, self._seconds = answer, 0, 0.0

    def __call__(self, given: Any) -> Any:
        if not self._calls:
            self._answer(given)
        begin = time.perf_counter()
        found = self._answer(given)
        self._seconds += time.perf_counter() - begin
        self._calls += 1
        return found

    @property
    def rate(self) -> float:
        return self._calls / self._seconds
