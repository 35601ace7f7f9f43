"""PyTorch's legacy `.pth`: the real packaged file, and files made to do harm."""

from __future__ import annotations

import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_files import MAGIC, SIX, VERSION, state, storage, tensor, text, whole, whole_file, zip_file

from recipe_lang.problem import Problem, RecipeError
from runtime.models.packaged import packaged_file
from runtime.weights.torch_file import read_torch_file

PACKAGED_FILE = packaged_file("efficientnet_lite0")


def read(tmp_path: Path, data: bytes) -> dict[str, Any]:
    """Read a file of these bytes."""
    (tmp_path / "a.pth").write_bytes(data)
    return dict(read_torch_file(tmp_path / "a.pth").arrays)


def refused(tmp_path: Path, data: bytes) -> Problem:
    """Return the one problem that reading these bytes raises."""
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, data)
    (problem,) = caught.value.problems
    assert problem.message().isprintable()
    return problem


# --- good files -------------------------------------------------------------------------------


def test_the_packaged_file() -> None:
    arrays = read_torch_file(PACKAGED_FILE).arrays
    assert len(arrays) == 296
    assert next(iter(arrays)) == "_conv_stem.weight"
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert arrays["_fc.weight"].shape == (1000, 1280)
    assert arrays["_bn0.num_batches_tracked"].dtype == np.int64
    assert all(np.isfinite(array).all() for array in arrays.values())
    variances = [array for name, array in arrays.items() if name.endswith("running_var")]
    assert min(array.min() for array in variances) >= 0


def test_strides_offsets_and_a_shared_storage(tmp_path: Path) -> None:
    data = whole_file(
        state(a=tensor((2, 3), (3, 1)), b=tensor((3, 2), (1, 3)), c=tensor((2,), (2,), 1), d=tensor((), (), 5)),
        ["0"],
        SIX,
    )
    arrays = read(tmp_path, data)
    six = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert list(arrays) == ["a", "b", "c", "d"]
    for name, expected in {"a": six, "b": six.T, "c": [1, 3], "d": 5}.items():
        assert np.array_equal(arrays[name], expected)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("Float", "f4"),
        ("Double", "f8"),
        ("Half", "f2"),
        ("Long", "i8"),
        ("Int", "i4"),
        ("Byte", "u1"),
        ("Bool", "?"),
    ],
)
def test_types(tmp_path: Path, kind: str, dtype: str) -> None:
    numbers = np.array([1, 0, 1], dtype)
    a = tensor((3,), (1,), of=storage(f"{kind}Storage", "k", 3))
    data = whole_file(state(a=a), ["k"], struct.pack("<q", 3) + numbers.tobytes())
    found = read(tmp_path, data)["a"]
    assert found.dtype == numbers.dtype
    assert np.array_equal(found, numbers)


def test_parameters_and_plain_dictionaries(tmp_path: Path) -> None:
    parameter = b"ctorch._utils\n_rebuild_parameter\n" + tensor((6,), (1,)) + b"\x88ccollections\nOrderedDict\n)R\x87R"
    data = whole_file(b"\x80\x02}" + text("a") + parameter + b"s.", ["0"], SIX)
    assert np.array_equal(read(tmp_path, data)["a"], np.arange(6))


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    numbers = np.array([1.5, -2, 0], np.float32)
    upper = (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    a = state(a=tensor((3,), (1,), of=storage("BFloat16Storage", "0", 3)))
    for data in (whole_file(a, ["0"], struct.pack("<q", 3) + upper), zip_file(a, {"0": upper})):
        found = read(tmp_path, data)["a"]
        assert found.dtype == np.float32
        assert np.array_equal(found, numbers)


# --- the zip format ---------------------------------------------------------------------------


def test_a_zip_file(tmp_path: Path) -> None:
    data = zip_file(state(a=tensor((2, 3), (3, 1)), b=tensor((3, 2), (1, 3))), {"0": SIX[8:]})
    arrays = read(tmp_path, data)
    assert np.array_equal(arrays["a"], np.arange(6).reshape(2, 3))
    assert np.array_equal(arrays["b"], np.arange(6).reshape(2, 3).T)


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"PK\x03\x04" + b"\0" * 60, "E522", "directory"),
        (zip_file(state(a=tensor((6,), (1,))), {}), "E522", "storage 0 is missing"),
        (zip_file(state(a=tensor((6,), (1,))), {"0": SIX[12:]}), "E522", "not as long"),
        (zip_file(state(a=tensor((6,), (1,))), {"0": SIX[8:]}, zipfile.ZIP_DEFLATED), "E522", "compressed"),
        (zip_file(state(a=tensor((6,), (1,))), {"0": SIX[8:]}).replace(SIX[8:], SIX[8:-1] + b"?"), "E522", "checksum"),
        (zip_file(b"\x80\x02cos\nsystem\n.", {}), "E524", "os.system"),
    ],
)
def test_zip_files_that_are_refused(tmp_path: Path, data: bytes, code: str, reason: str) -> None:
    problem = refused(tmp_path, data)
    assert problem.code.startswith(code)
    assert reason in problem.message()


# --- what is around a state dict --------------------------------------------------------------

NAMESPACE = b"cargparse\nNamespace\n)\x81}" + text("lr") + b"G?\xf0\0\0\0\0\0\0sb"  # lr = 1.0
OPTIMIZER = b"}(" + text("state") + b"}K\0}" + text("step") + whole(3) + b"ss" + text("groups") + b"](K\1K\2eu"


def test_a_checkpoint_of_a_training_run(tmp_path: Path) -> None:
    plain = state(**{"module.a": tensor((6,), (1,))})[2:-1]
    ema = state(**{"module.a": tensor((3,), (2,))})[2:-1]
    pairs = {"epoch": whole(3), "args": NAMESPACE, "optimizer": OPTIMIZER, "state_dict": plain}
    checkpoint = b"\x80\x02}(" + b"".join(text(name) + value for name, value in pairs.items())
    (tmp_path / "a.pth").write_bytes(zip_file(checkpoint + b"u.", {"0": SIX[8:]}))
    found = read_torch_file(tmp_path / "a.pth")
    assert np.array_equal(found.arrays["a"], np.arange(6))
    assert (found.keys, found.prefix, found.left_out) == (("state_dict",), "module.", ("epoch", "args", "optimizer"))
    assert len(list(found.notes())) == 3
    (tmp_path / "b.pth").write_bytes(zip_file(checkpoint + text("state_dict_ema") + ema + b"u.", {"0": SIX[8:]}))
    averaged = read_torch_file(tmp_path / "b.pth")
    assert averaged.keys == ("state_dict_ema",)
    assert np.array_equal(averaged.arrays["a"], [0, 2, 4])


def test_storages_of_the_optimizer_are_passed_over(tmp_path: Path) -> None:
    moment = tensor((6,), (1,), of=storage(key="1"))
    inner = state(a=tensor((6,), (1,)))[2:-1]
    value = b"\x80\x02}(" + text("model") + inner + text("optimizer") + b"}" + text("m") + moment + b"su."
    assert list(read(tmp_path, whole_file(value, ["1", "0"], SIX, SIX))) == ["a"]


# --- code -------------------------------------------------------------------------------------


class Harm:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, getattr, __import__])
def test_a_call_of_anything_is_refused(tmp_path: Path, protocol: int, function: Any) -> None:
    mark = tmp_path / "ran"
    harm = pickle.dumps({"a": Harm(function, f"touch {mark}")}, protocol)
    problem = refused(tmp_path, whole_file(harm, [], b""))
    assert problem.code in ("E524", "E522")
    assert not mark.exists()
    if protocol == 2:
        assert problem.code == "E524"
        assert function.__name__ in problem.message()


@pytest.mark.parametrize(
    "harm",
    [
        b"cbuiltins\ngetattr\nctorch\nFloatStorage\n" + text("__class__") + b"\x86R",
        b"ccollections\nOrderedDict.__init__.__globals__\n",
        b"ctorch.storage\n_load_from_bytes\n" + text("x") + b"\x85R",
        b"cruntime.torch_pickle\nPickle\n",
        b"ctorch\nnn.FloatStorage.x\n",
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"ctorch.nn.modules.linear\nLinear\n",
    ],
)
def test_other_names_are_refused(tmp_path: Path, harm: bytes) -> None:
    assert refused(tmp_path, whole_file(state(a=harm))).code == "E524"


@pytest.mark.parametrize(
    "harm",
    [
        b"(ios\nsystem\n",  # INST
        text("os") + text("system") + b"\x93",  # STACK_GLOBAL
        b"\x82\x01",  # EXT1
        b"ccollections\nOrderedDict\n)\x81",  # NEWOBJ
        b"(ccollections\nOrderedDict\no",  # OBJ
        b"ctorch\nFloatStorage\n)R",  # calls a label
        b"ccollections\nOrderedDict\n" + text("x") + b"\x85R",
        b"ccollections\nOrderedDict\n}b",  # sets the state of a label
        tensor((6,), (1,)) + b"}b",
        b"P0\n",  # a persistent id in words
    ],
)
def test_instructions_that_a_state_dict_does_not_need(tmp_path: Path, harm: bytes) -> None:
    assert refused(tmp_path, whole_file(state(a=harm))).code == "E522"


def test_escapes_in_a_name_are_not_printed(tmp_path: Path) -> None:
    assert "\x1b" not in refused(tmp_path, whole_file(state(a=b"cos\n\x1b[2Jsystem\n"))).message()


# --- lies -------------------------------------------------------------------------------------

BIG = 1 << 62


@pytest.mark.parametrize(
    "data",
    [
        whole_file(state(a=tensor((7,), (1,))), ["0"], SIX),
        whole_file(state(a=tensor((6,), (1,), 1)), ["0"], SIX),
        whole_file(state(a=tensor((2, 3), (4, 1))), ["0"], SIX),
        whole_file(state(a=tensor((6,), (-1,), 5)), ["0"], SIX),
        whole_file(state(a=tensor((6,), (1,), -1)), ["0"], SIX),
        whole_file(state(a=tensor((BIG,), (0,))), ["0"], SIX),
        whole_file(state(a=tensor((BIG, BIG), (BIG, BIG))), ["0"], SIX),
        whole_file(state(a=tensor((1 << 900,), (1,))), ["0"], SIX),
        whole_file(state(a=tensor((-6,), (1,))), ["0"], SIX),
        whole_file(state(a=tensor((0,), (1,))), ["0"], SIX),
        whole_file(state(a=tensor((1,) * 40, (1,) * 40)), ["0"], SIX),
        whole_file(state(a=tensor((2, 3), (1,))), ["0"], SIX),
        whole_file(state(a=tensor((1,), (1,), of=storage(count=BIG))), ["0"], struct.pack("<q", BIG)),
        whole_file(state(a=tensor((1,), (1,), of=storage(count=0))), ["0"], struct.pack("<q", 0)),
        whole_file(state(a=tensor((6,), (1,))), ["0"], struct.pack("<q6f", 5, *range(6))),
        whole_file(state(a=tensor((6,), (1,))), ["0"], struct.pack("<q6f", -6, *range(6))),
        whole_file(state(a=tensor((6,), (1,))), ["0"], SIX + b"\0"),
        whole_file(state(a=tensor((6,), (1,))), ["0"], SIX[:-1]),
        whole_file(state(a=tensor((6,), (1,))), [], SIX),
        whole_file(state(a=tensor((6,), (1,))), ["0", "0"], SIX, SIX),
        whole_file(state(a=tensor((6,), (1,))), ["1"], SIX),
        whole_file(state(a=tensor((6,), (1,))), [0], SIX),
        whole_file(
            state(a=tensor((6,), (1,)), b=tensor((3,), (1,), of=storage("DoubleStorage", count=3))),
            ["0"],
            SIX,
        ),
        whole_file(b"\x80\x02r\xff\xff\xff\x7f."),
        whole_file(b"\x80\x02Nr\xff\xff\xff\x7f0."),
        whole_file(b"\x80\x02X\xff\xff\xff\xff"),
        whole_file(b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"),
        whole_file(b"\x80\x02\x8b\xff\xff\xff\x7f"),
        whole_file(b"\x80\x02\x95\xff\xff\xff\xff\xff\xff\xff\x7f."),
        whole_file(b"\x80\x02L" + b"9" * 100_000 + b"L\n."),
        whole_file(b"\x80\x02h\x05."),
        whole_file(b"\x80\x02u."),
        whole_file(b"\x80\x02."),
        whole_file(b"\x80\x02}}."),
    ],
)
def test_lies_are_refused(tmp_path: Path, data: bytes) -> None:
    tracemalloc.start()
    problem = refused(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem.code == "E522"
    assert peak < 1_000_000 + 40 * len(data)


@pytest.mark.parametrize(
    "instructions",
    [
        b"(" + b"\x85" * 100_000 + b".",
        b")" + b"\x85" * 100_000 + b"}q\0.",
        b"}()" + b"\x85" * 200_000 + b"Nu.",  # hashing a tuple this deep would end the process
        b"N" * 1_000_010 + b".",
    ],
)
def test_long_pickles_are_refused(tmp_path: Path, instructions: bytes) -> None:
    assert refused(tmp_path, whole_file(b"\x80\x02" + instructions)).code == "E522"


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"", "E521", "an empty file"),
        (b"<html>", "E521", "a web page"),
        (b"\x12\x01" + b"\0" * 30, "E521", "an MXNet .params file"),
        (pickle.dumps(1, 2) * 5, "E521", "a pickle"),
        (pickle.dumps(MAGIC, 2) + pickle.dumps(1002, 2), "E523", "another version"),
        (
            b"".join(pickle.dumps(value, 2) for value in (MAGIC, VERSION, {"little_endian": False})),
            "E523",
            "byte order",
        ),
        (whole_file(state(a=b"ctorch\nQInt8Storage\n")), "E523", "QInt8"),
        (whole_file(state(epoch=whole(3))), "E523", "no state dict (epoch)"),
        (whole_file(pickle.dumps([1], 2)), "E523", "a list instead of a state dict"),
    ],
)
def test_what_is_sound_but_not_read(tmp_path: Path, data: bytes, code: str, reason: str) -> None:
    problem = refused(tmp_path, data)
    assert (problem.code, reason in problem.message()) == (code, True)


def test_no_damage_gets_through(tmp_path: Path) -> None:
    """Cut and changed files give arrays or a `RecipeError`, and never ask for much memory."""
    pushed = {f"layer{n}.weight": tensor((2, 3), (3, 1), of=storage(key=str(n))) for n in range(3)}
    good = whole_file(state(**pushed), ["0", "1", "2"], SIX * 3)
    assert len(read(tmp_path, good)) == 3
    chance = random.Random(7)
    cases = [good[:length] for length in range(0, len(good), 4)]
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            other = chance.randrange(len(data))
            data[at : at + chance.choice((1, 1, 4, 12))] = chance.choice(
                (
                    bytes([chance.randrange(256)]),
                    b"\xff" * 4,
                    b"\0",
                    b"",
                    good[other : other + 12],
                    b"\x8d" + b"\xff" * 8,
                )
            )
        cases.append(bytes(data))
    refusals = 0
    tracemalloc.start()
    for data in cases:
        try:
            read(tmp_path, data)
        except RecipeError:
            refusals += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusals > len(cases) / 2
    assert peak < 8_000_000
