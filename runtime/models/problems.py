"""What only the network shows about a recipe (E552)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadDoesNotFit(Problem):
    """Each layer of the head takes the output of the layer before it."""

    code: ClassVar[str] = "E552"
    layer: str

    def message(self) -> str:
        return f"`{self.layer}` needs feature maps, but gets a vector for each image"

    def help(self) -> str:
        return "leave it out"
