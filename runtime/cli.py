"""The command line. Each command reads its arguments, calls one function, and shows what came back.

MXNet is imported inside the commands that need it, and only after the number of threads is set.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from recipe_lang.checker import check as check_recipe
from recipe_lang.diagnostics import Problem, RecipeError, as_json, render
from recipe_lang.identity import recipe_hash
from recipe_lang.parser import parse, read_source
from runtime.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from rich.console import Console

FINE, FAILED, INVALID, BUG = 0, 1, 2, 3
_FAILURES = ("E601", "E603", "E607")  # the loss, the disk, the memory: neither the recipe's nor the command's fault
_NO_MEMORY = re.compile(r"Failed to allocate (CPU|GPU) Memory|bad_alloc|out of memory")  # in errors of MXNet
P = ParamSpec("P")


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        names = ("mxnet", "gluoncv", "numpy")
        parts = ", ".join(f"{name} {version(name)}" for name in names)
        click.echo(f"ftr {version('ftr')} (language {VOCABULARY.version}) on {parts}, Python {sys.version.split()[0]}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show versions.")
def app() -> None:
    """Check, plan and run `.ftr` recipes: fine-tuning of image models, written down."""


# --- what commands share ---------------------------------------------------------------------


def _command(function: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's outcome into an exit code; show the user's errors as such, and ours as ours."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
            sys.stdout.flush()
        except RecipeError as error:
            _show(error.problems)
            code = FAILED if any(problem.code in _FAILURES for problem in error.problems) else INVALID
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            code = 128 + signal.SIGINT
        except (BrokenPipeError, SystemExit):  # the second is how rich says it
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 128 + signal.SIGPIPE
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception:
            traceback.print_exc()
            click.echo("\nThis is a bug in ftr, not in your recipe. Please report it with the lines above.", err=True)
            code = BUG
        sys.exit(code)

    return wrapped


def _show(problems: tuple[Problem, ...]) -> None:
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for problem in problems:
        head, _, rest = render(problem).partition("\n")
        style = "bold red" if problem.is_error else "bold yellow"
        console.print(head, style=style, markup=False)
        if rest:
            console.print(rest, markup=False)
        console.print()
    errors = sum(problem.is_error for problem in problems)
    if errors > 1:
        console.print(f"{errors} errors")


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)  # names of classes and files are no markup


_RECIPE = click.argument("recipe", type=click.Path(path_type=Path))
_RUN = click.argument("run", type=click.Path(path_type=Path))
_SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the recipe; may be repeated.",
)
_DATA_ROOT = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that relative data paths start from.",
)
_JSON = click.option("--json", "machine", is_flag=True, help="Print JSON.")
_DEVICE = click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu(N).")
_THREADS = click.option("--threads", type=click.IntRange(1), help="Threads for arithmetic; all cores by default.")
_WORKERS = click.option(
    "--workers", type=click.IntRange(0, 64), default=2, show_default=True, help="Threads that read images."
)
_DEBUG = click.option("--debug", is_flag=True, help="Show the messages of native libraries.")


@contextmanager
def _mxnet(threads: int | None = None, debug: bool = False) -> Iterator[None]:
    """Set the number of threads, and keep library noise out of the way."""
    from runtime.noise import quiet_libraries

    os.environ["OMP_NUM_THREADS"] = str(threads or len(os.sched_getaffinity(0)))
    os.environ.setdefault("MXNET_LOG_LEVEL", "ERROR")
    with quiet_libraries(debug) as tail:
        try:
            yield
        except (RecipeError, KeyboardInterrupt, click.ClickException):
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
                from runtime.run_problems import OutOfMemory

                raise RecipeError(OutOfMemory()) from error
            click.echo(tail(), err=True, nl=False)
            raise


# --- commands --------------------------------------------------------------------------------


@app.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@_SET
@_JSON
@_command
def check(recipes: tuple[Path, ...], settings: tuple[str, ...], machine: bool) -> int:
    """Check recipes and show all that is wrong with them. Needs no data and no network."""
    report = []
    code = FINE
    for path in recipes:
        problems: tuple[Problem, ...] = ()
        identity = None
        try:
            checked = check_recipe(parse(read_source(path)), VOCABULARY, settings)
            identity, problems = recipe_hash(checked, VOCABULARY), checked.advice
        except RecipeError as error:
            problems = error.problems
            code = INVALID
        report.append({"recipe": str(path), "hash": identity, "problems": [as_json(p) for p in problems]})
        if not machine:
            if problems:
                _show(problems)
            if identity is not None:
                click.echo(f"{path}: fine ({identity[:12]})")
    if machine:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    return code


@app.command()
@click.argument("word", required=False)
@_command
def explain(word: str | None) -> int:
    """Explain a name of the vocabulary or the code of an error; without a WORD, list them."""
    from runtime.explain import explain_word, list_words

    text = list_words() if word is None else explain_word(word)
    click.echo(text, err=text.startswith("nothing"))
    return INVALID if text.startswith("nothing") else FINE


@app.command()
@_RECIPE
@_SET
@_DATA_ROOT
@_JSON
@_DEBUG
@_command
def plan(recipe: Path, settings: tuple[str, ...], data_root: Path | None, machine: bool, debug: bool) -> int:
    """Show what a run would do, without training."""
    with _mxnet(debug=debug):
        from runtime.plan import as_json as plan_json
        from runtime.plan_view import show_plan
        from runtime.running import prepare

        prepared = prepare(recipe, settings, data_root)
        if machine:
            click.echo(json.dumps(plan_json(prepared.plan), indent=2, ensure_ascii=False))
        else:
            if prepared.recipe.advice:
                _show(prepared.recipe.advice)
            show_plan(_console(), prepared.plan)
    return FINE


@app.command()
@_RECIPE
@_SET
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; runs/NAME-N by default.")
@_DATA_ROOT
@_DEVICE
@_THREADS
@_WORKERS
@click.option("--quiet", is_flag=True, help="Print the summary only.")
@_DEBUG
@_command
def run(
    recipe: Path,
    settings: tuple[str, ...],
    out: Path | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    quiet: bool,
    debug: bool,
) -> int:
    """Train a recipe and leave a run folder."""
    with _mxnet(threads, debug):
        from runtime.display import Display, summary
        from runtime.finished import RunSettings
        from runtime.running import prepare
        from runtime.running import run as run_prepared
        from runtime.train import Interrupted

        console = _console()
        prepared = prepare(recipe, settings, data_root)
        if prepared.recipe.advice:
            _show(prepared.recipe.advice)
        try:
            with Display(console, time.monotonic, prepared.plan, quiet) as display:
                folder, result = run_prepared(prepared, RunSettings(device, workers), out, display)
        except Interrupted as stopped:
            click.echo("interrupted before the training began; there is no run folder", err=True)
            return 128 + int(stopped.args[0])
        for name, reason in result["skipped_images"]:
            click.echo(f"skipped {name}: {reason}", err=True)
        if result["status"] == "interrupted":
            click.echo(f"interrupted; {folder}/model.params has {result['weights']}", err=True)
            return 128 + int(result["signal"])
        summary(console, result, folder)
        return FINE if all(claim["holds"] for claim in result["expect"]) else FAILED


@app.command()
@_RUN
@click.option("--data", metavar="SOURCE", help="Other data: a folder, or a source such as 'csv(\"f.csv\", …)'.")
@click.option("--on", "set_name", type=click.Choice(["train", "valid", "test"]), help="Which of the run's own sets.")
@_DATA_ROOT
@_DEVICE
@_THREADS
@_WORKERS
@_JSON
@_DEBUG
@_command
def evaluate(
    run: Path,
    data: str | None,
    set_name: str | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    machine: bool,
    debug: bool,
) -> int:
    """Measure a run on its test set, or on other data."""
    if data is not None and set_name is not None:
        raise click.UsageError("--data and --on exclude each other")
    with _mxnet(threads, debug):
        from runtime import finished
        from runtime.report_view import report_json, show_report
        from runtime.running import device_context

        context = device_context(device)
        name, report = finished.evaluate(
            finished.load(run), context, workers, data=data, set_name=set_name, data_root=data_root
        )
        if machine:
            click.echo(json.dumps(report_json(name, report), indent=2, ensure_ascii=False))
        else:
            show_report(_console(), name, report)
    return FINE


@app.command()
@_RUN
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many classes to show.")
@_DEVICE
@_THREADS
@_JSON
@click.option("--csv", "table", is_flag=True, help="Print CSV.")
@_DEBUG
@_command
def predict(
    run: Path,
    images: tuple[Path, ...],
    top: int,
    device: str,
    threads: int | None,
    machine: bool,
    table: bool,
    debug: bool,
) -> int:
    """Classify images, or all images in folders, with a run."""
    with _mxnet(threads, debug):
        from runtime import finished
        from runtime.report_view import predictions_csv, predictions_json, show_predictions
        from runtime.running import device_context

        found = list(finished.predict(finished.load(run), images, device_context(device), top))
        if machine:
            click.echo(predictions_json(found))
        elif table:
            click.echo(predictions_csv(found), nl=False)
        else:
            show_predictions(_console(), found)
        for bad in (each for each in found if each.error):
            click.echo(f"{bad.image}: {bad.error}", err=True)
    return FAILED if any(each.error for each in found) else FINE


@app.command()
@_RUN
@click.option("--out", type=click.Path(path_type=Path), default="model", show_default=True, help="Prefix of the files.")
@_DEBUG
@_command
def export(run: Path, out: Path, debug: bool) -> int:
    """Export a run as symbol and params, which run without ftr."""
    if out.name in ("", ".."):
        raise click.UsageError(f"--out takes the beginning of the files' names, as in {out / 'model'}")
    with _mxnet(debug=debug):
        from runtime import finished
        from runtime.artifacts import writing

        loaded = finished.load(run)
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            finished.export_model(loaded.model, out)
        data = loaded.data
    click.echo(f"{out}-symbol.json and {out}-0000.params")
    click.echo(f"input `data`: float32 (batch, 3, {data.size}, {data.size}), RGB, (value / 255 - mean) / std with")
    click.echo(f"  mean {data.mean}\n  std {data.std}")
    return FINE


@app.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@_JSON
@_command
def runs(folder: Path, machine: bool) -> int:
    """List and compare the runs in a FOLDER (runs by default)."""
    from runtime.report_view import read_results, show_runs

    found = read_results(folder)
    if machine:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show_runs(_console(), found, folder)
    return FINE


def _open_closed_streams() -> None:
    """Lead streams that are closed nowhere: else the next file that opens would take their place, and their text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(handle, "w" if number else "r", closefd=False))


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    app()


__all__: list[Any] = ["app", "main"]
