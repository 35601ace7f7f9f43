"""`ftr new`: what it cannot use."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from new_recipes import New, call, images, photos, table


def _nothing(root: Path) -> str:
    return "nowhere"


def _misspelt(root: Path) -> str:
    return "digitz"


def _empty(root: Path) -> str:
    return "."


def _loose(root: Path) -> str:
    photos(root, {"x": 2})
    return "x"


def _one_class(root: Path) -> str:
    photos(root / "x", {"cats": 2})
    return "x"


def _unreadable(root: Path) -> str:
    photos(root / "x", {"ab": 2, "cd": 2})
    for path in root.glob("x/*/*.png"):
        path.write_text("<html>")
    return "x"


def _empty_class(root: Path) -> str:
    photos(root / "x", {"ab": 2, "cd": 0})
    (root / "x" / "cd" / "1.heic").write_text("")
    return "x"


def _one_each(root: Path) -> str:
    photos(root / "x", {"ab": 1, "cd": 1})
    return "x"


def _a_picture(root: Path) -> str:
    photos(root, {"x": 1})
    return "x/0.png"


def _prose(root: Path) -> str:
    table(root / "x.md", "# A page", "", "It says, more or less, nothing.")
    return "x.md"


def _empty_file(root: Path) -> str:
    (root / "x.csv").write_text("\n\n")
    return "x.csv"


def _no_header(root: Path) -> str:
    photos(root, {"x": 2})
    table(root / "x.csv", "x/0.png,a", "x/1.png,b")
    return "x.csv"


def _no_endings(root: Path) -> str:
    photos(root, {"x": 2})
    table(root / "x" / "x.csv", "id,breed", "0,a", "1,b")
    return "x"


def _no_labels(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,age", *(f"{number}.png,{number}" for number in range(4)))
    return "x"


def _one_hot(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "image,cat,dog", *(f"{n}.png,{n % 2},{1 - n % 2}" for n in range(4)))
    return "x"


def _missing_images(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,label", *(f"photo/{number}.png,{number % 2}" for number in range(4)))
    return "x"


def _one_label(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,label", *(f"{number}.png,cat" for number in range(4)))
    return "x"


def _strange_class(root: Path) -> str:
    photos(root / "x" / "train", {"ab": 4, "cd": 4})
    photos(root / "x" / "test", {"ab": 4, "other": 4})
    return "x"


def _name_of_bytes(root: Path) -> str:
    photos(root / os.fsdecode(b"x\xff"), {"ab": 4, "cd": 4})
    return os.fsdecode(b"x\xff")


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (_nothing, "E535", "no folder and no table `nowhere`.*one of `digits`"),
        (_misspelt, "E535", "did you mean `digits`"),
        (_empty, "E502", "nothing to read"),
        (_loose, "E502", "2 images directly inside"),
        (_one_class, "E505", "only one class: `cats`"),
        (_unreadable, "E530", "none of the 4 images.*it is a web page"),
        (_empty_class, "E504", r"ignored 1\.heic: HEIC: convert it to JPEG or PNG"),
        (_one_each, "E516", "valid set has 0 images"),
        (_a_picture, "E506", "it is not text: line 3 holds a NUL byte"),
        (_prose, "E531", "its columns are"),
        (_empty_file, "E506", "it is empty"),
        (_no_header, "E531", "put a line with the columns' names above it"),
        (_no_endings, "E531", "add .png to each cell of column `id`: `0.png` is there"),
        (_one_hot, "E532", "each row has a single 1 in `cat`, `dog`: put a column `label`"),
        (_no_labels, "E532", "its columns are `file`, `age`"),
        (_missing_images, "E508", "photo/0.png"),
        (_one_label, "E505", "only one class: `cat`"),
        (_strange_class, "E514", "`other`"),
        (_name_of_bytes, "E534", "not valid UTF-8"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], str], code: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    exit_code, said = call(make(tmp_path))
    assert exit_code == 2
    assert f"error[{code}]" in said
    assert re.search(says, said, re.DOTALL), said
    assert not list(tmp_path.glob("*.ftr"))


def test_a_loop_of_folders_ends(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "x", {"ab": 20, "cd": 20})
    (root / "ab" / "up").symlink_to(root)
    assert sum(images(new(root)).values()) >= 40


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    root = photos(tmp_path / "x", {"ab": 2, "cd": 2})
    root.chmod(0)
    try:
        code, said = call(root)
    finally:
        root.chmod(0o700)
    assert (code, "error[E511]" in said) == (2, True)
