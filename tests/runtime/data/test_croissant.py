"""Croissant descriptions as Hugging Face, Kaggle and MLCommons write them, of files that are made here."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from croissants import (
    NAMES,
    as_hugging_face,
    as_kaggle,
    described,
    digest,
    file_object,
    file_set,
    of_files,
    of_folders,
    of_table,
    png,
    record_field,
    record_set,
)
from listed import problem_of

from runtime.data.images import open_rgb
from runtime.data.listing import Listing
from runtime.data.sources.backtracking import longest_text
from runtime.data.sources.croissant import croissant, splits_of
from runtime.data.sources.croissant_fields import Wanted


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))


def classes(listing: Listing) -> list[str]:
    return [listing.names[each.target] for each in listing.samples]


def colours(listing: Listing) -> list[int]:
    return [int(np.asarray(open_rgb(each.image))[0, 0, 0]) for each in listing.samples]


def test_parquet_of_hugging_face_by_splits(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = as_hugging_face(tmp_path / "set", {"train": (1, 0, 2, 0), "test": (0, 1)})
    train = croissant(path, Wanted(split="train"))
    assert (train.names, classes(train)) == (NAMES, ["dog", "cat", "fox", "cat"])
    assert colours(train) == [10, 1, 22, 3]
    assert [each.id for each in train.samples][:1] == ["pets/train/0000.parquet/000000"]
    assert classes(croissant(path, Wanted(split="test"), training=False)) == ["cat", "dog"]
    assert splits_of(path) == ("test", "train")
    assert problem_of(croissant, path).code == "E582"  # several, and none is named
    assert "did you mean `train`" in problem_of(croissant, path, Wanted(split="trian")).help()


def test_a_zip_of_kaggle_and_the_same_unpacked(tmp_path: Path) -> None:
    wanted = Wanted(image="image_id", label="breed")
    packed = croissant(as_kaggle(tmp_path / "zip"), wanted)
    assert (classes(packed), colours(packed)) == ([*NAMES, *NAMES], [*range(6)])
    plain = as_kaggle(tmp_path / "plain", unpacked=True)
    assert croissant(plain, wanted) == packed  # ids as well
    assert croissant(tmp_path / "zip" / plain.name, wanted, root=plain.parent) == packed
    found = problem_of(croissant, plain, Wanted(image="image_id", label="bread"))
    assert "did you mean `breed`" in found.help()
    assert problem_of(croissant, plain, Wanted(label="breed")).code == "E539"  # which field has the images?


def test_what_is_not_here_is_said_with_its_command(tmp_path: Path) -> None:
    path = as_kaggle(tmp_path / "set")
    (path.parent / "archive.zip").unlink()
    found = problem_of(croissant, path, Wanted(image="image_id", label="breed"))
    assert found.code == "E549"
    assert "kaggle datasets download acme/pets" in found.help()
    assert "distribution[1]: no `train.csv` of `archive.zip`" in found.message()
    pytest.importorskip("pyarrow")
    other = as_hugging_face(tmp_path / "hub", {"train": (0, 1)})
    (other.parent / "pets" / "train" / "0000.parquet").unlink()
    told = problem_of(croissant, other).help()
    assert "hf download --repo-type dataset acme/pets --revision refs/convert/parquet --local-dir ." in told


def test_classes_and_splits_from_paths(tmp_path: Path) -> None:
    path = of_folders(tmp_path / "set")
    train = croissant(path, Wanted(split="train"))
    assert classes(train) == ["cat", "cat", "dog", "dog"]  # foxes are excluded
    assert train.samples[0].id == "images/train/cat/0.png"
    assert len(croissant(path, Wanted(split="val")).samples) == 4
    about = json.loads(path.read_text())
    about["recordSet"][0]["field"][1]["source"]["transform"]["regex"] = "images/train/(cat)/"
    path.write_text(json.dumps(about))
    found = problem_of(croissant, path, Wanted(split="val"))
    assert "recordSet[0].field[1]: record images/val/cat/0.png has no class" in found.message()


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def joined(folder: Path, **sums: str) -> Path:
    """Write archives of images, a table that a key in their names joins, and an enumeration with names."""
    folder.mkdir()
    for part, name in enumerate(("a.tar", "b.tar.gz")):
        _tar(folder / name, {f"{number}.png": png(number) for number in range(part, 6, 2)})
    rows = "".join(f"{number},{number % 2},{'train' if number < 4 else 'test'}\n" for number in range(5, -1, -1))
    (folder / "meta.csv").write_text(f"hash,code,part\n{rows}")
    table = {"fileObject": {"@id": "meta"}, "extract": {"column": "hash"}}
    archives = [
        file_object(
            name, f"https://example.org/{name}", encodingFormat="application/x-tar", sha256=sums.get(name[0], "")
        )
        for name in ("a.tar", "b.tar.gz")
    ]
    return described(
        folder / "metadata.json",
        [*archives, file_object("meta", "meta.csv"), file_set("files", ["a.tar", "b.tar.gz"], "*.png")],
        [
            record_set(
                "kinds",
                [record_field("kinds/code", "sc:Integer", None), record_field("kinds/name", "sc:Text", None)],
                dataType="sc:Enumeration",
                key={"@id": "kinds/code"},
                data=[{"kinds/code": 1, "kinds/name": "odd"}, {"kinds/code": 0, "kinds/name": "even"}],
            ),
            record_set("rows", [record_field("rows/part", "sc:Text", of_table("meta", "part"))]),
            record_set(
                "images",
                [
                    record_field(
                        "images/hash",
                        "sc:Text",
                        of_files("files", "filename", transform={"regex": "([^/]*)\\.png"}),
                        references=table,
                    ),
                    record_field("images/content", "sc:ImageObject", of_files("files", "content")),
                    record_field(
                        "images/code",
                        "sc:Integer",
                        of_table("meta", "code"),
                        references={"@id": "kinds/code"},
                    ),
                    record_field("images/split", "sc:Text", {"@id": "rows/part"}),
                ],
            ),
        ],
        conformsTo=["http://mlcommons.org/croissant/1.1"],
    )


def test_archives_joined_with_a_table_and_an_enumeration(tmp_path: Path) -> None:
    path = joined(tmp_path / "set")
    found = croissant(path, Wanted(split="train"))
    assert (found.names, classes(found)) == (("odd", "even"), ["even", "even", "odd", "odd"])
    assert (colours(found), found.samples[0].id) == ([0, 2, 1, 3], "a.tar/0.png")
    about = json.loads(path.read_text())
    del about["recordSet"][2]["field"][0]["references"]
    path.write_text(json.dumps(about))
    assert "`meta` is not joined with the images" in problem_of(croissant, path).message()


def test_the_sum_of_a_file_is_compared(tmp_path: Path) -> None:
    right = joined(tmp_path / "first")
    same = digest(right.parent / "a.tar")
    assert len(croissant(joined(tmp_path / "set", a=same.upper()), Wanted(split="test")).samples) == 2
    found = problem_of(croissant, joined(tmp_path / "other", a="0" * 64), Wanted(split="test"))
    assert (found.code, same in found.message()) == ("E569", True)


def test_expressions_are_matched_with_what_takes_bounded_time() -> None:
    for endless in (r"(a+)+$", r"(a|ab)*c", r"((a?){30})a", "a?" * 40 + "(b)", "(.*)" * 9, "(?=(a+)+)(b)"):
        assert longest_text(endless) == 0, endless
    for fine in (r"([^/]*)\.png", r"(?:\d+_)?(\w+)", r"^(?:train|test)/(\d{4})-\d{1,2}", "(a)(?(1)b|c)"):
        assert longest_text(fine) == 4096, fine
    assert longest_text(r".*/(train|val)/(.+)_(.+)\.jpg") >= 256


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (
            ("recordSet", 0, "field", 0, "source", "fileSet", "@id"),
            "fils",
            "no file of the description is called `fils`",
        ),
        (("recordSet", 0, "field", 1, "source", "transform", "regex"), "(", "transform.regex: it is no regular expr"),
        (("recordSet", 0, "field", 1, "source", "transform", "regex"), ".", "the expression has no group"),
        (("recordSet", 0, "field", 1, "source", "transform", "regex"), "(a+)+$", "could take years"),
        (("recordSet", 0, "field", 1, "source", "transform"), {"separator": ","}, "the transform `separator` is not"),
        (("recordSet", 0, "field", 1, "source"), {"@id": "pets/kind"}, "refer to one another in a circle"),
        (("recordSet", 0, "field", 1, "source"), 7, "neither text nor a reference"),
        (("distribution", 0, "includes"), "pictures/*", "no `pictures/*`"),
        (("distribution", 0, "includes"), [], "a FileSet needs `includes`"),
        (("distribution", 0, "containedIn"), {"@id": "files"}, "it lies in itself"),
        (("conformsTo",), "http://mlcommons.org/croissant/0.8", "conformsTo: it is http"),
        (("recordSet",), [], "it describes files and no records"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(
    tmp_path: Path, place: tuple[Any, ...], value: Any, said: str
) -> None:
    path = of_folders(tmp_path / "set")
    about = json.loads(path.read_text())
    inner = about
    for each in place[:-1]:
        inner = inner[each]
    inner[place[-1]] = value
    path.write_text(json.dumps(about))
    assert said in problem_of(croissant, path, Wanted(split="train")).message()


def test_files_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("file,label\na.png,cat\n")
    source = of_table("table", "file")
    path = described(
        tmp_path / "set" / "metadata.json",
        [file_object("table", "../secret.csv")],
        [record_set("rows", [record_field("rows/file", "sc:ImageObject", source)])],
    )
    assert problem_of(croissant, path).code == "E549"
