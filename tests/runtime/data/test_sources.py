"""Folders as sources of images: classes, and what is passed over."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from listed import problem_of, touch
from PIL import Image

from runtime.data.images import open_rgb
from runtime.data.sources.files import folder, images_below
from runtime.data.sources.problems import SetsAsClasses
from runtime.data.sources.skipped import by_kind, passed_line
from runtime.data.sources.tables import csv_classes
from runtime.tasks.classification.targets import class_counts


def test_a_folder_lists_classes_and_images(tmp_path: Path) -> None:
    root = touch(
        tmp_path / 'my "photos" – löwe',
        *("b/2.jpg", "b/deep er/1.PNG", "a/x.webp", "a/y.jpeg", "a/notes.txt", "a/no_ending", "a/1.5"),
        *(".hidden/z.jpg", "a/.trash.jpg", "a/.thumbs/x.jpg", "loose.jpg"),
    )
    listing = folder(root)
    assert listing.names == ("a", "b")
    assert [sample.id for sample in listing.samples] == ["a/x.webp", "a/y.jpeg", "b/2.jpg", "b/deep er/1.PNG"]
    assert [sample.target for sample in listing.samples] == [0, 0, 1, 1]
    assert listing.samples[3].image == root / "b" / "deep er" / "1.PNG"
    assert class_counts(listing) == (2, 2)


def test_classes_are_sorted_by_code_points(tmp_path: Path) -> None:
    assert folder(touch(tmp_path, "b/1.jpg", "B/1.jpg", "é/1.jpg", "10/1.jpg", "9/1.jpg")).names == (
        *("10", "9", "B", "b"),
        "é",
    )


def test_names_that_are_no_text_are_read(tmp_path: Path) -> None:
    os.makedirs(os.fsencode(tmp_path) + b"/a\xff")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff/1\xfe.jpg")).touch()
    listing = folder(touch(tmp_path, "b/[1] *?$(x);\n.jpg"))
    assert [sample.id for sample in listing.samples] == ["a\udcff/1\udcfe.jpg", "b/[1] *?$(x);\n.jpg"]


def test_links_are_followed_but_not_in_circles_nor_to_nothing(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "a/1.jpg", "b/1.jpg")
    touch(tmp_path, "elsewhere/2.jpg")
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "circle").symlink_to(root / "a")
    (root / "b" / "dead.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(root / "b" / "pipe.jpg")
    assert [sample.id for sample in folder(root).samples] == ["a/1.jpg", "a/linked/2.jpg", "b/1.jpg"]


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("flower", "flowers"), ("Flowers", "flowers"), ("flowrs/trian", "flowers/train"), ("quite else", "")],
)
def test_a_missing_folder_is_named_with_its_nearest(tmp_path: Path, wanted: str, nearest: str) -> None:
    touch(tmp_path, "flowers/train/1.jpg")
    problem = problem_of(folder, tmp_path / wanted)
    assert problem.code == "E501"
    assert problem.message() == f"there is no folder `{tmp_path / wanted}`"
    assert problem.help() == (
        f"did you mean `{tmp_path / nearest}`?"
        if nearest
        else "the recipe's relative paths start at its folder, or at `--data-root FOLDER`"
    )


@pytest.mark.parametrize("wanted", ["link", "link/deeper", "labels.csv/deeper", "labls.csv/deeper"])
def test_a_dead_link_and_a_file_as_folder_are_missing(tmp_path: Path, wanted: str) -> None:
    touch(tmp_path, "labels.csv")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert problem_of(folder, tmp_path / wanted).code == "E501"


def test_a_file_is_no_folder_and_a_folder_no_table(tmp_path: Path) -> None:
    touch(tmp_path, "photos.zip")
    assert problem_of(folder, tmp_path / "photos.zip").message().endswith("is a file, and a folder is expected")
    assert problem_of(csv_classes, tmp_path, "file", "kind").message().endswith("is a folder, and a file is expected")


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["1.jpg", "2.jpg", "readme.md"], "E502", "2 images directly inside"),
        ([], "E502", "nothing to read"),
        (["train/a/1.jpg", "Test/a/1.jpg"], "E503", 'root/train")\ntest = folder("'),
        (["a/1.jpg", "b/1.heic", "b/2.heic", "b/x.txt"], "E504", "class `b`"),
        (
            ["a/1.jpg", "b/1.heic", "b/2.heic", "b/x.txt"],
            "E504",
            "ignored 3 files: 2 .heic (HEIC: convert it to JPEG or PNG), 1 .txt",
        ),
        (["only/1.jpg"], "E505", "only one class: `only`"),
        (["flowers/a/1.jpg", "flowers/b/1.jpg"], "E505", "flowers` has subfolders"),
    ],
)
def test_folders_that_cannot_train(tmp_path: Path, names: list[str], code: str, words: str) -> None:
    (tmp_path / "root").mkdir()
    problem = problem_of(folder, touch(tmp_path / "root", *names))
    assert problem.code == code
    assert words in problem.message() + problem.help()


def test_a_set_that_only_evaluates_needs_no_image_of_each_class(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    assert class_counts(folder(tmp_path, training=False)) == (1,)
    (tmp_path / "empty").mkdir()
    assert class_counts(folder(tmp_path, training=False)) == (1, 0)


def test_what_is_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "root",
        *("a/1.jpg", "a/2.HEIC", "a/3.heic", "a/4.nef", "a/notes.txt", "a/data", "a/.DS_Store", "b/1.jpg"),
        *("a/@eaDir/1.jpg/thumb.jpg", "b/@eaDir/1.jpg", "__MACOSX/a/._1.jpg", ".git/x.png", "loose.jpg", "labels.csv"),
    )
    (root / "b" / "2.jpg").symlink_to("/nowhere/2.jpg")
    (root / "bird").symlink_to("/nowhere/bird")
    (root / "self").symlink_to("self")
    (root / "circle").symlink_to(root)
    os.mkfifo(root / "b" / "pipe.jpg")
    listing = folder(root)
    assert listing.names == ("a", "b")
    assert [sample.id for sample in listing.samples] == ["a/1.jpg", "b/1.jpg"]
    counts = dict(by_kind(listing.passed))
    assert counts == {
        ("dangling link", ""): 3,
        (".heic", "HEIC: convert it to JPEG or PNG"): 2,
        (".jpg", "beside the class folders"): 1,
        (".nef", "camera raw: convert it to JPEG or PNG"): 1,
        ("link", "to a folder that holds it"): 1,
        ("folder", "@eaDir: thumbnails of Synology"): 2,
        ("folder", "__MACOSX: of an archive made on macOS"): 1,
        ("folder", "hidden"): 1,
        ("file", "hidden"): 1,
        ("file", "no ending"): 1,
        ("file", "a pipe, a socket or a device"): 1,
        (".csv", ""): 1,
        (".txt", ""): 1,
    }
    assert passed_line(listing.passed) == (
        "ignored 13 files and 4 folders: 3 dangling links, 2 .heic (HEIC: convert it to JPEG or PNG),"
        " 1 .jpg (beside the class folders), 1 .nef (camera raw: convert it to JPEG or PNG),"
        " 2 folders (@eaDir: thumbnails of Synology), 8 other kinds"
    )
    assert {each.what for each in listing.passed if each.is_image} == {"dangling link", ".heic", ".jpg", ".nef"}


def encoded(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 8), (200, 90, 10)).save(file, kind, **options)
    return file.getvalue()


CONTENTS = {
    "no-ending": (encoded("JPEG"), "image"),
    "photo.jpg?w=640": (encoded("PNG"), "image"),
    "photo.webp!large": (encoded("WEBP"), "image"),
    "photo.JPG_original": (encoded("TIFF"), "image"),
    "jpeg.heic": (encoded("JPEG"), "image"),
    "1.5": (encoded("BMP"), "image"),
    "two.mpo": (encoded("MPO", save_all=True, append_images=[Image.new("RGB", (9, 8))]), "image"),
    "moving.apng": (encoded("PNG", save_all=True, append_images=[Image.new("RGB", (9, 8))]), "image"),
    "cut": (encoded("JPEG")[:20], "damaged"),
    "BMW": (b"BMW is a maker of cars", ""),
    "P1": (b"P1 was late, P2 was not", ""),
    "phone": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC: convert it to JPEG or PNG"),
    "preview.dng": (encoded("TIFF"), "camera raw: convert it to JPEG or PNG"),
    "empty": (b"", ""),
    "script": (b"%!PS-Adobe-3.0 EPSF-3.0", ""),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content_decides_where_the_ending_does_not(tmp_path: Path, name: str) -> None:
    root = touch(tmp_path, "a/1.jpg", "b/1.jpg")
    content, what = CONTENTS[name]
    (root / "b" / name).write_bytes(content)
    listing = folder(root)
    images = [sample.image for sample in listing.samples if sample.target == 1]
    assert images_below(root / "b")[0] == images
    if what == "image":
        assert images == sorted([root / "b" / "1.jpg", root / "b" / name])
        assert listing.passed == ()
        open_rgb(root / "b" / name)
    else:
        assert images == [root / "b" / "1.jpg"]
        (passed,) = listing.passed
        assert (passed.path, passed.is_image) == (root / "b" / name, bool(what))
        assert passed.why == (what or ("" if "." in name else "no ending"))


def test_files_of_known_endings_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open each file would make the listing of a large set slow, most of all over a network."""
    root = touch(tmp_path, "a/1.jpg", "a/1.xml", "b/1.PNG", "b/1.json", "b/2.nef")
    monkeypatch.setattr("runtime.data.formats._why_no_content", lambda path: pytest.fail(str(path)))
    assert len(folder(root).samples) == 2


def test_linked_class_folders_are_classes(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "a/1.jpg")
    (root / "b").symlink_to(touch(tmp_path / "elsewhere", "2.jpg"))
    assert [sample.id for sample in folder(root).samples] == ["a/1.jpg", "b/2.jpg"]


def test_a_class_of_dead_links_says_so(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.jpg", "b/notes.txt")
    (root / "b" / "1.jpg").symlink_to("/nowhere/1.jpg")
    assert problem_of(folder, root).help() == "ignored 2 files: 1 dangling link, 1 .txt"


SETS = {
    "training_set test_set": {"training_set": "train", "test_set": "test"},
    "seg_train seg_test seg_pred": {"seg_train": "train", "seg_test": "test"},
    "TrainImages ValidationImages": {"TrainImages": "train", "ValidationImages": "valid"},
    "train2017 val2017": {"train2017": "train", "val2017": "valid"},
    "train test_images docs": {"train": "train", "test_images": "test"},
    "Training Data|Testing Data": {"Training Data": "train", "Testing Data": "test"},
    "01-train 02-dev": {"01-train": "train", "02-dev": "valid"},
    "train val unlabeled": {"train": "train", "val": "valid"},
    "train crops_test": {"train": "train", "crops_test": "test"},
    "valid test": {"valid": "valid", "test": "test"},
}


@pytest.mark.parametrize("names", SETS)
def test_folders_that_are_named_like_sets_are_no_classes(tmp_path: Path, names: str) -> None:
    for name in names.split("|" if "|" in names else " "):
        labels = ("cat/", "dog/", "emu/") if name in SETS[names] else ("",)
        touch(tmp_path, *(f"{name}/{label}1.jpg" for label in labels))
    problem = problem_of(folder, tmp_path)
    assert problem.kind is SetsAsClasses
    expected = {role: str(tmp_path / name) for name, role in SETS[names].items()}
    assert dict(problem.sets) == (expected if "train" in expected else {})
    for field, path in problem.sets:
        assert f'{field} = folder("{path}")' in problem.help()


@pytest.mark.parametrize(
    "names",
    [
        "car train",
        "steam_train bullet_train",
        "train test_tube",
        "freight_train test_drive bus",
        "training meeting testing",
    ],
)
def test_classes_may_have_words_of_sets_in_their_names(tmp_path: Path, names: str) -> None:
    root = touch(tmp_path, *(f"{name}/{n}.jpg" for name in names.split() for n in "12"))
    assert folder(root).names == tuple(sorted(names.split()))


def test_sets_that_were_unpacked_into_a_folder_of_their_own_name(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"seg_{s}/seg_{s}/{label}/1.jpg" for s in ("train", "test") for label in ("sea", "road")))
    touch(tmp_path, "seg_pred/seg_pred/1.jpg")
    problem = problem_of(folder, root)
    assert problem.kind is SetsAsClasses
    assert problem.sets == (("train", f"{root}/seg_train/seg_train"), ("test", f"{root}/seg_test/seg_test"))
