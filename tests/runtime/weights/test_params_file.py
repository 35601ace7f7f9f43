"""`.params` files: against MXNet's own reader and writer, against damage, and into networks."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_lang.problem import Problem, RecipeError
from runtime.backend.mx import gluon, mx, nd, nn
from runtime.weights.assign import load_into
from runtime.weights.params_file import check_sha256, read_params, sha256_of, write_params

DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64")
FACES = b"\xc9\xfa\x93\xf9"


def arrays() -> dict[str, np.ndarray]:
    """Return one array of each type, and of several ranks."""
    numbers = np.random.default_rng(0)
    return {
        f"arg:layer{rank}.{dtype}": (numbers.normal(size=range(2, 2 + rank)) * 50).astype(dtype)
        for rank, dtype in enumerate(DTYPES, start=1)
        if rank <= 6
    } | {"aux:übung_64": np.arange(3), "one": np.array([2.5], np.float32)}


def refused(path: Path, data: bytes | None = None) -> Problem:
    """Return the one problem that reading the file raises."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        read_params(path)
    (problem,) = caught.value.problems
    assert problem.message()
    return problem


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    """Compare names, types, shapes and values."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array) for name, array in expected.items()
    )


def entry(version: int, *fields: bytes) -> bytes:
    """Return a file with one array named `a`, from the bytes of its parts."""
    array = struct.pack("<I", version) + b"".join(fields)
    return struct.pack("<QQQ", 0x112, 0, 1) + array + struct.pack("<QQ", 1, 1) + b"a"


def dense(rank: int, *shape: int, flag: int = 0, data: bytes = b"\0" * 4) -> bytes:
    """Return a version 2 file of one array."""
    sides = struct.pack(f"<{len(shape)}q", *shape)
    return entry(0xF993FAC9, struct.pack("<ii", 0, rank), sides, struct.pack("<iii", 1, 0, flag), data)


# --- with MXNet -------------------------------------------------------------------------------


def test_mxnet_reads_what_is_written(tmp_path: Path) -> None:
    write_params(tmp_path / "a.params", arrays())
    loaded = nd.load(str(tmp_path / "a.params"))
    assert same({name: array.asnumpy() for name, array in loaded.items()}, arrays())


def test_reads_what_mxnet_writes(tmp_path: Path) -> None:
    nd.save(str(tmp_path / "a.params"), {k: mx.nd.array(v, dtype=v.dtype) for k, v in arrays().items()})
    assert same(read_params(tmp_path / "a.params"), arrays())


def test_writer_gives_the_bytes_of_mxnet(tmp_path: Path) -> None:
    write_params(tmp_path / "ours.params", arrays())
    nd.save(
        str(tmp_path / "theirs.params"),
        {k: mx.nd.array(v, dtype=v.dtype) for k, v in sorted(arrays().items())},
    )
    assert (tmp_path / "ours.params").read_bytes() == (tmp_path / "theirs.params").read_bytes()


def test_round_trip_in_any_order_and_layout(tmp_path: Path) -> None:
    write_params(tmp_path / "a.params", arrays())
    assert same(read_params(tmp_path / "a.params"), arrays())
    turned = {name: np.asfortranarray(array) for name, array in reversed(arrays().items())}
    turned["aux:übung_64"] = np.arange(3).astype(">i8")
    write_params(tmp_path / "b.params", turned)
    assert (tmp_path / "a.params").read_bytes() == (tmp_path / "b.params").read_bytes()


def test_older_and_newer_versions_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    device, data = struct.pack("<iii", 1, 0, 0), struct.pack("<6f", *range(6))
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    for old in (
        entry(2, struct.pack("<II", 2, 3), device, data),
        entry(0xF993FAC8, struct.pack("<iqq", 2, 2, 3), device, data),
        entry(0xF993FACA, struct.pack("<iiqq", 0, 2, 2, 3), device, data),
    ):
        path.write_bytes(old)
        with mx.util.np_shape(old[24:25] == b"\xca"):
            assert np.array_equal(nd.load(str(path))["a"].asnumpy(), expected)
        assert np.array_equal(read_params(path)["a"], expected)
    path.write_bytes(entry(0xF993FACA, struct.pack("<ii", 0, 0), device, struct.pack("<f", 7)))
    assert read_params(path)["a"] == np.float32(7)


# --- refusals ---------------------------------------------------------------------------------


def test_sparse_arrays_are_refused(tmp_path: Path) -> None:
    nd.save(str(tmp_path / "a.params"), {"a": nd.ones((2, 2)).tostype("row_sparse")})
    problem = refused(tmp_path / "a.params")
    assert (problem.code, "sparse" in problem.message()) == ("E523", True)


def test_arrays_without_names_are_refused(tmp_path: Path) -> None:
    nd.save(str(tmp_path / "a.params"), [nd.ones((2, 2))])
    assert "without names" in refused(tmp_path / "a.params").message()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"PK\x03\x04" + b"\0" * 40, "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x01" * 40, "something else"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, found: str) -> None:
    problem = refused(tmp_path / "a.params", data)
    assert problem.code == "E521"
    assert found in problem.message()


GOOD = dense(2, 1, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD + b"\0", "left over"),
        (GOOD[:-1], "ends within a name"),
        (dense(1, -1), "the shape (-1,)"),
        (dense(1, 0), "the shape (0,)"),
        (dense(2, 1 << 40, 1 << 40), f"needs {1 << 82} bytes"),
        (dense(1, 1 << 62), f"needs {1 << 64} bytes"),
        (dense(1, 2), "names are announced"),  # its data runs into what follows
        (dense(1, 99), "needs 396 bytes"),
        (dense(0, data=b""), "0 sides"),
        (dense(-1, data=b""), "-1 sides"),
        (dense(9, *[1] * 9), "9 sides"),
        (dense(1, 1, flag=7), "type 7"),
        (entry(0xDEADBEEF), "no header"),
        (GOOD.replace(FACES + b"\0\0\0\0", FACES + b"\x05\0\0\0"), "storage kind 5"),
        (GOOD[:16] + struct.pack("<Q", 1 << 60) + GOOD[24:], f"{1 << 60} arrays"),
        (GOOD[:16] + struct.pack("<Q", 0) + struct.pack("<QQ", 1, 1) + b"a", "0 arrays but 1 names"),
        (GOOD[:-9] + struct.pack("<Q", 1 << 63) + b"a", "ends within a name"),
        (GOOD[:-1] + b"\xff", "not UTF-8"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, data: bytes, reason: str) -> None:
    problem = refused(tmp_path / "a.params", data)
    assert reason in problem.message()
    assert problem.code == ("E523" if "type 7" in reason else "E522")


def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    nd.save(str(tmp_path / "a.params"), {"one": nd.ones((1,)), "two": nd.ones((1,))})
    data = (tmp_path / "a.params").read_bytes().replace(b"two", b"one")
    assert "a name is used twice" in refused(tmp_path / "a.params", data).message()


def test_what_is_no_ordinary_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing.params", tmp_path / ("a" * 300)):
        assert refused(path).code == "E520"


def test_no_damage_gets_through(tmp_path: Path) -> None:
    """Cut and changed files give arrays or a `RecipeError`, and never ask for much memory."""
    write_params(tmp_path / "a.params", {k: v for k, v in arrays().items() if v.size < 200})
    good = (tmp_path / "a.params").read_bytes()
    path, chance = tmp_path / "b.params", random.Random(5)
    cases = [good[:length] for length in range(0, len(good), 3)]
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.choice((1, 1, 4, 8))] = chance.choice(
                (
                    bytes([chance.randrange(256)]),
                    b"\xff" * 8,
                    b"\0" * 4,
                    b"\0\0\0\0\0\0\0\x7f",
                    b"",
                    good[8:40],
                )
            )
        cases.append(bytes(data))
    refusals = 0
    tracemalloc.start()
    for data in cases:
        path.write_bytes(data)
        try:
            read_params(path)
        except RecipeError:
            refusals += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusals > len(cases) / 2
    assert peak < 8_000_000  # the file is a few thousand bytes, the cases a few million


# --- the writer -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array", [np.zeros(0), np.float32(1), np.zeros([1] * 9), np.zeros(2, bool), np.zeros(2, complex)]
)
def test_writer_refuses_what_cannot_be_read_back(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="cannot write `a`"):
        write_params(tmp_path / "a.params", {"a": np.asarray(array)})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.params"
    write_params(path, {"a": np.ones(3)})
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_params(path, {"a": np.zeros(3)})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.params"]


def test_checksums(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4's own example
    assert sha256_of(path) == expected
    for good in (expected, expected[:8], expected[:13].upper()):
        check_sha256(path, good)
    with pytest.raises(RecipeError, match=f"SHA-256 {expected}, expected 00000000"):
        check_sha256(path, "00000000")
    for bad in ("", expected[:7], expected + "0", "xyzxyzxyz", expected[:8] + "\n"):
        with pytest.raises(RecipeError, match="is not a checksum"):
            check_sha256(path, bad)


def test_reading_needs_no_mxnet() -> None:
    code = (
        "import sys, runtime.models.packaged, runtime.weights.params_file, runtime.weights.torch_file\n"
        "print('mxnet' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- into a network ---------------------------------------------------------------------------


def small(seed: int = 0) -> Any:
    """Return a zoo network that has run once."""
    mx.random.seed(seed)
    net = gluon.model_zoo.vision.mobilenet0_25(classes=3)
    net.initialize(mx.init.Normal(0.1))
    net(nd.zeros((1, 3, 32, 32)))
    nd.waitall()  # a running forward pass reorders weights in place: they must not be read meanwhile
    return net


def values(net: Any) -> list[np.ndarray]:
    """Return a network's parameters in their order."""
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


def equal(one: Any, other: Any) -> bool:
    """Tell whether two networks hold the same numbers."""
    return all(np.array_equal(a, b) for a, b in zip(values(one), values(other), strict=True))


def saved(net: Any, folder: Path, way: str) -> Path:
    """Save a network in one of Gluon's three ways."""
    path = folder / "net-0000.params"
    if way == "structure":
        net.save_parameters(str(path))
    elif way == "prefix":
        net.collect_params().save(str(path))
    else:
        net.hybridize()
        net(nd.zeros((1, 3, 32, 32)))
        nd.waitall()
        net.export(str(folder / "net"))
    return path


@pytest.mark.parametrize("way", ["structure", "prefix", "export"])
@pytest.mark.parametrize("ready", [True, False])
def test_load_what_gluon_saved(tmp_path: Path, way: str, ready: bool) -> None:
    source = small(1)
    found = read_params(saved(source, tmp_path, way))
    target = small(2) if ready else gluon.model_zoo.vision.mobilenet0_25(classes=3)
    assert target.prefix != source.prefix
    load_into(target, found, "a file")
    assert equal(source, target)
    x = nd.random.normal(shape=(2, 3, 32, 32))
    assert np.abs((source(x) - target(x)).asnumpy()).max() < 1e-5


@pytest.mark.parametrize("way", ["structure", "prefix"])
def test_another_class_count(tmp_path: Path, way: str) -> None:
    source, target = small(1), gluon.model_zoo.vision.mobilenet0_25(classes=7)
    target.initialize()
    target(nd.zeros((1, 3, 32, 32)))
    nd.waitall()
    head = target.output.weight.data().asnumpy()
    found = read_params(saved(source, tmp_path, way))
    with pytest.raises(RecipeError, match="2 of another shape or kind .`output.weight`, `output.bias`"):
        load_into(target, found, "a file")
    load_into(target, found, "a file", frozenset({"output.weight", "output.bias"}))
    assert np.array_equal(target.output.weight.data().asnumpy(), head)
    assert equal(source.features, target.features)


def test_shapes_that_were_unknown_come_from_the_file() -> None:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(2))
    made = {
        "0.weight": np.ones((4, 3, 3, 3)),  # float64: converted
        "0.bias": np.zeros(4, np.float16),
        **{f"1.{name}": np.ones(4) for name in ("gamma", "beta", "running_mean", "running_var")},
        "2.weight": np.ones((2, 16)),
        "2.bias": np.ones(2),
    }
    load_into(net, made, "a test")
    assert {array.dtype for array in values(net)} == {np.dtype(np.float32)}
    assert net(nd.zeros((1, 3, 4, 4))).shape == (1, 2)


def test_a_shared_parameter_needs_one_of_its_names(tmp_path: Path) -> None:
    layer, twice = nn.Dense(2, in_units=2), nn.HybridSequential()
    twice.add(layer, layer)
    load_into(twice, {"0.weight": np.eye(2), "0.bias": np.zeros(2)}, "a test")
    assert np.array_equal(layer.weight.data().asnumpy(), np.eye(2))


def test_misfits_are_counted_and_nothing_is_loaded(tmp_path: Path) -> None:
    target = small(2)
    before = values(target)
    found = read_params(saved(small(1), tmp_path, "structure"))
    weight = found.pop("features.0.weight")
    found |= {"nonsense": weight, "output.bias": np.zeros(3, np.int32), "features.1.gamma": np.ones((64, 1))}
    with pytest.raises(RecipeError) as caught:
        load_into(target, found, "`net.params`")
    message = caught.value.problems[0].message()
    for part in (
        "from `net.params` do not fit",
        "1 missing (`features.0.weight`)",
        "1 unknown (`nonsense`)",
        "2 of another shape or kind (`features.1.gamma`, `output.bias`)",
    ):
        assert part in message
    assert all(np.array_equal(a, b) for a, b in zip(before, values(target), strict=True))


def test_weights_of_another_network(tmp_path: Path) -> None:
    other = gluon.model_zoo.vision.alexnet(classes=3)
    for way in ("structure", "prefix"):
        found = read_params(saved(small(1), tmp_path, way))
        with pytest.raises(RecipeError, match="missing .* unknown"):
            load_into(other, found, "a file")
    with pytest.raises(RecipeError, match="16 missing"):
        load_into(other, {}, "an empty file")


def test_one_name_in_both_sections_is_refused() -> None:
    net = nn.Dense(1, in_units=1)
    both = {f"{section}:{net.prefix}weight": np.ones((1, 1)) for section in ("arg", "aux")}
    with pytest.raises(RecipeError, match="1 unknown .`aux:"):
        load_into(net, both, "a test")


def test_names_from_a_file_cannot_steer_the_terminal() -> None:
    with pytest.raises(RecipeError) as caught:
        load_into(nn.Dense(1, in_units=1), {"\x1b[2J" + "x" * 9999: np.ones(1)}, "a test")
    message = caught.value.problems[0].message()
    assert message.isprintable()
    assert len(message) < 400
