"""What can be wrong with a lock file, or with what it is compared with (E560 to E563)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLock(Problem):
    """A lock file stands beside its recipe and records what a run was made from and what came out of it.

    The first `ftr run` that ends well writes it, and `ftr lock` renews it.
    """

    code: ClassVar[str] = "E560"
    path: str
    recipe: str

    def message(self) -> str:
        """Say which file is missing."""
        return f"there is no lock {self.path}"

    def help(self) -> str:
        """Say what writes it."""
        if not self.recipe:
            return "only the folder of a run holds one"
        return f"`ftr run {self.recipe}` writes it, with its result"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockMismatch(Problem):
    """Something is not as the lock says: the recipe, the data, the weights, a version or a setting of the run.

    A locked run and `ftr verify` compare before they train.
    """

    code: ClassVar[str] = "E561"
    name: str
    locked: str
    now: str
    path: str
    renewable: bool = True

    def message(self) -> str:
        """Name it, with the old and the new value; an empty one is not there."""
        if not self.locked:
            return f"`{self.name}` is {self.now} now; {self.path} has none"
        return f"`{self.name}` is {self.now or 'not there'} now; {self.path} says {self.locked}"

    def label(self) -> str:
        """Point at the value in the lock."""
        return f"{self.now} now" if self.now else "not there now"

    def help(self) -> str:
        """Say how the two come together."""
        images = "put the images and their labels back (or the paths and `exclude` of the recipe)"
        other = images if self.name.startswith("data.") else "put it back"
        back = _PUT_BACK.get(self.name, other).format(self.locked)
        return f"{back}, or renew the lock with `ftr lock`" if self.renewable else back


_PUT_BACK = {
    "run.threads": "run with `--threads {}`",
    "run.device": "run with `--device {}`",
    "run.fuse": "say `--fuse` for on, `--no-fuse` for off",
    "versions.python": "use the Python that it names",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLock(Problem):
    """A lock file is lines `name = value` in sections. The programs write it, and nobody needs to edit it.

    A merge of two branches may leave both in it: renew it then.
    """

    code: ClassVar[str] = "E562"
    path: str
    reason: str

    def message(self) -> str:
        """Say which file it is, and why."""
        return f"the lock {self.path} cannot be used: {self.reason}"

    def help(self) -> str:
        """Say how to get a good one."""
        return "restore it from version control, or rewrite it with `ftr lock RECIPE`"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWithoutResult(Problem):
    """What `ftr lock` writes has no result yet, so that there is nothing to compare a new run with."""

    code: ClassVar[str] = "E563"
    path: str
    recipe: str

    def message(self) -> str:
        """Say which lock it is."""
        return f"the lock {self.path} has no result to compare with"

    def help(self) -> str:
        """Say what puts it there."""
        return f"`ftr run {self.recipe}` adds it"
