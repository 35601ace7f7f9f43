"""Data sets that packages bring: solar cells, Fashion-MNIST, handwritten digits.

In goes at most which part or labels are wanted; out comes a `Listing`. The packages are optional and
imported (or looked for) only here. A sample's id is its file's path or its row's key (`train/00017`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.data import problems
from runtime.data.listing import ImageRef, Listing, Sample
from runtime.data.sources.files import existing
from runtime.data.sources.idx_files import damaged, idx_pair
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
    file, labels, images = idx_pair(root, stem)
    if labels and max(labels) >= len(FASHION_CLASSES):
        raise damaged(file, f"it has label {max(labels)}, and there are ten classes")
    return _rows_as_samples(part, images, labels, FASHION_CLASSES)


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


def _rows_as_samples(prefix: str, images: Iterable[ImageRef], labels: list[int], classes: tuple[str, ...]) -> Listing:
    rows = enumerate(zip(labels, images, strict=True))
    return Listing(tuple(Sample(f"{prefix}/{row:05d}", *pair) for row, pair in rows), classes)
