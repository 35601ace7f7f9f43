"""What can be wrong with the classes of sets (E514, E515)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from runtime.data.problems import names_of, quoted
from runtime.data.similar_labels import seen, told_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownClass(Problem):
    """The validation or test set has a class that training does not have.

    No prediction of such an image can be right.
    """

    code: ClassVar[str] = "E514"
    set_name: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    nearest: str = ""

    def message(self) -> str:
        """Name the classes that training lacks."""
        what = "class" if len(self.names) == 1 else "classes"
        return f"the {self.set_name} set has {what} {names_of(self.names)}, which training does not have"

    def help(self) -> str:
        """List the classes of training."""
        if self.nearest and seen(self.nearest) == seen(self.names[0]):
            one, other = told_apart(self.names[0]), told_apart(self.nearest)
            return f"`{one}` looks like training's `{other}` and is another name: spell both the same"
        start = f"did you mean {quoted(self.nearest)}? " if self.nearest else ""
        return f"{start}training has {names_of(self.classes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWithoutImages(Problem):
    """A class has no image left for training: what a holdout or a limit leaves must have every class.

    Each holdout takes at least one image of every class that has two, so a class needs one image per set.
    """

    code: ClassVar[str] = "E515"
    names: tuple[str, ...]

    def message(self) -> str:
        """Name the classes."""
        what = "class has" if len(self.names) == 1 else "classes have"
        return f"{len(self.names)} {what} no image left for training: {names_of(self.names)}"

    def help(self) -> str:
        """Say what to do about it."""
        return "add images of these classes, or hold out less"
