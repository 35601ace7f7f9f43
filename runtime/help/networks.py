"""Pages on the networks that a base can name, from the zoos' tables. Nothing is built: no MXNet here."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.help.text_page import Code, Page, Prose
from runtime.models.catalog import BASES, EXCLUDED, OWN, ZOOS, ZooRow
from runtime.models.packaged import PACKAGED
from runtime.models.timm.catalog import TIMM


def names(zoo: str) -> tuple[str, ...]:
    """Return the networks of a zoo, or the packaged ones; nothing for other words."""
    return tuple(BASES.get(zoo, ()))


def all_names() -> set[str]:
    """Return the names of all networks, those that do not work included."""
    return {*PACKAGED, *TIMM, *OWN, *(name for zoo in (*ZOOS.values(), *EXCLUDED.values()) for name in zoo)}


def with_part(part: str) -> list[str]:
    """Return the networks that have a part of this name, such as `block5`."""
    return [name for name, parts in _parts().items() if part in parts]


def all_parts() -> set[str]:
    """Return the names of the parts that any network has."""
    return {part for parts in _parts().values() for part in parts}


def _parts() -> dict[str, tuple[str, ...]]:
    return {name: row.parts for rows in BASES.values() for name, row in rows.items()}


def pages(name: str) -> Iterator[Page]:
    """Yield the page on a network; none when no base has this name."""
    if name in PACKAGED:
        base = PACKAGED[name]
        facts = (
            f"Made for images of {base.size}px; takes {base.sizes()}. Its weights are in the package {base.package}."
        )
        yield _page(name, "a packaged network", facts, base.parts, [f'base = packaged("{name}")'])
    if name in TIMM:
        timm = TIMM[name]
        facts = f"Made for images of {timm.native}px; takes {timm.sizes()}. Licence of its weights: {timm.licence}."
        yield _page(name, "a network of timm", facts, timm.parts, [f'base = timm("{name}")'])
    zoos = [zoo for zoo in ZOOS if name in ZOOS[zoo]]
    if zoos:
        row = ZOOS[zoos[0]][name]
        kind = f"a network of the zoo{'s' if len(zoos) > 1 else ''} {' and '.join(zoos)}"
        yield _page(name, kind, _facts(row), row.parts, [f'base = {zoo}("{name}")' for zoo in zoos])
    if name in OWN:
        row = OWN[name]
        assert row.gives is not None
        example = f'base = gluoncv("{name}", weights = none)\nhead = [own]'
        yield _page(name, f"a network of gluoncv that learns {row.gives.plural}", _facts(row), row.parts, [example])
    for zoo, excluded in EXCLUDED.items():
        if name in excluded:
            yield Page(f"{name}: a network of {zoo} that is not offered", (Prose(f"The reason: {excluded[name]}."),))


def _facts(row: ZooRow) -> str:
    return f"Of the family {row.family}. Made for images of {row.native}px; takes {row.sizes()}."


def _page(name: str, kind: str, facts: str, parts: tuple[str, ...], examples: list[str]) -> Page:
    has = f"Its parts are {', '.join(f'`base.{part}`' for part in parts)}."
    return Page(f"{name}: {kind}", (Prose(facts), Prose(has), Code("\n".join(examples), "Example")))
