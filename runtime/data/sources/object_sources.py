"""Rows of images with boxes or masks in files of annotations, and what lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Either, Entry, FilePath, ListOf, NothingType, Number, Text
from runtime.data.sources.source import (
    CLASSES,
    OF_KIND,
    TARGETS,
    Args,
    Source,
    classes_of,
    either,
    of_objects,
)
from runtime.data.targets import BOXES, MASK

if TYPE_CHECKING:
    from runtime.data.listing import Listing


def _masks(args: Args, training: bool) -> Listing:
    from runtime.data.sources.masks import masks

    classes, values, colors = (
        None if args[name] is None else [each.value for each in args[name]] for name in ("classes", "values", "colors")
    )
    return masks(args["images"], args["masks"], classes or (), values, colors, args["ignore"], args["split"])


def _voc(args: Args, training: bool) -> Listing:
    from runtime.data.sources.voc import voc

    return voc(args["path"], args["split"], classes_of(args), training)


def _coco(args: Args, training: bool) -> Listing:
    from runtime.data.sources.coco import coco

    if args["targets"] == "masks":
        from runtime.data.sources.outlines import coco_masks

        return coco_masks(args["images"], args["annotations"], classes_of(args), training)
    return of_objects(coco(args["images"], args["annotations"], classes_of(args), training), args)


def _labelme(args: Args, training: bool) -> Listing:
    from runtime.data.sources.outlines import labelme

    return labelme(args["path"], classes_of(args), training)


def _yolo(args: Args, training: bool) -> Listing:
    from runtime.data.sources.yolo import yolo

    return yolo(args["path"], args["split"], classes_of(args), training)


OBJECT_SOURCES = (
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
                CLASSES,
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
                CLASSES,
                TARGETS,
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
        either,
        by_kind=OF_KIND,
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
                CLASSES,
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
)
