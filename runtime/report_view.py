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

from recipe_lang.diagnostics import RecipeError
from recipe_lang.phrases import printable
from runtime.artifacts import read_json
from runtime.metrics import telling
from runtime.pack_file import opened
from runtime.plan import as_json
from runtime.recipe_files import is_pack

if TYPE_CHECKING:
    from runtime.finished import Prediction
    from runtime.metrics import Report

_MATRIX = 12  # classes of a matrix on the screen
_MATRIX_JSON = 1000
_TABLE = 100  # classes of a table on the screen


def report_json(name: str, report: Report) -> dict[str, Any]:
    """Return a report as plain data. Where a matrix would be huge, `confusion` is None; `answered` has its numbers."""
    is_small = len(report.classes) <= _MATRIX_JSON
    return {
        "set": name,
        **report.values,
        "classes": [as_json(row) for row in report.classes],
        "confusion": report.confusion().tolist() if is_small else None,
        **({} if is_small else {"answered": report.answered.tolist()}),
    }


def show_report(console: Console, name: str, report: Report) -> None:
    """Print all metrics, a table of the classes (of very many the worst), and which was taken for which."""
    console.print(Text.assemble((name, "bold"), f": {sum(row.support for row in report.classes):,} images"))
    metrics = telling(len(report.classes))
    console.print("  ".join(f"{metric.replace('_', ' ')} {report.values[metric]:.4f}" for metric in metrics))
    rows = report.classes
    title = "by class"
    if len(rows) > _TABLE:
        rows = tuple(sorted((row for row in rows if row.support), key=lambda row: row.f1)[:_TABLE])
        title = f"the {len(rows)} worst of {len(report.classes):,} classes (--json has all)"
    table = Table(title=title, title_justify="left")
    for column in ("class", "precision", "recall", "f1", "images"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for row in rows:
        numbers = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(printable(row.name), *numbers, f"{row.support:,}")
    console.print(table)
    names = [printable(row.name) for row in report.classes]
    absent = [name for name, row in zip(names, report.classes, strict=True) if not row.support]
    if absent:
        few = ", ".join(absent[:_MATRIX]) + (", …" if len(absent) > _MATRIX else "")
        console.print(f"no images of {few}: 0 in precision, recall and f1; balanced accuracy leaves them out")
    if len(names) > _MATRIX:
        _show_confusions(console, names, report)
        return
    console.print("confusion matrix: rows are true, columns predicted")
    matrix = Table()
    matrix.add_column("")
    for index in range(len(names)):
        matrix.add_column(str(index), justify="right")
    counts_of = report.confusion()
    for index, name in enumerate(names):
        cells = (
            Text(str(count or "."), style="bold green" if at == index else "" if count else "dim")
            for at, count in enumerate(counts_of[index])
        )
        matrix.add_row(f"{index} {name}", *cells)
    console.print(matrix)


def _show_confusions(console: Console, names: Sequence[str], report: Report) -> None:
    wrong = [(count, names[a], names[b]) for a, b, count in report.answered.tolist() if a != b]
    table = Table(title="the most frequent confusions (--json has all)", title_justify="left")
    for column in ("true", "answer", "images"):
        table.add_column(column, justify="right" if column == "images" else "left")
    for count, true, answer in sorted(wrong, reverse=True)[:15]:
        table.add_row(true, answer, f"{count:,}")
    console.print(table)


def predictions_json(found: Sequence[Prediction]) -> str:
    """Return predictions as JSON text: a list with one object for each image."""
    rows = [
        {
            "image": each.image,
            "classes": [{"name": name, "probability": share} for name, share in each.classes],
            "error": each.error or None,
        }
        for each in found
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def predictions_csv(found: Sequence[Prediction]) -> str:
    """Return predictions as CSV text: image, class, probability, error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "class", "probability", "error"))
    for each in found:
        name, share = each.classes[0] if each.classes else ("", "")
        writer.writerow((each.image, name, f"{share:.6f}" if each.classes else "", each.error))
    return text.getvalue()


def show_predictions(console: Console, found: Sequence[Prediction]) -> None:
    """Print each image's top classes."""
    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column("classes")
    for each in found:
        classes = "  ".join(f"{printable(name)} {share:.3f}" for name, share in each.classes)
        table.add_row(printable(each.image), Text(each.error, style="red") if each.error else classes)
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
        "valid": _accuracy(result, "valid"),
        "test": _accuracy(result, "test"),
        "claim": verdict if result.get("status") == "finished" else str(result.get("status")),
        "time": f"{result['wall_s']:.0f} s" if result.get("wall_s") is not None else "",
    }


def _accuracy(result: dict[str, Any], name: str) -> str:
    value = (result.get(name) or {}).get("accuracy")
    return f"{value:.4f}" if isinstance(value, int | float) else ""
