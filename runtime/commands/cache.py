"""The command on what frozen parts gave in earlier runs, kept on the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.words import counted
from runtime.commands.command import FINE, command, console, echo
from runtime.commands.options import JSON

if TYPE_CHECKING:
    from runtime.system.cache.disk import Entry


@click.command()
@click.argument("action", type=click.Choice(["list", "clear"]), default="list")
@JSON
@command
def cache(action: str, machine: bool) -> int:
    """List what is cached about images, or CLEAR it.

    These are frozen features, hashes of files, and images of record files.
    The cache is in $FTR_CACHE, else below $XDG_CACHE_HOME or ~/.cache. Clearing it costs only time.
    """
    from runtime.plan.types import as_json
    from runtime.runs.folder import writing
    from runtime.system.cache.disk import FeatureCache, cache_folder

    with writing(Path("the cache")):
        found = FeatureCache(cache_folder())
        removed, kept = found.clear() if action == "clear" else ([], [*found.entries(), *found.unpacked()])
    if machine:
        lists = {"removed": removed, "tables": kept} if action == "clear" else {"tables": kept}
        click.echo(json.dumps({"folder": str(found.folder), **as_json(lists)}, indent=2, ensure_ascii=False))
    elif action == "clear":
        size = sum(entry.size for entry in removed)
        echo(f"removed {_tables(removed)}, {_megabytes(size)}, from {found.folder}")
        if kept:
            echo(f"kept {_tables(kept)}: in use, or not yours to remove")
    else:
        _show(kept, found.folder)
    return FINE


def _show(entries: Sequence[Entry], folder: Path) -> None:
    from rich.table import Table

    from runtime.reporting.console import say

    screen = console()
    say(screen, f"{_tables(entries)}, {_megabytes(sum(e.size for e in entries))}, in {folder}")
    if not entries:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("size", "images", "last used"):
        table.add_column(name, justify="left" if name == "last used" else "right", no_wrap=True)
    table.add_column("what", overflow="fold")
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        table.add_row(_megabytes(entry.size), f"{entry.rows:,}", used, _what(entry.about))
    screen.print(table)


def _what(about: Mapping[str, Any]) -> str:
    """Say what a table holds: of features the base, the images' size, where it is cut, and the shapes of an image."""
    text = str(about.get("base", "damaged"))
    if "cut" not in about:
        return text
    shape = about.get("shape")
    shapes = shape if isinstance(shape, list) and shape and isinstance(shape[0], list) else [shape]
    each = ", ".join("x".join(map(str, shape)) for shape in shapes if isinstance(shape, list))
    return f"{text} at {about.get('size')}px, cut {about['cut']}: {each}"


def _tables(entries: Sequence[Entry]) -> str:
    """Count tables, and record files where there are such."""
    records = sum("/" in entry.name for entry in entries)
    tables = counted(len(entries) - records, "table")
    return f"{tables} and {counted(records, 'unpacked file')}" if records else tables


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 or not size else f"{size / 1e3:.1f} KB"
