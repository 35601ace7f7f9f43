"""Reports and predictions, for people and for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recipe_lang.words import printable
from runtime.reporting.epoch_line import number
from runtime.tasks import evaluation

if TYPE_CHECKING:
    from runtime.tasks.answers import Prediction
    from runtime.tasks.evaluation import Report

_STYLES = {"": "", "good": "bold green", "faint": "dim"}


def show_report(console: Console, name: str, report: Report, metrics: Sequence[str]) -> None:
    """Print the `metrics` of a report, and its tables."""
    console.print(Text.assemble((name, "bold"), f": {report.images:,} images"))
    console.print(_in_lines([shown_metric(each, report) for each in metrics], console.width))
    for part in report.tables():
        console.print(part if isinstance(part, str) else _drawn(_numbered(part, console.width), console.width))


def shown_metric(metric: str, report: Report) -> str:
    """Return the name of a metric and its value."""
    return f"{metric.replace('_', ' ')} {number(report.values[metric], 4).strip()}"


def _in_lines(parts: Sequence[str], width: int) -> str:
    """Join parts, which stay whole, in as few lines as fit."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}  {part}" if lines[-1] else part
        lines[-1:] = [joined] if len(joined) <= width or not lines[-1] else [lines[-1], part]
    return "\n".join(lines)


def _numbered(table: evaluation.Table, width: int) -> evaluation.Table:
    """Return a square table with short names above its columns, or with numbers there and before the rows' names."""
    names = table.columns[1:]
    if not table.square or not names:
        return table
    room = (width - max(map(cell_len, names)) - 4) // len(names) - _BORDERS
    if room >= max(map(cell_len, names)):
        return table
    short = [_shortened(name, room) for name in names]
    if room >= _SHORTEST and len(set(short)) == len(names):
        return replace(table, columns=("", *short))
    rows = tuple((f"{number} {row[0]}", *row[1:]) for number, row in enumerate(table.rows))
    return replace(table, columns=("", *map(str, range(len(names)))), rows=rows)


def _shortened(name: str, room: int) -> str:
    """Return a name in so many columns: the beginning of each of its words, else its own."""
    words = name.replace("_", " ").replace("-", " ").split()
    each = (room + 1) // max(1, len(words)) - 1
    if cell_len(name) <= room:
        return name
    if len(words) > 1 and each > 1:
        return " ".join(set_cell_size(word, min(each, cell_len(word))) for word in words)
    return f"{set_cell_size(name, room - 1).rstrip()}…"


_BORDERS = 3  # columns of a cell: its two blanks and a line
_SHORTEST = 4  # columns of a name that still says something


def _drawn(table: evaluation.Table, width: int) -> Table:
    """Return a table with lines around its cells where the page is wide enough for them."""
    drawn = Table(title=table.title or None, title_justify="left")
    cells = ([cell_len(cell if isinstance(cell, str) else cell.text) for cell in row] for row in table.rows)
    widths = [max(column) for column in zip(map(cell_len, table.columns), *cells, strict=True)]
    if sum(widths) + _BORDERS * len(widths) + 1 > width:
        drawn.box, drawn.padding, drawn.pad_edge = None, (0, 2, 0, 0), False
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
