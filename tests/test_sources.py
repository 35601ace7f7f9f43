"""Where samples come from: folders, tables and packaged sets, and what is said when they cannot be used."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe_lang.diagnostics import RecipeError
from runtime.packaged_sets import digits, fashion_mnist, solar_cells
from runtime.sources import csv_file, folder


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def code_of(caught: pytest.ExceptionInfo[RecipeError]) -> str:
    (problem,) = caught.value.problems
    assert problem.message()
    return problem.code


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / 'my "photos" – löwe'
    for name in ("b/2.jpg", "b/deep er/1.PNG", "a/x.webp", "a/y.jpeg", ".hidden/z.jpg", "a/.trash.jpg"):
        image(root / name) if name.isascii() else None
    (root / "a" / "notes.txt").write_text("no image")
    return root


def test_a_folder_lists_classes_and_images(photos: Path) -> None:
    listing = folder(photos)
    assert listing.classes == ("a", "b")
    assert [sample.id for sample in listing.samples] == ["a/x.webp", "a/y.jpeg", "b/2.jpg", "b/deep er/1.PNG"]
    assert listing.counts() == (2, 2)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(RecipeError) as caught:
        folder(tmp_path / "flower")
    assert code_of(caught).startswith("E5")
    assert "flowers" in caught.value.problems[0].help()


@pytest.mark.parametrize(
    "names", [["1.jpg", "2.jpg"], ["only/1.jpg"], []], ids=["no class folders", "one class", "empty"]
)
def test_folders_that_cannot_train(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        image(tmp_path / name)
    with pytest.raises(RecipeError) as caught:
        folder(tmp_path)
    assert code_of(caught).startswith("E5")


def test_an_empty_class_is_an_error_in_training_only(tmp_path: Path) -> None:
    image(tmp_path / "a" / "1.jpg")
    image(tmp_path / "b" / "1.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="empty"):
        folder(tmp_path)
    assert folder(tmp_path, training=False).counts() == (1, 1, 0)


def table(tmp_path: Path, text: str) -> Path:
    for name in ("1.jpg", "sub/2.jpg", "3.jpg"):
        image(tmp_path / name)
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_lists_its_rows(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufefffile,kind\n1.jpg,10\nsub/2.jpg,9\n3.jpg,10\n")
    listing = csv_file(path, "file", "kind")
    assert listing.classes == ("9", "10")
    assert [(sample.id, sample.label) for sample in listing.samples] == [("1.jpg", 1), ("sub/2.jpg", 0), ("3.jpg", 1)]


def test_a_table_takes_paths_from_its_root(tmp_path: Path) -> None:
    path = table(tmp_path, "file,kind\n1.jpg,a\n3.jpg,b\n")
    moved = tmp_path / "tables" / "t.csv"
    moved.parent.mkdir()
    path.rename(moved)
    assert len(csv_file(moved, "file", "kind", tmp_path).samples) == 2
    with pytest.raises(RecipeError):
        csv_file(moved, "file", "kind")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("file,kind\n1.jpg,a\ngone.jpg,b\n", "gone.jpg"),
        ("path,kind\n1.jpg,a\n", "file"),
        ("file,kind\n", ""),
        ("", ""),
        ("file,kind\n1.jpg,a\n3.jpg,a\n", ""),
    ],
    ids=["missing image", "missing column", "no rows", "no header", "one class"],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(RecipeError) as caught:
        csv_file(table(tmp_path, text), "file", "kind")
    shown = caught.value.problems[0]
    assert shown.code.startswith("E5")
    assert word in shown.message() + shown.help()


def test_solar_cells_are_those_of_the_package() -> None:
    pytest.importorskip("elpv_dataset")
    certain, both = solar_cells(), solar_cells("binary")
    assert certain.classes == ("functional", "defective")
    assert certain.counts() == (1508, 715)
    assert sum(both.counts()) == 2624


def test_digits_are_scaled_to_bytes() -> None:
    found = digits()
    assert len(found.samples) == 1797
    first = found.samples[0].image
    assert isinstance(first, np.ndarray)
    assert first.dtype == np.uint8
    assert 200 < first.max() <= 255


def idx(path: Path, array: np.ndarray, packed: bool = True) -> None:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = head + array.tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)


def clothes(root: Path, packed: bool = True) -> Path:
    ending = ".gz" if packed else ""
    for part, count in (("train", 20), ("t10k", 10)):
        idx(root / f"{part}-images-idx3-ubyte{ending}", np.zeros((count, 28, 28), np.uint8), packed)
        idx(root / f"{part}-labels-idx1-ubyte{ending}", np.arange(count, dtype=np.uint8) % 10, packed)
    return root


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_reads_idx_files(tmp_path: Path, packed: bool) -> None:
    train, test = (fashion_mnist(clothes(tmp_path, packed), part) for part in ("train", "test"))
    assert (len(train.samples), len(test.samples)) == (20, 10)
    assert len(train.classes) == 10
    assert not {sample.id for sample in train.samples} & {sample.id for sample in test.samples}


@pytest.mark.parametrize("damage", ["short", "magic", "lying", "gone", "not packed"])
def test_damaged_idx_files_are_refused(tmp_path: Path, damage: str) -> None:
    path = clothes(tmp_path) / "train-images-idx3-ubyte.gz"
    data = gzip.decompress(path.read_bytes())
    match damage:
        case "short":
            path.write_bytes(gzip.compress(data[:-1]))
        case "magic":
            path.write_bytes(gzip.compress(b"\1" + data[1:]))
        case "lying":
            path.write_bytes(gzip.compress(data[:4] + struct.pack(">I", 2**31) + data[8:]))
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        fashion_mnist(tmp_path)
    assert code_of(caught).startswith("E5")
