"""Images that belong together, such as those of a patient: which they are, and which part each group goes to.

What is learned of one image of a group is known of the others, so a group lies in one part as a whole.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from recipe_lang.check.checked import CallValue
from recipe_lang.problem import RecipeError
from runtime.data.listing import Listing
from runtime.data.problems import ImagesWithoutGroup, TooFewGroups
from runtime.system.random import derive_each

Labels = Mapping[str, tuple[int, ...]]


def groups_of(listing: Listing, by: str | CallValue) -> dict[str, str]:
    """Return the group of each sample by its id: what a column of its table says, or its folder or name does.

    Raises:
        RecipeError: the column cannot be used, or images belong to no group.
    """
    if isinstance(by, str):
        if listing.columns is None:  # a set beside those that a recipe draws by it
            raise RecipeError(ImagesWithoutGroup(count=len(listing.samples), example=listing.samples[0].id, column=by))
        cells = listing.columns.cells(by)
        return {sample.id: cells[sample.id].text for sample in listing.samples}
    pattern = "" if by.name == "folder" else by["pattern"]
    found = {sample.id: _named(sample.id, pattern, listing.names) for sample in listing.samples}
    without = [id for id, group in found.items() if group is None]
    if without:
        raise RecipeError(ImagesWithoutGroup(count=len(without), example=without[0], pattern=pattern))
    return {id: group for id, group in found.items() if group is not None}


def _named(id: str, pattern: str, classes: Sequence[str]) -> str | None:
    """Return the group that an id names; None where it names none, as where its folder is that of a class.

    A pattern without a slash is looked for in the name of the file, another one in the whole id.
    """
    path = PurePosixPath(id)
    if not pattern:
        return path.parts[-2] if len(path.parts) > 1 and (len(path.parts) > 2 or path.parts[0] not in classes) else None
    match = re.search(pattern, id if "/" in pattern else path.name)
    return None if match is None else match[match.re.groups and 1] or None


def allotted(
    groups: Mapping[str, str], strata: Mapping[str, Any], shares: Sequence[float], seed: int, name: str
) -> dict[str, int]:
    """Return the part, a position in `shares`, that each id goes to with all others of its group.

    Large groups go first, those of a size (the same power of two) in the random order that belongs to the name, each to
    the part that then differs least from its share of all images and of those of each class: the sum over these of
    (part / whole - share) ** 2 / share, in which all images count as much as all classes together. The largest groups
    leave the greatest differences, and the small ones behind them make up for these.

    Raises:
        RecipeError: there are fewer groups than parts.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for id, group in groups.items():
        members[group].append(id)
    if len(members) < len(shares):
        raise RecipeError(TooFewGroups(groups=len(members), parts=len(shares)))
    contents = {group: _content(ids, strata) for group, ids in members.items()}
    whole = sum(contents.values(), Counter[Any]())
    heavy = max(1, len(whole) - 1)
    keys = dict(zip(members, derive_each(seed, "split", name, ids=members).tolist(), strict=True))
    filled = [Counter[Any]() for _ in shares]
    part_of: dict[str, int] = {}
    for group in sorted(members, key=lambda each: (-len(members[each]).bit_length(), keys[each], each)):
        added = {what: count / whole[what] for what, count in contents[group].items()}

        def worse(part: int, added: Mapping[Any, float] = added) -> float:
            share, has = shares[part], filled[part]
            return sum(
                (heavy if what is None else 1) * more * (more + 2 * (has[what] / whole[what] - share)) / share
                for what, more in added.items()
            )

        part_of[group] = min(range(len(shares)), key=worse)
        filled[part_of[group]].update(contents[group])
    _fill_empty(part_of, len(shares), lambda group: (len(members[group]), keys[group]))
    return {id: part_of[group] for id, group in groups.items()}


def _content(ids: Iterable[str], strata: Mapping[str, Any]) -> Counter[Any]:
    """Return how many images a group has of each class, and in all, at None."""
    found: Counter[Any] = Counter()
    for id in ids:
        found.update((None, *(stratum if isinstance(stratum := strata[id], tuple) else (stratum,))))
    return found


def _fill_empty(part_of: dict[str, int], parts: int, order: Any) -> None:
    """Give each part that has none the smallest group of the part that has most."""
    for part in range(parts):
        counts = Counter(part_of.values())
        if not counts[part]:
            fullest = max(range(parts), key=lambda each: (counts[each], -each))
            part_of[min((g for g, at in part_of.items() if at == fullest), key=order)] = part
