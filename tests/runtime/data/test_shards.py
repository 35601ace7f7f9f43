"""Shards of WebDataset, written by `tarfile` in each of its formats: samples, labels, images in their places."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from listed import problem_of
from PIL import Image

from runtime.data.images import open_rgb
from runtime.data.listing import Embedded
from runtime.data.sources.patterns import files_of
from runtime.data.sources.shards import Wanted, webdataset
from runtime.data.sources.tar_files import tar_members


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), value, np.uint8)).save(content, "PNG")
    return content.getvalue()


def shard(path: Path, members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def two(path: Path, first: int = 0) -> Path:
    return shard(path, {f"{n:04}.{end}": data for n in (first, first + 1)
                        for end, data in (("png", png(n)), ("cls", b"%d\n" % (n % 3)))})  # fmt: skip


def test_shards_are_listed_in_order_with_places_of_their_images(tmp_path: Path) -> None:
    for number in range(3):
        two(tmp_path / f"train-{number:03}.tar", 2 * number)
    found = webdataset(tmp_path / "train-{000..002}.tar", Wanted(), None)
    assert found.names == ("0", "1", "2")
    assert [each.target for each in found.samples] == [0, 1, 2, 0, 1, 2]
    assert [each.id for each in found.samples][1:3] == ["train-000/0001", "train-001/0002"]
    assert [np.asarray(open_rgb(each.image))[0, 0, 0] for each in found.samples] == [0, 1, 2, 3, 4, 5]
    assert [each.image.read() for each in found.samples if isinstance(each.image, Embedded)][4] == png(4)
    assert webdataset(tmp_path, Wanted(), None) == webdataset(tmp_path / "train-*.tar", Wanted(), None) == found
    assert webdataset(tmp_path / "train-000.tar", Wanted(), ("a", "b", "c")).names == ("a", "b", "c")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_where_tarfile_finds_them(tmp_path: Path, form: int) -> None:
    long = f"{'a' * 80}/{'b' * 60}" if form == tarfile.USTAR_FORMAT else f"{'a' * 120}/é{'b' * 130}"
    path = shard(tmp_path / "a.tar", {f"{long}.png": png(1), "x/": b"", f"{long}.cls": b"1", "c": b"x" * 600}, form)
    with tarfile.open(path, "a", format=form) as archive:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(path) as archive, path.open("rb") as file:
        expected = [(each.name, each.offset_data, each.size) for each in archive if each.isfile()]
        found = [(each.name, each.offset, each.size) for each in tar_members(file, path.stat().st_size)]
    assert found == [each for each in expected if each[0] != "x/"]
    assert len(found) == 3


def test_labels_of_json_and_text(tmp_path: Path) -> None:
    members = {"a/1.jpg": png(1), "a/1.mask.png": png(2), "a/1.json": b'{"class": "cat", "n": 1}',
               "a/2.jpg": png(1), "a/2.json": b'{"class": "dog"}', "about.txt": b"see a paper"}  # fmt: skip
    path = shard(tmp_path / "a.tar", members)
    found = webdataset(path, Wanted("json", "class", "jpg"), None)
    assert (found.names, [each.id for each in found.samples]) == (("cat", "dog"), ["a/a/1", "a/a/2"])
    assert [(each.path.name, each.why) for each in found.passed] == [("about.txt", "of a sample without an image")]
    assert "several images" in problem_of(webdataset, path, Wanted("json", "class"), None).message()
    problem = problem_of(webdataset, path, Wanted("json", "label", "jpg"), None)
    assert problem.code == "E529"
    assert "sample a/1 (byte 2,560): its JSON has no `label`" in problem.message()
    assert "it has `class`, `n`" in problem.help()
    assert "it has no member `.cls`" in problem_of(webdataset, path, Wanted(image="jpg"), None).message()


@pytest.mark.parametrize(
    ("label", "content", "reason"),
    [
        ("cls", b"\xff", "its label is no UTF-8 text"),
        ("cls", b"two\nlines", "is it a caption?"),
        ("json", b"{", "its label is no JSON"),
        ("json", json.dumps({"label": [1]}).encode(), "neither a name nor a whole number"),
        ("json", b"[" * 100_000, "its label is no JSON"),
        ("cls", b"x" * 2_000_000, "more than 1,048,576 bytes"),
    ],
)
def test_labels_that_make_no_sense(tmp_path: Path, label: str, content: bytes, reason: str) -> None:
    path = shard(tmp_path / "a.tar", {"1.png": png(1), f"1.{label}": content})
    assert reason in problem_of(webdataset, path, Wanted(label), None).message()


def test_files_that_are_no_shards(tmp_path: Path) -> None:
    path = two(tmp_path / "a.tar")
    sound = path.read_bytes()
    for content, reason in (
        (sound[:580], "bytes, and 68 are left"),
        (sound[:4096], "it is cut off at byte 4,096"),
        (sound[:1024] + b"x" * 512, "at byte 1,024 no member begins"),
        (b"\x1f\x8b" + bytes(600), "it is no tar file"),
        (sound[:124] + b"77777777777\0" + sound[136:], "no tar file"),
    ):
        path.write_bytes(content)
        problem = problem_of(webdataset, path, Wanted(), None)
        assert problem.code == "E529"
        assert reason in problem.message()
    path.write_bytes(b"\x1f\x8b" + bytes(600))
    assert "gunzip" in problem_of(webdataset, path, Wanted(), None).help()
    twice = [("1.png", png(1)), ("1.cls", b"1"), ("2.png", png(1)), ("2.cls", b"1")]
    both = tmp_path / "b.tar"
    shard(both, dict(twice))
    with tarfile.open(both, "a") as archive:
        info = tarfile.TarInfo("1.png")
        archive.addfile(info)
    assert "stands in the shard twice" in problem_of(webdataset, both, Wanted(), None).message()


def test_paths_that_stand_for_several_files(tmp_path: Path) -> None:
    for name in ("a-8", "a-9", "a-10", "b-08", "c{1"):
        (tmp_path / name).touch()
    assert [each.name for each in files_of(tmp_path / "a-{8..10}", "")] == ["a-8", "a-9", "a-10"]
    found = [each.name for each in files_of(tmp_path / "{b,a}-{08,8,9}*", "")]
    assert found == ["b-08", "a-8", "a-9"]
    assert files_of(tmp_path / "c{1", "") == [tmp_path / "c{1"]
    assert problem_of(files_of, tmp_path / "a-{7..9}", "").code == "E501"
    assert problem_of(files_of, tmp_path / "d-*", "").code == "E537"
    assert "more than 100,000 files" in problem_of(files_of, tmp_path / "{0..999}{0..999}", "").message()
    assert "more than 100,000 files" in problem_of(files_of, tmp_path / "{0..999999999}", "").message()
