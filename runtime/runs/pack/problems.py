"""What can be wrong with a pack, and with the way to the hub (E570 to E575)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.words import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAPack(Problem):
    """A file that is not a pack of `ftr pack`, or one that is damaged. Nothing of it has been used or written.

    A pack is a zip archive of a narrow kind, so that equal runs give equal bytes: packed again by another program, it
    is no longer a pack.
    """

    code: ClassVar[str] = "E570"
    path: str
    reason: str

    def message(self) -> str:
        return f"{printable(self.path)} is not a pack: {self.reason}"

    def help(self) -> str:
        return "make one with `ftr pack RUN`; copy or download a damaged one again"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRefused(Problem):
    """A pack holds a few files of known names, each of bounded size, and nothing else.

    Paths, links, compressed or encrypted parts, names that occur twice and files of other kinds have no place in it.
    Nothing of such a pack has been used or written.
    """

    code: ClassVar[str] = "E571"
    path: str
    member: str
    reason: str

    def message(self) -> str:
        return f"{printable(self.path)} contains `{printable(self.member[:80])}`, {self.reason}: it is refused"

    def help(self) -> str:
        return "`ftr pack` does not make such a file; ask where it comes from"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExists(Problem):
    """A file that `ftr pack`, `ftr pull` or `ftr export` would overwrite is there already."""

    code: ClassVar[str] = "E572"
    path: str

    def message(self) -> str:
        return f"{printable(self.path)} already exists"

    def help(self) -> str:
        return "choose another file with `--out`, or overwrite it with `--force`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackGiven(Problem):
    """A pack takes the place of a recipe or of a run, but has no images, no checkpoints, and a lock that stays."""

    code: ClassVar[str] = "E575"
    path: str
    reason: str
    hint: str

    def message(self) -> str:
        return f"{printable(self.path)} is a pack: {self.reason}"

    def help(self) -> str:
        return self.hint


@dataclass(frozen=True, slots=True, kw_only=True)
class NotARepository(Problem):
    """A repository of the hub is named `owner/name`, to pull also with a branch, tag or commit: `owner/name@main`."""

    code: ClassVar[str] = "E573"
    name: str

    def message(self) -> str:
        return f"`{printable(self.name)}` does not name a repository"

    def help(self) -> str:
        return "write `owner/name`, with letters, digits and `-`, `_`, `.`"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFailed(Problem):
    """The hub could not be reached, or it refused: a repository that is not there, or no right to read or write it.

    The hub knows you by the token of `hf auth login`, or by the variable HF_TOKEN.
    """

    code: ClassVar[str] = "E574"
    name: str
    endpoint: str
    reason: str
    hint: str = ""

    def message(self) -> str:
        return f"cannot use {self.name} at {self.endpoint}: {printable(self.reason)}"

    def help(self) -> str:
        return self.hint
