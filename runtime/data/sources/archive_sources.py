"""Rows of files that hold many images, and what lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import REQUIRED, Arg, Either, Entry, FilePath, ListOf, NothingType, Text, Word
from runtime.data.sources.source import (
    NAMES,
    Args,
    Source,
    names_of,
)
from runtime.data.targets import BOXES, CLASS, LABELS, NUMBERS, TargetKind

if TYPE_CHECKING:
    from runtime.data.listing import Listing


def _parquet(args: Args, training: bool) -> Listing:
    from runtime.data.sources.parquet import parquet

    return parquet(args["path"], args["image"], args["label"], names_of(args), training)


def _webdataset(args: Args, training: bool) -> Listing:
    from runtime.data.sources.shards import Wanted, webdataset

    wanted = Wanted(args["label"], args["key"], args["image"])
    return webdataset(args["path"], wanted, names_of(args), training)


def _croissant(args: Args, training: bool) -> Listing:
    from runtime.data.sources.croissant import croissant
    from runtime.data.sources.croissant_fields import Wanted

    wanted = Wanted(args["records"], args["image"], args["label"], args["split"])
    return croissant(args["path"], wanted, args["root"], names_of(args), training)


def _kind_of_records(args: Args) -> frozenset[TargetKind]:
    return frozenset(kind for kind, word in _OF_RECORDS.items() if word == args["targets"])


def _rec(args: Args, training: bool) -> Listing:
    from runtime.data.sources.records import rec, rec_labels

    names = names_of(args)
    if args["targets"] == "boxes":
        return rec(args["path"], names or (), training)
    return rec_labels(args["path"], next(iter(_kind_of_records(args))), names, training)


_OF_RECORDS: Mapping[TargetKind, str] = {BOXES: "boxes", CLASS: "classes", LABELS: "labels", NUMBERS: "numbers"}
ARCHIVE_SOURCES = (
    Source(
        Entry(
            "rec",
            "Images in a record file of MXNet, as `im2rec` writes it: of classes, or as GluonCV reads it, of boxes.",
            (
                Arg("path", FilePath(), "The `.rec` file; an index file is not needed."),
                NAMES,
                Arg(
                    "targets",
                    Word(
                        {
                            "boxes": "Boxes of objects (`im2rec --pack-label`); `names` has to name their classes.",
                            "classes": "The class of the image, a number from 0.",
                            "labels": "A 0 or 1 for each label.",
                            "numbers": "One number or several.",
                        }
                    ),
                    "What the label of a record is; by default what the task takes.",
                    "boxes",
                    since="0.2",
                ),
            ),
            source="mxnet.recordio, gluoncv.data.RecordFileDetection",
            examples=(
                'train = rec("train.rec")\nvalid = rec("val.rec", names = ["cat", "dog"], targets = classes)',
                'train = rec("train.rec", targets = numbers)',
                'train = rec("train.rec", names = ["cat", "dog"])',
                'train = rec(path = "train.rec", names = ["cat"])\nvalid = rec("val.rec", names = ["cat"])',
            ),
        ),
        _rec,
        _kind_of_records,
        by_kind={"targets": _OF_RECORDS, "names": {BOXES: REQUIRED}},
    ),
    Source(
        Entry(
            "webdataset",
            "Images and classes in shards of WebDataset: tar files with members such as `0042.jpg` and `0042.cls`.",
            (
                Arg(
                    "path",
                    FilePath(),
                    "The tar file, a folder of such, or several: `train-{000..009}.tar`, `train-*.tar`.",
                ),
                Arg("label", Text(), "The ending of the member that holds the class: `cls`, `txt` or `json`.", "cls"),
                Arg("key", Text(), "The key of the class, where that member is JSON.", "label"),
                Arg(
                    "image",
                    Either((NothingType(), Text())),
                    "The ending of the member that is the image; by default the one that is called as images are.",
                    None,
                ),
                NAMES,
            ),
            source="github.com/webdataset/webdataset",
            examples=(
                'train = webdataset("shards/train-{000..009}.tar")',
                'train = webdataset(path = "shards", label = "json", key = "class", image = "jpg",'
                ' names = ["cat", "dog"])',
            ),
        ),
        _webdataset,
    ),
    Source(
        Entry(
            "parquet",
            "Images and classes in parquet files, as Hugging Face's `datasets` writes them (extra `parquet`).",
            (
                Arg(
                    "path",
                    FilePath(),
                    "The file, a folder of such, or several: `data/train-*.parquet`. Their images are copied once, into"
                    " the cache.",
                ),
                Arg("image", Text(), "Name of the column with the images.", "image"),
                Arg("label", Text(), "Name of the column with the classes.", "label"),
                Arg(
                    "names",
                    Either((NothingType(), ListOf(Text()))),
                    "The classes in the order of their numbers, from 0; by default those that the files declare.",
                    None,
                ),
            ),
            source="huggingface.co/docs/datasets",
            examples=(
                'train = parquet("data/train-*.parquet")\ntest = parquet("data/test-*.parquet")',
                'train = parquet(path = "data", image = "img", label = "fine_label", names = ["apple", "pear"])',
            ),
        ),
        _parquet,
    ),
    Source(
        Entry(
            "croissant",
            "Images and classes as a Croissant description (1.0 or 1.1) says, in files or archives that lie beside it.",
            (
                Arg("path", FilePath(), "The description, a JSON file. Nothing that it names is downloaded."),
                Arg(
                    "split",
                    Either((NothingType(), Text())),
                    "One of the splits of its records; needed where there are several.",
                    None,
                ),
                Arg("records", Either((NothingType(), Text())), "The record set, where several have images.", None),
                Arg(
                    "image",
                    Either((NothingType(), Text())),
                    "The field with the images, or with the names of their files; by default the one of the type"
                    " `sc:ImageObject`.",
                    None,
                ),
                Arg(
                    "label",
                    Either((NothingType(), Text())),
                    "The field with the classes; by default the one of the type `cr:Label`, of an enumeration, or"
                    " called so.",
                    None,
                ),
                Arg(
                    "root",
                    Either((NothingType(), FilePath())),
                    "The folder of the files; that of the description by default.",
                    None,
                ),
                Arg(
                    "names",
                    Either((NothingType(), ListOf(Text()))),
                    "The classes in the order of their numbers, from 0; by default those of the enumeration.",
                    None,
                ),
            ),
            source="docs.mlcommons.org/croissant",
            examples=(
                'train = croissant("flowers/metadata.json", split = "train")\n'
                'test = croissant("flowers/metadata.json", split = "test")',
                'train = croissant(path = "cells.json", records = "images", image = "content", label = "stain",'
                ' root = "cells", names = ["pale", "dark"])',
            ),
        ),
        _croissant,
    ),
)
