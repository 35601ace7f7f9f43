"""The folder of a study: what it began with, and its journal.

study.json     the recipe, the options, and where the trials are kept
study.journal  every trial, as Optuna's journal has it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.runs.folder import create_folder, read_json, write_json, writing
from runtime.workflows.tune.problems import NoStudy

JOURNAL, FILE = "study.journal", "study.json"


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What a study began with: its recipe and settings, and the options of the command line."""

    recipe: str
    settings: tuple[str, ...]
    data_root: str | None
    outside: bool
    metrics: tuple[str, ...]
    sampler: str
    pruner: str | None
    seed: int
    trials: int | None


def new_folder(out: Path | None, name: str, options: StudyOptions) -> Path:
    """Make the folder of a study, `out` or the next free `runs/NAME-tune-N`, and write its options.

    Raises:
        RecipeError: it cannot be written, or holds something already.
    """
    folder = create_folder(out, f"{name}-tune")
    with writing(folder):
        write_json(folder / FILE, asdict(options))
    return folder


def read_options(folder: Path) -> StudyOptions:
    """Return the options that a study began with.

    Raises:
        RecipeError: it is no folder of a study.
    """
    if not (folder / FILE).is_file():
        raise RecipeError(NoStudy(path=str(folder), reason=f"it has no `{FILE}`"))
    found: Any = read_json(folder, FILE)
    if not isinstance(found, Mapping) or found.keys() != set(StudyOptions.__slots__):
        raise RecipeError(NoStudy(path=str(folder), reason=f"`{FILE}` is of another kind or version"))
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return StudyOptions(**known)
