"""The commands on files of weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import counted, printable
from runtime.commands.command import FINE, command, console, echo, first_words, mxnet, tell
from runtime.commands.options import FILE_PATH, FORCE, JSON, OUTSIDE, PATH, RECIPE_PATH, SET, out_option
from runtime.system.files import placed

if TYPE_CHECKING:
    from runtime.plan.types import Component
    from runtime.workflows.weights import Inspection


@click.group()
def weights() -> None:
    """Inspect, convert, fetch, list and remove files of weights."""


@weights.command()
@click.argument("file", type=PATH)
@JSON
@command
def inspect(file: Path, machine: bool) -> int:
    """Show what a FILE of weights holds, and which bases it fits.

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
@out_option("A .params or .safetensors file, or a folder for a .params file.", FILE_PATH, required=True)
@FORCE
@command
def convert(file: Path, base: str, out: Path, force: bool) -> int:
    """Write weights of PyTorch as .params of Gluon or .safetensors.

    FILE is a .pth or .safetensors file.

    The names are those of the base in Gluon, and those of torchvision or timm. The classifier is left out.
    """
    component = _base(base)
    out = placed(out, f"{file.stem}.params")
    if out.suffix not in (".params", ".safetensors"):
        raise click.UsageError("--out takes a name that ends in .params or .safetensors")
    with mxnet(), first_words(file) as say:
        say("converting")
        from runtime.runs.pack.problems import FileExists
        from runtime.workflows.weights import convert as converted

        if out.exists() and not force:
            raise RecipeError(FileExists(path=str(out)))
        notes = converted(file, component, out)
    for note in (*notes, "the classifier is left out"):
        tell(note)
    click.echo(printable(str(out)))
    return FINE


def _base(text: str) -> Component:
    """Return the base of a name, as `resnet50_v1b` or as a recipe writes it."""
    from difflib import get_close_matches

    from runtime.models.catalog import CLASSIFIERS
    from runtime.plan.types import Component

    match = re.fullmatch(r"(?:(\w+)\()?[\"']?([\w.]+)[\"']?\)?", text.strip())
    kinds = [kind for kind, rows in CLASSIFIERS.items() if match and match[2] in rows]
    if match is None or not kinds or (match[1] and match[1] not in kinds):
        names = {name for rows in CLASSIFIERS.values() for name in rows}
        name = match[2] if match else text
        near = sorted(each for each in names if each.startswith(name))[:5] or get_close_matches(name, names, 3)
        raise click.UsageError(f"there is no base {text}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return Component(match[1] or kinds[0], {"name": match[2], "weights": None})


def _show(found: Inspection) -> None:
    from runtime.reporting.console import say

    screen = console()
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.kinds.items())
    say(screen, f"{found.path}: {found.format}, {found.size / 1e6:,.1f} MB")
    screen.print(f"{counted(found.arrays, 'array')} ({kinds}), {found.numbers:,} numbers")
    say(screen, f"sha256 {found.sha256}")
    for note in found.notes:
        say(screen, note)
    if found.searched and not found.bases:
        near = f"; {found.nearest}" if found.nearest else ""
        say(screen, printable(f"it fits no base that ftr has from torchvision or timm{near}"))
    for base in found.bases:
        mean, std = (" ".join(f"{number:.3f}" for number in numbers) for numbers in base.normalization)
        classes = "" if base.classes is None else f", a classifier of {_classes(base.classes)}"
        say(screen, f"fits {base.base}{classes}")
        say(screen, f"  images of {base.size}px, normalized with mean {mean} and std {std}")
    if len({base.normalization for base in found.bases}) > 1:
        say(screen, _WHICH_NORMALIZATION)


_WHICH_NORMALIZATION = (
    "These bases normalize images differently, and the file does not say how its own were: take the base that it comes"
    " from; or write `normalize(mean = […], std = […])` last in `prepare`, which overrides that of the base."
)


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
    """Fetch the weights that RECIPES start from.

    It needs no data. For a machine without a network, copy the files that it names to the same folders on it: those of
    a hub are below $HF_HOME, the others below $TORCH_HOME, or both in ~/.cache.
    """
    with mxnet():
        from runtime.workflows.weights import fetch_for

        problems: list[Problem] = []
        for recipe in recipes:
            try:
                for line in fetch_for(recipe, settings, outside):
                    echo(line)
            except RecipeError as fault:
                problems += fault.problems
        if problems:
            raise RecipeError(problems)
    return FINE


@weights.command("list")
@JSON
@command
def list_(machine: bool) -> int:
    """List the weights that are kept here: where, and how large."""
    from runtime.plan.types import as_json
    from runtime.reporting.console import say
    from runtime.workflows.kept_weights import kept_weights

    found = kept_weights()
    if machine:
        click.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))
        return FINE
    total = sum(each.size for each in found)
    screen = console()
    say(screen, f"{counted(len(found), 'set')} of weights, {total / 1e6:,.1f} MB")
    for each in found:
        line = f"{each.size / 1e6:>9,.1f} MB  {each.name}  ({each.kind}: {each.path})"
        say(screen, printable(line))
    return FINE


@weights.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@command
def remove(names: tuple[str, ...]) -> int:
    """Remove kept weights, by the NAMEs of `ftr weights list`.

    They are fetched again when needed.
    """
    from runtime.workflows.kept_weights import remove_weights

    for each in remove_weights(names):
        echo(f"removed {each.name}, {each.size / 1e6:,.1f} MB, from {each.path}")
    return FINE
