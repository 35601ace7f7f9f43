"""The codes of problems: the families that they belong to, and the class behind each code.

In goes a family (`E5`) or nothing, out come the classes by code. Only the modules that hold them are imported, since
`ftr explain adam` needs none.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from recipe_lang.problem import Problem


@dataclass(frozen=True, slots=True)
class CodeFamily:
    """Codes that begin alike: what they are about, the modules with their classes, and the one with examples."""

    title: str
    modules: tuple[str, ...]
    examples: str


FAMILIES: Mapping[str, CodeFamily] = {
    "E1": CodeFamily(
        "syntax and files",
        (
            "recipe_lang.syntax.problems",
            "recipe_lang.json.problems",
            "recipe_lang.compose.problems",
            "runtime.runs.recipe_files",
        ),
        "syntax",
    ),
    "E2": CodeFamily("names", ("recipe_lang.check.problems.names", "recipe_lang.compose.problems"), "names"),
    "E3": CodeFamily("types and ranges", ("recipe_lang.check.problems.types", "recipe_lang.compose.problems"), "types"),
    "E4": CodeFamily(
        "rules across fields",
        ("recipe_lang.check.problems.placement", "recipe_lang.compose.problems", "runtime.vocabulary.rules"),
        "rules",
    ),
    "E5": CodeFamily(
        "data and weights",
        (
            "runtime.data.problems",
            "runtime.data.exclude_problems",
            "runtime.weights.problems",
            "runtime.workflows.new.problems",
            "runtime.compile.problems",
            "runtime.models.problems",
            "runtime.tasks.classification.problems",
            "runtime.runs.lock.problems",
            "runtime.runs.pack.problems",
        ),
        "data",
    ),
    "E6": CodeFamily("the run", ("runtime.training.problems", "runtime.backend.problems"), "running"),
    "W7": CodeFamily(
        "advice",
        (
            "recipe_lang.check.problems.placement",
            "runtime.vocabulary.advice",
            "runtime.compile.data_advice",
            "runtime.compile.image_advice",
            "runtime.tasks.classification.advice",
        ),
        "advice",
    ),
}
"""By the first two characters of the codes."""


def codes(family: str = "") -> dict[str, type[Problem]]:
    """Return the kinds of problems by code, in order: those of a family, or all of them.

    Raises:
        KeyError: there is no such family.
    """
    if not family:
        return {code: kind for each in FAMILIES for code, kind in codes(each).items()}
    kinds = (kind for name in FAMILIES[family].modules for kind in vars(import_module(name)).values())
    found = {
        kind.code: kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Problem) and kind.code.startswith(family)
    }
    return dict(sorted(found.items()))


_CLASS = re.compile(r'^class (\w+)\(Problem\):.*?^    code: ClassVar\[str\] = "([EW]\d+)"', re.MULTILINE | re.DOTALL)


def titles(family: str) -> dict[str, str]:
    """Return the titles of a family's problems by code, in order, without importing them.

    They are read from the text of the modules: to make a hundred classes for a list of their names takes a tenth of a
    second.
    """
    found: dict[str, str] = {}
    for name in FAMILIES[family].modules:
        spec = find_spec(name)
        text = "" if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")
        found |= {code: _words(kind) for kind, code in _CLASS.findall(text) if code.startswith(family)}
    return dict(sorted(found.items()))


def title(kind: type[Problem]) -> str:
    """Return a problem's name in words: `UnknownField` is "unknown field"."""
    return _words(kind.__name__)


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def source(kind: type[Problem]) -> str:
    """Return where the reason of an advice comes from, without a full stop; empty where nothing says it."""
    return str(getattr(kind, "source", "")).rstrip(".")


def reason(kind: type[Problem]) -> str:
    """Return why something is a problem: the documentation of its class, its lines joined, paragraphs apart."""
    text = inspect.getdoc(kind) or ""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
