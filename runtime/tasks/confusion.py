"""What was taken for what, as tables of a report: a matrix, or where it would be huge the most frequent confusions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from runtime.tasks.evaluation import Cell, Table

MOST = 12  # classes of a matrix
_FREQUENT = 15


def matrix_table(names: Sequence[str], matrix: Sequence[Sequence[int]], text: Callable[[int, int], str]) -> Table:
    """Return a matrix of counts as a table: rows are true, columns found.

    `text` shows a count that is not 0, beside the sum of its row.
    """
    rows: tuple[tuple[str | Cell, ...], ...] = tuple(
        (name, *(_cell(text(count, sum(counts)) if count else "", at == row) for at, count in enumerate(counts)))
        for row, (name, counts) in enumerate(zip(names, matrix, strict=True))
    )
    return Table("", ("", *names), rows, square=True)


def _cell(text: str, is_right: bool) -> Cell:
    return Cell(text or ".", "good" if is_right and text else "" if text else "faint")


def frequent_table(
    names: Sequence[str], counts: Iterable[tuple[int, int, int]], columns: tuple[str, str, str]
) -> Table:
    """Return the most frequent confusions of (true, found, count), by the places of the classes."""
    wrong = [(count, names[true], names[found]) for true, found, count in counts if count and true != found]
    rows = tuple((true, found, f"{count:,}") for count, true, found in sorted(wrong, reverse=True)[:_FREQUENT])
    return Table("the most frequent confusions (--json has all)", columns, rows, left=(0, 1))


def counts_of(matrix: Sequence[Sequence[int]]) -> Iterable[tuple[int, int, int]]:
    """Return the entries of a matrix as (true, found, count)."""
    return ((row, column, count) for row, counts in enumerate(matrix) for column, count in enumerate(counts))
