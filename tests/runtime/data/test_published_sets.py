"""CIFAR and MNIST in the files that are published: both versions of CIFAR, their archives, EMNIST's turned images."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from listed import problem_of
from python2_pickles import python2

from runtime.data.content_hashes import content_hash
from runtime.data.images import open_rgb
from runtime.data.listing import Embedded
from runtime.data.sources import idx_files
from runtime.data.sources.cifar import cifar
from runtime.data.sources.idx_files import mnist

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))


def pixels(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072)).astype(np.uint8)


def ten_python(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")):
        values = {
            "batch_label": name,
            "labels": [number, 9 - number],
            "data": pixels(2, number),
            "filenames": ["a", "b"],
        }
        (root / name).write_bytes(python2(values))
    (root / "batches.meta").write_bytes(python2({"label_names": list(TEN)}))
    return root


def ten_binary(root: Path) -> Path:
    root.mkdir(parents=True)
    for number, name in enumerate((*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")):
        rows = zip((number, 9 - number), pixels(2, number), strict=True)
        (root / f"{name}.bin").write_bytes(b"".join(bytes([label]) + row.tobytes() for label, row in rows))
    (root / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    return root


def archived(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
        archive.addfile(tarfile.TarInfo("../evil"))
    return path


def test_the_pickles_made_here_are_those_of_python(tmp_path: Path) -> None:
    """The reference is Python's own reader."""
    found = pickle.loads((ten_python(tmp_path) / "data_batch_2").read_bytes(), encoding="latin-1")
    assert np.array_equal(found["data"], pixels(2, 1))
    assert (found["labels"], found["filenames"]) == ([1, 8], ["a", "b"])


def test_both_versions_of_cifar_and_their_archives_are_one(tmp_path: Path) -> None:
    python = cifar(ten_python(tmp_path / "cifar-10-batches-py"), "train")
    assert python.names == TEN
    assert [each.target for each in python.samples] == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert [each.id for each in python.samples][::9] == ["train/00000", "train/00009"]
    expected = pixels(2, 3)[1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(open_rgb(python.samples[7].image)), expected)
    assert content_hash(python.samples[7].image) == content_hash(np.ascontiguousarray(expected))
    binary = cifar(ten_binary(tmp_path / "cifar-10-batches-bin"), "train")
    places = [tmp_path, archived(tmp_path / "cifar-10-batches-py"), archived(tmp_path / "cifar-10-batches-bin")]
    for other in (binary, *(cifar(place, "train") for place in (*places, places[1]))):
        assert other == python
        assert [content_hash(each.image) for each in other.samples] == [content_hash(e.image) for e in python.samples]
    test = cifar(tmp_path, "test").samples
    assert [(each.id, each.target) for each in test] == [("test/00000", 5), ("test/00001", 4)]
    assert len(list((tmp_path / "cache/records").iterdir())) == 2
    assert not (tmp_path / "evil").exists()


def hundred(root: Path) -> None:
    fine, coarse = [f"fine{n}" for n in range(100)], [f"coarse{n}" for n in range(20)]
    for folder in ("cifar-100-python", "cifar-100-binary"):
        (root / folder).mkdir()
    for part in ("train", "test"):
        data, of = pixels(3), {"fine_labels": [99, 3, 4], "coarse_labels": [19, 0, 1]}
        (root / "cifar-100-python" / part).write_bytes(python2({"data": data, **of}))
        rows = zip(of["coarse_labels"], of["fine_labels"], data, strict=True)
        content = b"".join(bytes((c, f)) + row.tobytes() for c, f, row in rows)
        (root / "cifar-100-binary" / f"{part}.bin").write_bytes(content)
    names = {"fine_label_names": fine, "coarse_label_names": coarse}
    (root / "cifar-100-python" / "meta").write_bytes(python2(names))
    for name, values in names.items():
        (root / "cifar-100-binary" / f"{name}.txt").write_text("\n".join(values))


def test_cifar_100_has_fine_and_coarse_labels(tmp_path: Path) -> None:
    hundred(tmp_path)
    for folder in ("cifar-100-python", "cifar-100-binary"):
        fine, coarse = (cifar(tmp_path / folder, "train", labels) for labels in ("fine", "coarse"))
        assert [fine.names[each.target] for each in fine.samples] == ["fine99", "fine3", "fine4"]
        assert [coarse.names[each.target] for each in coarse.samples] == ["coarse19", "coarse0", "coarse1"]
        assert np.array_equal(
            np.asarray(open_rgb(fine.samples[2].image))[1, 2], pixels(3)[2].reshape(3, 32, 32)[:, 1, 2]
        )


def test_what_was_unpacked_is_listed_and_cleared_unless_a_process_reads_it(tmp_path: Path, ftr: Ftr) -> None:
    file = archived(ten_binary(tmp_path / "cifar-10-batches-bin"))
    script = (
        "import sys\nfrom pathlib import Path\nfrom runtime.data.sources.cifar import cifar\n"
        "cifar(Path(sys.argv[1]), 'train')\nprint(flush=True)\nsys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # ends when this process does, whose pipe it reads
    assert reader.stdout is not None
    reader.stdout.readline()
    (folder,) = (tmp_path / "cache/records").iterdir()
    (entry,) = json.loads(ftr("cache", "--json").out)["tables"]
    assert (entry["name"], entry["rows"], entry["size"]) == (
        f"records/{folder.name}",
        7,
        6 * 6146 + len("\n".join(TEN)) + 2,
    )
    assert "kept 0 tables and 1 unpacked file: in use" in ftr("cache", "clear").out
    assert folder.is_dir()
    reader.communicate(timeout=60)
    assert "removed 0 tables and 1 unpacked file" in ftr("cache", "clear").out
    assert not folder.exists()
    assert len(cifar(file, "train").samples) == 10


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil"),))


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = ten_python(tmp_path / "set")
    (root / "data_batch_3").write_bytes(pickle.dumps({"data": Evil()}, 2))
    problem = problem_of(cifar, root, "train")
    assert problem.code == "E536"
    assert "data_batch_3` names `" in problem.message()
    assert not Path("evil").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"\x80\x04" + b"\0" * 9,
            "byte 2: it is no pickle of protocol 2 as the set's own files are: it begins otherwise",
        ),
        (pickle.dumps({"data": [1.5]}, 2), "the instruction b'G' has no place in it"),
        (python2({"data": pixels(2)})[:-100], "it is cut off"),
        (python2({"data": pixels(2)[:, 1:], "labels": [1, 2]}), "its `data` are no rows of 3,072 bytes"),
        (python2({"data": pixels(2), "labels": [1]}), "its `labels` are no list of 2"),
        (python2({"data": pixels(2), "labels": [1, 10]}), "its class is 10, and there are 10"),
        (b"\x80\x02" + b"(" * 1000 + b".", "it is no pickle"),
    ],
)
def test_damaged_pickles_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    root = ten_python(tmp_path / "set")
    (root / "data_batch_1").write_bytes(content)
    problem = problem_of(cifar, root, "train")
    assert problem.code == "E529"
    assert "data_batch_1" in problem.message()
    assert reason in problem.message()


def test_damaged_and_missing_files_of_cifar(tmp_path: Path) -> None:
    root = ten_binary(tmp_path / "set")
    sound = (root / "data_batch_1.bin").read_bytes()
    for content, reason in (
        (sound[:-1], "its 6,145 bytes are no whole number of records"),
        (sound[:3073] + b"\x0b" + sound[3074:], "record 2 (byte 3,073): its class is 11"),
    ):
        (root / "data_batch_1.bin").write_bytes(content)
        assert reason in problem_of(cifar, root, "train").message()
    (root / "data_batch_1.bin").unlink()
    assert problem_of(cifar, root, "train").code == "E501"
    assert problem_of(cifar, tmp_path, "train").code == "E538"
    assert "no coarse labels" in problem_of(cifar, root, "test", "coarse").message()
    cut = archived(ten_python(tmp_path / "cifar-10-batches-py"))
    cut.write_bytes(cut.read_bytes()[:-200])
    assert problem_of(cifar, cut, "train").code == "E529"
    assert not list((tmp_path / "cache/records").iterdir())  # nothing is left


def idx(path: Path, values: Sequence[Any] | Pixels) -> None:
    array = np.asarray(values, np.uint8)
    data = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("ending", ["", ".gz", "large.gz"])
def test_emnist_is_turned_upright_and_its_classes_are_characters(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ending == "large.gz":
        monkeypatch.setattr(idx_files, "_IN_MEMORY", 1)
    packed = ".gz" if ending else ""
    stored = pixels(3)[:, :12].reshape(3, 3, 4)
    for name, labels in (("emnist-letters", [1, 26, 1]), ("emnist-digits", [0, 1, 2])):
        idx(tmp_path / f"{name}-train-images-idx3-ubyte{packed}", stored)
        idx(tmp_path / f"{name}-train-labels-idx1-ubyte{packed}", labels)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n26 90 122\n")
    found = mnist(tmp_path, "train", "emnist-letters")
    assert (found.names, [each.target for each in found.samples]) == (("A", "Z"), [0, 1, 0])
    for number, each in enumerate(found.samples):
        assert np.array_equal(np.asarray(open_rgb(each.image))[..., 0], stored[number].T)
    assert isinstance(found.samples[0].image, Embedded) == (ending != ".gz")
    problem = problem_of(mnist, tmp_path, "train")
    assert "has several sets" in problem.message()
    assert "emnist-digits" in problem.help()
    assert problem_of(mnist, tmp_path, "train", "emnist-leters").help() == "did you mean `emnist-letters`?"
    assert problem_of(mnist, tmp_path, "test", "emnist-letters").code == "E501"


def test_mnist_names_and_files_with_a_point(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        idx(tmp_path / f"{part}-images.idx3-ubyte", pixels(2)[:, :784].reshape(2, 28, 28))
        idx(tmp_path / f"{part}-labels.idx1-ubyte", [7, 2])
    found = mnist(tmp_path, "test")
    assert (found.names, [each.id for each in found.samples]) == (("2", "7"), ["test/00000", "test/00001"])
    assert mnist(tmp_path, "train", None, tuple("abcdefgh")).samples[0].target == 7
    assert "its class is `7`" in problem_of(mnist, tmp_path, "train", None, ("a", "b")).message()
