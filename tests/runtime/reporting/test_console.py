"""What others wrote does not steer the terminal."""

from __future__ import annotations

import io

from rich.table import Table
from rich.text import Text

from runtime.reporting.console import SafeConsole

EVIL = "\x1b[31mred\x9b5m\x07\u202eabc\x00\r"


def shown(*what: object, **options: bool) -> str:
    console = SafeConsole(file=io.StringIO(), width=60, markup=False, highlight=False, **options)  # type: ignore[arg-type]
    console.print(*what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_control_characters_of_names_are_not_printed() -> None:
    table = Table("name", "number")
    table.add_row(EVIL, "1")
    table.add_row("plain", "2")
    for text in (shown(EVIL), shown(Text(EVIL)), shown(table)):
        assert "red" in text
        assert "abc" in text
        assert all(char.isprintable() or char == "\n" for char in text)
    assert len({len(line) for line in shown(table).splitlines()}) == 1, "the columns of a table stay in line"


def test_its_own_control_characters_are() -> None:
    assert "\x1b[1m" in shown(Text("title", "bold"), force_terminal=True)


def test_names_in_any_script_stay_as_they_are() -> None:
    for name in ("dziewięć", "猫", "कुत्ता", "🌷", "rot\udce9"):
        assert shown(name) == f"{name}\n"
