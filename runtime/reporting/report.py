"""Reports, predictions and lists of runs, for people and for machines."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.reporting.epoch_line import number
from runtime.runs.folder import read_json
from runtime.runs.pack.file import opened
from runtime.runs.pack.signature import is_pack
from runtime.tasks import protocol as tasks
from runtime.tasks.catalog import TASKS, USUAL

if TYPE_CHECKING:
    from runtime.tasks.protocol import Prediction, Report

_STYLES = {"": "", "good": "bold green", "faint": "dim"}


def show_report(console: Console, name: str, report: Report, metrics: Sequence[str]) -> None:
    """Print the `metrics` of a report, and its tables."""
    console.print(Text.assemble((name, "bold"), f": {report.images:,} images"))
    console.print("  ".join(f"{metric.replace('_', ' ')} {number(report.values[metric], 4)}" for metric in metrics))
    for part in report.tables():
        console.print(part if isinstance(part, str) else _drawn(part))


def _drawn(table: tasks.Table) -> Table:
    drawn = Table(title=table.title or None, title_justify="left")
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if index in table.left else "right")
    for row in table.rows:
        drawn.add_row(*(cell if isinstance(cell, str) else Text(cell.text, style=_STYLES[cell.style]) for cell in row))
    return drawn


def predictions_json(found: Sequence[Prediction]) -> str:
    """Return predictions as JSON text: a list with one object for each image."""
    rows = [{"image": each.image, **each.as_json(), "error": each.error or None} for each in found]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def predictions_coco(found: Sequence[Any]) -> str:
    """Return objects as COCO's results.

    The id of an image is its name, as a number where it is one; a category's is its place among the classes, from 1.
    """
    rows = [
        {
            "image_id": int(stem) if (stem := Path(each.image).stem).isdecimal() and len(stem) < 19 else stem,
            "category_id": each.names.index(item.name) + 1,
            "bbox": [item.box[0], item.box[1], item.box[2] - item.box[0], item.box[3] - item.box[1]],
            "score": item.score,
        }
        for each in found
        for item in each.objects
    ]
    return json.dumps(rows)


def predictions_yolo(found: Sequence[Any]) -> dict[str, str]:
    """Return objects as YOLO's text, by the name of each image's file without its ending; empty without objects.

    A line is a class's place, the middle of the box, its width and height as fractions of the image, and the score.

    Raises:
        ValueError: two images have one name.
    """
    texts: dict[str, str] = {}
    for each in (one for one in found if not one.error):
        name = Path(each.image).stem
        if name in texts:
            raise ValueError(f"two images are called {name}: their files would have one name")
        lines = []
        for item in each.objects:
            x0, y0, x1, y1 = item.box
            sides = (each.size.width, each.size.height) * 2
            box = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
            shares = " ".join(f"{value / side:.6f}" for value, side in zip(box, sides, strict=True))
            lines.append(f"{each.names.index(item.name)} {shares} {item.score:.6f}\n")
        texts[name] = "".join(lines)
    return texts


def predictions_csv(found: Sequence[Prediction], columns: Sequence[str]) -> str:
    """Return predictions as CSV text: image, the columns of the task, error; an image may have several rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", *columns, "error"))
    for each in found:
        for cells in each.rows() or (("",) * len(columns),):
            writer.writerow((each.image, *cells, each.error))
    return text.getvalue()


def show_predictions(console: Console, found: Sequence[Prediction], title: str) -> None:
    """Print what was predicted of each image, below a title."""
    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column(title)
    for each in found:
        table.add_row(printable(each.image), Text(each.error, style="red") if each.error else each.text())
    console.print(table)


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the results of all runs in a folder, oldest first; a folder without one is an unfinished run.

    `folder` may also be one run, or a pack.

    Raises:
        RecipeError: the pack is refused.
    """
    if is_pack(folder):
        with opened(folder) as place:
            return [{**result, "folder": str(folder)} for result in read_results(place)]
    found = []
    if os.path.isfile(folder / "plan.json"):
        places = [folder]
    else:
        places = sorted(folder.glob("*/")) if os.path.isdir(folder) else []
    for place in sorted(places, key=_age):
        if not os.path.isfile(place / "plan.json"):
            continue
        try:
            result = read_json(place, "result.json")
        except RecipeError:
            found.append({"folder": str(place), "status": "unfinished"})
        else:
            found.append({**(result if _is_sound(result) else {"status": "damaged"}), "folder": str(place)})
    return found


_SHOWN: dict[str, type | tuple[type, ...]] = {
    "recipe": str,
    "hash": str,
    "status": str,
    "params": dict,
    "valid": dict,
    "test": dict,
    "expect": list,
    "wall_s": (int, float),
}


def _is_sound(result: Any) -> bool:
    return (
        isinstance(result, dict)
        and all(result.get(name) is None or isinstance(result[name], kind) for name, kind in _SHOWN.items())
        and all(isinstance(claim, dict) and "holds" in claim for claim in result.get("expect") or ())
    )


def _age(place: Path) -> tuple[float, str]:
    try:
        return (place / "plan.json").stat().st_mtime, place.name
    except OSError:
        return 0.0, place.name


def show_runs(console: Console, found: Sequence[dict[str, Any]], folder: Path) -> None:
    """Print runs side by side."""
    if not found:
        console.print(f"no runs in {folder}", soft_wrap=True)
        return
    rows = [_run_row(result) for result in found]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    widths = {name: max(len(row[name]) for row in rows) for name in rows[0]}
    columns = [name for name in rows[0] if widths[name]]
    for name in _DISPENSABLE:
        if sum(max(widths[each], len(each)) + 2 for each in columns) > console.width and name in columns:
            columns.remove(name)
    for name in columns:
        if name in ("run", "recipe", "params"):
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True, min_width=widths[name])
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    console.print(table)


_DISPENSABLE = ("hash", "time", "recipe")
"""The columns that a narrow page goes without; most runs are called as their recipe."""


def _run_row(result: dict[str, Any]) -> dict[str, str]:
    claims = result.get("expect")
    verdict = "" if not claims else ("holds" if all(claim["holds"] for claim in claims) else "fails")
    return {
        "run": Path(result["folder"]).name,
        "recipe": result.get("recipe") or "",
        "hash": (result.get("hash") or "")[:8],
        "params": " ".join(f"{name}={value}" for name, value in (result.get("params") or {}).items()),
        "valid": _quality(result, "valid"),
        "test": _quality(result, "test"),
        "claim": verdict if result.get("status") == "finished" else str(result.get("status")),
        "time": f"{result['wall_s']:.0f} s" if result.get("wall_s") is not None else "",
    }


def _quality(result: dict[str, Any], name: str) -> str:
    """Return the metric of a run that its task is judged by; its name too, unless it is the accuracy."""
    task = TASKS.get(str(result.get("task", USUAL.name)))
    value = (result.get(name) or {}).get(task.monitor) if task else None
    if task is None or not isinstance(value, int | float):
        return ""
    return f"{value:.4f}" if task.monitor == "accuracy" else f"{task.monitor} {value:.4f}"
