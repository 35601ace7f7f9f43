"""What can be wrong with the numbers of sets (E518, E519)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.words import counted
from runtime.data.problems import names_of, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTargets(Problem):
    """All sets have the numbers of training, in its order: one column each."""

    code: ClassVar[str] = "E518"
    set_name: str
    names: tuple[str, ...]
    training: tuple[str, ...]

    def message(self) -> str:
        return (
            f"the {self.set_name} set has {counted(len(self.names), 'target')}, and training has {len(self.training)}"
        )

    def help(self) -> str:
        return f"training has {names_of(self.training)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantTarget(Problem):
    """Nothing can be learned of a number that is the same for all training images.

    Nor of numbers so large, or so close together, that they have no standard deviation.
    """

    code: ClassVar[str] = "E519"
    name: str
    value: float
    images: int

    def message(self) -> str:
        return (
            f"target {quoted(self.name)} does not vary: it is {self.value:.6g} for all {self.images:,} training images"
        )

    def help(self) -> str:
        return "name another column"
