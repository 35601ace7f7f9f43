"""The commands on the text of a recipe: none needs MXNet, data or a network.

Each imports what it needs when it is called: to explain a word takes no parser.
"""

from __future__ import annotations

import gc
import json
from dataclasses import asdict
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING

import click

from recipe_lang.output.render import as_json
from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.words import counted
from runtime.commands.command import FAILED, FINE, INVALID, command, console, echo, keep_to_threads, show_problems, tell
from runtime.commands.options import DENY, FILE_PATH, JSON, OUTSIDE, PATH, RECIPE, SET, out_option
from runtime.system.files import placed
from runtime.tasks.catalog import TASKS

if TYPE_CHECKING:
    from recipe_lang.source import Source
    from recipe_lang.syntax.nodes import Recipe


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=PATH)
@SET
@OUTSIDE
@DENY
@JSON
@command
def check(recipes: tuple[Path, ...], settings: tuple[str, ...], outside: bool, deny: bool, machine: bool) -> int:
    """Check recipes without data or network, and show what is wrong.

    Folders stand for all recipes in them; `-` reads standard input.
    """
    gc.set_threshold(50_000)  # there is little garbage; looking for it as modules load took a tenth of the time
    from recipe_lang.check.checker import check as check_recipe
    from recipe_lang.output.identity import recipe_hash
    from runtime.compile.weights_advice import weights_here, with_weights_advice
    from runtime.runs.lineage import load_recipe, refuse_unread
    from runtime.runs.recipe_files import read_recipe, recipe_files
    from runtime.vocabulary import VOCABULARY

    paths, unread = recipe_files(recipes)
    report = []
    code = INVALID if unread else FINE
    show_problems(tuple(unread))
    for path in paths:
        problems: tuple[Problem, ...] = ()
        identity, where = None, None
        try:
            checked = check_recipe(load_recipe(read_recipe(path), outside=outside), VOCABULARY, settings)
            refuse_unread(checked["base"], checked.fields["base"].span)
            identity, problems = recipe_hash(checked, VOCABULARY), with_weights_advice(checked)
            where = weights_here(checked)
            code = max(code, FAILED if deny and problems else FINE)
        except RecipeError as error:
            problems = error.problems
            code = INVALID
        facts = {"recipe": str(path), "hash": identity, "problems": [as_json(p) for p in problems]}
        report.append(facts | {"weights": asdict(where) if where else None})
        if not machine:
            show_problems(problems, "; --json lists all")
            if identity is not None:
                echo(_verdict(path, identity, len(problems), deny))
                if where is not None and (text := where.text()):
                    echo(f"  weights: {text}")
    if machine:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    return code


def _verdict(path: Path, identity: str, advice: int, deny: bool) -> str:
    verdict = "refused" if deny and advice else "fine"
    return f"{path}: {verdict} ({identity[:12]})" + (f", with advice on {advice}" if advice else "")


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", "showing", is_flag=True, help="Write nothing; show what would change.")
@command
def fmt(files: tuple[Path, ...], checking: bool, showing: bool) -> int:
    """Format recipes, and all in folders, in the one layout. `-` reads standard input and prints the result."""
    from runtime.runs.recipe_files import recipe_files

    paths, problems = recipe_files(files)
    changed = False
    for path in paths:
        try:
            changed = _format(path, checking, showing) or changed
        except RecipeError as error:
            problems += ordered(error.problems)
    if problems:
        show_problems(tuple(problems))
        return INVALID
    return FAILED if checking and changed else FINE


def _format(path: Path, checking: bool, showing: bool) -> bool:
    """Format one file, or only say what would change; return whether it is other than it should be."""
    from recipe_lang.output.formatter import format_text
    from recipe_lang.syntax.parser import decode_source
    from runtime.runs.recipe_files import STANDARD_INPUT, difference, read_bytes, replace_file

    data = read_bytes(path)
    name = "<stdin>" if path == STANDARD_INPUT else str(path)
    text = format_text(decode_source(data, name))
    changed = text.encode() != data
    if showing:
        click.echo(difference(name, data.decode(), text).encode("utf-8", "surrogateescape"), nl=False)
    elif path == STANDARD_INPUT and not checking:
        click.echo(text.encode(), nl=False)
    elif changed:
        if not checking:
            replace_file(path, text)
        click.echo(name)
    return changed


@click.command()
@click.argument("place", metavar="PATH")
@out_option("The recipe, or a folder for it; NAME.ftr by default.", FILE_PATH)
@click.option("--force", is_flag=True, help="Overwrite an existing recipe.")
@click.option("--task", type=click.Choice(tuple(TASKS)), help="The task, where the data could be for several.")
@command
def new(place: str, out: Path | None, force: bool, task: str | None) -> int:
    """Write a recipe for a folder, a table or a packaged set.

    A packaged set is given by its name, such as `digits`. The images are counted and some of them opened; what is seen
    decides, and comments say why. A table whose only target is a column of numbers gets `task = regression`, one with
    several labels in a cell or columns of 0 and 1 `task = multi_label`. `--out -` prints the recipe.
    """
    keep_to_threads()
    from runtime.runs.pack.file import refuse_pack
    from runtime.runs.recipe_files import STANDARD_INPUT
    from runtime.workflows.new.recipe import file_stem, starter, summary
    from runtime.workflows.new.scan import survey

    refuse_pack(Path(place), "it has a recipe, and no images", "`ftr run {}` trains it; `ftr new FOLDER` takes images")
    found = survey(place, task or "")
    path = placed(out, f"{file_stem(found.name)}.ftr")
    made = starter(found, path.parent)
    if out == STANDARD_INPUT:
        click.echo(made.text.encode(), nl=False)
        return FINE
    _create(path, made.text, force)
    again = join(["ftr", "new", place, *(["--out", str(out)] if out else [])])
    for note in found.notes:
        tell(note.replace("ftr new …", again))
    if broken := found.sampled.broken:
        tell(f"{len(broken):,} of {counted(found.sampled.count, 'image')} looked at cannot be read: they are skipped")
        tell(f"to list all that cannot be read: ftr data check {quote(str(path))}")
    echo(f"{path}: {summary(found)}")
    echo(str(made.division))
    echo(f"next: ftr plan {quote(str(path))}, then ftr run {quote(str(path))}")
    return FINE


def _create(path: Path, text: str, force: bool) -> None:
    """Write a new recipe, or one that exists where `force` allows it."""
    from runtime.runs.recipe_files import RecipeNotWritable, replace_file
    from runtime.workflows.new.problems import RecipeExists

    if force and path.exists():
        replace_file(path, text)
        return
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise RecipeError(RecipeExists(path=str(path))) from None
    except OSError as error:
        raise RecipeError(RecipeNotWritable(path=str(path), reason=error.strerror or str(error))) from error


@click.command()
@click.argument("words", nargs=-1)
@command
def explain(words: tuple[str, ...]) -> int:
    """Explain names, words of the language or codes of errors. Without WORDS, list them."""
    from shutil import get_terminal_size

    from runtime.help.explain import explain_word, list_words

    width = min(100, max(40, get_terminal_size((100, 24)).columns))
    if not words:
        click.echo(list_words(width))
    code = FINE
    for number, word in enumerate(words):
        text, known = explain_word(word, width)
        click.echo(f"\n{text}" if number and known else text, err=not known)
        code = code if known else INVALID
    return code


@click.command()
@RECIPE
@click.option("--resolved", is_flag=True, help="Every value, and the file and line that it comes from.")
@click.option("--flat", is_flag=True, help="The recipe and its parents as one recipe.")
@click.option("--json", "in_json", is_flag=True, help="The recipe as JSON; with --resolved, its values.")
@SET
@OUTSIDE
@command
def show(recipe: Path, resolved: bool, flat: bool, in_json: bool, settings: tuple[str, ...], outside: bool) -> int:
    """Print a recipe: highlighted on a terminal, else byte for byte."""
    if resolved and flat:
        raise click.UsageError("--resolved and --flat exclude each other")
    if settings and not resolved:
        raise click.UsageError("--set goes with --resolved: the other forms show what is written")
    from recipe_lang.check.checker import check as check_recipe
    from recipe_lang.compose.load import parse
    from recipe_lang.output.flatten import flatten
    from recipe_lang.output.resolved import print_recipe, values_with_places
    from runtime.runs.lineage import load_recipe
    from runtime.runs.recipe_files import read_recipe
    from runtime.vocabulary import VOCABULARY

    source = read_recipe(recipe)
    if not resolved and not flat and not in_json:
        _print_recipe(source.text, recipe, source.is_json)
        return FINE
    if resolved:
        checked = check_recipe(load_recipe(source, outside=outside), VOCABULARY, settings)
        if in_json:
            values = list(values_with_places(checked, VOCABULARY))
            _print_recipe(json.dumps(values, indent=2, ensure_ascii=False) + "\n", is_json=True)
        else:
            _print_recipe(print_recipe(checked, VOCABULARY, places=True))
        return FINE
    tree = flatten(check_recipe(load_recipe(source, outside=outside), VOCABULARY)) if flat else parse(source)
    if tree.problems:
        raise RecipeError(ordered(tree.problems))
    _print_recipe(_written(tree, in_json), is_json=in_json)
    return FINE


def _written(tree: Recipe, in_json: bool) -> str:
    """Return a recipe's statements as text: as JSON, or in the one layout."""
    if in_json:
        from recipe_lang.json.recipe import recipe_json

        return recipe_json(tree)
    from recipe_lang.output.formatter import recipe_text

    return recipe_text(tree)


def _print_recipe(text: str, path: Path | None = None, is_json: bool = False) -> None:
    """Print a recipe's text: in colours on a terminal, else as it is; for a `path`, its bytes."""
    out = console()
    if out.is_terminal:
        from rich.syntax import Syntax

        from recipe_lang.words import printable
        from runtime.help.highlight import FtrLexer

        # somebody else's recipe moves no cursor
        shown = printable(text, kept="\r\n\t")
        colours = Syntax(shown, "json" if is_json else FtrLexer(stripnl=False), theme="ansi_dark")
        out.print(colours.highlight(shown), soft_wrap=True, end="")
    else:  # a pipe can be read only once
        from runtime.runs.recipe_files import read_bytes

        click.echo(read_bytes(path) if path is not None and path.is_file() else text.encode(), nl=False)


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--write", is_flag=True, help="Apply the fixes; without it they are only shown.")
@OUTSIDE
@command
def fix(files: tuple[Path, ...], write: bool, outside: bool) -> int:
    """Fix what is safe to fix in recipes.

    The changes are shown as a diff, or written. `-` reads standard input; with --write the fixed text is printed.
    """
    from runtime.runs.recipe_files import STANDARD_INPUT, read_recipe, recipe_files

    paths, problems = recipe_files(files)
    changed = False
    left: list[Problem] = []
    for path in paths:
        try:
            changed = _fix(path, write, outside, left) or changed
        except RecipeError as error:
            problems += error.problems
    if write and len(paths) > 1:  # a file may be the parent of one before it
        files_left = [path for path in paths if path != STANDARD_INPUT]
        left = [problem for path in files_left for problem in _problems(read_recipe(path), outside)]
    problems += ordered(problem for problem in left if problem.is_error)
    show_problems(tuple(problems))
    parents = {edit.span.source.name for problem in left for edit in problem.edits()} - {str(path) for path in paths}
    for name in sorted(parents):
        tell(f"{name} is left as it is; to fix it: ftr fix {quote(name)}")
    if problems:
        return INVALID
    return FAILED if changed and not write else FINE


def _fix(path: Path, write: bool, outside: bool, left: list[Problem]) -> bool:
    """Fix one recipe, or show how; return whether there was something to fix, and note the problems that are left."""
    from recipe_lang.output.fix import fix
    from runtime.runs.recipe_files import STANDARD_INPUT, difference, read_recipe, replace_file

    source = read_recipe(path)
    fixed = fix(source, lambda text: _problems(text, outside))
    left += fixed.left
    if write and path == STANDARD_INPUT:
        click.echo(fixed.source.text.encode(), nl=False)
    elif fixed.done and write:
        replace_file(path, fixed.source.text)
        for problem in fixed.done:
            click.echo(f"{problem.span}: fixed {problem.code}, {problem.message()}")
    elif fixed.done:
        click.echo(difference(source.name, source.text, fixed.source.text), nl=False)
    return bool(fixed.done)


def _problems(source: Source, outside: bool) -> tuple[Problem, ...]:
    from recipe_lang.check.checker import check as check_recipe
    from runtime.runs.lineage import load_recipe
    from runtime.vocabulary import VOCABULARY

    try:
        return check_recipe(load_recipe(source, outside=outside), VOCABULARY).advice
    except RecipeError as error:
        return error.problems


@click.command()
@click.option("--stdio", is_flag=True, expose_value=False, help="No effect; some editors pass it.")
@command
def lsp() -> int:
    """Serve editors, by the Language Server Protocol."""
    try:
        from runtime.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("recipe_lang", "runtime"):
            raise
        from runtime.system.installation import install_command

        tell(f"the language server needs {error.name}: {install_command('lsp')}")
        return INVALID
    serve()
    return FINE
