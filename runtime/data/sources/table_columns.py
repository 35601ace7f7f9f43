"""A further column of a table of images: what it says of each, beside what is learned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.problem import Problem
from runtime.data import problems
from runtime.data.listing import Cell
from runtime.data.problems import quoted
from runtime.data.sources.tables import column_of, ids_of, raise_all, read_table


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of a table: `image` is that of the images' paths, which start from `root`."""

    path: Path
    image: str
    root: Path | None

    def cells(self, column: str) -> Mapping[str, Cell]:
        """Return the cell of each image, by the ids of samples; all rows of an image say the same.

        Raises:
            RecipeError: there is no such column, a cell of it is blank, or rows of an image contradict each other.
        """
        what = quoted(column)
        table = read_table(self.path, (self.image, column))
        image, place = column_of(table, self.image), column_of(table, column)
        names = [Path(os.path.normpath(name)).as_posix() for name in table.cells(image)]
        found: dict[str, Cell] = {}
        bad = []
        for id, row in zip(ids_of(self.root or self.path.parent, names), table.rows, strict=True):
            cell = Cell(row.cells[place], row.line)
            first = found.setdefault(id, cell)
            if not cell.text:
                bad.append(self.fault(cell, f"{what} is empty"))
            elif cell.text != first.text:
                reason = f"{what} is {quoted(cell.text)}, and {quoted(first.text)} in line {first.line}"
                bad.append(self.fault(cell, f"{reason}, of the same image", "give each image one of them"))
        raise_all(bad)
        return found

    def fault(self, cell: Cell, reason: str, hint: str = "complete or remove the row") -> Problem:
        """Return what is wrong with a row."""
        return problems.BadRow(path=str(self.path), line=cell.line, reason=reason, hint=hint)
