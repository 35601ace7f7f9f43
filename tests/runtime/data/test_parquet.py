"""Parquet files as `datasets` writes them, written by pyarrow: structs of bytes and paths, declared classes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import problem_of
from PIL import Image

from runtime.data.images import open_rgb
from runtime.data.listing import Embedded
from runtime.data.sources.parquet import columns_of, parquet

pyarrow = pytest.importorskip("pyarrow")
IMAGE = {"_type": "Image"}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((5, 7, 3), value, np.uint8)).save(content, "PNG")
    return content.getvalue()


def written(path: Path, labels: Sequence[Any], names: Sequence[str] = (), **others: Sequence[Any]) -> Path:
    """Write a file with an image a row, of the colour of its number, in row groups of two."""
    from pyarrow import parquet as files

    images = [{"bytes": png(row), "path": f"{row}.png"} for row in range(len(labels))]
    table = pyarrow.table({"image": images, "label": labels, **others})
    features = {"image": IMAGE, "label": {"_type": "ClassLabel", "names": list(names)}}
    if names:
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    path.parent.mkdir(exist_ok=True)
    files.write_table(table, path, row_group_size=2)
    return path


def test_images_and_declared_classes(tmp_path: Path) -> None:
    written(tmp_path / "data" / "train-0.parquet", [1, 0, 1], ("cat", "dog"))
    written(tmp_path / "data" / "train-1.parquet", [0, 0], ("cat", "dog"))
    found = parquet(tmp_path / "data" / "train-*.parquet", "image", "label", None)
    assert (found.names, [each.target for each in found.samples]) == (("cat", "dog"), [1, 0, 1, 0, 0])
    assert [each.id for each in found.samples][2:4] == ["train-0/000002", "train-1/000000"]
    assert [int(np.asarray(open_rgb(each.image))[0, 0, 0]) for each in found.samples] == [0, 1, 2, 0, 1]
    assert [each.image.read() for each in found.samples if isinstance(each.image, Embedded)][2] == png(2)
    assert parquet(tmp_path / "data", "image", "label", None) == found
    assert len(list((tmp_path / "cache/records").iterdir())) == 2
    assert parquet(tmp_path / "data", "image", "label", ("cat", "dog", "cow")).names == ("cat", "dog", "cow")
    assert columns_of(tmp_path / "data" / "train-0.parquet") == (["image"], ["label"])


def test_text_for_classes_and_plain_bytes_for_images(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", ["dog", "cat"], photo=[png(3), png(4)])
    found = parquet(path, "photo", "label", None)
    assert (found.names, [each.target for each in found.samples]) == (("cat", "dog"), [1, 0])
    assert int(np.asarray(open_rgb(found.samples[1].image))[0, 0, 0]) == 4


def test_images_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(9))
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    photos = pyarrow.array([{"bytes": None, "path": "0.png"}, {"bytes": png(1), "path": None}], kind)
    path = written(tmp_path / "a.parquet", ["a", "b"], photo=photos)
    assert parquet(path, "photo", "label", None).samples[0].image == tmp_path / "0.png"
    (tmp_path / "0.png").unlink()
    assert problem_of(parquet, path, "photo", "label", None).code == "E501"


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [1, -1], box=[[1.5], [2.5]])
    problem = problem_of(parquet, path, "image", "label", None)
    assert (problem.code, "row 1 has no class: `-1`" in problem.message()) == ("E529", True)
    path = written(tmp_path / "a.parquet", [1, 0], box=[[1.5], [2.5]])
    assert problem_of(parquet, path, "image", "labels", None).help().startswith("did you mean `label`?")
    assert "column `box` is of type `list<" in problem_of(parquet, path, "box", "label", None).message()
    assert "column `box` is of type" in problem_of(parquet, path, "image", "box", None).message()
    path.write_bytes(path.read_bytes()[:-9])
    assert problem_of(parquet, path, "image", "label", None).code == "E529"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.parquet", [0, 1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    problem = problem_of(parquet, path, "image", "label", None)
    assert problem.code == "E510"
    assert "[parquet]" in problem.help()
