"""What a `data` block can say: sources, splits, preparation and augmentation of images."""

from __future__ import annotations

from dataclasses import replace

from recipe_lang.check.vocabulary import Arg, Entry, Number, family
from runtime.data.sources.catalog import SOURCES, Source
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.tasks.catalog import TASKS


def _by_task(source: Source) -> Entry:
    """Return a source's row with the defaults of each task, by the kind of targets that it learns."""
    args = (
        replace(arg, by={("task", task.name): kinds[task.target] for task in TASKS.values() if task.target in kinds})
        for arg in source.entry.args
        for kinds in (source.by_kind.get(arg.name, {}),)
    )
    return replace(source.entry, args=tuple(args))


SOURCE = family("source", "a source of images", *map(_by_task, SOURCES.values()))

SPLIT = family(
    "split",
    "a split",
    Entry(
        "holdout",
        "A fraction of the training images, stratified by class, drawn with the recipe's seed.",
        (Arg("share", Number(0, 1, above=True, below=True), "Fraction of `train`, such as `20%`."),),
        examples=("valid = holdout(15%)\ntest = holdout(15%)", "valid = holdout(share = 0.15)"),
    ),
)

PREPARE = family(
    "prepare",
    "a preparation step",
    *(row.entry for row in TRANSFORMS.values() if not row.augments),
)

AUGMENT = family("augment", "an augmentation", *(row.entry for row in TRANSFORMS.values() if row.augments))
