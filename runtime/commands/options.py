"""The options of the commands, and those that go together as one frozen object.

MXNet is imported where a recipe is prepared, which is after the number of threads is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runtime.training.settings import MOST_THREADS, RunSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from runtime.workflows.preparation import Prepared

C = TypeVar("C", bound=Callable[..., Any])


class _Path(click.Path):
    """A path in a command; an empty one, as an unset variable leaves it, would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, context)
        return super().convert(value, param, context)


class _File(_Path):
    """The path of a file to write, or of a folder for it, which has to be there."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if str(value).endswith("/") and not os.path.isdir(value):
            self.fail(f"there is no folder {value}", param, context)
        return super().convert(value, param, context)


class _Recipe(_Path):
    """The path of a recipe, where a folder is none."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        path = super().convert(value, param, context)
        if os.path.isdir(path):
            from runtime.commands.suggestions import instead_of_folder

            raise click.UsageError(instead_of_folder(context and context.info_name or "run", path), context)
        return path


class _Run(_Path):
    """The path of a run."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        path = super().convert(value, param, context)
        if not os.path.isdir(path) and not str(path).endswith(".ftrpack"):
            from runtime.commands.suggestions import instead_of_run

            told = instead_of_run(path)
            if told:
                raise click.UsageError(told, context)
        return path


class _Seeds(click.IntRange):
    """How many seeds: two, for there to be a spread, or more."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        if str(value).strip() == "1":
            self.fail(
                "one run has no spread: write 2 or more; `--seed K` is for one run with another seed", param, context
            )
        return int(super().convert(value, param, context))


PATH = _Path(path_type=Path)
RUN_PATH = _Run(path_type=Path)
RECIPE_PATH = _Recipe(path_type=Path)
FILE_PATH = _File(path_type=Path)
RECIPE = click.argument("recipe", type=RECIPE_PATH)
RUN = click.argument("run", type=RUN_PATH)
FORCE = click.option("--force", is_flag=True, help="Overwrite an existing file.")
STAGE = click.option(
    "--stage", metavar="TITLE|N", help="The weights that this stage ended with; the final ones by default."
)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the recipe; may be repeated.",
)
OUTSIDE = click.option("--allow-outside", "outside", is_flag=True, help="Allow parents outside of the recipe's folder.")
DENY = click.option("--deny-warnings", "deny", is_flag=True, help="Exit with 1 if there is advice.")
DATA_ROOT = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that relative data paths start from.",
)
SEEDS = _Seeds(2, 1000)
JSON = click.option("--json", "machine", is_flag=True, help="Print JSON.")
DEVICE = click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu(N).")
COUNT = click.IntRange(1, MOST_THREADS)
THREADS = click.option("--threads", type=COUNT, help="Threads for arithmetic; all cores by default.")
WORKERS = click.option(
    "--workers", type=click.IntRange(0, 64), default=2, show_default=True, help="Threads that read images."
)
CACHE = click.option("--cache/--no-cache", default=True, help="Cache frozen features (the default).")
FUSE = click.option("--fuse/--no-fuse", default=True, help="Fuse layers where that is faster (the default).")
QUIET = click.option("--quiet", is_flag=True, help="Print only the summary.")
DEBUG = click.option("--debug", is_flag=True, help="Show the messages of native libraries.")


def out_option(told: str, kind: click.Path = PATH, **more: Any) -> Callable[[C], C]:
    """Return the option for where a command writes, which is the same for all: `--out`, or `-o`."""
    return click.option("--out", "-o", type=kind, help=told, **more)


def check_folder(option: str, path: Path) -> None:
    """Refuse a file that an option names where no file can be written, before the work that it is for.

    Raises:
        click.UsageError: its folder does not exist, or cannot be written.
    """
    folder = path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        state = "cannot be written" if folder.exists() else "does not exist"
        raise click.UsageError(f"{option} {path}: the folder {path.parent} {state}")


def was_given(context: click.Context, name: str) -> bool:
    """Whether an argument or an option stands on the command line."""
    return context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE


def refuse_standard_input(*recipes: Path | None) -> None:
    """Refuse a recipe on standard input where several runs or processes read it.

    Raises:
        click.UsageError: one is.
    """
    from runtime.runs.recipe_files import STANDARD_INPUT

    if STANDARD_INPUT in recipes:
        raise click.UsageError("standard input can be read but once, and this reads the recipe several times: save it")


def gathered(name: str, kind: type[DataclassInstance], *options: Callable[[Any], Any]) -> Callable[[C], C]:
    """Return a decorator that adds options to a command, and gathers what the command line says in one argument.

    The argument has all that any option of the command says of the fields of `kind`; what `kind` has no field for
    stays an argument of its own.
    """

    def add(function: C) -> C:
        @wraps(function)
        def with_one(*args: Any, **values: Any) -> Any:
            own = {each.name: values.pop(each.name) for each in fields(kind) if each.name in values}
            return function(*args, **values, **{name: kind(**own)})

        for option in reversed(options):
            option(with_one)
        return with_one  # type: ignore[return-value]

    return add


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """Which recipe, with which settings, and where its images are."""

    recipe: Path | None
    settings: tuple[str, ...]
    outside: bool
    data_root: Path | None
    seed: int | None = None  # another than the recipe's

    @property
    def path(self) -> Path:
        """The recipe's file.

        Raises:
            click.UsageError: the command line names none.
        """
        if self.recipe is None:
            raise click.UsageError("Missing argument 'RECIPE'.")
        return self.recipe

    def prepare(
        self,
        say: Callable[[str], None] = lambda doing: None,
        device: str | None = None,
        processes: int = 1,
        earlier: Prepared | None = None,
    ) -> Prepared:
        """Load MXNet, find the device where one is named, and prepare the recipe; `say` says what goes on.

        `processes` of this machine train it; `earlier` is that of `preparation.prepare`.

        Raises:
            RecipeError: something about the device, the recipe, its data or its base is wrong.
        """
        say("loading MXNet")
        from runtime.workflows.preparation import prepare

        if device is not None:  # before the images are listed: it costs nothing to know
            from runtime.backend.device import device_context

            device_context(device)
        say("listing the images")
        return prepare(self.path, self.settings, self.data_root, self.outside, self.seed, earlier, processes)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `ftr run` is asked for besides the recipe, and where it runs."""

    out: Path | None
    threads: int | None
    seeds: int | None
    resumed: Path | None
    extend: bool
    deny: bool
    locked: bool
    quiet: bool
    debug: bool
    instructions: str = ""  # of the processor, which a run that resumes began with

    @property
    def is_several(self) -> bool:
        """Whether it is a run for each of several seeds."""
        from runtime.runs.seeds import is_summary

        return self.seeds is not None or (self.resumed is not None and is_summary(self.resumed))


RECIPE_OPTIONS = gathered("given", RecipeOptions, SET, OUTSIDE, DATA_ROOT)
RUN_SETTINGS = gathered("runs", RunSettings, DEVICE, THREADS, WORKERS, CACHE, FUSE)
"""How a run runs; `threads`, which are chosen before all else, stay an argument of their own."""
