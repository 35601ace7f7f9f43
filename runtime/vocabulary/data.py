"""What a `data` block can say: sources, splits, preparation and augmentation of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from recipe_lang.check.vocabulary import Arg, Default, Entry, MetricOf, Number, family
from runtime.data.class_map import CLASS_MAP
from runtime.data.parts import GROUPINGS, SPLITS
from runtime.data.sampling import SAMPLINGS
from runtime.data.sources.catalog import SOURCES
from runtime.data.sources.source import Source
from runtime.data.targets import BOXES, CLASS, LABELS, MASK
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import LOSS
from runtime.vocabulary.tasks import by_task, learning, only_of


def _by_task(source: Source) -> Entry:
    """Return a source's row with the defaults of each task, by the kind of targets that it learns."""
    args = (
        replace(arg, by={("task", task.name): kinds[task.target] for task in TASKS.values() if task.target in kinds})
        for arg in source.entry.args
        for kinds in (source.by_kind.get(arg.name, {}),)
    )
    return replace(source.entry, args=tuple(args))


SOURCE = family("source", "a source of images", *map(_by_task, SOURCES.values()))

SPLIT = family("split", "a split", *SPLITS)
CLASS_MAPS = family("class map", "a class map", replace(CLASS_MAP, only=learning(CLASS, LABELS, BOXES, MASK)))
GROUPING = family("grouping", "a grouping", *GROUPINGS)

TILING = family(
    "tiling",
    "a tiling",
    Entry(
        "tiles",
        "Tiles of large images: training, evaluation and prediction see them, and what is found is merged.",
        (
            Arg("side", Number(32, 8192, whole=True, unit="px"), "Side of a tile in pixels of the image."),
            Arg("overlap", Number(0, 0.9), "What neighbours share at least, as a fraction of the side.", 0.2),
        ),
        only=learning(BOXES, MASK),
        examples=("tiles = tiles(640px, overlap = 20%)", "tiles = tiles(side = 640px)"),
    ),
)


THRESHOLD = family(
    "threshold",
    "a threshold",
    Entry(
        "best",
        "The probability that is best by a metric on validation; of several labels, each its own.",
        (
            Arg(
                "metric",
                MetricOf(("valid",)),
                "The metric, which is then the one at the threshold: of two classes `valid.f1`,"
                " `valid.balanced_accuracy` or `valid.accuracy`, of labels `valid.f1_macro`.",
                Default(f"valid.{USUAL.threshold_metrics[0]}"),
                by=by_task(lambda task: Default(f"valid.{(*task.threshold_metrics, LOSS)[0]}")),
            ),
        ),
        only=only_of(*(task for task in TASKS.values() if task.threshold_metrics)),
        examples=(
            "threshold = best",
            "threshold = best(metric = valid.balanced_accuracy)",
        ),
    ),
)

CALIBRATION = family(
    "calibration",
    "a calibration",
    Entry(
        "temperature",
        "Divides scores by the number with the least cross entropy on validation; answers stay, probabilities change.",
        source="Guo et al., arXiv 1706.04599",
        formula="f the scores of an image, y its class\nT = argmin over T of the mean of -log softmax(f / T)[y]",
        only=learning(CLASS),
        examples=("calibrate = temperature",),
    ),
)

SAMPLING = family("sampling", "a sampling", *(replace(row, only=learning(CLASS)) for row in SAMPLINGS))


def _steps(*, augments: bool) -> Iterator[Entry]:
    for row in TRANSFORMS.values():
        if row.augments == augments:
            yield replace(row.entry, only=learning(*row.targets))


PREPARE = family("prepare", "a preparation step", *_steps(augments=False))
AUGMENT = family("augment", "an augmentation", *_steps(augments=True))
