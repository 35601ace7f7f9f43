"""The list that `ftr data check --fix` writes for `exclude`: which images to leave out, each with the reason.

In go a report and what the list holds already; out come the lines to add. Labels that may be wrong, and whatever else
a person has to decide, are comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from recipe_lang.words import printable
from runtime.data.exclude import FIELDS, Excluded, excluding_line
from runtime.workflows.data_check.check import KINDS, CheckedImage, DataReport, Group

_DECIDED_BY_A_PERSON = ("near_copies", "blank", "suspects")


@dataclass(frozen=True, slots=True)
class Addition:
    """Lines to add to a list, and how many images they leave out."""

    lines: tuple[str, ...]
    count: int


def addition(report: DataReport, listed: Sequence[Excluded] = ()) -> Addition:
    """Return what to add to a list that holds `listed` already."""
    chosen: dict[str, list[tuple[str, str]]] = {}
    known = {(field, each.id) for each in listed for field in ([each.field] if each.field else FIELDS)}
    taken = set(known)
    for kind, groups in report.found.items():
        for group in groups:
            for image, reason in _left_out(kind, group, taken):
                taken.add((image.source, image.id))
                chosen.setdefault(image.source, []).append((reason, excluding_line(image.id)))
    lines: list[str] = []
    for source, pairs in chosen.items():
        lines.append(f"[{source}]")
        lines += [line for pair in pairs for line in pair]
    comments = [
        f"# {printable(f'[{image.source}] {image.id}: {KINDS[kind].title}{_note(group)}')}"
        for kind in _DECIDED_BY_A_PERSON
        for group in report.found.get(kind, ())
        for image in group.images
        if (image.source, image.id) not in taken
    ]
    if comments:
        lines += ["# For a person to decide:", *comments]
    return Addition(tuple(lines), len(taken) - len(known))


def _left_out(kind: str, group: Group, taken: Set[tuple[str, str]]) -> Iterator[tuple[CheckedImage, str]]:
    """Yield the images of a group that are to be left out and are not yet, with the reason as a comment."""
    how = KINDS[kind].excluded
    images = [image for image in group.images if (image.source, image.id) not in taken]
    others = group.images
    for image in images if how == "all" else images[1:] if how == "copies" else ():
        first = others[0] if others[0] is not image else others[-1]
        same = f", as {first.set} {first.id}" if len(others) > 1 else ""
        yield image, f"# {printable(f'{KINDS[kind].title}{same}{_note(group)}')}"


def _note(group: Group) -> str:
    return f": {group.note}" if group.note else ""


def extended(before: bytes, lines: Sequence[str]) -> bytes:
    """Return a list with lines added; comments that stand there already are not written again."""
    known = set(before.decode("utf-8", "surrogateescape").splitlines())
    new = [line for line in lines if not (line.startswith("# ") and line in known)]
    if not new:
        return before
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    return before + gap + "".join(f"{line}\n" for line in new).encode("utf-8", "surrogateescape")
