"""The sources of images: rows, and what lists each. A reader is imported when its source is listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import REQUIRED, Arg, Either, Entry, FilePath, ListOf, NothingType, Number, Text, Word
from runtime.data.targets import BOXES, CLASS, LABELS, MASK, NUMBERS, TargetKind

if TYPE_CHECKING:
    from runtime.data.listing import Listing

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its row, what lists it, and the kinds of targets that it gives.

    `load` takes the recipe's arguments, and whether the set is for training; one that is not may lack classes.
    `by_kind` are other defaults of arguments, by the kind of targets that the recipe learns.
    `licence` is of the images, empty where they are the user's; `shows_characters` is whether a mirror image of one is
    another. One that `has_columns` is a table: what others of these say of an image is known by their names.
    """

    entry: Entry
    load: Callable[[Args, bool], Listing]
    gives: Callable[[Args], frozenset[TargetKind]] = lambda args: frozenset((CLASS,))
    by_kind: Mapping[str, Mapping[TargetKind, Any]] = field(default_factory=dict)
    licence: str = ""
    shows_characters: bool = False
    has_columns: bool = False


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


def _solar_cells(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import solar_cells

    return solar_cells(args["labels"])


def _fashion_mnist(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import fashion_mnist

    return fashion_mnist(args["path"], args["part"])


def _digits(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import digits

    return digits()


def _masks(args: Args, training: bool) -> Listing:
    from runtime.data.sources.masks import masks

    classes, values, colors = (
        None if args[name] is None else [each.value for each in args[name]] for name in ("classes", "values", "colors")
    )
    return masks(args["images"], args["masks"], classes or (), values, colors, args["ignore"], args["split"])


def _scenes(args: Args, training: bool) -> Listing:  # noqa: ARG001
    from runtime.data.sources.scenes import scenes

    return _of_objects(scenes(args["part"], with_masks=args["targets"] == "masks"), args)


def _tags(args: Args, training: bool) -> Listing:
    from runtime.data.sources.tags import tags

    return tags(args["path"], args["file"], training)


def _of_objects(listing: Listing, args: Args) -> Listing:
    from runtime.data.sources.table_labels import labels_of_objects

    return labels_of_objects(listing) if args["targets"] == "labels" else listing


def _cifar(args: Args, training: bool) -> Listing:  # noqa: ARG001
    from runtime.data.sources.cifar import cifar

    return cifar(args["path"], args["part"], args["labels"])


def _mnist(args: Args, training: bool) -> Listing:
    from runtime.data.sources.idx_files import mnist

    return mnist(args["path"], args["part"], args["set"], _names(args), training)


def _parquet(args: Args, training: bool) -> Listing:
    from runtime.data.sources.parquet import parquet

    return parquet(args["path"], args["image"], args["label"], _names(args), training)


def _webdataset(args: Args, training: bool) -> Listing:
    from runtime.data.sources.shards import Wanted, webdataset

    wanted = Wanted(args["label"], args["key"], args["image"])
    return webdataset(args["path"], wanted, _names(args), training)


def _names(args: Args) -> tuple[str, ...] | None:
    return None if args["names"] is None else tuple(each.value for each in args["names"])


def _kind_of_records(args: Args) -> frozenset[TargetKind]:
    return frozenset(kind for kind, word in _OF_RECORDS.items() if word == args["targets"])


def _classes(args: Args) -> tuple[str, ...] | None:
    return None if args["classes"] is None else tuple(each.value for each in args["classes"])


def _voc(args: Args, training: bool) -> Listing:
    from runtime.data.sources.voc import voc

    return voc(args["path"], args["split"], _classes(args), training)


def _rec(args: Args, training: bool) -> Listing:
    from runtime.data.sources.records import rec, rec_labels

    names = _names(args)
    if args["targets"] == "boxes":
        return rec(args["path"], names or (), training)
    return rec_labels(args["path"], next(iter(_kind_of_records(args))), names, training)


def _coco(args: Args, training: bool) -> Listing:
    from runtime.data.sources.coco import coco

    if args["targets"] == "masks":
        from runtime.data.sources.outlines import coco_masks

        return coco_masks(args["images"], args["annotations"], _classes(args), training)
    return _of_objects(coco(args["images"], args["annotations"], _classes(args), training), args)


def _labelme(args: Args, training: bool) -> Listing:
    from runtime.data.sources.outlines import labelme

    return labelme(args["path"], _classes(args), training)


def _either(args: Args) -> frozenset[TargetKind]:
    return frozenset(kind for kind, word in _OF_KIND["targets"].items() if word == args["targets"])


def _yolo(args: Args, training: bool) -> Listing:
    from runtime.data.sources.yolo import yolo

    return yolo(args["path"], args["split"], _classes(args), training)


_CLASSES = Arg(
    "classes",
    Either((NothingType(), ListOf(Text()))),
    "The classes in order; objects of others are left out. By default all that the images show, sorted.",
    None,
)
_TARGETS = Arg(
    "targets",
    Word(
        {
            "boxes": "Boxes of objects.",
            "masks": "The class of each pixel; what no object shows is `background`.",
            "labels": "The classes of the objects, as labels of the image.",
        }
    ),
    "What is learned; by default what the task takes.",
    "boxes",
    since="0.2",
)
_OF_KIND: Mapping[str, Mapping[TargetKind, Any]] = {"targets": {BOXES: "boxes", MASK: "masks", LABELS: "labels"}}
_OF_RECORDS: Mapping[TargetKind, str] = {BOXES: "boxes", CLASS: "classes", LABELS: "labels", NUMBERS: "numbers"}
_NAMES = Arg(
    "names",
    Either((NothingType(), ListOf(Text()))),
    "The classes in the order of their numbers, from 0; by default what is there, a number being its own name.",
    None,
)
_SOURCES = (
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
    Source(
        Entry(
            "masks",
            "Images with a mask each, which says of every pixel which class it shows.",
            (
                Arg("images", FilePath(), "The folder of images."),
                Arg(
                    "masks",
                    FilePath(),
                    "The folder of masks: PNG files named as the images, maybe with `_mask` behind.",
                ),
                Arg("classes", ListOf(Text()), "The names of the classes, the background among them, in order."),
                Arg(
                    "values",
                    Either((NothingType(), ListOf(Number(0, 255, whole=True)))),
                    "The value of each class in masks of one channel or with a palette; 0, 1, 2, … by default.",
                    None,
                ),
                Arg(
                    "colors",
                    Either((NothingType(), ListOf(Text()))),
                    "The colour of each class in masks in colours, such as `#8000ff`.",
                    None,
                ),
                Arg(
                    "ignore",
                    Either((NothingType(), Number(0, 255, whole=True))),
                    "The value of pixels that count for nothing.",
                    255,
                ),
                Arg(
                    "split",
                    Either((NothingType(), FilePath())),
                    "A text file with the names of the images that count, one a line; all by default.",
                    None,
                    since="0.2",
                ),
            ),
            positional=2,
            examples=(
                'train = masks("photos", "masks", classes = ["background", "person"])',
                'train = masks(images = "cells", masks = "cells", classes = ["cell", "membrane"],'
                " values = [0, 255], ignore = none)",
                'train = masks("photos", "masks", classes = ["road", "sky"], colors = ["#804080", "#808080"])',
                'train = masks("JPEGImages", "SegmentationClass", classes = ["ground", "cat"],'
                ' split = "ImageSets/Segmentation/train.txt")',
            ),
        ),
        _masks,
        lambda args: frozenset((MASK,)),
    ),
    Source(
        Entry(
            "voc",
            "Boxes of objects as in PASCAL VOC: XML files in `Annotations` or `annots`, or beside the images.",
            (
                Arg("path", FilePath(), "The folder."),
                Arg(
                    "split",
                    Either((NothingType(), Text())),
                    "One of the set's own lists in `ImageSets/Main`; by default all images with an annotation.",
                    None,
                ),
                _CLASSES,
            ),
            source="Everingham et al. 2010, IJCV 88",
            examples=(
                'train = voc("bccd", split = "train")\nvalid = voc("bccd", split = "val")',
                'train = voc(path = "photos", classes = ["cat", "dog"])',
            ),
        ),
        _voc,
        lambda args: frozenset((BOXES,)),
    ),
    Source(
        Entry(
            "coco",
            "Images with boxes of objects as in COCO: a folder, and one JSON file with the annotations.",
            (
                Arg("images", FilePath(), "The folder of images."),
                Arg("annotations", FilePath(), "The JSON file, such as `instances_train.json`."),
                _CLASSES,
                _TARGETS,
            ),
            positional=2,
            source="Lin et al., arXiv 1405.0312",
            examples=(
                'train = coco("images", "instances_train.json")',
                'train = coco(images = "images", annotations = "train.json", classes = ["person"])',
                'train = coco("images", "train.json", targets = masks)',
            ),
        ),
        _coco,
        _either,
        by_kind=_OF_KIND,
    ),
    Source(
        Entry(
            "labelme",
            "Images with outlines of areas as LabelMe has them: a JSON file beside each image.",
            (
                Arg("path", FilePath(), "The folder."),
                Arg(
                    "classes",
                    Either((NothingType(), ListOf(Text()))),
                    "The classes in order, behind `background`; areas of others are background. All by default.",
                    None,
                ),
            ),
            source="github.com/wkentaro/labelme",
            examples=(
                'train = labelme("photos")',
                'train = labelme(path = "photos", classes = ["road", "tree"])',
            ),
        ),
        _labelme,
        lambda args: frozenset((MASK,)),
    ),
    Source(
        Entry(
            "yolo",
            "Images with boxes of objects as YOLO has them: a `data.yaml`, and a text file for each image.",
            (
                Arg("path", FilePath(), "The `data.yaml`, or the folder that has it."),
                Arg("split", Text(), "One of the sets that it names: `train`, `val` or `test`.", "train"),
                _CLASSES,
            ),
            source="docs.ultralytics.com/datasets/detect",
            examples=(
                'train = yolo("pets")\nvalid = yolo("pets", split = "val")',
                'train = yolo(path = "pets/data.yaml", split = "train", classes = ["cat", "dog"])',
            ),
        ),
        _yolo,
        lambda args: frozenset((BOXES,)),
    ),
    Source(
        Entry(
            "rec",
            "Images in a record file of MXNet, as `im2rec` writes it: of classes, or as GluonCV reads it, of boxes.",
            (
                Arg("path", FilePath(), "The `.rec` file; an index file is not needed."),
                _NAMES,
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
                _NAMES,
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
            "mnist",
            "Grey images in idx files, packed (.gz) or not: MNIST, KMNIST, EMNIST and what is published like them.",
            (
                Arg("path", FilePath(), "The folder of the files, such as `train-images-idx3-ubyte.gz`."),
                Arg(
                    "part",
                    Word({"train": "The training images.", "test": "The test images, `t10k` or `test`."}),
                    "Which of the set's own two parts.",
                    "train",
                ),
                Arg(
                    "set",
                    Either((NothingType(), Text())),
                    "What the names of the files begin with, where a folder has several sets: `emnist-letters`."
                    " EMNIST's images are turned upright, and its classes called as in its `…-mapping.txt`.",
                    None,
                ),
                _NAMES,
            ),
            positional=2,
            source="LeCun et al. 1998, yann.lecun.com/exdb/mnist; Cohen et al., arXiv 1702.05373",
            examples=(
                'train = mnist("mnist")\ntest = mnist("mnist", test)',
                'train = mnist(path = "emnist", part = train, set = "emnist-letters")',
                'train = mnist("kmnist", names = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"])',
            ),
        ),
        _mnist,
        licence="of the set: CC BY-SA 3.0 of MNIST, 4.0 of KMNIST",
        shows_characters=True,
    ),
    Source(
        Entry(
            "cifar",
            "CIFAR-10 or CIFAR-100 in its published files: 60,000 images of 32 x 32 pixels in 10 or 100 classes.",
            (
                Arg(
                    "path",
                    FilePath(),
                    "The folder of the binary version or of that for Python (pickles are read, not run), or the archive"
                    " (.tar.gz), which is unpacked once, into the cache.",
                ),
                Arg(
                    "part",
                    Word({"train": "The 50,000 training images.", "test": "The 10,000 test images."}),
                    "Which of the set's own two parts.",
                    "train",
                ),
                Arg(
                    "labels",
                    Word({"fine": "The 10 or 100 classes.", "coarse": "The 20 superclasses of CIFAR-100."}),
                    "Which classes are learned.",
                    "fine",
                ),
            ),
            source="Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html",
            positional=2,
            examples=(
                'train = cifar("cifar-10-batches-py")\ntest = cifar("cifar-10-batches-py", test)',
                'train = cifar(path = "cifar-100-python.tar.gz", part = train, labels = coarse)',
            ),
        ),
        _cifar,
        licence="none stated; its authors ask to be cited",
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
    Source(
        Entry(
            "scenes",
            "Made images: scikit-learn's digits 0 to 3 on pieces of its photos, with boxes or masks.",
            (
                Arg(
                    "part",
                    Word({"train": "320 images with digits of their own.", "test": "80 images with other digits."}),
                    "Which of its two parts.",
                    "train",
                ),
                _TARGETS,
            ),
            source="sklearn.datasets.load_digits, load_sample_images",
            examples=(
                "train = scenes(train)\ntest = scenes(part = test)",
                "train = scenes(train, targets = masks)",
            ),
        ),
        _scenes,
        _either,
        by_kind=_OF_KIND,
        licence="BSD-3-Clause and CC BY 2.0, with scikit-learn",
        shows_characters=True,
    ),
)

SOURCES: Mapping[str, Source] = {source.entry.name: source for source in _SOURCES}
