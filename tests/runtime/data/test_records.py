"""Record files of detection, written by MXNet itself: their objects and images, and what is said of bad ones."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx
from runtime.data.sources.annotations import NO_AREA
from runtime.data.sources.records import read_rec, rec
from runtime.plan.size import Size

NAMES = ("cat", "dog")
HEAD = [4.0, 6.0, 40.0, 30.0]  # with the size of the image, and rows of six


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", comment=struct.pack("<I", 0xCED7230A) * 3)  # makes parts of a record
    return file.getvalue()


def written(path: Path, *labels: list[float]) -> Path:
    writer = mx.recordio.MXRecordIO(str(path), "w")
    for number, label in enumerate(labels):
        header = mx.recordio.IRHeader(0, np.array(label, np.float32), number, 0)
        writer.write(mx.recordio.pack(header, jpeg(number)))
    writer.close()
    return path


def test_what_mxnet_writes_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "train.rec",
        [*HEAD, 0, 0.25, 0.5, 0.5, 1, 0, 1, 0, 0, 1, 0.5, 1],
        [*HEAD, -1, -1, -1, -1, -1, -1],
        [*HEAD, 1, 0.5, 0.5, 0.5, 0.75, 0],
    )
    found = rec(path, NAMES)
    assert found.names == NAMES
    assert [sample.id for sample in found.samples] == ["00000000", "00000001", "00000002"]
    boxes = found.samples[0].target.at(Size(30, 40))
    assert (boxes.classes.tolist(), boxes.corners.tolist()) == ([0, 1], [[10, 15, 20, 30], [0, 0, 40, 15]])
    assert [len(sample.target) for sample in found.samples] == [2, 0, 0]
    assert found.dropped == {NO_AREA: 1}
    assert [sample.image.read_bytes() for sample in found.samples if isinstance(sample.image, Path)] == [
        jpeg(number) for number in range(3)
    ]
    again = rec(path, NAMES)
    assert again == found
    assert [sample.image for sample in again.samples] == [sample.image for sample in found.samples]
    assert len(list((tmp_path / "cache/records").iterdir())) == 1


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ([*HEAD, 2, 0, 0, 1, 1, 0], "record 1 has the class 2, and `names` has 2, from 0 on"),
        ([*HEAD, 0.5, 0, 0, 1, 1, 0], "has the class 0.5"),
        ([*HEAD, 0, 10, 20, 30, 25, 0], "are these pixels? Records have fractions"),
        ([*HEAD, 0, 0, 0, 1, 1], "a head of 4, rows of 6 numbers"),
        ([4, 0, 1, 1], "rows of 0 numbers"),
        ([2, 5, float("nan"), 0, 0, 1, 1], "no list of boxes"),
        ([3.0], "no list of boxes"),
    ],
)
def test_labels_that_make_no_sense(label: list[float], reason: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        rec(written(tmp_path / "bad.rec", label), NAMES)
    (problem,) = caught.value.problems
    assert problem.code == "E579"
    assert reason in problem.message()
    assert not list((tmp_path / "cache/records").iterdir())  # nothing is left


def test_a_file_that_is_cut_off_or_none(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.rec", [*HEAD, 0, 0, 0, 1, 1, 0])
    for content, reason in (
        (path.read_bytes()[:-40], "the file is cut off"),
        (b"<annotation>", "is it a record file of MXNet?"),
    ):
        path.write_bytes(content)
        with pytest.raises(RecipeError) as caught:
            rec(path, NAMES)
        assert reason in caught.value.problems[0].message()
    path.write_bytes(b"")
    with pytest.raises(RecipeError) as caught:
        rec(path, NAMES)
    assert caught.value.problems[0].code == "E583"


def test_one_record_is_held_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "two.rec", [*HEAD, 0, 0, 0, 1, 1, 0], [*HEAD, 1, 0, 0, 1, 1, 0])
    first = next(read_rec(path, NAMES))
    assert [each.name for each in first[0]] == ["cat"]
    assert (first[1], first[2]) == (jpeg(0), "jpg")


def test_unpacked_images_are_listed_and_cleared_unless_a_process_reads_them(tmp_path: Path, ftr: Ftr) -> None:
    file = written(tmp_path / "a.rec", [*HEAD, 0, 0.1, 0.1, 0.5, 0.5, 0], [*HEAD, 1, 0.1, 0.1, 0.5, 0.5, 0])
    reader = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom pathlib import Path\nfrom runtime.data.sources.records import rec\n"
         "rec(Path(sys.argv[1]), ('cat', 'dog'))\nprint(flush=True)\nsys.stdin.read()", str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert reader.stdout is not None
    reader.stdout.readline()
    (folder,) = (tmp_path / "cache/records").iterdir()
    (entry,) = json.loads(ftr("cache", "--json").out)["tables"]
    size = sum(len(jpeg(number)) for number in range(2))
    assert (entry["name"], entry["rows"], entry["size"]) == (f"records/{folder.name}", 2, size)
    assert "0 tables and 1 unpacked record file" in ftr("cache").out
    assert "kept 0 tables and 1 unpacked record file: in use" in ftr("cache", "clear").out
    assert folder.is_dir()
    reader.communicate()
    assert "removed 0 tables and 1 unpacked record file" in ftr("cache", "clear").out
    assert not folder.exists()
    assert all(sample.image.is_file() for sample in rec(file, NAMES).samples)
