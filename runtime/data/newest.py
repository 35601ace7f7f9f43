"""The newest images, by dates or numbers in a column of their table: what has been learned of is older."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from recipe_lang.problem import RecipeError
from runtime.data.listing import Cell, Listing
from runtime.data.problems import OneTime, quoted
from runtime.data.sources.tables import is_number, raise_all

Time: TypeAlias = "tuple[datetime, float] | float"
"""A date with the fraction of its second, or a number."""

_DATE = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?)?)?", re.ASCII
)


def times_of(listing: Listing, column: str) -> dict[str, tuple[Time, str]]:
    """Return the time of each sample by its id, and how the table writes it.

    Raises:
        RecipeError: the column cannot be used; a cell is neither a date nor a number, or of another kind than others.
    """
    assert listing.columns is not None, "the checker lets no other source name a column"
    cells = listing.columns.cells(column)
    chosen = {sample.id: cells[sample.id] for sample in listing.samples}
    found: dict[str, tuple[Time, str]] = {}
    first: tuple[str, Cell] | None = None
    bad = []
    for id, cell in chosen.items():
        time, kind = _read(cell.text)
        if time is None:
            hint = "write dates as 2024-03-31 or 2024-03-31T12:00, or numbers"
            bad.append(listing.columns.fault(cell, f"{quoted(column)} is {quoted(cell.text)}, no date or number", hint))
            continue
        first = first or (kind, cell)
        if kind != first[0]:
            reason = f"{quoted(column)} is {quoted(cell.text)}, {kind}, and {first[0]} in line {first[1].line}"
            bad.append(listing.columns.fault(cell, reason, "write all of the column alike"))
        found[id] = time, cell.text
    raise_all(sorted(bad, key=lambda each: each.line))
    return found


def _read(text: str) -> tuple[Time | None, str]:
    """Return a cell as a time that can be compared with others of its kind, and the kind; None where it is none."""
    try:
        if match := _DATE.fullmatch(text):
            year, month, day, hour, minute, second, fraction, zone = match.groups()
            date = datetime(*map(int, (year, month, day or 1, hour or 0, minute or 0, second or 0)))  # type: ignore[arg-type]
            if zone and zone != "Z":
                ahead = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[-2:]))
                date = date.replace(tzinfo=timezone(ahead)).astimezone(timezone.utc).replace(tzinfo=None)
            return (date, float(fraction or 0)), "a time with a zone" if zone else "a date"
    except (ValueError, OverflowError):
        return None, ""
    return (float(text), "a number") if is_number(text) else (None, "")


def newest(times: Mapping[str, tuple[Time, str]], count: int) -> tuple[set[str], str]:
    """Return the ids of the newest samples, about as many as `count`, and the time from which on they are, as written.

    Those of the same time are on one side: of the cuts between times the one that comes nearest to the count is taken,
    of two the one with fewer.

    Raises:
        RecipeError: all are of the same time.
    """
    ranked = sorted(times, key=lambda id: (times[id][0], id), reverse=True)
    cuts = [place for place in range(1, len(ranked)) if times[ranked[place - 1]][0] != times[ranked[place]][0]]
    if not cuts:
        raise RecipeError(OneTime(time=times[ranked[0]][1] if ranked else "", count=len(ranked)))
    cut = min(cuts, key=lambda place: (abs(place - count), place))
    return set(ranked[:cut]), times[ranked[cut - 1]][1]
