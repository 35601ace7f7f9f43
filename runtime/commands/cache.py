"""The command on what frozen parts gave in earlier runs, kept on the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted
from runtime.commands.command import FINE, JSON, command, console, echo

if TYPE_CHECKING:
    from runtime.system.cache.disk import Entry


@click.command()
@click.argument("action", type=click.Choice(["list", "clear"]), default="list")
@JSON
@command
def cache(action: str, machine: bool) -> int:
    """List the cached frozen features (base, cut, rows, size, last use), or CLEAR them.

    The cache is in $FTR_CACHE, else below $XDG_CACHE_HOME or ~/.cache. Clearing it costs only time.
    """
    from runtime.plan.types import as_json
    from runtime.runs.folder import writing
    from runtime.system.cache.disk import FeatureCache, cache_folder

    with writing(Path("the cache")):
        found = FeatureCache(cache_folder())
        removed, kept = found.clear() if action == "clear" else ([], found.entries())
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

    screen = console()
    screen.print(f"{_tables(entries)}, {_megabytes(sum(e.size for e in entries))}, in {folder}", soft_wrap=True)
    if not entries:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("base", "image", "cut", "row", "rows", "size", "last used"):
        table.add_column(name, justify="right" if name in ("rows", "size") else "left", no_wrap=name != "base")
    for entry in entries:
        about = entry.about
        shape = about.get("shape")
        table.add_row(
            str(about.get("base", "damaged")),
            f"{about['size']}px" if "size" in about else "",
            str(about.get("cut", "")),
            " x ".join(map(str, shape)) if isinstance(shape, list) else "",
            f"{entry.rows:,}",
            _megabytes(entry.size),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
        )
    screen.print(table)


def _tables(entries: Sequence[Entry]) -> str:
    return counted(len(entries), "table")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
