"""The sources of images: rows, and what lists each. A reader is imported when its source is listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import REQUIRED, Arg, Either, Entry, FilePath, ListOf, NothingType, Text, Word
from runtime.data.targets import CLASS, NUMBERS

if TYPE_CHECKING:
    from runtime.data.listing import Listing

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its row, what lists it, and the kinds of targets that it gives.

    `load` takes the recipe's arguments, and whether the set is for training; one that is not may lack classes.
    `by_kind` are other defaults of arguments, by the kind of targets that the recipe learns.
    `licence` is of the images, empty where they are the user's; `shows_characters` is whether a mirror image of one is
    another.
    """

    entry: Entry
    load: Callable[[Args, bool], Listing]
    gives: Callable[[Args], frozenset[str]] = lambda args: frozenset((CLASS,))
    by_kind: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    licence: str = ""
    shows_characters: bool = False


def _folder(args: Args, training: bool) -> Listing:
    from runtime.data.sources.files import folder

    return folder(args["path"], training)


def _csv(args: Args, training: bool) -> Listing:
    from runtime.data.sources.tables import csv_classes, csv_numbers

    if args["target"] is None:
        return csv_classes(args["file"], args["image"], args["label"], args["root"], training)
    columns = (args["target"],) if isinstance(args["target"], str) else tuple(each.value for each in args["target"])
    return csv_numbers(args["file"], args["image"], columns, args["root"])


def _csv_gives(args: Args) -> frozenset[str]:
    given = {CLASS: args["label"], NUMBERS: args["target"]}
    return frozenset(kind for kind, value in given.items() if value is not None)


def _solar_cells(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import solar_cells

    return solar_cells(args["labels"])


def _fashion_mnist(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import fashion_mnist

    return fashion_mnist(args["path"], args["part"])


def _digits(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import digits

    return digits()


_SOURCES = (
    Source(
        Entry(
            "folder",
            "A folder with one subfolder of images for each class; its name is the class.",
            (Arg("path", FilePath(), "The folder."),),
            examples=('train = folder("data/flowers/train")', 'train = folder(path = "data/flowers/train")'),
        ),
        _folder,
    ),
    Source(
        Entry(
            "csv",
            "A table with one row per image.",
            (
                Arg("file", FilePath(), "The CSV file, with a header line."),
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
                    "root",
                    Either((NothingType(), FilePath())),
                    "Folder that the paths start from; the CSV file's own by default.",
                    None,
                ),
            ),
            examples=(
                'train = csv("flowers.csv", image = "file", label = "species")',
                'train = csv(file = "flowers.csv", image = "file", label = "species", root = "images")',
                'train = csv("leaves.csv", image = "file", target = "weight")',
                'train = csv("leaves.csv", image = "file", target = ["width", "height"])',
            ),
        ),
        _csv,
        _csv_gives,
        by_kind={"label": {NUMBERS: None}, "target": {NUMBERS: REQUIRED}},
    ),
    Source(
        Entry(
            "solar_cells",
            "2,624 photos of solar cells from the package elpv-dataset (CC BY-NC-SA 4.0: not for commercial use).",
            (
                Arg(
                    "labels",
                    Word(
                        {
                            "certain": "Probability of a defect 0 or 1; the uncertain cells are left out.",
                            "binary": "All cells; a probability of 1/2 or more is a defect.",
                            "probability": "All cells, with the probability of a defect as a number.",
                        }
                    ),
                    "Which cells count, and as what.",
                    "certain",
                ),
            ),
            source="Deitsch et al., arXiv 1807.02894",
            examples=(
                "train = solar_cells",
                "train = solar_cells(binary)",
                "train = solar_cells(labels = certain)",
                "train = solar_cells(probability)",
            ),
        ),
        _solar_cells,
        lambda args: frozenset((NUMBERS if args["labels"] == "probability" else CLASS,)),
        licence="CC BY-NC-SA 4.0: not for commercial use",
    ),
    Source(
        Entry(
            "fashion_mnist",
            "70,000 grey 28 x 28 images of clothes in 10 classes, from four idx files.",
            (
                Arg(
                    "part",
                    Word({"train": "The 60,000 training images.", "test": "The 10,000 test images."}),
                    "Which of the set's own two parts.",
                    "train",
                ),
                Arg(
                    "path",
                    Either((NothingType(), FilePath())),
                    "Folder with the idx files; that of Debian's dataset-fashion-mnist by default.",
                    None,
                ),
            ),
            source="Xiao et al., arXiv 1708.07747",
            examples=(
                "train = fashion_mnist(train)\ntest = fashion_mnist(test)",
                'train = fashion_mnist(part = train, path = "fashion-mnist")',
            ),
        ),
        _fashion_mnist,
        licence="MIT",
    ),
    Source(
        Entry(
            "digits",
            "1,797 grey 8 x 8 images of handwritten digits, from scikit-learn.",
            source="sklearn.datasets.load_digits",
            examples=("train = digits",),
        ),
        _digits,
        licence="BSD-3-Clause, with scikit-learn",
        shows_characters=True,
    ),
)

SOURCES: Mapping[str, Source] = {source.entry.name: source for source in _SOURCES}
