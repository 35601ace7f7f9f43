"""`.safetensors` files: their types, several of them with an index, and files made to do harm."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_lang.problem import Problem, RecipeError
from runtime.weights.params_file import check_sha256, sha256_of
from runtime.weights.safetensors_file import files_of, read_safetensors, write_safetensors


def encoded(header: Any, data: bytes = b"") -> bytes:
    """Return a file of a header and numbers."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    """Return what a header says of an array."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refused(path: Path) -> Problem:
    """Return the one problem that reading a file raises, whole or its header alone."""
    found = []
    for shapes_only in (False, True):
        with pytest.raises(RecipeError) as caught:
            read_safetensors(path, shapes_only=shapes_only)
        found += caught.value.problems
    problem, again = found
    assert problem.code == again.code
    assert problem.message().isprintable()
    return problem


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kinds = ("f4", "f8", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    arrays = {f"a{kind}": np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    arrays["one"] = np.array(3, np.float32)
    sums = {write_safetensors(tmp_path / name, arrays, {"format": "pt"}) for name in ("a.safetensors", "b.safetensors")}
    assert len(sums) == 1
    found = read_safetensors(tmp_path / "a.safetensors").arrays
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_bfloat16_and_a_prefix(tmp_path: Path) -> None:
    numbers = np.array([1.5, -2], np.float32)
    upper = (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    (tmp_path / "a.safetensors").write_bytes(encoded({"model.x": entry([2], 0, 4, "BF16")}, upper))
    state = read_safetensors(tmp_path / "a.safetensors")
    assert np.array_equal(state.arrays["x"], numbers)
    assert state.prefix == "model."


def test_shapes_are_read_without_the_numbers(tmp_path: Path) -> None:
    path, numbers = tmp_path / "a.safetensors", bytes(4 << 20)
    header = {"model.x": entry([1024, 1024], 0, 4 << 20), "model.y": entry([3], 4 << 20, (4 << 20) + 6, "BF16")}
    path.write_bytes(encoded(header, numbers + bytes(6)))
    tracemalloc.start()
    shapes = read_safetensors(path, shapes_only=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = read_safetensors(path)
    assert shapes.prefix == whole.prefix
    assert [(n, a.shape, a.dtype) for n, a in shapes.arrays.items()] == [
        (n, a.shape, a.dtype) for n, a in whole.arrays.items()
    ]
    assert peak < 200_000


def test_several_files_with_an_index(tmp_path: Path) -> None:
    for name in "ab":
        write_safetensors(tmp_path / f"{name}.safetensors", {name: np.ones(3, "f4")})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}))
    assert set(read_safetensors(index).arrays) == {"a", "b"}
    assert [path.name for path in files_of(index)] == [index.name, "a.safetensors", "b.safetensors"]
    before = sha256_of(index)
    write_safetensors(tmp_path / "b.safetensors", {"b": np.zeros(3, "f4")})
    assert sha256_of(index) != before  # the sum is over all files
    with pytest.raises(RecipeError):
        check_sha256(index, before)
    index.write_text(json.dumps({"weight_map": {"a": "a.safetensors", "c": "b.safetensors"}}))
    assert refused(index).code == "E522"
    for other in ("../a.safetensors", "/etc/passwd", "..", "", "a\0", 3):
        index.write_text(json.dumps({"weight_map": {"a": other}}))
        assert refused(index).code == "E522"


BIG = 1 << 60


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E521"),
        (b"<html><body>", "E521"),
        (BIG.to_bytes(8, "little") + b"{}", "E521"),
        (encoded(b"[]"), "E521"),
        (encoded(b'{"a": '), "E522"),
        (encoded(b'{"a": ' + b"[" * 100_000), "E522"),
        (encoded({"a": entry([BIG], 0, 4 * BIG)}), "E522"),
        (encoded({"a": entry([2], 0, 8)}, b"1234"), "E522"),
        (encoded({"a": entry([2], 0, 8)}, bytes(12)), "E522"),
        (encoded({"a": entry([2], 4, 12)}, bytes(12)), "E522"),
        (encoded({"a": entry([3], 0, 8)}, bytes(8)), "E522"),
        (encoded({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, bytes(8)), "E522"),
        (encoded({"a": entry([-2], 0, -8)}, bytes(8)), "E522"),
        (encoded({"a": entry([0], 0, 0)}), "E522"),
        (encoded({"a": entry([1] * 9, 0, 4)}, bytes(4)), "E522"),
        (encoded({"a": [1]}), "E522"),
        (encoded(b'{"a": {}, "a": {}}'), "E522"),
        (encoded({"a": entry([8], 0, 8, "F8_E4M3")}, bytes(8)), "E523"),
    ],
)
def test_lies_are_refused(tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    tracemalloc.start()
    problem = refused(tmp_path / "a.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem.code == code
    assert peak < 1_000_000 + 40 * len(data)
