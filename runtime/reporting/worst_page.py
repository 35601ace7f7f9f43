"""The images that a run is worst at, as one HTML page: the truth of each beside what the run says.

In go a run and samples, the worst first; out comes the page, its pictures inside. Names are text in it, whatever they
hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from recipe_lang.words import printable
from runtime.data.images import ImageError, Reading, open_rgb, upright_size
from runtime.data.listing import Sample
from runtime.reporting.data_page import data_uri
from runtime.reporting.report import shown_metric
from runtime.runs.prediction import predict
from runtime.runs.trained import TrainedRun
from runtime.tasks.answers import Prediction
from runtime.tasks.evaluation import Report

_SIDE, _LEAST = 560, 200  # px, to which the longer side of a picture is brought at most, and at least


@dataclass(frozen=True, slots=True)
class _Pair:
    id: str
    truth: str
    answer: str
    pictures: tuple[str, ...]


def worst_page(run: TrainedRun, worst: Sequence[Sample], name: str, context: Any, report: Report) -> str:
    """Return the page of images of the set `name`, and of the report on it."""
    from jinja2 import Environment, StrictUndefined

    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    with _files(worst) as files:
        found = predict(run, files, context)
        pairs = [_pair(run, sample, each) for sample, each in zip(worst, found, strict=True)]
    return environment.from_string(template).render(
        title=printable(run.recipe["name"] or run.path.stem),
        set=printable(name),
        pairs=pairs,
        metrics=[shown_metric(each, report) for each in run.task.telling(run.data.target)],
        parts=list(report.tables()),
        bins=report.as_json().get("reliability", ()),
        images=report.images,
        error=report.values.get("ece", 0.0),
    )


@contextmanager
def _files(samples: Sequence[Sample]) -> Iterator[list[Path]]:
    """Yield a file for each image; those that are pixels are written, as they are, for as long as this lasts."""
    with TemporaryDirectory(prefix="ftr-") as folder:
        found = []
        for number, sample in enumerate(samples):
            if isinstance(sample.image, Path):
                found.append(sample.image)
            else:
                found.append(Path(folder) / f"{number}.png")
                open_rgb(sample.image).save(found[-1])
        yield found


def _pair(run: TrainedRun, sample: Sample, prediction: Prediction) -> _Pair:
    names = run.data.target.names
    truth, answer = run.task.caption(sample.target, names), prediction.error or prediction.text()
    try:
        size = upright_size(sample.image)
        one, other = (_shown(run, sample) for _ in range(2))
    except ImageError as fault:
        return _Pair(printable(sample.id), truth, str(fault), ())
    run.task.mark(one, sample.target, names, size)
    if not prediction.error:
        run.task.draw(other, prediction)
    return _Pair(printable(sample.id), truth, printable(answer), (data_uri(one, False), data_uri(other, False)))


def _shown(run: TrainedRun, sample: Sample) -> Image.Image:
    picture = open_rgb(sample.image, Reading.of(run.data.prepare))
    longer = max(picture.size)
    factor = min(_SIDE, max(_LEAST, longer)) / longer
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.copy() if factor == 1 else picture.resize(size)
