"""The files that a Croissant description names, found on this machine: beside it, or in archives there.

Nothing is downloaded: what is not there is named, with how to get it. The sums that a description gives are compared
with the files that are used.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.data.listing import Embedded
from runtime.data.problems import UnreadableData
from runtime.data.sources.archive_members import archive_members, is_archive, member_file
from runtime.data.sources.croissant_description import Description, Resource
from runtime.data.sources.problems import FilesNotHere, OtherChecksum
from runtime.data.sources.unpacked import unpacked

_DEEPEST = 5  # files in archives in archives
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file: its path within what holds it, which the names of its archives stand before, and where its bytes are."""

    path: str
    content: Path | Embedded
    within: str = ""
    archive: Path | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def on_disk(self) -> Path:
        """Return a file of its own with its bytes.

        Raises:
            OSError: it cannot be read, or its copy not be written.
        """
        if isinstance(self.content, Path):
            return self.content
        return member_file(self.archive or self.content.file, self.path, self.content)


@dataclass(slots=True)
class Files:
    """The files of a description, which lie below `root`."""

    about: Description
    root: Path
    _found: dict[str, list[File]] = field(default_factory=dict)
    _walked: dict[Path, list[File]] = field(default_factory=dict)

    def of(self, id: str, place: str = "", depth: int = 0) -> list[File]:
        """Return the files of a FileObject or a FileSet, in order; `place` is where it is referred to.

        Raises:
            RecipeError: there are none, or they are not those that are described.
        """
        if id not in self._found:
            resource = self._resource(id, place)
            if depth > _DEEPEST:
                raise self.about.bad(resource.place, "it lies in itself, or too deep in others")
            try:
                self._found[id] = self._set(resource, depth) if resource.is_set else self._object(resource, depth)
            except OSError as fault:
                reason = fault.strerror or str(fault)
                raise RecipeError(UnreadableData(path=str(fault.filename or self.root), reason=reason)) from fault
        return self._found[id]

    def all(self) -> Iterator[File]:
        """Yield the files of all that is described and is there, and the members of archives among them."""
        for id, resource in self.about.resources.items():
            try:
                files = self.of(id)
            except RecipeError as error:
                if error.problems[0].kind is not FilesNotHere:
                    raise
                continue
            for each in files:
                yield each
                if not resource.within and isinstance(each.content, Path) and is_archive(each.content):
                    yield from self._members(each)
        yield from self._below(self.root)

    def _resource(self, id: str, place: str) -> Resource:
        if id not in self.about.resources:
            there = a_few(tuple(self.about.resources)) or "none"
            raise self.about.bad(place, f"no file of the description is called `{id}`", f"there are {there}")
        return self.about.resources[id]

    def _object(self, resource: Resource, depth: int) -> list[File]:
        if resource.within:
            wanted = _relative(resource.url)
            for places in self._places(resource, depth):
                found = [each for each in places if each.path == wanted]
                if found:
                    return [self._checked(resource, found[0])]
            raise self._missing(resource)
        for path in self._candidates(resource):
            if path.is_file():
                return [self._checked(resource, File(path.relative_to(self.root).as_posix(), path))]
        raise self._missing(resource)

    def _set(self, resource: Resource, depth: int) -> list[File]:
        for places in self._places(resource, depth):
            found = {each: None for pattern in resource.includes for each in places if _matches(each.path, pattern)}
            kept = [each for each in found if not any(_matches(each.path, other) for other in resource.excludes)]
            if kept:
                return sorted(kept, key=lambda each: (each.within, each.path))
        raise self._missing(resource)

    def _places(self, resource: Resource, depth: int) -> Iterator[list[File]]:
        """Yield the files among which a resource is looked for: in what holds it, or where that is unpacked."""
        if not resource.within:
            yield self._below(self.root)
            return
        inside: list[File] = []
        for id in resource.within:
            holder = self._resource(id, resource.place)
            if holder.is_set:
                inside += [deeper for each in self.of(id, "", depth + 1) for deeper in self._opened(each)]
            elif not holder.within and not any(path.is_file() for path in self._candidates(holder)):
                continue
            else:
                inside += [deeper for each in self.of(id, "", depth + 1) for deeper in self._opened(each)]
        yield inside
        for id in resource.within:  # unpacked, or a repository that was downloaded
            for path in self._candidates(self.about.resources[id]):
                for folder in (path, path.with_name(path.name.partition(".")[0])):
                    if folder.is_dir():
                        yield self._below(folder)
        yield self._below(self.root)

    def _opened(self, file: File) -> list[File]:
        on_disk = file.on_disk() if is_archive(Path(file.path)) else None
        return [file] if on_disk is None else self._members(replace(file, content=on_disk))

    def _members(self, file: File) -> list[File]:
        assert isinstance(file.content, Path)
        archive, members = file.content, archive_members(file.content)
        return [File(name, place, file.name, archive) for name, place in members.items()]

    def _below(self, folder: Path) -> list[File]:
        if folder not in self._walked:
            found = []
            for place, folders, names in os.walk(folder):
                folders[:] = sorted(each for each in folders if not each.startswith("."))
                for name in sorted(names):
                    path = Path(place, name)
                    if not name.startswith(".") and path.is_file():
                        found.append(File(path.relative_to(folder).as_posix(), path))
            self._walked[folder] = found
        return self._walked[folder]

    def _candidates(self, resource: Resource) -> Iterator[Path]:
        """Yield where a file that others hold may lie: as its address says, and by its names."""
        parts = urlsplit(resource.url)
        names = [_relative(resource.url)] if not parts.scheme else []
        names += [unquote(parts.path).rstrip("/").rpartition("/")[2], resource.name, resource.id]
        ending = ".zip" if any("zip" in each and "gzip" not in each for each in resource.formats) else ""
        for name in dict.fromkeys((*names, resource.place)):  # the last, so that there is one
            if name and not name.startswith("/") and ".." not in name.split("/"):
                yield self.root / name
                if ending and not name.endswith(ending):
                    yield self.root / f"{name}{ending}"

    def _checked(self, resource: Resource, file: File) -> File:
        if _SHA256.fullmatch(resource.sha256):
            there = _sum(file)
            if there != resource.sha256.lower():
                raise RecipeError(OtherChecksum(path=file.path, place=f"{resource.place}.sha256", there=there))
        return file

    def _missing(self, resource: Resource) -> RecipeError:
        holders = [self.about.resources[id] for id in resource.within if id in self.about.resources]
        lost = [each for each in holders if not each.is_set and not any(p.is_file() for p in self._candidates(each))]
        names = resource.includes or (next(self._candidates(resource)).relative_to(self.root).as_posix(),)
        source = next((each.url for each in (*lost, resource) if urlsplit(each.url).scheme.startswith("http")), "")
        return RecipeError(
            FilesNotHere(
                path=str(self.about.path),
                place=resource.place,
                names=names,
                within=tuple(each.name or each.id for each in holders),
                root=str(self.root),
                download=_download(source, lost[0].name if lost else resource.name),
            )
        )


def _relative(url: str) -> str:
    return os.path.normpath(unquote(url)).removeprefix("./") if url else ""


def _matches(path: str, pattern: str) -> bool:
    """Whether a path matches; as Croissant's own library has it, a star stands for folders as well."""
    return fnmatchcase(path, pattern.removeprefix("./")) or fnmatchcase(path, pattern.removeprefix("**/"))


def _sum(file: File) -> str:
    """Return the SHA-256 of a file, which is read once for each of its states."""

    def write(folder: Path) -> None:
        state = hashlib.sha256()
        with open(path, "rb") as content:
            while piece := content.read(_PIECE):
                state.update(piece)
        (folder / "sum").write_text(state.hexdigest())

    path = file.on_disk()
    return (unpacked(path, write, "sha256") / "sum").read_text()


def _download(url: str, name: str) -> str:
    """Return the command that downloads what an address names; nothing where there is none."""
    if not url:
        return ""
    if hub := re.search(r"huggingface\.co/datasets/([^/?#]+(?:/(?!tree/)[^/?#]+)?)(/tree/([^/?#]+))?", url):
        revision = f" --revision {shlex.quote(unquote(hub[3]))}" if hub[3] else ""
        return f"hf download --repo-type dataset {shlex.quote(hub[1])}{revision} --local-dir ."
    if kaggle := re.search(r"kaggle\.com/(?:api/v1/)?datasets/(?:download/)?([^/?#]+/[^/?#]+)", url):
        return f"kaggle datasets download {shlex.quote(kaggle[1])}"
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return f"curl -L -o {shlex.quote(last if '.' in last else name or 'FILE')} {shlex.quote(url)}"


def texts_of(values: Sequence[Any]) -> list[str]:
    """Return values of JSON or of a column as text, without white space around it."""
    return ["" if each is None else str(each).strip() for each in values]


Named = Mapping[str, File | None]


def by_name(files: Sequence[File]) -> Named:
    """Return files by what a table may call them: path, name, name without ending; None where several are so called."""
    found: dict[str, File | None] = {}
    for each in dict.fromkeys(files):
        for key in {each.path, each.name, os.path.splitext(each.name)[0], os.path.splitext(each.path)[0]}:
            found[key] = each if found.get(key, each) == each else None
    return found
