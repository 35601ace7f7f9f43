"""Where samples come from: folders, tables and packaged sets, and what is said when they cannot be used."""

from __future__ import annotations

import gzip
import io
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipe_lang.problem import Problem, RecipeError
from runtime.data.exclude import without
from runtime.data.images import open_rgb
from runtime.data.sources import packaged as packaged_sets
from runtime.data.sources.files import folder, images_below
from runtime.data.sources.packaged import digits, fashion_mnist, solar_cells
from runtime.data.sources.problems import SetsAsClasses
from runtime.data.sources.skipped import by_kind, passed_line
from runtime.data.sources.tables import csv_classes, csv_numbers
from runtime.tasks.classification.targets import class_counts


def touch(root: Path, *names: str) -> Path:
    """Make files; sources list images and do not read them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def problems_of(work: Callable[..., object], *args: Any, **options: Any) -> Sequence[Problem]:
    with pytest.raises(RecipeError) as caught:
        work(*args, **options)
    return caught.value.problems


def problem_of(work: Callable[..., object], *args: Any, **options: Any) -> Problem:
    (problem,) = problems_of(work, *args, **options)
    return problem


# --- folders ---------------------------------------------------------------------------------


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


# --- tables ----------------------------------------------------------------------------------


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = touch(tmp_path, "1.jpg", "sub/2.jpg", "3.jpg", "a, b.jpg") / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_lists_its_rows(tmp_path: Path) -> None:
    listing = csv_classes(table(tmp_path, "file,kind\n1.jpg,rose\nsub/2.jpg,elm\n\n./3.jpg,rose\n"), "file", "kind")
    assert listing.names == ("elm", "rose")
    assert [(sample.id, sample.target) for sample in listing.samples] == [("1.jpg", 1), ("sub/2.jpg", 0), ("3.jpg", 1)]
    assert listing.samples[1].image == tmp_path / "sub" / "2.jpg"


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffile,kind\n1.jpg,10\n3.jpg,9\n",
        "file;kind\r\n1.jpg;10\r\n3.jpg;9\r\n",
        "kind\tfile\n10\t1.jpg\n9\t3.jpg\n",
        "id, file , kind\n0, 1.jpg , 10\n1, 3.jpg , 9",
        '"file","note","kind"\n"1.jpg","two\nlines",10\n3.jpg,,9\n',
        "file|kind\n1.jpg|10\n3.jpg|9\n",
        "\ufeffsep=;\r\nfile;kind\r\n1.jpg;10\r\n3.jpg;9\r\n",
        "file,kind,,\n1.jpg,10,,\n3.jpg,9\n",
        "id;a,b;file;kind\n0;x,y;1.jpg;10\n1;;3.jpg;9",
    ],
    ids=["byte order mark", "semicolons", "tabs", "blanks", "quotes", "bars", "Excel", "ends", "commas in semicolons"],
)
def test_every_usual_table_reads_alike(tmp_path: Path, text: str) -> None:
    listing = csv_classes(table(tmp_path, text), "file", "kind")
    assert listing.names == ("9", "10")  # by value, where all are numbers
    assert [(sample.id, sample.target) for sample in listing.samples] == [("1.jpg", 1), ("3.jpg", 0)]


def test_a_quoted_path_holds_commas(tmp_path: Path) -> None:
    listing = csv_classes(table(tmp_path, 'file,kind\n"a, b.jpg",x\n1.jpg,y\n'), "file", "kind")
    assert listing.samples[0].id == "a, b.jpg"


def test_a_table_takes_paths_from_its_root(tmp_path: Path) -> None:
    moved = table(tmp_path, "file,kind\n1.jpg,a\n3.jpg,b\n").rename(touch(tmp_path, "tables/t.csv") / "tables/t.csv")
    listing = csv_classes(moved, "file", "kind", tmp_path)
    assert [(sample.id, sample.image) for sample in listing.samples] == [
        ("1.jpg", tmp_path / "1.jpg"),
        ("3.jpg", tmp_path / "3.jpg"),
    ]
    problem = problem_of(csv_classes, moved, "file", "kind")
    assert problem.code == "E508"
    assert problem.message().startswith("2 rows name images that are not there: `1.jpg`, `3.jpg` (first in line 2 of")
    assert problem_of(csv_classes, moved, "file", "kind", tmp_path / "nowhere").code == "E501"


def test_a_table_that_only_evaluates_may_have_one_class(tmp_path: Path) -> None:
    path = table(tmp_path, "file,kind\n1.jpg,a\n")
    assert class_counts(csv_classes(path, "file", "kind", training=False)) == (1,)
    assert problem_of(csv_classes, path, "file", "kind").code == "E505"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("file,kind\n1.jpg,a\n\nsub/22.jpg,b\n", "E508", "1 row names an image that is not there: `sub/22.jpg`"),
        ("file,kind\n1.jpg,a\n\nsub/22.jpg,b\n", "E508", "(first in line 4 of"),
        ("file,kind\n1.jpg,a\n\nsub/22.jpg,b\n", "E508", "sub/2.jpg`? looked in"),
        ("files,kind\n1.jpg,a\n", "E507", "no column `file`did you mean `files`? its columns are `files`, `kind`"),
        ("file;label\n1.jpg;a\n", "E507", "no column `kind`its columns are `file`, `label`"),
        ("file,kind\n", "E506", "it has no rows"),
        ("", "E506", "it is empty"),
        ("\n\n", "E506", "it is empty"),
        ("\nfile,kind\n1.jpg,a\n", "E506", "its first line is blank"),
        (b"file,kind\n1.jpg,caf\xe9\n", "E506", "not UTF-8 text: line 2 holds the byte 0xe9"),
        (b"file,kind\n1.jpg,caf\xe9\n", "E506", "iconv -f WINDOWS-1252 -t UTF-8 "),
        ("file,kind\n1.jpg,a\n".encode("utf-16"), "E506", "it is UTF-16 text"),
        ("file,kind\n1.jpg,a\n".encode("utf-16"), "E506", "iconv -f UTF-16 -t UTF-8 "),
        ("file,kind\n1.jpg,a\n".encode("utf-16-le"), "E506", "it is not text: line 1 holds a NUL byte"),
        ("file,kind\n1\0.jpg,a\n3.jpg,b\n", "E506", "it is not text: line 2 holds a NUL byte"),
        (b"PK\3\4\x14\0\6\0", "E506", "it is an Excel workbook"),
        ("file kind\n1.jpg a\n", "E507", "is it separated by blanks? commas are understood"),
        ("file,kind,kind\n1.jpg,a,0\n", "E576", "2 columns called `kind`: 2, 3"),
        ("file,kind\n1.jpg,a\n3.jpg,\n", "E509", "line 3 of"),
        ("file,kind\n1.jpg,a\n3.jpg\n", "E509", "the label is empty"),
        ("file,kind\n1.jpg,a\n ,b\n", "E509", "the image is empty"),
        ("file,kind\n1.jpg,a\n3.jpg,\u00a0\u200b\n", "E509", "the label is empty"),
        ("file,kind\n1.jpg,cat, tabby\n3.jpg,dog\n", "E509", "it has 3 cells, and the first line names 2 columns"),
        ("file,kind\n1.jpg,cat, tabby\n3.jpg,dog\n", "E509", 'put a cell that holds `,` in quotes, as `"cat, tabby"`'),
        ("kind,file\ncat, tabby,1.jpg\ndog,3.jpg\n", "E509", "line 2 of"),
        ("file,kind,,\n1.jpg,cat,, tabby\n", "E509", "it has 4 cells, and the first line names 2 columns"),
        ('file,kind\n1.jpg,"cat\n3.jpg,dog"\n', "E509", "the label continues on the next line"),
        ('file,kind\n1.jpg,a\n3.jpg,"b\nsub/2.jpg,a\n', "E506", "a quote that opens in line 3 does not close"),
        ('file,kind\n1.jpg,"a\n3.jpg,"b"\n', "E506", "a quote that opens in line 2 closes in line 3 in the middle"),
        ("file,kind\n1.jpg,a\n./1.jpg,a\n3.jpg,b\nsub/../1.jpg,a\n", "E577", "1 image has several rows in"),
        ("file,kind\n1.jpg,a\n./1.jpg,a\n3.jpg,b\nsub/../1.jpg,a\n", "E577", "2 too many: `1.jpg` in lines 2, 3, 5"),
        ("file,kind\n1.jpg,a\n./1.jpg,a\n3.jpg,b\n", "E577", "(oversampling) a holdout would put copies"),
        ("file,kind\n1.jpg,a\n3.jpg,b\n1.jpg,b\n", "E577", "`1.jpg` is `a` in line 2 and `b` in line 4"),
        ("file,kind\nhttps://x.org/1.jpg,a\n", "E508", "it is a URL"),
        ("file,kind\ns3://x/1.jpg,a\n", "E508", "it is a URL"),
        ("file,kind\nsub\\2.jpg,a\n", "E508", "write `sub/2.jpg`, which is there"),
        ("file,kind\nC:\\sub\\2.jpg,a\n", "E508", "`C:` is a drive of Windows"),
        ("file,kind\nC:/sub/2.jpg,a\n", "E508", "`C:` is a drive of Windows"),
        ("file,kind\n~/nowhere/2.jpg,a\n", "E508", f"write `{Path.home() / 'nowhere/2.jpg'}`"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str | bytes, code: str, words: str) -> None:
    problem = problem_of(csv_classes, table(tmp_path, text), "file", "kind")
    assert problem.code == code
    assert words in problem.message() + problem.help()


def test_a_cell_without_end_is_named_by_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, 'file,kind\n1.jpg,a\n3.jpg,"b\n' + "x" * 140_000)
    problem = problem_of(csv_classes, path, "file", "kind")
    assert problem.message().endswith("a cell of line 3 has more than 131,072 characters")
    assert problem.help() == "is there a quote that does not close?"
    problem = problem_of(csv_classes, table(tmp_path, "x" * 140_000), "file", "kind")  # another kind of file
    assert problem.message().endswith("a cell of line 1 has more than 131,072 characters")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (("caf\u00e9", "cafe\u0301"), "`caf\\u00e9` in 1 row from line 2 and `cafe\\u0301` in 1 row from line 3"),
        (("dog", "dog\u200b"), "`dog` in 1 row from line 2 and `dog\\u200b` in 1 row from line 3"),
        (("big cat", "big\u00a0cat"), "`big cat` in 1 row from line 2 and `big\\u00a0cat` in 1 row from line 3"),
        (("big cat", "big  cat"), "`big cat` in 1 row from line 2 and `big  cat` in 1 row from line 3"),
    ],
)
def test_labels_and_folders_that_look_the_same_are_refused(tmp_path: Path, labels: tuple[str, str], shown: str) -> None:
    path = table(tmp_path, f"file,kind\n1.jpg,{labels[0]}\n3.jpg,{labels[1]}\n")
    problem = problem_of(csv_classes, path, "file", "kind")
    assert problem.code == "E578"
    assert problem.message() == f"`{path}` has labels that look the same: {shown}"
    root = touch(tmp_path / "folders", *(f"{label}/1.jpg" for label in labels))
    assert problem_of(folder, root).code == "E578"


def test_white_space_around_a_label_is_none_of_it(tmp_path: Path) -> None:
    path = table(tmp_path, "file,kind\n1.jpg,cat\n3.jpg,\u00a0cat\u2003\nsub/2.jpg,Cat\n")
    assert csv_classes(path, "file", "kind").names == ("Cat", "cat")


@pytest.mark.parametrize("place", ["a", "quite/elsewhere"])
@pytest.mark.parametrize("beside", [True, False])
def test_where_absolute_paths_lie_does_not_matter(tmp_path: Path, place: str, beside: bool) -> None:
    photos = touch(tmp_path / place / "photos", "cat/1.jpg", "cat/deeper/2.jpg", "dog/1.jpg")
    rows = [f"{image},{image.relative_to(photos).parts[0]}" for image in sorted(photos.rglob("*.jpg"))]
    path = (photos.parent if beside else tmp_path) / "labels.csv"
    path.write_text("\n".join(["file,kind", *rows]))
    listing = csv_classes(path, "file", "kind")
    assert [sample.id for sample in listing.samples] == ["cat/1.jpg", "cat/deeper/2.jpg", "dog/1.jpg"]
    assert [sample.image for sample in listing.samples] == sorted(photos.rglob("*.jpg"))
    (tmp_path / "gone.txt").write_text(f"{photos / 'dog/1.jpg'}\ncat/1.jpg\n")
    (left,) = without({"train": listing}, tmp_path / "gone.txt")["train"].samples
    assert left.id == "cat/deeper/2.jpg"


def test_a_path_that_is_absolute_and_one_that_is_not_can_name_one_image(tmp_path: Path) -> None:
    rows = f"file,kind\n1.jpg,a\n{tmp_path / 'sub' / '2.jpg'},b\n"
    assert [sample.id for sample in csv_classes(table(tmp_path, rows), "file", "kind").samples] == [
        "1.jpg",
        "sub/2.jpg",
    ]
    again = table(tmp_path, f"{rows}{tmp_path / '1.jpg'},a\n")
    assert problem_of(csv_classes, again, "file", "kind").message().endswith("`1.jpg` in lines 2, 4")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("data\train", "`/` separates the parts of a path, and a backslash does not: write `{root}/data/train`"),
        ("data\\new\\train", "write `{root}/data/new/train`"),
        ("C:\\photos", "`C:` is a drive of Windows: write where its files lie on this machine"),
        ("https://x.org/photos", "it is a URL, but files are read from this machine only"),
        ("gs://x/photos", "it is a URL"),
        ("~/photos", f"`~` is a folder's name here: write `{Path.home() / 'photos'}`"),
        ("~nobody-of-that-name/photos", "the recipe's relative paths start at its folder"),
    ],
)
def test_what_a_path_was_meant_as_is_said(tmp_path: Path, wanted: str, words: str) -> None:
    problem = problem_of(folder, tmp_path / wanted)
    assert problem.code == "E501"
    assert words.format(root=tmp_path) in problem.help()


def test_all_kinds_of_mistakes_in_a_table_come_at_once(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").touch()
    path = tmp_path / "table.csv"
    path.write_text("file,kind,width\n1.jpg,,1\n2.jpg,caf\u00e9,x\n2.jpg,b,2\n3.jpg,cafe\u0301,3\n")
    classes = [problem.code for problem in problems_of(csv_classes, path, "file", "kind")]
    numbers = [problem.code for problem in problems_of(csv_numbers, path, "file", ["width"])]
    assert (classes, numbers) == (["E509", "E508", "E577", "E578"], ["E509", "E508", "E577"])


def test_of_many_bad_rows_five_are_shown(tmp_path: Path) -> None:
    path = table(tmp_path, "file,kind\n" + "1.jpg,\n" * 9)
    found = problems_of(csv_classes, path, "file", "kind")
    assert [getattr(problem, "line", 0) for problem in found] == [2, 3, 4, 5, 6]
    assert found[-1].message().endswith("the label is empty; 4 more rows cannot be used")


# --- packaged sets ---------------------------------------------------------------------------


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
    assert np.array_equal(np.asarray(train.samples[13].image), expected)


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
