"""Rows of images with labels or numbers in folders and tables, and what lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import REQUIRED, Arg, Either, Entry, FilePath, ListOf, NothingType, Number, Text, Word
from runtime.data.sources.source import (
    Args,
    Source,
)
from runtime.data.targets import BOXES, CLASS, LABELS, NUMBERS, TargetKind

if TYPE_CHECKING:
    from runtime.data.listing import Listing


def _folder(args: Args, training: bool) -> Listing:
    from runtime.data.sources.files import Layout, folder

    return folder(args["path"], training, Layout(args["level"], args["named"] == "path", args["only"]))


def _csv(args: Args, training: bool) -> Listing:
    from runtime.data.sources.table_columns import TableColumns

    columns = TableColumns(args["file"], args["image"], args["root"])
    listing = replace(_rows(args, training), columns=columns)
    if args.get("weights") is None:
        return listing
    from runtime.data.sample_weights import with_weights

    return with_weights(listing, columns, args["weights"])


def _rows(args: Args, training: bool) -> Listing:
    from runtime.data.sources.tables import csv_classes, csv_numbers

    if args["boxes"] is not None:
        from runtime.data.sources.table_boxes import csv_boxes

        sides = tuple(each.value for each in args["boxes"])
        return csv_boxes(args["file"], args["image"], args["label"], sides, args["root"], None, training)
    if args["labels"] is not None:
        from runtime.data.sources.table_labels import csv_flags, csv_labels

        if isinstance(args["labels"], str):
            return csv_labels(args["file"], args["image"], args["labels"], args["separator"], args["root"], training)
        return csv_flags(args["file"], args["image"], [each.value for each in args["labels"]], args["root"])
    if args["target"] is None:
        return csv_classes(args["file"], args["image"], args["label"], args["root"], training)
    columns = (args["target"],) if isinstance(args["target"], str) else tuple(each.value for each in args["target"])
    return csv_numbers(args["file"], args["image"], columns, args["root"])


COLUMNS: Mapping[TargetKind, str] = {CLASS: "label", LABELS: "labels", NUMBERS: "target"}
"""Which argument of a table names the column, or the columns, of targets of a kind: a row for each image."""


def _csv_gives(args: Args) -> frozenset[TargetKind]:
    if args["boxes"] is not None:
        return frozenset((BOXES,))
    return frozenset(kind for kind, name in COLUMNS.items() if args[name] is not None)


def _tags(args: Args, training: bool) -> Listing:
    from runtime.data.sources.tags import tags

    return tags(args["path"], args["file"], training)


LABEL_SOURCES = (
    Source(
        Entry(
            "folder",
            "A folder with one subfolder of images for each class; its name is the class.",
            (
                Arg("path", FilePath(), "The folder."),
                Arg(
                    "level",
                    Number(1, 20, whole=True),
                    "How deep the folders of the classes lie: with 2 `day/cat` and `night/cat` are of one class.",
                    1,
                    since="0.2",
                ),
                Arg(
                    "named",
                    Word(
                        {
                            "folder": "By the name of the folder, wherever it lies: `cat`.",
                            "path": "By its path: `day/cat` and `night/cat` are two classes.",
                        }
                    ),
                    "What a class is called by.",
                    "folder",
                    since="0.2",
                ),
                Arg(
                    "only",
                    Either((NothingType(), Text())),
                    "A pattern of the names of the image files that count, such as `*_rgb.png`; all by default.",
                    None,
                    since="0.2",
                ),
            ),
            examples=(
                'train = folder("data/flowers/train")',
                'train = folder(path = "data/flowers/train")',
                'train = folder("animals", level = 2, named = path, only = "*_rgb.png")',
            ),
        ),
        _folder,
    ),
    Source(
        Entry(
            "csv",
            "A table with one row per image, or per object.",
            (
                Arg("file", FilePath(), "The CSV file, with a header line; or a `.jsonl`: a line of JSON per row."),
                Arg("image", Text(), "Name of the column with the images' paths."),
                Arg("label", Text(), "Name of the column with the classes."),
                Arg(
                    "target",
                    Either((Text(), ListOf(Text()))),
                    "Name of the column with the numbers, or a list of such names.",
                    None,
                    since="0.2",
                ),
                Arg(
                    "labels",
                    Either((NothingType(), Text(), ListOf(Text()))),
                    "Name of the column with the labels of an image, or a list of columns, one for each label, of 0"
                    " and 1.",
                    None,
                    since="0.2",
                ),
                Arg(
                    "separator",
                    Text(),
                    "What stands between the labels in a cell of that column.",
                    ",",
                    since="0.2",
                ),
                Arg(
                    "boxes",
                    Either((NothingType(), ListOf(Text(), 4))),
                    "Columns with left, top, right and bottom of an object, in pixels; a row for each object.",
                    None,
                    since="0.2",
                ),
                Arg(
                    "weights",
                    Either((NothingType(), Text())),
                    "Name of the column with how much each image counts in training: its loss is multiplied by that,"
                    " divided by the mean.",
                    None,
                    since="0.2",
                ),
                Arg(
                    "root",
                    Either((NothingType(), FilePath())),
                    "Folder that the paths start from; the CSV file's own by default.",
                    None,
                ),
            ),
            examples=(
                'train = csv("flowers.csv", image = "file", label = "species")',
                'train = csv(file = "flowers.csv", image = "file", label = "species", root = "images")',
                'train = csv("flowers.csv", image = "file", label = "species", weights = "certainty")',
                'train = csv("leaves.csv", image = "file", target = "weight")',
                'train = csv("leaves.csv", image = "file", target = ["width", "height"])',
                'train = csv("photos.csv", image = "file", labels = "tags", separator = "|")',
                'train = csv("photos.csv", image = "file", labels = ["beach", "sunset"])',
                'train = csv("cells.csv", image = "file", label = "kind", boxes = ["x0", "y0", "x1", "y1"])',
            ),
        ),
        _csv,
        _csv_gives,
        by_kind={
            "label": {NUMBERS: None, LABELS: None},
            "target": {NUMBERS: REQUIRED},
            "labels": {LABELS: REQUIRED},
            "boxes": {BOXES: REQUIRED},
        },
        has_columns=True,
    ),
    Source(
        Entry(
            "tags",
            "A folder of images with tags: in a text file beside each image, or all in one JSON file.",
            (
                Arg("path", FilePath(), "The folder; images in folders within it count too."),
                Arg(
                    "file",
                    Either((NothingType(), FilePath())),
                    'A JSON file with the tags of each image: `{"1.jpg": ["beach", "sunset"], …}`. By default'
                    " they stand in `1.txt` beside `1.jpg`, between commas or on lines of their own.",
                    None,
                ),
            ),
            examples=('train = tags("photos")', 'train = tags(path = "photos", file = "photos/tags.json")'),
        ),
        _tags,
        lambda args: frozenset((LABELS,)),
    ),
)
