"""Sets of images that come as a package."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listed import problem_of, problems_of, table

from runtime.data.images import open_rgb
from runtime.data.sources import packaged as packaged_sets
from runtime.data.sources.packaged import digits, fashion_mnist, solar_cells
from runtime.data.sources.tables import csv_numbers
from runtime.tasks.classification.targets import class_counts


def test_solar_cells_are_those_of_the_package() -> None:
    pytest.importorskip("elpv_dataset")
    certain, both = solar_cells(), solar_cells("binary")
    assert certain.names == both.names == ("functional", "defective")
    assert class_counts(certain) == (1508, 715)
    assert class_counts(both) == (1803, 821)
    assert certain.samples[0].id == "images/cell0001.png"
    assert all(isinstance(sample.image, Path) and sample.image.is_file() for sample in both.samples)


@pytest.mark.parametrize(
    ("load", "words", "command"),
    [
        (solar_cells, "elpv-dataset", "[solar]"),
        (digits, "scikit-learn", "pip install"),
        (fashion_mnist, "dataset-fashion-mnist", "apt"),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, load: Callable[[], object], words: str, command: str
) -> None:
    monkeypatch.setattr(packaged_sets, "find_spec", lambda name: None)
    monkeypatch.setattr(packaged_sets, "_FASHION_FOLDER", tmp_path / "nowhere")
    problem = problem_of(load)
    assert problem.code == "E510"
    assert words in problem.message()
    assert command in problem.help()


def test_digits_are_scaled_to_bytes() -> None:
    found = digits()
    assert sum(class_counts(found)) == 1797
    assert found.names == tuple("0123456789")
    assert (found.samples[0].id, found.samples[0].target) == ("digits/00000", 0)
    images = np.stack([np.asarray(sample.image) for sample in found.samples])
    assert (images.dtype, images.shape) == (np.uint8, (1797, 8, 8))
    assert np.unique(images).tolist() == [round(level * 255 / 16) for level in range(17)]


def idx(array: np.ndarray) -> bytes:
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def clothes(root: Path, packed: bool = True) -> Path:
    for part, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * 784).reshape(count, 28, 28).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", np.arange(count, dtype=np.uint8) % 10)):
            data = idx(array)
            path = root / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
    return root


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_reads_idx_files(tmp_path: Path, packed: bool) -> None:
    train, test = (fashion_mnist(clothes(tmp_path, packed), part) for part in ("train", "test"))
    assert train.names[3] == "Dress"
    assert (class_counts(train), class_counts(test)) == ((2,) * 10, (1,) * 10)
    assert (train.samples[13].id, train.samples[13].target) == ("train/00013", 3)
    assert test.samples[9].id == "test/00009"
    expected = np.arange(13 * 784, 14 * 784).reshape(28, 28).astype(np.uint8)
    assert np.array_equal(np.asarray(open_rgb(train.samples[13].image))[..., 0], expected)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

DAMAGED: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "short": (IMAGES, lambda data: data[:-1], "fewer bytes than its header says"),
    "long": (IMAGES, lambda data: data + b"\0", "more bytes than its header says"),
    "half a header": (IMAGES, lambda data: data[:9], "ends within its header"),
    "empty": (LABELS, lambda data: b"", "ends within its header"),
    "another type of number": (IMAGES, lambda data: b"\0\0\x0d" + data[3:], "not an idx file of 3 dimensions"),
    "another rank": (IMAGES, lambda data: b"\0\0\x08\1" + data[4:], "not an idx file of 3 dimensions"),
    "a lying count": (IMAGES, lambda data: data[:4] + b"\x7f\xff\xff\xff" + data[8:], "it claims"),
    "no pixels": (IMAGES, lambda data: data[:8] + bytes(8), "no pixels"),
    "a label of none": (LABELS, lambda data: data[:-1] + b"\x0a", "label 10"),
    "fewer labels": (LABELS, lambda data: idx(np.zeros(19, np.uint8)), "19 labels for 20 images"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_idx_files_are_refused(tmp_path: Path, damage: str, packed: bool) -> None:
    name, change, words = DAMAGED[damage]
    path = clothes(tmp_path, packed) / (name + (".gz" if packed else ""))
    if packed:
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))
    else:
        path.write_bytes(change(path.read_bytes()))
    problem = problem_of(fashion_mnist, tmp_path)
    assert problem.code == "E511"
    assert problem.message().startswith(f"`{path}` cannot be read: ")
    assert words in problem.message()


@pytest.mark.parametrize("cut", [slice(0), slice(5), slice(-9), slice(1, None)])
def test_damaged_packing_is_refused(tmp_path: Path, cut: slice) -> None:
    path = clothes(tmp_path) / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[cut])
    assert problem_of(fashion_mnist, tmp_path).code == "E511"


def test_a_missing_idx_file_is_named(tmp_path: Path) -> None:
    (clothes(tmp_path) / f"{LABELS}.gz").unlink()
    problem = problem_of(fashion_mnist, tmp_path)
    assert problem.code == "E501"
    assert LABELS in problem.message()


def test_repeated_rows_of_numbers_are_told_nothing_of_classes(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").touch()
    for rows, said in (
        ("1.jpg,3\n1.jpg,3\n", "both `train` and `valid`"),
        ("1.jpg,3\n1.jpg,4\n", "such as their mean"),
    ):
        (problem,) = problems_of(csv_numbers, table(tmp_path, f"file,width\n{rows}2.jpg,1\n"), "file", ["width"])
        assert problem.code == "E577"
        assert problem.help().endswith(said)
