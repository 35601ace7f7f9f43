"""The commands on the text of a recipe: none needs MXNet, data or a network."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote

import click

from recipe_lang.checker import check as check_recipe
from recipe_lang.diagnostics import Problem, RecipeError, as_json, ordered
from recipe_lang.identity import recipe_hash
from recipe_lang.loading import load, load_source
from recipe_lang.parser import decode_source, read_source
from recipe_lang.printer import print_recipe
from recipe_lang.source import Source
from runtime.commands.command import (
    DENY,
    FAILED,
    FINE,
    INVALID,
    JSON,
    OUTSIDE,
    RECIPE,
    SET,
    command,
    console,
    show_problems,
)
from runtime.vocabulary import VOCABULARY


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@SET
@OUTSIDE
@DENY
@JSON
@command
def check(recipes: tuple[Path, ...], settings: tuple[str, ...], outside: bool, deny: bool, machine: bool) -> int:
    """Check recipes and show all that is wrong with them. Needs no data and no network."""
    report = []
    code = FINE
    for path in recipes:
        problems: tuple[Problem, ...] = ()
        identity = None
        try:
            checked = check_recipe(load(path, outside=outside), VOCABULARY, settings)
            identity, problems = recipe_hash(checked, VOCABULARY), checked.advice
            code = max(code, FAILED if deny and problems else FINE)
        except RecipeError as error:
            problems = error.problems
            code = INVALID
        report.append({"recipe": str(path), "hash": identity, "problems": [as_json(p) for p in problems]})
        if not machine:
            if problems:
                show_problems(problems)
            if identity is not None and not (deny and problems):
                click.echo(f"{path}: fine ({identity[:12]})")
    if machine:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    return code


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", "showing", is_flag=True, help="Write nothing; show what would change.")
@command
def fmt(files: tuple[Path, ...], checking: bool, showing: bool) -> int:
    """Bring recipes, and all in folders, into the one layout. `-` reads standard input and prints the result."""
    from runtime.recipe_files import recipe_files

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
    from recipe_lang.formatter import format_text
    from runtime.recipe_files import STANDARD_INPUT, difference, read_bytes, replace_file

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
@click.option("--out", type=click.Path(dir_okay=False, allow_dash=True), help="The recipe; NAME.ftr by default.")
@click.option("--force", is_flag=True, help="Write over a recipe that exists.")
@command
def new(place: str, out: str | None, force: bool) -> int:
    """Write a recipe for a folder of images, a CSV file, or a packaged set such as `digits`.

    The images are counted and some of them opened; what is seen decides, and comments say why. `--out -` prints the
    recipe.
    """
    from runtime.starter import file_stem, starter, summary
    from runtime.survey import survey

    found = survey(place)
    path = Path(out or f"{file_stem(found.name)}.ftr")
    text = starter(found, path.parent)
    if out == "-":
        click.echo(text.encode(), nl=False)
        return FINE
    _create(path, text, force)
    click.echo(f"{path}: {summary(found)}\nnext: ftr plan {quote(str(path))}, then ftr run {quote(str(path))}")
    return FINE


def _create(path: Path, text: str, force: bool) -> None:
    """Write a new recipe, or one that exists where `force` allows it."""
    from runtime.recipe_files import RecipeNotWritable, replace_file
    from runtime.survey_problems import RecipeExists

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
    """Explain names of the vocabulary, words of the language or codes of errors; without WORDS, list them."""
    from shutil import get_terminal_size

    from runtime.explain import explain_word, list_words

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
@click.option("--resolved", "form", flag_value="resolved", help="Every value, and the file and line it comes from.")
@click.option("--flat", "form", flag_value="flat", help="The recipe and its parents as one recipe.")
@click.option("--json", "form", flag_value="json", help="The recipe as JSON, which every command takes as well.")
@SET
@OUTSIDE
@command
def show(recipe: Path, form: str | None, settings: tuple[str, ...], outside: bool) -> int:
    """Print a recipe: in colours on a terminal, else byte for byte."""
    if form == "resolved":
        _print_recipe(print_recipe(check_recipe(load(recipe, outside=outside), VOCABULARY, settings), VOCABULARY, True))
    elif form == "flat":
        from recipe_lang.flatten import flatten
        from recipe_lang.formatter import recipe_text

        _print_recipe(recipe_text(flatten(check_recipe(load(recipe, outside=outside), VOCABULARY, settings))))
    elif form == "json":
        _print_recipe(_twin(read_source(recipe)), is_json=True)
    else:
        source = read_source(recipe)
        _print_recipe(source.text, recipe, source.is_json)
    return FINE


def _twin(source: Source) -> str:
    """Return a recipe as JSON, its parents left out; only the syntax must be right."""
    from recipe_lang.parser import parse
    from recipe_lang.twin import recipe_json

    recipe = parse(source)
    if recipe.problems:
        raise RecipeError(ordered(recipe.problems))
    return recipe_json(recipe)


def _print_recipe(text: str, path: Path | None = None, is_json: bool = False) -> None:
    """Print a recipe's text: in colours on a terminal, else as it is; for a `path`, its bytes."""
    out = console()
    if out.is_terminal:
        from rich.syntax import Syntax

        from runtime.pygments_lexer import FtrLexer

        # somebody else's recipe moves no cursor
        shown = "".join(c if c.isprintable() or c in "\r\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
        colours = Syntax(shown, "json" if is_json else FtrLexer(stripnl=False), theme="ansi_dark")
        out.print(colours.highlight(shown), soft_wrap=True, end="")
    else:  # a pipe can be read only once
        click.echo(path.read_bytes() if path is not None and path.is_file() else text.encode(), nl=False)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Apply the fixes; without it they are shown only.")
@OUTSIDE
@command
def fix(files: tuple[Path, ...], write: bool, outside: bool) -> int:
    """Apply the safe fixes of the problems in recipes: show them as a diff, or write them."""
    from runtime.recipe_files import recipe_files

    paths, problems = recipe_files(files)
    changed = False
    for path in paths:
        try:
            changed_, left = _fix(path, write, outside)
        except RecipeError as error:
            changed_, left = False, list(error.problems)
        changed = changed or changed_
        problems += left
    if problems:
        show_problems(tuple(problems))
    if any(problem.is_error for problem in problems):
        return INVALID
    return FAILED if changed and not write else FINE


def _fix(path: Path, write: bool, outside: bool) -> tuple[bool, list[Problem]]:
    """Fix one recipe, or show how; return whether there was something to fix, and the problems that are left."""
    from recipe_lang.fixing import fix
    from runtime.recipe_files import difference, replace_file

    def problems(source: Source) -> tuple[Problem, ...]:
        try:
            return check_recipe(load_source(source, outside=outside), VOCABULARY).advice
        except RecipeError as error:
            return error.problems

    source = read_source(path)
    fixed = fix(source, problems)
    if fixed.done and write:
        replace_file(path, fixed.source.text)
        for problem in fixed.done:
            click.echo(f"{problem.span}: fixed {problem.code}, {problem.message()}")
    elif fixed.done:
        click.echo(difference(str(path), source.text, fixed.source.text), nl=False)
    return bool(fixed.done), [problem for problem in fixed.left if problem.is_error]


@click.command()
@click.option("--stdio", is_flag=True, expose_value=False, help="Changes nothing; some editors say it.")
@command
def lsp() -> int:
    """Serve editors: the Language Server Protocol over standard input and output."""
    try:
        from runtime.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("recipe_lang", "runtime"):
            raise
        click.echo(f'the language server needs {error.name}: pip install "ftr[lsp]"', err=True)
        return INVALID
    serve()
    return FINE
