"""What can be wrong with the list that `exclude` names (E553)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from runtime.data.problems import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludesNothing(Problem):
    """A line of the list that `exclude` names matches no image, so that an image that was to be left out may be used.

    Each line is an image's path relative to its source, with slashes, or its row's key; lines that begin with `#` are
    comments. Below a line `[train]`, `[valid]` or `[test]` they concern the source of that field only.
    """

    code: ClassVar[str] = "E553"
    path: str
    line: int
    name: str
    more: int = 0
    nearest: str = ""

    def message(self) -> str:
        """Name the first such line, and count the others."""
        others = f" (and {self.more:,} more lines)" if self.more else ""
        return f"line {self.line} of {quoted(self.path)} matches no image: {quoted(self.name)}{others}"

    def help(self) -> str:
        """Suggest the image that looks most alike."""
        if self.nearest:
            return f"did you mean {quoted(self.nearest)}?"
        return "write paths relative to the source; remove lines of images that are gone"
