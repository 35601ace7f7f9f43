"""The steps that say how files are read, and the one that makes numbers of pixels. Rows only.

`runtime/data/images.py` reads as they say; `runtime/data/sets.py` normalizes.
"""

from __future__ import annotations

from recipe_lang.check.vocabulary import Arg, Either, Entry, ListOf, NothingType, Number, Word
from runtime.data.transforms.row import Transform

_CHANNELS = ListOf(Number(), 3)

FLATTEN_ALPHA = Transform(
    Entry(
        "flatten_alpha",
        "Flattens transparent images onto a background; without it, onto white. Applied first, wherever it is written.",
        (
            Arg(
                "ground",
                Either(
                    (
                        NothingType(),
                        Word({"white": "As a page shows them.", "black": "For what is light, which white would hide."}),
                    )
                ),
                "The background; with `none` transparency is dropped, and the colours that it hides are shown.",
                "white",
            ),
        ),
        examples=(
            "prepare = [flatten_alpha(black)]",
            "prepare = [flatten_alpha(ground = none), resize(256px), center_crop(224px)]",
        ),
    ),
    reads=True,
)

LEVELS = Transform(
    Entry(
        "levels",
        "Sets which value of 16-bit images is white, such as 4095 for a 12-bit camera; others stay as they are.",
        (Arg("white", Number(1, 65535, whole=True), "The value; larger ones are white as well."),),
        examples=("prepare = [levels(4095)]", "prepare = [levels(white = 16383), resize(256px), center_crop]"),
    ),
    reads=True,
)

NORMALIZE = Transform(
    Entry(
        "normalize",
        "(value - mean) / std for each channel, values from 0 to 1, instead of the weights' own.",
        (
            Arg("mean", _CHANNELS, "Mean of red, green and blue."),
            Arg("std", ListOf(Number(0, above=True), 3), "Standard deviation of red, green and blue."),
        ),
        positional=0,
        examples=("prepare = [center_crop, normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]",),
    ),
)
