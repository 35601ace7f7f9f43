"""The commands on files of weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted
from runtime.commands.command import FINE, JSON, PATH, command, console, first_words, mxnet

if TYPE_CHECKING:
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
    return "the 1,000 classes of ImageNet" if count == 1000 else counted(count, "class", "classes")
