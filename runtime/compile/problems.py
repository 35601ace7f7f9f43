"""What only the data or the network shows about a recipe (E55x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.words import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainsNothing(Problem):
    """A stage trains at least one parameter; patterns and parts may match none, or only frozen norms."""

    code: ClassVar[str] = "E550"
    title: str
    examples: tuple[str, ...]

    def message(self) -> str:
        return f'stage "{self.title}" trains no parameters'

    def help(self) -> str:
        return f"parameters have names such as {listed(self.examples, 'and')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TooShort(Problem):
    """A length that is given in epochs comes to less than one step, or the warm-up to the whole stage."""

    code: ClassVar[str] = "E551"
    what: str
    steps: int
    stage_steps: int

    def message(self) -> str:
        return f"{self.what} comes to {self.steps} steps, the stage has {self.stage_steps}"
