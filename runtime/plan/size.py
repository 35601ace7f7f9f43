"""The size of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    @classmethod
    def square(cls, side: int) -> Size:
        """Return the size of a square."""
        return cls(side, side)

    @classmethod
    def of(cls, plain: int | Sequence[int]) -> Size:
        """Return what `plain` gave."""
        return cls(plain, plain) if isinstance(plain, int) else cls(*plain)

    @property
    def plain(self) -> int | list[int]:
        """A square's side, or height and width: how files and identities say it."""
        return self.height if self.height == self.width else [*self]

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.height * self.width

    @property
    def written(self) -> str:
        """As a recipe writes it: `224px`, or `[224px, 320px]`, the height first."""
        return f"{self.height}px" if self.height == self.width else f"[{self.height}px, {self.width}px]"

    @property
    def short(self) -> str:
        """`224px`, or `320 x 224px`, the width first as people say it."""
        return f"{self.height if self.height == self.width else self}px"

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"
