"""The codes of problems: the families that they belong to, and the kind behind each code.

In goes a family (`E5`) or nothing, out come the kinds by code. Only the modules that hold them are imported, since
`ftr explain adam` needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from recipe_lang.problem import Kind
from runtime import tasks


@dataclass(frozen=True, slots=True)
class CodeFamily:
    """Codes that begin alike: what they are about, the modules with their kinds, and the one with examples."""

    title: str
    modules: tuple[str, ...]
    examples: str


def _of_tasks(module: str) -> Iterator[str]:
    """Yield the modules of that name which tasks have."""
    for folder in Path(tasks.__path__[0]).iterdir():
        if (folder / f"{module}.py").is_file():
            yield f"{tasks.__name__}.{folder.name}.{module}"


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
    "E2": CodeFamily(
        "names",
        ("recipe_lang.check.problems.names", "recipe_lang.compose.problems", "recipe_lang.check.problems.placement"),
        "names",
    ),
    "E3": CodeFamily("types and ranges", ("recipe_lang.check.problems.types", "recipe_lang.compose.problems"), "types"),
    "E4": CodeFamily(
        "rules across fields",
        (
            "recipe_lang.check.problems.placement",
            "recipe_lang.compose.problems",
            *(
                f"runtime.vocabulary.rules.{each}"
                for each in (
                    "heads",
                    "extension",
                    "sources",
                    "splits",
                    "images",
                    "training",
                    "switches",
                    "distillation",
                )
            ),
            "runtime.models.problems",
        ),
        "rules",
    ),
    "E5": CodeFamily(
        "data and weights",
        (
            "runtime.data.problems",
            "runtime.data.sources.problems",
            "runtime.weights.problems",
            "runtime.workflows.new.problems",
            "runtime.compile.problems",
            "runtime.models.problems",
            "runtime.weights.symbol_file",
            "runtime.models.exported",
            "runtime.models.graph_blocks",
            *_of_tasks("problems"),
            "runtime.runs.lock.problems",
            "runtime.runs.pack.problems",
        ),
        "data",
    ),
    "E6": CodeFamily(
        "the run",
        (
            "runtime.training.problems",
            "runtime.features.problems",
            "runtime.compile.problems",
            "runtime.backend.problems",
            "runtime.distribution.problems",
            "runtime.export.problems",
            "runtime.runs.teacher",
            "runtime.workflows.problems",
            "runtime.workflows.tune.problems",
            "runtime.workflows.tune.population_problems",
        ),
        "running",
    ),
    "W7": CodeFamily(
        "advice",
        (
            "recipe_lang.check.problems.placement",
            "runtime.vocabulary.advice.rates",
            "runtime.vocabulary.advice.stages",
            "runtime.vocabulary.advice.regularization",
            "runtime.vocabulary.advice.data",
            "runtime.vocabulary.advice.switches",
            "runtime.compile.weights_advice",
            "runtime.models.problems",
            "runtime.compile.data_advice",
            "runtime.compile.image_advice",
            "runtime.compile.average_advice",
            "runtime.compile.teacher_advice",
            "runtime.models.run_weights",
            "runtime.weights.backbone",
            *_of_tasks("advice"),
        ),
        "advice",
    ),
}
"""By the first two characters of the codes."""


def codes(family: str = "") -> dict[str, Kind]:
    """Return the kinds of problems by code, in order: those of a family, or all of them.

    Raises:
        KeyError: there is no such family.
    """
    if not family:
        return {code: kind for each in FAMILIES for code, kind in codes(each).items()}
    rows = (row for name in FAMILIES[family].modules for row in vars(import_module(name)).values())
    found = {row.code: row for row in rows if isinstance(row, Kind) and row.code.startswith(family)}
    return dict(sorted(found.items()))


def reason(kind: Kind) -> str:
    """Return why something is a problem: its lines joined, paragraphs apart."""
    return "\n\n".join(" ".join(part.split()) for part in kind.reason.split("\n\n"))
