"""Examples of what is wrong and what is right: one row for each code of a problem, in one module for each family.

In goes a family of codes (`E2`), out come its examples. The rows are what `ftr explain CODE` and the reference show.
A test runs each of them: `wrong` gives the code, `right` does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from runtime.help.codes import FAMILIES

Inside = Literal["file", "json", "recipe", "data", "stage", "shell", "python"]
"""Where a text stands: it is a whole file, in JSON or not, or statements at the top of a recipe, of its `data`
block or of a stage, or lines that are typed in a shell or in Python."""


@dataclass(frozen=True, slots=True)
class Example:
    """Something wrong and the same put right.

    `inside` says where the two texts stand. `given` is a sentence about what they do not show, such as the files that
    there are.
    """

    wrong: str
    right: str
    inside: Inside = "recipe"
    given: str = ""


def examples_of(family: str) -> Mapping[str, Example]:
    """Return the examples of a family of codes (`E2`), by code.

    Raises:
        KeyError: there is no such family.
    """
    rows: Mapping[str, Example] = import_module(f"runtime.help.examples.{FAMILIES[family].examples}").EXAMPLES
    return rows
