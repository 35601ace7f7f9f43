"""The members of a tar file, by their places in it: nothing is unpacked, and no name is taken for a path.

In goes an open file, packed or not; out come the regular files in it. Read are the formats of POSIX and GNU (long names
in members of their own, sizes as text or as bytes). Links, devices and folders are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_BLOCK = 512
_LONGEST = 1 << 20  # bytes of what says more of the next member
_MOST = 10_000_000  # members
_REGULAR, _LONG_NAME, _EXTENDED = (b"0", b"\0", b"7"), b"L", b"x"


class TarError(ValueError):
    """A tar file that cannot be read: why, and at which byte."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file: its name, and where its bytes lie."""

    name: str
    offset: int
    size: int


def tar_members(file: IO[bytes], end: int | None = None) -> Iterator[Member]:
    """Yield the regular files; `end` is how long the file is, None where that is not known yet, as of a packed one.

    The place in the file is that of the member's bytes when it is yielded, and may be changed.

    Raises:
        TarError: it is no tar file, or is cut off.
        OSError: it cannot be read.
    """
    at, name, size = 0, "", -1
    for _ in range(_MOST):
        file.seek(at)
        head = file.read(_BLOCK)
        if not head.strip(b"\0"):
            if at == 0 or len(head) < _BLOCK:  # a whole file ends with blocks of zeros
                raise TarError("it is no tar file" if at == 0 else f"it is cut off at byte {at + len(head):,}")
            return
        if len(head) < _BLOCK or not _is_sound(head):
            if at == 0:
                raise TarError("it is no tar file")
            raise TarError(f"at byte {at:,} no member begins: is it cut off, or damaged?")
        kind, own = head[156:157], _number(head[124:136], at)
        own = size if size >= 0 and kind in _REGULAR else own
        at += _BLOCK
        if end is not None and at + own > end:
            raise TarError(f"it is cut off: the member at byte {at:,} has {own:,} bytes, and {end - at:,} are left")
        if kind in (_LONG_NAME, _EXTENDED):
            if own > _LONGEST:
                raise TarError(f"a name at byte {at:,} has more than {_LONGEST:,} bytes")
            content = file.read(own)
            if kind == _LONG_NAME:
                name = _text(content.split(b"\0", 1)[0])
            else:
                told = _extended(content, at)
                name = told.get("path", name)
                size = _whole(told["size"], at) if "size" in told else size
        else:
            if kind in _REGULAR and (called := name or _name(head)) and not called.endswith("/"):
                yield Member(called, at, own)
            name, size = "", -1
        at += own + -own % _BLOCK
    raise TarError(f"it has more than {_MOST:,} members")


def _is_sound(head: bytes) -> bool:
    """Whether the sum of the bytes is the one that is written in it."""
    total = sum(head) - sum(head[148:156]) + 8 * 32
    text = head[148:156].strip(b" \0")
    return text.isdigit() and len(text) < 8 and b"8" not in text and b"9" not in text and int(text, 8) == total


def _number(field: bytes, at: int) -> int:
    if field[0] == 0x80:
        return _checked(int.from_bytes(field[1:], "big"), at)
    text = field.strip(b" \0")
    if not set(text) <= set(b"01234567"):
        raise TarError(f"the size of the member at byte {at:,} is no number")
    return int(text or b"0", 8)


def _checked(size: int, at: int) -> int:
    if size >= 1 << 62:
        raise TarError(f"the member at byte {at:,} claims {size:,} bytes")
    return size


def _name(head: bytes) -> str:
    name = _text(head[:100].split(b"\0", 1)[0])
    before = head[345:500].split(b"\0", 1)[0] if head[257:263] == b"ustar\0" else b""
    return f"{_text(before)}/{name}" if before else name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _extended(content: bytes, at: int) -> dict[str, str]:
    """Return what POSIX says more of the next member, in lines that begin with their own length."""
    told, place = {}, 0
    while place < len(content):
        blank = content.find(b" ", place, place + 20)
        length = _whole(_text(content[place:blank]), at) if blank > place else 0
        line = content[place : place + length]
        if length < blank + 3 - place or not line.endswith(b"\n"):
            raise TarError(f"what is said of a member at byte {at:,} makes no sense")
        key, _, value = line[blank + 1 - place : -1].partition(b"=")
        told[_text(key)] = _text(value)
        place += length
    return told


def _whole(text: str, at: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise TarError(f"what is said of a member at byte {at:,} makes no sense")
    return _checked(int(text), at)
