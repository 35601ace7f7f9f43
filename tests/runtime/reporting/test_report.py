"""Tables of a report on pages of several widths."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.reporting.console import SafeConsole
from runtime.reporting.report import show_report
from runtime.tasks.evaluation import Table

NAMES = ("golden retriever", "golden eagle", "zebra", "red fox", "polar bear")


def shown(table: Table, width: int) -> list[str]:
    console = SafeConsole(file=io.StringIO(), width=width, highlight=False)
    report: Any = SimpleNamespace(images=5, values={"loss": 0.5}, tables=lambda: (table,))
    show_report(console, "test", report, ["loss"])
    return console.file.getvalue().splitlines()[2:]  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("width", "heads", "first"),
    [
        (120, NAMES, "golden retriever"),
        (72, ("gol ret", "gol eag", "zebra", "red fox", "pol bea"), "golden retriever"),
        (48, tuple("01234"), "0 golden retriever"),
    ],
)
def test_classes_stand_above_the_columns_where_they_fit(width: int, heads: tuple[str, ...], first: str) -> None:
    rows = tuple((name, *("1" if one == name else "." for one in NAMES)) for name in NAMES)
    lines = shown(Table("", ("", *NAMES), rows, square=True), width)
    assert all(len(line) <= width for line in lines)
    assert [cell.strip() for cell in lines[1].strip("┃").split("┃")][1:] == list(heads)
    assert lines[3].strip("│ ").split("│")[0].strip() == first


def test_numbers_are_whole_on_a_narrow_page() -> None:
    columns = ("class", "objects", "AP", "AP50", "AP75", "threshold", "F1", "precision", "recall")
    lines = shown(Table("", columns, (("cat", "31", *7 * ("0.6507",)),)), 80)
    assert [line.split() for line in lines] == [list(columns), ["cat", "31", *7 * ["0.6507"]]]
