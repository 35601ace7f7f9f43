"""Tables as sources of images."""

from __future__ import annotations

from pathlib import Path

import pytest
from listed import problem_of, problems_of, table, touch

from runtime.data.exclude import without
from runtime.data.sources.files import folder
from runtime.data.sources.tables import csv_classes, csv_numbers
from runtime.tasks.classification.targets import class_counts


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
