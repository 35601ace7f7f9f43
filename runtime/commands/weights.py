"""The commands on files of weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted, printable
from runtime.commands.command import (
    FINE,
    FORCE,
    JSON,
    OUTSIDE,
    PATH,
    RECIPE_PATH,
    SET,
    command,
    console,
    first_words,
    mxnet,
    tell,
)

if TYPE_CHECKING:
    from runtime.plan.types import Component
    from runtime.workflows.weights import Inspection


@click.group()
def weights() -> None:
    """Look into files of weights and convert them."""


@weights.command()
@click.argument("file", type=PATH)
@JSON
@command
def inspect(file: Path, machine: bool) -> int:
    """Show what a FILE holds, which bases it fits, and what these normalize images with.

    It may be a .pth, .safetensors or .params file, or the index of a model in several .safetensors files. Nothing of
    it is run.
    """
    with mxnet(), first_words(file) as say:
        say("reading, and trying the bases")
        from runtime.plan.types import as_json
        from runtime.workflows.weights import inspect as inspected

        found = inspected(file)
    if machine:
        click.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))
    else:
        _show(found)
    return FINE


@weights.command()
@click.argument("file", type=PATH)
@click.option("--base", required=True, metavar="BASE", help="The base, by its name: resnet50_v1b.")
@click.option("-o", "--out", required=True, type=PATH, metavar="FILE", help="A .params or .safetensors file.")
@FORCE
@command
def convert(file: Path, base: str, out: Path, force: bool) -> int:
    """Write the weights of a .pth or .safetensors FILE as a .params file of Gluon's, or as .safetensors.

    The names are those of the base in Gluon, and those of torchvision or timm. The classifier is left out.
    """
    component = _base(base)
    if out.suffix not in (".params", ".safetensors"):
        raise click.UsageError("--out takes a name that ends in .params or .safetensors")
    with mxnet(), first_words(file) as say:
        say("converting")
        from runtime.runs.pack.problems import FileExists
        from runtime.workflows.weights import convert as converted

        if out.exists() and not force:
            raise RecipeError(FileExists(path=str(out)))
        notes = converted(file, component, out)
    for note in notes:
        tell(note)
    click.echo(printable(str(out)))
    return FINE


def _base(text: str) -> Component:
    """Return the base of a name, as `resnet50_v1b` or as a recipe writes it."""
    from difflib import get_close_matches

    from runtime.models.catalog import BASES
    from runtime.plan.types import Component

    match = re.fullmatch(r"(?:(\w+)\()?[\"']?([\w.]+)[\"']?\)?", text.strip())
    kinds = [kind for kind, rows in BASES.items() if kind != "packaged" and match and match[2] in rows]
    if match is None or not kinds or (match[1] and match[1] not in kinds):
        names = {name for kind, rows in BASES.items() if kind != "packaged" for name in rows}
        near = get_close_matches(match[2] if match else text, names, 3)
        raise click.UsageError(f"there is no base {text}" + (f"; near is {', '.join(near)}" if near else ""))
    return Component(match[1] or kinds[0], {"name": match[2], "weights": None})


def _show(found: Inspection) -> None:
    screen = console()
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.kinds.items())
    screen.print(f"{found.path}: {found.format}, {found.size / 1e6:,.1f} MB", soft_wrap=True)
    screen.print(f"{counted(found.arrays, 'array')} ({kinds}), {found.numbers:,} numbers")
    screen.print(f"sha256 {found.sha256}", soft_wrap=True)
    for note in found.notes:
        screen.print(note, soft_wrap=True)
    if not found.bases:
        screen.print("it fits no base of torchvision's or timm's networks here")
    for base in found.bases:
        mean, std = (" ".join(f"{number:.3f}" for number in numbers) for numbers in base.normalization)
        classes = "" if base.classes is None else f", a classifier of {_classes(base.classes)}"
        screen.print(f"fits {base.base}{classes}", soft_wrap=True)
        screen.print(f"  images of {base.size}px, normalized with mean {mean} and std {std}", soft_wrap=True)


def _classes(count: int) -> str:
    if count != 1000:
        return f"{counted(count, 'class', 'classes')}, which it does not name"
    with mxnet():
        from runtime.models.kept_head import imagenet_classes

        first, second, *_, last = imagenet_classes()
    return f"1,000 classes, as ImageNet has ({first}, {second}, …, {last})"


@weights.command()
@click.argument("recipes", nargs=-1, required=True, type=RECIPE_PATH)
@SET
@OUTSIDE
@command
def fetch(recipes: tuple[Path, ...], settings: tuple[str, ...], outside: bool) -> int:
    """Fetch the weights that RECIPES start from, for a machine without a network. Needs no data.

    Copy the files that it names to the same folders there: those of a hub are below $HF_HOME, the others below
    $TORCH_HOME, or both in ~/.cache.
    """
    with mxnet():
        from runtime.workflows.weights import fetch_for

        for recipe in recipes:
            for line in fetch_for(recipe, settings, outside):
                click.echo(printable(line))
    return FINE


@weights.command("list")
@JSON
@command
def list_(machine: bool) -> int:
    """List the weights that are kept here for bases: where they are, their size, who published them."""
    from runtime.plan.types import as_json
    from runtime.workflows.kept_weights import kept_weights

    found = kept_weights()
    if machine:
        click.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))
        return FINE
    total = sum(each.size for each in found)
    screen = console()
    screen.print(f"{counted(len(found), 'set')} of weights, {total / 1e6:,.1f} MB", soft_wrap=True)
    for each in found:
        line = f"{each.size / 1e6:>9,.1f} MB  {each.name}  ({each.kind}: {each.path})"
        screen.print(printable(line), soft_wrap=True, highlight=False)
    return FINE


@weights.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@command
def remove(names: tuple[str, ...]) -> int:
    """Remove kept weights by the NAMEs that `ftr weights list` shows. They are fetched again when they are wanted."""
    from runtime.workflows.kept_weights import remove_weights

    for each in remove_weights(names):
        click.echo(printable(f"removed {each.name}, {each.size / 1e6:,.1f} MB, from {each.path}"))
    return FINE
