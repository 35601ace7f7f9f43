"""One pickle of a PyTorch file, read without running it.

In goes an open file at the beginning of a pickle of protocol 2; out comes its value, made of numbers,
texts, tuples, lists and dictionaries, with `Storage` and `Tensor` for what PyTorch rebuilds, and `Opaque` for what
training leaves beside the weights and nobody needs here (the options of a script, sets, NumPy's numbers).

A pickle is a program. Here it is not unpickled but read, by a machine of the few instructions that a state
dict needs. None of them imports or calls anything: the few known names become labels, and calling a label
makes a plain value. Any other instruction or name is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import IO, Any, cast

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.weights.bounded import BFLOAT16, HIGHEST_RANK, BoundedFile
from runtime.weights.pickle_stack import PickleError, PickleStack
from runtime.weights.problems import CodeInWeights

_MOST_INSTRUCTIONS = 1_000_000  # some 30 for each tensor; the largest image models have a few thousand


class _Callable(Enum):
    """The names that a state dict calls. They stand for what to do, and are never looked up anywhere."""

    ORDERED_DICT = "collections OrderedDict"
    DEFAULT_DICT = "collections defaultdict"
    TENSOR = "torch._utils _rebuild_tensor_v2"
    PARAMETER = "torch._utils _rebuild_parameter"


_CALLABLES = {label.value: label for label in _Callable}
_STORAGES = {
    f"torch {name}Storage": np.dtype(dtype)
    for name, dtype in (
        ("Float", "<f4"),
        ("Double", "<f8"),
        ("Half", "<f2"),
        ("BFloat16", BFLOAT16),
        ("Long", "<i8"),
        ("Int", "<i4"),
        ("Short", "<i2"),
        ("Char", "i1"),
        ("Byte", "u1"),
        ("Bool", "?"),
    )
}


_OPAQUE = frozenset(
    [
        "argparse Namespace",
        "torch device",
        "torch Size",
        "numpy dtype",
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray scalar",
        "_codecs encode",
        *(f"torch {name}" for name in ["float16", "bfloat16", "float32", "float64", "int32", "int64", "bool", "uint8"]),
        *(
            f"{module} {name}"
            for module in ("__builtin__", "builtins")
            for name in ["dict", "float", "int", "list", "set"]
        ),
    ]
)
"""Names that training leaves in a checkpoint. They are not looked up either: whatever is made by them is `Opaque`."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A name of `_OPAQUE`, or something made by calling it."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers that tensors look into, known by its key in the file."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view into a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Pickle(PickleStack):
    """One pickle of protocol 2 and its stack of plain values; `begun`: its first two bytes are read."""

    def __init__(self, file: BoundedFile, begun: bool = False) -> None:
        super().__init__()
        self.file = file
        self.storages: dict[str, Storage] = {}  # all that it names, by key
        self._begun = begun

    def value(self) -> Any:
        """Read up to the end of the pickle and return its value; raise `RecipeError` if it makes no sense."""
        if not self._begun and self.file.take(2, "a pickle") != b"\x80\x02":
            raise self.file.damaged("a pickle of protocol 2 is missing")
        try:
            return self._run()
        except (PickleError, ValueError, TypeError, LookupError, OverflowError) as error:
            raise self.file.damaged(f"a pickle makes no sense: {error}") from error

    def _run(self) -> Any:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], self.file))):
            if instruction.name == "STOP":
                (value,) = self.values
                return value
            if number > _MOST_INSTRUCTIONS:
                raise PickleError("it is too long")
            if instruction.name not in _INSTRUCTIONS:
                raise PickleError(f"the instruction {instruction.name} has no place in a state dict")
            _INSTRUCTIONS[instruction.name](self, argument)
        raise PickleError("it has no end")


def _global(pickle: Pickle, name: str) -> None:
    if name in _STORAGES:
        pickle.push(_STORAGES[name])
    elif name in _CALLABLES:
        pickle.push(_CALLABLES[name])
    elif name in _OPAQUE:
        pickle.push(Opaque(name))
    elif name.startswith("torch ") and name.endswith("Storage"):
        raise pickle.file.unsupported(f"numbers of the kind {name.removeprefix('torch ').removesuffix('Storage')}")
    else:
        raise RecipeError(CodeInWeights(path=str(pickle.file.path), name=name.replace(" ", ".")))


def _reduce(pickle: Pickle, _: Any) -> None:
    arguments, what = pickle.pop(), pickle.pop()
    match what, arguments:
        case (_Callable.ORDERED_DICT, ()) | (_Callable.DEFAULT_DICT, (Opaque(),)):
            pickle.push({})
        case Opaque(), tuple():
            pickle.push(what)
        case _Callable.TENSOR, (Storage() as storage, offset, tuple() as shape, tuple() as strides, *_):
            if len(shape) != len(strides) or len(shape) > HIGHEST_RANK:
                raise PickleError("a tensor has no proper shape")
            if not all(_is_count(number, 0) for number in (offset, *strides)):
                raise PickleError("a tensor has a negative offset or stride")
            if not all(_is_count(side, 1) for side in shape):
                raise PickleError("a tensor has an empty side")
            pickle.push(Tensor(storage, offset, shape, strides))
        case _Callable.PARAMETER, (Tensor() as tensor, *_):
            pickle.push(tensor)
        case _:
            raise PickleError("a call does not fit what it calls")


def _persistent(pickle: Pickle, _: Any) -> None:
    match pickle.pop():
        # The last one is a view of another storage, which only the legacy format knows, and never writes any more.
        case ("storage", np.dtype() as dtype, str() as key, str(), count, *rest) if _is_count(count, 1):
            found = Storage(key, dtype, count)
            if rest not in ([], [None]) or pickle.storages.setdefault(key, found) != found:
                raise PickleError("a storage is described twice, and not alike")
            pickle.push(found)
        case _:
            raise PickleError("a storage is not described as PyTorch describes it")


def _is_count(value: Any, least: int) -> bool:
    return type(value) is int and least <= value < 1 << 63


def _build(pickle: Pickle, _: Any) -> None:
    # The state of an ordered dict is its `_metadata`, the versions of PyTorch's modules: not needed.
    pickle.pop()
    if not isinstance(pickle.top(), dict | Opaque):
        raise PickleError("it sets the state of something else than a dictionary")


def _set_items(pickle: Pickle, pairs: list[Any]) -> None:
    into = pickle.top()
    if not isinstance(into, dict) or len(pairs) % 2:
        raise PickleError("it sets the items of something else than a dictionary")
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(name, str | int):  # hashing a deep tuple would overflow the C stack
            raise PickleError("a dictionary has a key that is neither text nor a number")
        if name in into:
            raise PickleError("a name is used twice")
        into[name] = value


def _new(pickle: Pickle, _: Any) -> None:
    arguments, what = pickle.pop(), pickle.pop()
    if not isinstance(what, Opaque) or not isinstance(arguments, tuple):
        raise PickleError("it makes an object of something else than a class")
    pickle.push(what)


def _tuple_of(count: int) -> Callable[[Pickle, Any], None]:
    return lambda pickle, _: pickle.push(pickle.several(count))


_INSTRUCTIONS: dict[str, Callable[[Pickle, Any], None]] = {
    "NONE": Pickle.push,
    "NEWTRUE": lambda pickle, _: pickle.push(True),
    "NEWFALSE": lambda pickle, _: pickle.push(False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "BINSTRING", "SHORT_BINSTRING"), Pickle.push
    ),
    "EMPTY_DICT": lambda pickle, _: pickle.push({}),
    "EMPTY_LIST": lambda pickle, _: pickle.push([]),
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "MARK": lambda pickle, _: pickle.mark(),
    "TUPLE": lambda pickle, _: pickle.push(tuple(pickle.pop_to_mark())),
    "APPEND": lambda pickle, _: pickle.append([pickle.pop()]),
    "APPENDS": lambda pickle, _: pickle.append(pickle.pop_to_mark()),
    "SETITEM": lambda pickle, _: _set_items(pickle, list(pickle.several(2))),
    "SETITEMS": lambda pickle, _: _set_items(pickle, pickle.pop_to_mark()),
    "BINPUT": Pickle.put,
    "LONG_BINPUT": Pickle.put,
    "BINGET": Pickle.get,
    "LONG_BINGET": Pickle.get,
    "GLOBAL": _global,
    "REDUCE": _reduce,
    "NEWOBJ": _new,
    "BINPERSID": _persistent,
    "BUILD": _build,
}
