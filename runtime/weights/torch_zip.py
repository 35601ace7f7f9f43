"""PyTorch's zip format, since version 1.6: a pickle and one member for each storage, none of them compressed.

In goes an open file; out come its pickle, to be read, and its storages. Only the directory of the archive is read by
`zipfile`; members are found and read here, so that each costs no more memory than it takes in the file.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Set
from typing import IO, Any, cast

import numpy as np

from runtime.weights.bounded import BoundedFile
from runtime.weights.torch_pickle import Pickle, Storage

Array = np.ndarray[Any, Any]

_FULLEST = 1 << 24  # bytes of a pickle: 10,000 tensors take some 2 MB


class TorchArchive:
    """A zip archive of PyTorch's."""

    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        self._members = self._directory()
        self._folder = self._found_folder()
        order = self._members.get(f"{self._folder}/byteorder")
        if order is not None and bytes(self._data(order, np.dtype("u1"), order.file_size)) != b"little":
            raise file.unsupported("numbers of a machine with the other byte order")

    def pickle(self) -> Pickle:
        """Return the pickle of the value, not read yet."""
        member = self._members[f"{self._folder}/data.pkl"]
        if member.file_size > _FULLEST:
            raise self._file.damaged("its pickle is too long")
        data = self._data(member, np.dtype("u1"), member.file_size).tobytes()
        return Pickle(BoundedFile(self._file.path, io.BytesIO(data), len(data)))

    def storages(self, wanted: Set[Storage]) -> dict[str, Array]:
        """Return the storages that are wanted by key."""
        if sum(storage.dtype.itemsize * storage.count for storage in wanted) > self._file.size:
            raise self._file.damaged("its tensors need more bytes than it has")  # members that lie on one another
        found = {}
        for storage in wanted:
            member = self._members.get(f"{self._folder}/data/{storage.key}")
            if member is None:
                raise self._file.damaged(f"storage {storage.key[:20]} is missing")
            found[storage.key] = self._data(member, storage.dtype, storage.count)
        return found

    def _directory(self) -> dict[str, zipfile.ZipInfo]:
        self._file.seek(0)
        try:
            with zipfile.ZipFile(cast(IO[bytes], self._file)) as archive:
                members = archive.infolist()
        # struct.error is a ValueError; the others are what zipfile lets through from a damaged directory.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError, OverflowError, EOFError) as error:
            raise self._file.damaged(f"its zip directory makes no sense ({type(error).__name__})") from error
        by_name = {member.filename: member for member in members}
        if len(by_name) != len(members):
            raise self._file.damaged("a member of the archive stands twice in its directory")
        return by_name

    def _found_folder(self) -> str:
        folders = [name.removesuffix("/data.pkl") for name in self._members if name.count("/") == 1]
        found = [folder for folder in folders if f"{folder}/data.pkl" in self._members]
        if not found:
            raise self._file.foreign("a PyTorch file")
        if f"{found[0]}/constants.pkl" in self._members:
            raise self._file.unsupported(
                "a program (TorchScript)", "save its state dict: `torch.save(torch.jit.load(path).state_dict(), path2)`"
            )
        return found[0]

    def _data(self, member: zipfile.ZipInfo, dtype: np.dtype[Any], count: int) -> Array:
        name = member.filename[:60]
        size = dtype.itemsize * count
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != size or member.compress_size != size:
            raise self._file.damaged(f"{name} is not as long as its tensors say, or compressed")
        self._file.seek(member.header_offset)
        head = self._file.numbers("4s5H3I2H", f"the header of {name}")
        if head[0] != b"PK\x03\x04":
            raise self._file.damaged(f"{name} is not where the directory says")
        self._file.skip(head[-2] + head[-1], f"the header of {name}")
        return self._file.array(dtype, count, name, lambda raw: self._check(raw, member))

    def _check(self, raw: memoryview, member: zipfile.ZipInfo) -> None:
        if zlib.crc32(raw) != member.CRC:
            raise self._file.damaged(f"the checksum of {member.filename[:60]} is wrong")
