"""The commands on the text of a recipe: none needs MXNet, data or a network."""

from __future__ import annotations

import json
from pathlib import Path

import click

from recipe_lang.checker import check as check_recipe
from recipe_lang.diagnostics import Problem, RecipeError, as_json
from recipe_lang.identity import recipe_hash
from recipe_lang.loading import load
from runtime.commands.command import FINE, INVALID, JSON, SET, command, show_problems
from runtime.vocabulary import VOCABULARY


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@SET
@JSON
@command
def check(recipes: tuple[Path, ...], settings: tuple[str, ...], machine: bool) -> int:
    """Check recipes and show all that is wrong with them. Needs no data and no network."""
    report = []
    code = FINE
    for path in recipes:
        problems: tuple[Problem, ...] = ()
        identity = None
        try:
            checked = check_recipe(load(path), VOCABULARY, settings)
            identity, problems = recipe_hash(checked, VOCABULARY), checked.advice
        except RecipeError as error:
            problems = error.problems
            code = INVALID
        report.append({"recipe": str(path), "hash": identity, "problems": [as_json(p) for p in problems]})
        if not machine:
            if problems:
                show_problems(problems)
            if identity is not None:
                click.echo(f"{path}: fine ({identity[:12]})")
    if machine:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    return code


@click.command()
@click.argument("word", required=False)
@command
def explain(word: str | None) -> int:
    """Explain a name of the vocabulary or the code of an error; without a WORD, list them."""
    from runtime.explain import explain_word, list_words

    text = list_words() if word is None else explain_word(word)
    click.echo(text, err=text.startswith("nothing"))
    return INVALID if text.startswith("nothing") else FINE
