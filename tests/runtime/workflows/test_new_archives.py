"""`ftr new` of files that hold many images: record files, shards, parquet, CIFAR and idx files."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from croissants import of_folders
from new_recipes import New, call, images, text
from PIL import Image

NAMES = ("red", "green", "blue")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))


def png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 90, (20, 20, 3))
    pixels[..., number % 3] += 120
    content = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


def records(path: Path, count: int, label: tuple[float, ...] = ()) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for number in range(count):
            head = struct.pack("<IfQQ", len(label), number % 3, number, 0)
            content = head + struct.pack(f"<{len(label)}f", *label) + png(number)
            file.write(struct.pack("<II", 0xCED7230A, len(content)) + content + bytes(-len(content) % 4))


def test_record_files_are_sets_and_their_list_names_the_classes(new: New, tmp_path: Path) -> None:
    records(tmp_path / "rec" / "train.rec", 90)
    records(tmp_path / "rec" / "val.rec", 30)
    lines = (f"{number}\t{float(number % 3)}\t{NAMES[number % 3]}/{number}.jpg\n" for number in range(90))
    (tmp_path / "rec" / "train.lst").write_text("".join(lines))
    for place in ("rec", "rec/train.rec"):
        recipe = new(tmp_path / place, "--force")
        assert images(recipe) == {"train": 90, "valid": 30}
        assert 'rec("../rec/train.rec", names = ["red", "green", "blue"])' in text()
        assert "The names of the classes are the folders in `train.lst`." in text()
    (tmp_path / "rec" / "train.lst").unlink()
    new(tmp_path / "rec", "--force")
    assert 'train = rec("../rec/train.rec")' in " ".join(text().split())
    assert call(tmp_path / "rec", "--out", "other.ftr", "--task", "detection")[0] == 2


def test_record_files_of_boxes(new: New, tmp_path: Path) -> None:
    records(tmp_path / "found.rec", 40, (2, 5, 1, 0.2, 0.2, 0.8, 0.8))
    recipe = new(tmp_path / "found.rec")
    assert recipe["task"] == "detection"
    assert 'names = ["class 0", "class 1"]' in text()
    assert "no names: write these into `names`" in text()


def test_shards(new: New, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for shard in range(3):
        with tarfile.open(tmp_path / "shards" / f"train-{shard:03}.tar", "w") as archive:
            for number in range(30):
                for ending, data in (("png", png(number)), ("json", b'{"class": "%s"}' % NAMES[number % 3].encode())):
                    info = tarfile.TarInfo(f"{number:04}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    assert images(new(tmp_path / "shards")) == {"train": 72, "valid": 18}
    assert 'webdataset("../shards/train-*.tar", label = "json", key = "class")' in text()


def test_cifar_and_idx_files(new: New, tmp_path: Path) -> None:
    root = tmp_path / "cifar-10-batches-bin"
    root.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        rows = (bytes([number % 2]) + bytes([number]) * 3072 for number in range(40))
        (root / f"{name}.bin").write_bytes(b"".join(rows))
    (root / "batches.meta.txt").write_text("cat\ndog\n")
    assert images(new(root)) == {"train": 170, "valid": 30, "test": 40}
    assert 'cifar("../cifar-10-batches-bin", part = test)' in text()
    for folder, written in (("kmnist", '"o"'), ("fashion", "fashion_mnist(train, path"), ("letters", "mnist(")):
        place = tmp_path / folder
        place.mkdir()
        for part in ("train", "t10k"):
            values = np.random.default_rng(0).integers(0, 255, (60, 28, 28)).astype(np.uint8).tobytes()
            header = b"\0\0\x08\x03" + struct.pack(">3I", 60, 28, 28)
            (place / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + values, 1))
            labels = bytes(number % 10 for number in range(60))
            (place / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 60) + labels)
        assert images(new(place, "--force"))["test"] == 60
        assert written in text()


def test_parquet(new: New, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "set" / "data").mkdir(parents=True)
    for name, count in (("train-0", 45), ("train-1", 45), ("test-0", 30)):
        rows = [{"bytes": png(number), "path": None} for number in range(count)]
        table = pyarrow.table({"img": rows, "fine": [NAMES[number % 3] for number in range(count)]})
        parquet.write_table(table, tmp_path / "set" / "data" / f"{name}.parquet")
    assert images(new(tmp_path / "set")) == {"train": 75, "valid": 15, "test": 30}
    assert 'parquet("../set/data/train-*.parquet", image = "img", label = "fine")' in text()


def test_croissant_descriptions(new: New, tmp_path: Path) -> None:
    path = of_folders(tmp_path / "set", 60)
    for place in (path, path.parent):
        assert images(new(place, "--force")) == {"train": 40, "valid": 40}
        assert 'train = croissant("../set/croissant.json", split = "train")' in " ".join(text().split())
        assert 'valid = croissant("../set/croissant.json", split = "val")' in " ".join(text().split())
    path.write_text(path.read_text().replace("cr:Label", "sc:Text"))
    assert call(path, "--out", "other.ftr")[0] == 2
    (path.parent / "images" / "val").rename(tmp_path / "val")
    new(path.parent / "images", "--force")
    path.rename(path.parent / "images" / path.name)
    new(path.parent / "images", "--force")  # the folders are of use all the same
    assert "The Croissant description `croissant.json` is not used" in " ".join(text().replace("\n#", "").split())
