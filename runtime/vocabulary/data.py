"""What a `data` block can say: sources, splits, preparation and augmentation of images. Rows only."""

from __future__ import annotations

from recipe_lang.check.vocabulary import (
    Arg,
    Either,
    Entry,
    ListOf,
    NothingType,
    Number,
    RangeOf,
    Word,
    family,
)
from runtime.data.sources.catalog import SOURCES

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

_SIZE = Number(1, 4096, whole=True, unit="px")
_OWN_SIZE = Either((NothingType(), _SIZE))
_CHANNELS = ListOf(Number(), 3)

PREPARE = family(
    "prepare",
    "a preparation step",
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
    Entry(
        "levels",
        "Sets which value of 16-bit images is white, such as 4095 for a 12-bit camera; others stay as they are.",
        (Arg("white", Number(1, 65535, whole=True), "The value; larger ones are white as well."),),
        examples=("prepare = [levels(4095)]", "prepare = [levels(white = 16383), resize(256px), center_crop]"),
    ),
    Entry(
        "resize",
        "Resizes so that the shorter side has this length.",
        (Arg("size", _SIZE, "Length of the shorter side."),),
        examples=(
            "prepare = [resize(256px), center_crop(224px)]",
            "prepare = [resize(size = 256px), center_crop(size = 224px)]",
        ),
    ),
    Entry(
        "center_crop",
        "Crops a square from the centre.",
        (Arg("size", _OWN_SIZE, "Side of the square; `size` of the data block by default.", None),),
        examples=("prepare = [resize(256px), center_crop]",),
    ),
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

_STRENGTH = Number(0, 1)
_OWN_STRENGTH = Either((NothingType(), _STRENGTH))

AUGMENT = family(
    "augment",
    "an augmentation",
    Entry(
        "random_crop",
        "Crops a square at a random position.",
        (
            Arg("size", _OWN_SIZE, "Side of the square; `size` of the data block by default.", None),
            Arg("padding", Number(0, 1024, whole=True, unit="px"), "Black padding added first.", 0),
        ),
        examples=("augment = [random_crop(padding = 4px)]", "size = 64px\naugment = [random_crop(size = 64px)]"),
    ),
    Entry(
        "random_resized_crop",
        "Crops a random fraction of the area at a random aspect ratio and resizes it to the square.",
        (
            Arg("size", _OWN_SIZE, "Side of the square; `size` of the data block by default.", None),
            Arg("scale", RangeOf(Number(0, 1, above=True)), "Range of fractions of the area.", (0.08, 1.0)),
            Arg("ratio", RangeOf(Number(0, 10, above=True)), "Aspect ratios, width / height.", (3 / 4, 4 / 3)),
        ),
        source="Szegedy et al., arXiv 1409.4842; torchvision RandomResizedCrop",
        examples=(
            "augment = [random_resized_crop(scale = 0.4 .. 1.0), flip]",
            "augment = [random_resized_crop(size = 224px, scale = 0.2 .. 1.0, ratio = 0.8 .. 1.25)]",
        ),
    ),
    Entry(
        "flip",
        "Mirrors an image with probability 1/2.",
        (
            Arg(
                "direction",
                Word({"horizontal": "Left to right.", "vertical": "Top to bottom."}),
                "Which way.",
                "horizontal",
            ),
        ),
        examples=("augment = [flip(horizontal), flip(vertical)]", "augment = [flip(direction = vertical)]"),
    ),
    Entry(
        "color_jitter",
        "Changes brightness, contrast, saturation and hue by random amounts, in random order.",
        (
            Arg("amount", _STRENGTH, "Default for brightness, contrast and saturation.", 0.0),
            Arg("brightness", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("contrast", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("saturation", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("hue", Number(0, 0.5), "Hue shift from -x to x, as a fraction of the colour circle.", 0.0),
        ),
        source="torchvision ColorJitter",
        examples=(
            "augment = [color_jitter(0.2)]",
            "augment = [color_jitter(amount = 0.2, brightness = 0.4, hue = 0.05)]",
            "augment = [color_jitter(contrast = 0.3, saturation = 0.3)]",
        ),
    ),
    Entry(
        "lighting",
        "Adds random amounts of the principal components of ImageNet's colours (PCA lighting).",
        (Arg("alpha", _STRENGTH, "Standard deviation of the amounts.", 0.1),),
        source="Krizhevsky et al. 2012 (AlexNet)",
        examples=("augment = [flip, lighting(0.1)]", "augment = [lighting(alpha = 0.1)]"),
    ),
)
