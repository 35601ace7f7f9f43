"""Croissant descriptions with their files, as those who publish data sets write them, reduced."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("cat", "dog", "fox")


def png(value: int) -> bytes:
    """Return an image of one colour."""
    content = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), value, np.uint8)).save(content, "PNG")
    return content.getvalue()


def described(path: Path, distribution: Sequence[Any], record_sets: Sequence[Any], **others: Any) -> Path:
    """Write a description."""
    about = {
        "@context": {"@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"},
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "pets",
        "distribution": distribution,
        "recordSet": record_sets,
    }
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps({**about, **others}))
    return path


def file_object(id: str, url: str, **others: Any) -> dict[str, Any]:
    """Return a FileObject."""
    return {"@type": "cr:FileObject", "@id": id, "name": id, "contentUrl": url, **others}


def file_set(id: str, within: str | Sequence[str], includes: str | Sequence[str], **others: Any) -> dict[str, Any]:
    """Return a FileSet."""
    held = [{"@id": each} for each in ([within] if isinstance(within, str) else within)]
    return {"@type": "cr:FileSet", "@id": id, "containedIn": held, "includes": includes, **others}


def record_field(id: str, kind: str | Sequence[str], source: Mapping[str, Any] | None, **others: Any) -> dict[str, Any]:
    """Return a field."""
    found = {"@type": "cr:Field", "@id": id, "name": id, "dataType": kind, **others}
    return found if source is None else {**found, "source": source}


def record_set(id: str, fields: Sequence[Any], **others: Any) -> dict[str, Any]:
    """Return a record set."""
    return {"@type": "cr:RecordSet", "@id": id, "name": id, "field": fields, **others}


def of_files(id: str, what: str, **others: Any) -> dict[str, Any]:
    """Return where a value comes from: a property of files."""
    return {"fileSet": {"@id": id}, "extract": {"fileProperty": what}, **others}


def of_table(id: str, column: str, kind: str = "fileObject", **others: Any) -> dict[str, Any]:
    """Return where a value comes from: a column."""
    return {kind: {"@id": id}, "extract": {"column": column}, **others}


def as_hugging_face(folder: Path, splits: Mapping[str, Sequence[int]]) -> Path:
    """Write parquet files of splits and their description, as Hugging Face does: labels are numbers with names."""
    import pyarrow
    from pyarrow import parquet

    for split, labels in splits.items():
        rows = [{"bytes": png(10 * label + number), "path": None} for number, label in enumerate(labels)]
        features = {"label": {"_type": "ClassLabel", "names": list(NAMES)}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pyarrow.table({"image": rows, "label": list(labels)}).replace_schema_metadata(about)
        (folder / "pets" / split).mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, folder / "pets" / split / "0000.parquet")
    repo = "https://huggingface.co/datasets/acme/pets/tree/refs%2Fconvert%2Fparquet"
    pattern = {"transform": {"regex": "pets/(?:partial-)?(train|test)/.+parquet$"}}
    files = "parquet-files"
    return described(
        folder / "metadata.json",
        [
            file_object(
                "repo", repo, encodingFormat="git+https", sha256="https://github.com/mlcommons/croissant/issues/80"
            ),
            file_set(files, "repo", "pets/*/*.parquet", encodingFormat="application/x-parquet"),
        ],
        [
            record_set(
                "pets_splits",
                [record_field("pets_splits/split_name", "sc:Text", None)],
                dataType="cr:Split",
                key={"@id": "pets_splits/split_name"},
                data=[{"pets_splits/split_name": "train"}, {"pets_splits/split_name": "test"}],
            ),
            record_set(
                "pets",
                [
                    record_field(
                        "pets/split",
                        "sc:Text",
                        of_files(files, "fullpath", **pattern),
                        references={"field": {"@id": "pets_splits/split_name"}},
                    ),
                    record_field(
                        "pets/image",
                        "sc:ImageObject",
                        of_table(files, "image", "fileSet", transform={"jsonPath": "bytes"}),
                    ),
                    record_field("pets/label", "sc:Integer", of_table(files, "label", "fileSet")),
                ],
            ),
        ],
    )


def as_kaggle(folder: Path, count: int = 6, *, unpacked: bool = False) -> Path:
    """Write a zip with images and a table of their names and classes, and its description, as Kaggle does."""
    rows = "".join(f"{number:03},{NAMES[number % 3]},{number}\n" for number in range(count))
    members = {"train.csv": f"image_id,breed,age\n{rows}".encode()}
    members |= {f"images/{number:03}.png": png(number) for number in range(count)}
    folder.mkdir(parents=True, exist_ok=True)
    if unpacked:
        for name, content in members.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    else:
        with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    url = "https://www.kaggle.com/api/v1/datasets/download/acme/pets?datasetVersionNumber=1"
    table = "train.csv_fileobject"
    return described(
        folder / "pets-metadata.json",
        [
            file_object("archive.zip", url, encodingFormat="application/zip", md5="3Pgzyhz1Gf6FZq0ZnO0R3Q=="),
            file_object(table, "train.csv", containedIn={"@id": "archive.zip"}, encodingFormat="text/csv"),
            file_set("images_fileset", "archive.zip", "images/*.png", encodingFormat="image/png"),
        ],
        [
            record_set(
                "train.csv",
                [
                    record_field(f"train.csv/{name}", ["sc:Text"], of_table(table, name), name=name)
                    for name in ("image_id", "breed", "age")
                ],
            )
        ],
    )


def of_folders(folder: Path, count: int = 6) -> Path:
    """Write images whose folders say split and class, and a description with expressions for both."""
    for split in ("train", "val"):
        for number in range(count):
            path = folder / "images" / split / NAMES[number % 3] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
    (folder / "images" / "train" / "README.txt").write_text("no image")
    return described(
        folder / "croissant.json",
        [{"@type": "cr:FileSet", "@id": "files", "includes": "images/*.png", "excludes": ["*/fox/*"]}],
        [
            record_set(
                "pets",
                [
                    record_field("pets/content", "sc:ImageObject", of_files("files", "content")),
                    record_field(
                        "pets/kind",
                        ["sc:Text", "cr:Label"],
                        of_files("files", "fullpath", transform={"regex": "images/[a-z]+/([^/]+)/"}),
                    ),
                    record_field(
                        "pets/part",
                        "cr:Split",
                        of_files("files", "fullpath", transform=[{"regex": "images/(train|val)/"}]),
                    ),
                ],
            )
        ],
    )


def digest(path: Path) -> str:
    """Return the sum that a description gives of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
