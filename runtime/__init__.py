"""The Python interface: what the commands do, in a few lines.

    import runtime as ftr

    recipe = ftr.check(ftr.load_recipe("digits.ftr"))            # with the parents that it extends
    prepared = ftr.prepare("digits.ftr", settings=["lr=3e-4"])   # finds images, builds the network
    print(prepared.plan.stages[0].steps)
    folder, result = ftr.run(prepared)
    finished = ftr.load(folder)
    for prediction in ftr.predict(finished, ["photo.jpg"]):
        print(prediction.classes)

`load_recipe`, `parse`, `check` and `compile_plan` load no MXNet; the others do, when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedRecipe
    from recipe_lang.source import Source
    from recipe_lang.syntax.nodes import Recipe
    from runtime.plan.types import DataFacts, NetFacts, Plan
    from runtime.runs.trained import TrainedRun
    from runtime.tasks.answers import Prediction
    from runtime.tasks.evaluation import Report
    from runtime.training.events import Observer
    from runtime.workflows.preparation import Prepared

__all__ = [
    "RecipeError",
    "check",
    "compile_plan",
    "evaluate",
    "load",
    "load_recipe",
    "parse",
    "predict",
    "prepare",
    "read_source",
    "run",
]


def load_recipe(path: str | Path, *, outside: bool = False) -> Recipe:
    """Read and parse a recipe, or that of a pack, and its parents; `outside` allows parents out of its folder.

    Raises:
        RecipeError: the file cannot be read. What is wrong with its text, `check` raises.
    """
    from runtime.runs.lineage import load_recipe
    from runtime.runs.recipe_files import read_recipe

    return load_recipe(read_recipe(Path(path)), outside=outside)


def read_source(path: str | Path, name: str | None = None) -> Source:
    """Read a recipe's text; its name in messages is the path as given.

    Raises:
        RecipeError: the file cannot be read, is longer than 1 MB, or is no UTF-8 text.
    """
    from recipe_lang.syntax.parser import read_source

    return read_source(path, name)


def parse(source: Source) -> Recipe:
    """Parse a recipe's text, its parents left out; what is wrong with it, `check` raises."""
    from recipe_lang.compose.load import parse

    return parse(source)


def check(recipe: Recipe, settings: Sequence[str] = ()) -> CheckedRecipe:
    """Check a parsed recipe; `settings` are texts like `lr=3e-4`.

    Raises:
        RecipeError: with all problems.
    """
    from recipe_lang.check.checker import check
    from runtime.vocabulary import VOCABULARY

    return check(recipe, VOCABULARY, settings)


def compile_plan(recipe: CheckedRecipe, data: DataFacts, net: NetFacts) -> Plan:
    """Compile a checked recipe with the facts about its data and its network; `prepare` finds them.

    Raises:
        RecipeError: the facts show that the recipe cannot work.
    """
    from runtime.compile.compiler import compile_plan

    return compile_plan(recipe, data, net)


def prepare(path: str | Path, settings: Sequence[str] = (), data_root: str | Path | None = None) -> Prepared:
    """Check a recipe, find its images, build its network, and compile its plan.

    Raises:
        RecipeError: something about the recipe, its data or its base is wrong.
    """
    from runtime.workflows.preparation import prepare

    return prepare(Path(path), settings, None if data_root is None else Path(data_root))


def run(
    prepared: Prepared,
    out: str | Path | None = None,
    *,
    device: str = "cpu",
    workers: int = 2,
    observers: Sequence[Observer] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Path, dict[str, Any]]:
    """Train; return the run folder and the content of its `result.json`.

    `observers` are called with each event of the run (`runtime/training/events.py`). `should_stop` is asked before
    each batch: where it says so, the run ends with a checkpoint there and the status `interrupted`.

    Raises:
        RecipeError: the data, the weights, the disk or the loss stopped it.
    """
    from runtime.reporting.curves import CURVES
    from runtime.training.settings import RunSettings
    from runtime.workflows.run import run

    where = None if out is None else Path(out)
    return run(
        prepared,
        RunSettings(device, workers),
        where,
        observers=observers,
        should_stop=should_stop,
        extras=(CURVES,),
    )


def load(path: str | Path, stage: str | None = None) -> TrainedRun:
    """Load a finished run from its folder or its pack; with `stage`, a title or a number, the weights it handed on.

    Raises:
        RecipeError: it is no finished run, or has no such weights.
    """
    from runtime.runs.trained import load

    return load(Path(path), stage)


def predict(
    finished: TrainedRun, paths: Sequence[str | Path], top: int = 5, device: str = "cpu"
) -> Iterator[Prediction]:
    """Predict of image files, or of all images in folders, in order; what cannot be read has an `error`.

    Raises:
        RecipeError: nothing of all that is an image.
    """
    from runtime.backend.device import device_context
    from runtime.runs.prediction import predict

    return predict(finished, [Path(path) for path in paths], device_context(device), top)


def evaluate(finished: TrainedRun, data: str | None = None, set_name: str | None = None, device: str = "cpu") -> Report:
    """Measure a run on its test set, another of its sets, or other data (a folder, or a source as text).

    A warning is logged where files are passed over, or the run has seen images of other data in training.

    Raises:
        RecipeError: the data cannot be used.
    """
    import logging

    from runtime.backend.device import device_context
    from runtime.runs.evaluation import evaluate

    warn = logging.getLogger(__name__).warning
    return evaluate(finished, device_context(device), 2, data=data, set_name=set_name, tell=warn).report
