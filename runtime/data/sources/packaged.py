"""Data sets that packages bring: solar cells, Fashion-MNIST, handwritten digits.

In goes at most which part or labels are wanted; out comes a `Listing`. The packages are optional and
imported (or looked for) only here. A sample's id is its file's path or its row's key (`train/00017`).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.data import problems
from runtime.data.listing import Listing, Pixels, Sample
from runtime.data.sources.files import existing
from runtime.system.installation import install_command

# Probability of a defect as the set's experts gave it (0, 1/3, 2/3 or 1) -> target, None to leave the image
# out.
SOLAR_TARGETS: dict[str, Callable[[float], Any]] = {
    "certain": lambda defect: int(defect) if defect in (0.0, 1.0) else None,
    "binary": lambda defect: int(defect >= 0.5),
    "probability": lambda defect: (defect,),
}


def solar_cells(labels: str = "certain") -> Listing:
    """List the 300 x 300 grey photos of solar cells of the package `elpv-dataset` (CC BY-NC-SA 4.0).

    `labels` says which become functional (0) and defective (1): `certain` takes the cells on which the
    experts were sure (1508 and 715), `binary` takes all and calls a cell defective from a probability of one
    half on (1803 and 821). With `probability` the targets are the probabilities.
    """
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise RecipeError(
            problems.NotInstalled(what="solar_cells", package="elpv-dataset", command=install_command("solar"))
        )
    root = Path(spec.origin).parent / "data"
    table = existing(root / "labels.csv", "file")
    samples = []
    for number, line in enumerate(table.read_text("utf-8").splitlines(), start=1):
        try:
            name, defect, _ = line.split()
            target = SOLAR_TARGETS[labels](float(defect))
        except ValueError:
            reason = f"line {number} is not a path, a probability and a type"
            raise RecipeError(problems.UnreadableData(path=str(table), reason=reason)) from None
        if target is not None:
            samples.append(Sample(name, target, root / name))
    names = ("probability",) if labels == "probability" else ("functional", "defective")
    return Listing(tuple(samples), names)


FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FASHION_PARTS = {"train": "train", "test": "t10k"}


def fashion_mnist(path: Path | None = None, part: str = "train") -> Listing:
    """List one part, `train` (60,000) or `test` (10,000), of Fashion-MNIST: 28 x 28 grey, ten classes.

    The folder holds the set's idx files as they are published, packed (.gz) or not; by default it is the one
    of Debian's package `dataset-fashion-mnist`.
    """
    if path is None and not _FASHION_FOLDER.is_dir():
        raise RecipeError(
            problems.NotInstalled(
                what="fashion_mnist",
                package="dataset-fashion-mnist",
                command="sudo apt install dataset-fashion-mnist (or give the folder of the four idx files)",
            )
        )
    root = existing(path or _FASHION_FOLDER, "folder")
    stem = _FASHION_PARTS[part]
    images_file, images = _read_idx(root / f"{stem}-images-idx3-ubyte", rank=3)
    labels_file, labels = _read_idx(root / f"{stem}-labels-idx1-ubyte", rank=1)
    if len(images) != len(labels):
        raise _damaged(labels_file, f"it has {len(labels)} labels for {len(images)} images")
    if labels.size and labels.max() >= len(FASHION_CLASSES):
        raise _damaged(labels_file, f"it has label {labels.max()}, and there are ten classes")
    if not images[:1].size:
        raise _damaged(images_file, "it has no pixels")
    return _rows_as_samples(part, images, labels.tolist(), FASHION_CLASSES)


def digits() -> Listing:
    """List scikit-learn's 1,797 handwritten digits: 8 x 8 grey, their 17 levels spread over 0 .. 255."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise RecipeError(problems.NotInstalled(what="digits", package="scikit-learn", command=install_command()))
    # as sklearn.datasets.load_digits reads it, whose import takes longer than all that `ftr plan` does
    path = existing(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz", "file")
    rows = np.loadtxt(path, delimiter=",")
    pixels = np.round(rows[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return _rows_as_samples("digits", pixels, rows[:, -1].astype(int).tolist(), tuple("0123456789"))


def _rows_as_samples(prefix: str, images: Pixels, labels: list[int], classes: tuple[str, ...]) -> Listing:
    rows = enumerate(zip(labels, images, strict=True))
    return Listing(tuple(Sample(f"{prefix}/{row:05d}", *pair) for row, pair in rows), classes)


_MOST_BYTES = 2**30


def _read_idx(plain: Path, rank: int) -> tuple[Path, Pixels]:
    """Read an idx file of unsigned bytes (LeCun's MNIST format), whole or not at all.

    The header is a big-endian magic number, 0x08 in its third byte and the rank in its fourth, then the
    sizes.
    """
    packed = plain.with_name(plain.name + ".gz")
    path = packed if packed.is_file() else existing(plain, "file")
    try:
        with gzip.open(path) if path == packed else path.open("rb") as file:
            header = file.read(4 + 4 * rank)
            if len(header) < 4 + 4 * rank:
                raise _damaged(path, "it ends within its header")
            magic, *sizes = struct.unpack(f">{1 + rank}I", header)
            if magic != 0x0800 + rank:
                raise _damaged(path, f"it is not an idx file of {rank} dimensions")
            total = math.prod(sizes)
            if total > _MOST_BYTES:
                raise _damaged(path, f"it claims {total:,} bytes")
            content = file.read(total + 1)
    except (OSError, EOFError, zlib.error) as fault:
        raise _damaged(path, str(fault)) from fault
    if len(content) != total:
        raise _damaged(path, f"it has {'more' if len(content) > total else 'fewer'} bytes than its header says")
    return path, np.frombuffer(content, np.uint8).reshape(sizes)


def _damaged(path: Path, reason: str) -> RecipeError:
    return RecipeError(problems.UnreadableData(path=str(path), reason=reason, hint="download the file again"))
