"""Record files, written by MXNet itself: their labels, objects and images, and what is said of bad ones."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx
from runtime.data.images import look_inside, open_rgb
from runtime.data.listing import Embedded
from runtime.data.sources.annotations import NO_AREA
from runtime.data.sources.records import read_rec, rec, rec_labels
from runtime.data.targets import CLASS, LABELS, NUMBERS, TargetKind
from runtime.plan.size import Size

NAMES = ("cat", "dog")
HEAD = [4.0, 6.0, 40.0, 30.0]  # with the size of the image, and rows of six


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", comment=struct.pack("<I", 0xCED7230A) * 3)  # makes parts of a record
    return file.getvalue()


def written(path: Path, *labels: list[float] | float) -> Path:
    writer = mx.recordio.MXRecordIO(str(path), "w")
    for number, label in enumerate(labels):
        given = label if isinstance(label, float) else np.array(label, np.float32)
        header = mx.recordio.IRHeader(0, given, number, 0)
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
    assert [sample.image.read() for sample in found.samples if isinstance(sample.image, Embedded)] == [
        jpeg(number) for number in range(3)
    ]


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


def test_images_stay_where_they_are_and_only_their_beginning_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "two.rec", 1.0, 0.0)
    first, second = read_rec(path)
    assert (first.label, second.label) == ((1.0,), (0.0,))
    assert first.image.read() == jpeg(0)
    assert len(first.image.spans) > 1  # the image has the number that records begin with
    assert np.array_equal(open_rgb(second.image), Image.open(io.BytesIO(jpeg(1))))
    path.write_bytes(path.read_bytes()[: second.offset])
    assert "`two.rec`, which holds it, is cut off" in str(look_inside(second.image))


def test_classes_are_the_numbers_or_the_names_of_these(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", 10.0, 2.0, [2.0])
    found = rec_labels(path, CLASS, None)
    assert (found.names, [each.target for each in found.samples]) == (("2", "10"), [1, 0, 0])
    assert [each.id for each in found.samples] == ["00000000", "00000001", "00000002"]
    named = rec_labels(path, CLASS, tuple("abcdefghijk"))
    assert [named.names[each.target] for each in named.samples] == ["k", "c", "c"]


def test_numbers_and_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", [0.5, 2.0], [1.0, -1.0])
    found = rec_labels(path, NUMBERS, ("height", "width"))
    assert (found.names, [each.target for each in found.samples]) == (("height", "width"), [(0.5, 2.0), (1.0, -1.0)])
    assert rec_labels(written(tmp_path / "b.rec", 0.5, 1.5), NUMBERS, None).names == ("label",)
    flags = rec_labels(written(tmp_path / "c.rec", [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]), LABELS, ("a", "b", "c"))
    assert [each.target for each in flags.samples] == [(0, 2), ()]


@pytest.mark.parametrize(
    ("labels", "kind", "names", "reason"),
    [
        ((1.0, 0.5), CLASS, None, "has the label 0.5, no number of a class"),
        ((1.0, [1.0, 2.0]), CLASS, None, "has a label of 2 numbers, no class"),
        ((1.0, 7.0), CLASS, ("a", "b"), "its class is `7`, and `names` has 2 classes"),
        (([1.0, 2.0], [1.0]), NUMBERS, None, "a label of 1 numbers, others or `names` have 2"),
        ((float("nan"), 1.0), NUMBERS, None, "no finite number"),
        (([1.0, 0.5],), LABELS, None, "labels other than 0 and 1"),
    ],
)
def test_labels_of_another_kind(
    labels: tuple[list[float] | float, ...],
    kind: TargetKind,
    names: tuple[str, ...] | None,
    reason: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(RecipeError) as caught:
        rec_labels(written(tmp_path / "a.rec", *labels), kind, names)
    (problem,) = caught.value.problems
    assert problem.code == "E529"
    assert reason in problem.message()
