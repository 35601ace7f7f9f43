"""What a `data` block can say: sources, splits, preparation and augmentation of images."""

from __future__ import annotations

from recipe_lang.check.vocabulary import Arg, Entry, Number, family
from runtime.data.sources.catalog import SOURCES
from runtime.data.transforms.catalog import TRANSFORMS

SOURCE = family("source", "a source of images", *(source.entry for source in SOURCES.values()))

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
