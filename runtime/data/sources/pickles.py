"""A pickle of plain data as Python 2 wrote it, read without running it: numbers, texts, lists, dicts, NumPy's bytes.

A pickle is a program. Here it is not unpickled but read, by a machine of the few instructions that such data takes.
None of them imports or calls anything; the three names that NumPy's arrays are made with are labels, and any other name
is refused. Long strings are not read either: what comes out is their place in the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from recipe_lang.problem import RecipeError
from runtime.data.sources.problems import BadRecord, CodeInData
from runtime.weights.pickle_stack import PickleError, PickleStack

_MOST = 5_000_000  # instructions
_LONG = 4096  # bytes of a string, from which on only its place is wanted
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A long string: where it lies in the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """An array of unsigned bytes: its shape, and where it lies, row by row."""

    shape: tuple[int, ...]
    place: Place


@dataclass(slots=True)
class _Array:
    """An array that is being made: `value` holds its one state."""

    value: Bytes | None = None


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


_NAMES = frozenset(("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"))
_RECONSTRUCT, _NDARRAY, _DTYPE = map(_Name, ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"))
_UNSIGNED_BYTES = _Name("u1")


def read_pickle(path: Path) -> Any:
    """Return the value of a pickle of protocol 2.

    Raises:
        RecipeError: it has code, or makes no sense.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        machine = _Machine(path, file, os.fstat(file.fileno()).st_size)
        try:
            return machine.run()
        except (PickleError, LookupError, ValueError, TypeError, struct.error) as fault:
            reason = f"it is no pickle of protocol 2 as the set's own files are: {fault}"
            place, hint = f"byte {file.tell():,}", "download it again, or take the binary version of the set"
            raise RecipeError(BadRecord(path=str(path), place=place, reason=reason, hint=hint)) from fault


class _Machine(PickleStack):
    """A pickle that is read, with its stack."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        super().__init__()
        self.path, self.file, self.size = path, file, size

    def run(self) -> Any:
        """Read to the end; return the value."""
        if self.take(2) != b"\x80\x02":
            raise PickleError("it begins otherwise")
        for _ in range(_MOST):
            code = self.take(1)
            if code == b".":
                (value,) = self.values
                return value.value if isinstance(value, _Array) else value
            if code not in _INSTRUCTIONS:
                raise PickleError(f"the instruction {code!r} has no place in it")
            _INSTRUCTIONS[code](self)
        raise PickleError(f"it has more than {_MOST:,} instructions")

    def take(self, count: int) -> bytes:
        """Return bytes of the file; raise `PickleError` where it ends before."""
        found = self.file.read(count)
        if len(found) < count:
            raise PickleError("it is cut off")
        return found

    def number(self, form: str) -> int:
        """Return a little-endian number in the notation of `struct`."""
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0])

    def line(self) -> str:
        """Return a line of text."""
        found = self.file.readline(_LONGEST_NAME)
        if not found.endswith(b"\n"):
            raise PickleError("a name does not end")
        return found[:-1].decode("ascii")

    def string(self, form: str, encoding: str = "latin-1") -> None:
        """Push a string behind its length, or the place of a long one."""
        length = self.number(form)
        if length < 0 or length > self.size - self.file.tell():
            raise PickleError("it is cut off")
        if length <= _LONG:
            self.push(self.take(length).decode(encoding))
            return
        self.push(Place(self.file.tell(), length))
        self.file.seek(length, os.SEEK_CUR)


def _global(machine: _Machine) -> None:
    name = f"{machine.line()} {machine.line()}"
    if name not in _NAMES:
        raise RecipeError(CodeInData(path=str(machine.path), name=name.replace(" ", ".")))
    machine.push(_Name(name))


def _reduce(machine: _Machine) -> None:
    match machine.several(2):
        case (what, (ndarray, (0,), "b")) if (what, ndarray) == (_RECONSTRUCT, _NDARRAY):
            machine.push(_Array())
        case (what, ("u1", 0, 1)) if what == _DTYPE:
            machine.push(_UNSIGNED_BYTES)
        case _:
            raise PickleError("it makes something else than an array of unsigned bytes")


def _build(machine: _Machine) -> None:
    state, what = machine.pop(), machine.top()
    if what == _UNSIGNED_BYTES:  # its byte order, which bytes do not have
        return
    match what, state:
        case _Array(value=None), (int(), tuple() as shape, dtype, False, Place() as place) if dtype == _UNSIGNED_BYTES:
            total = 1
            for side in shape:
                if type(side) is not int or not 0 < side < 1 << 40:
                    raise PickleError("an array has no proper shape")
                total *= side
            if total != place.length or len(shape) > 8:
                raise PickleError(f"an array of {total} bytes has {place.length}")
            what.value = Bytes(shape, place)
        case _:
            raise PickleError("an array is not made as NumPy makes those of unsigned bytes")


def _set_items(machine: _Machine, pairs: list[Any]) -> None:
    into = machine.top()
    if not isinstance(into, dict) or len(pairs) % 2 or not all(isinstance(key, str) for key in pairs[::2]):
        raise PickleError("it sets the items of something else than a dict of names")
    values = (each.value if isinstance(each, _Array) else each for each in pairs[1::2])
    into.update(zip(pairs[::2], values, strict=True))


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(value(machine))


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"N": _push(lambda machine: None),
    b"\x88": _push(lambda machine: True),
    b"\x89": _push(lambda machine: False),
    b"J": _push(lambda machine: machine.number("i")),
    b"K": _push(lambda machine: machine.number("B")),
    b"M": _push(lambda machine: machine.number("H")),
    b"U": lambda machine: machine.string("B"),
    b"T": lambda machine: machine.string("i"),
    b"X": lambda machine: machine.string("I", "utf-8"),
    b"}": _push(lambda machine: {}),
    b"]": _push(lambda machine: []),
    b")": _push(lambda machine: ()),
    b"\x85": _push(lambda machine: machine.several(1)),
    b"\x86": _push(lambda machine: machine.several(2)),
    b"\x87": _push(lambda machine: machine.several(3)),
    b"t": _push(lambda machine: tuple(machine.pop_to_mark())),
    b"(": PickleStack.mark,
    b"a": lambda machine: machine.append([machine.pop()]),
    b"e": lambda machine: machine.append(machine.pop_to_mark()),
    b"s": lambda machine: _set_items(machine, list(machine.several(2))),
    b"u": lambda machine: _set_items(machine, machine.pop_to_mark()),
    b"q": lambda machine: machine.put(machine.number("B")),
    b"r": lambda machine: machine.put(machine.number("I")),
    b"h": lambda machine: machine.get(machine.number("B")),
    b"j": lambda machine: machine.get(machine.number("I")),
    b"c": _global,
    b"R": _reduce,
    b"b": _build,
}
