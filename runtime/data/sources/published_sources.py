"""Rows of data sets in their published files or from packages, and what lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Either, Entry, FilePath, NothingType, Text, Word
from runtime.data.sources.source import (
    NAMES,
    OF_KIND,
    TARGETS,
    Args,
    Source,
    either,
    names_of,
    of_objects,
)
from runtime.data.targets import CLASS, NUMBERS

if TYPE_CHECKING:
    from runtime.data.listing import Listing


def _solar_cells(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import solar_cells

    return solar_cells(args["labels"])


def _fashion_mnist(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import fashion_mnist

    return fashion_mnist(args["path"], args["part"])


def _digits(args: Args, training: bool) -> Listing:
    from runtime.data.sources.packaged import digits

    return digits()


def _scenes(args: Args, training: bool) -> Listing:  # noqa: ARG001
    from runtime.data.sources.scenes import scenes

    return of_objects(scenes(args["part"], with_masks=args["targets"] == "masks"), args)


def _cifar(args: Args, training: bool) -> Listing:  # noqa: ARG001
    from runtime.data.sources.cifar import cifar

    return cifar(args["path"], args["part"], args["labels"])


def _mnist(args: Args, training: bool) -> Listing:
    from runtime.data.sources.idx_files import mnist

    return mnist(args["path"], args["part"], args["set"], names_of(args), training)


PUBLISHED_SOURCES = (
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
                NAMES,
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
                TARGETS,
            ),
            source="sklearn.datasets.load_digits, load_sample_images",
            examples=(
                "train = scenes(train)\ntest = scenes(part = test)",
                "train = scenes(train, targets = masks)",
            ),
        ),
        _scenes,
        either,
        by_kind=OF_KIND,
        licence="BSD-3-Clause and CC BY 2.0, with scikit-learn",
        shows_characters=True,
    ),
)
