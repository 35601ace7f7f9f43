"""What a lock holds: all that a run is made from, the machine that it ran on, and what came out.

In go a checked recipe, its plan, its images and the settings of the run; out come facts (`file.py`), which
are compared by name. A folder that has moved changes none of them, a changed pixel or label does.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.output.identity import resolved_hash
from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.backend.fingerprint import kind, library_versions, thread_count
from runtime.data.content_hashes import Hashes
from runtime.data.listing import Listing
from runtime.models.catalog import name_of
from runtime.models.run_weights import trained_facts
from runtime.models.weights_sources import published_file, source_for
from runtime.plan.types import Component, Plan, TeacherPlan
from runtime.runs.folder import write_text, writing
from runtime.runs.lock.file import LOCK, Fact, Facts, Key, Lock, lock_of, lock_text, read_lock
from runtime.runs.lock.problems import LockMismatch
from runtime.runs.pack.signature import is_pack
from runtime.tasks.catalog import METRICS, TASKS
from runtime.tasks.protocol import Task
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import sha256_of
from runtime.weights.safetensors_file import files_of

HASHED = ("weights", "teacher", "data")
"""The sections on the files that a run is made from."""
SUBJECT = ("recipe", "parents", *HASHED)
"""The sections that say what is trained, on what, from what."""
SURROUNDINGS = ("versions", "run")
"""The sections that say with what; with `machine` they are all that may change the rounding."""
INPUTS = (*SUBJECT, *SURROUNDINGS, "machine")
"""All sections but the result."""


def inputs(
    recipe: CheckedRecipe,
    plan: Plan,
    listings: Mapping[str, Listing],
    settings: RunSettings,
    hashes: Hashes,
) -> dict[Key, Fact]:
    """Return all facts but the result. The base's weights have to be on this machine already.

    Raises:
        RecipeError: the weights cannot be read.
    """
    sections: dict[str, Mapping[str, Fact]] = {
        "recipe": {
            "language": VOCABULARY.version,
            "hash": plan.hash,
            "resolved": resolved_hash(recipe, VOCABULARY),
            "seed": plan.seed,
        },
        "parents": dict(_parents(recipe)),
        "weights": _weights(plan.base),
        "teacher": {} if plan.teacher is None else _teacher(plan.teacher),
        **contents(listings, hashes, TASKS[plan.task]),
        "versions": library_versions(),
        "run": {"device": settings.device, "threads": thread_count(), "fuse": "on" if settings.fuse else "off"},
        "machine": kind(),
    }
    return {(section, name): fact for section, facts in sections.items() for name, fact in facts.items()}


def _parents(recipe: CheckedRecipe) -> Iterator[tuple[str, str]]:
    parent = recipe.written.parent
    while parent is not None:
        name = os.path.relpath(parent.source.name, recipe.source.folder)
        yield name, hashlib.sha256(parent.source.text.encode()).hexdigest()
        parent = parent.parent


def contents(listings: Mapping[str, Listing], hashes: Hashes, task: Task) -> dict[str, Mapping[str, Fact]]:
    """Return the sections on the images: the fingerprint, and for each group of each set how many, and a digest.

    The fingerprint is the SHA-256 over (set, id, target, hash of the content, weight where it is not 1) of all samples,
    sorted. Ids are relative to their source: where its folder lies does not matter. A file that cannot be read, which a
    recipe may skip, counts as such. The digest of a group begins that of its own samples: it tells where images differ.
    """
    all_rows: list[str] = []
    sections: dict[str, Mapping[str, Fact]] = {}
    for name, listing in listings.items():
        rows: dict[str, list[str]] = {group: [] for group in task.groups(listing.names)}
        for sample, content in zip(listing.samples, hashes[name], strict=True):
            target = task.text(sample.target, listing.names)
            weight = [] if sample.weight == 1 else [sample.weight]
            row = json.dumps([name, sample.id, target, content.hex() if content else None, *weight])
            rows[task.group(sample.target, listing.names)].append(row)
        sections[f"data.{name}"] = {group: _group_fact(each) for group, each in rows.items()}
        all_rows += [row for each in rows.values() for row in each]
    return {"data": {"fingerprint": _digest(all_rows)}, **sections}


def _group_fact(rows: list[str]) -> str:
    return f"{counted(len(rows), 'image')}, {_digest(rows)[:8]}"


def _digest(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _weights(base: Component) -> dict[str, Fact]:
    row = source_for(base)
    source, path = row.provenance(base)
    facts: dict[str, Fact] = {"name": f"{base.name} {name_of(base)}", "source": source, **row.facts(base)}
    if path is not None and os.path.isfile(path):
        facts |= {
            "file": path.name,
            "sha256": sha256_of(path),
            "size": sum(each.stat().st_size for each in files_of(path)),
        }
    published = published_file(base)
    if published is not None and published.licence:
        facts["licence"] = published.licence
    return facts


def _teacher(teacher: TeacherPlan) -> dict[str, Fact]:
    path: Path = teacher.source.args["path"]
    found: dict[str, Fact] = dict(trained_facts(path, None))
    return {"name": teacher.base, "source": f"{teacher.source.name} {path.name}", **found}


DECIDED = ("threshold", "temperature")
"""What validation decides, and stands among the metrics in a result."""


def outcome(result: Mapping[str, Any], params: Path) -> dict[Key, Fact]:
    """Return the facts of a finished run's result and its `model.params`."""
    facts: dict[Key, Fact] = {("result", "weights"): sha256_of(params)}
    for name in ("valid", "test"):
        facts |= {
            (f"result.{name}", metric): value
            for metric, value in result.get(name, {}).items()
            if metric in METRICS or metric in DECIDED
        }
    tested = [each for each in result["expect"] or () if each["holds"] is not None]
    return facts | {("result.claims", each["claim"]): each["holds"] for each in tested}


def changed_since(resumed: Iterable[Iterable[Sequence[str]]]) -> dict[Key, Fact]:
    """Return facts on what a run that went on had otherwise than when it began, from `RunManifest.resumed`."""
    values: dict[Key, list[str]] = {}
    for name, before, then in (change for changes in resumed for change in changes):
        told = values.setdefault(("resumed", name), [before])
        if told[-1] != then:
            told.append(then)
    return {key: ", then ".join(told) for key, told in values.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is another one now; empty texts where there is none."""

    key: Key
    locked: str
    now: str

    @property
    def name(self) -> str:
        """The name that people see."""
        return shown(f"{self.key[0]}.{self.key[1]}")


def differences(locked: Facts, now: Facts, sections: Sequence[str]) -> list[Difference]:
    """Return what differs in some sections (`data` stands for `data.train` too), in the lock's order.

    The fingerprint of all images is left out where it is said in which class of which set they differ, and a metric
    that the lock does not have: its ftr did not measure it.
    """
    keys = {key for key in {*locked, *now} if key[0].partition(".")[0] in sections}
    keys -= {key for key in keys if key[0] in ("result.valid", "result.test") and key not in locked}
    keys = {key for key in keys if locked.get(key) != now.get(key)}
    if any(section.startswith("data.") for section, _ in keys):
        keys.discard(("data", "fingerprint"))
    return [Difference(key, *_texts(locked, now, key)) for key in sorted(keys)]


def _texts(locked: Facts, now: Facts, key: Key) -> tuple[str, str]:
    """Return both values as people see them, with all digits only where fewer look the same."""
    for short in (True, False):
        old, new = (shown(facts[key], short) if key in facts else "" for facts in (locked, now))
        if old != new:
            break
    return old, new


def refuse(lock: Lock, sections: Sequence[str], now: Facts) -> None:
    """Compare with a lock.

    Raises:
        RecipeError: something differs; a problem for each.
    """
    found = differences(lock.facts, now, sections)
    if found:
        path = lock.source.name
        raise RecipeError(
            [
                LockMismatch(
                    name=each.name,
                    locked=each.locked,
                    now=each.now,
                    path=path,
                    renewable=lock.renewable,
                    span=lock.spans.get(each.key),
                )
                for each in found
            ]
        )


def lock_check(lock: Lock | None) -> Callable[[Facts], None]:
    """Return what refuses a run that differs from a lock; without one nothing does."""
    return lambda facts: None if lock is None else refuse(lock, (*SUBJECT, *SURROUNDINGS), facts)


def keep_lock(recipe: Path, folder: Path) -> str:
    """Write the lock beside a recipe, whose run has ended, where there is none or it has no result; say what was done.

    A lock of something else stays as it is, and a run whose claims do not hold gives none.

    Raises:
        RecipeError: the lock that is there is broken, or none can be written.
    """
    if is_pack(recipe) or recipe.resolve().parent == folder.resolve():  # it has its own, and stays as it is
        return ""
    path, new = lock_of(recipe), read_lock(folder / LOCK)
    old = read_lock(path) if os.path.lexists(path) else None
    changed = differences(old.facts, new.facts, INPUTS) if old else []
    if changed:
        return f"{path} records an earlier state ({_named(changed)} changed since): to verify this one, run `ftr lock`"
    if old and old.has_result:
        differs = differences(old.facts, new.facts, ("result",))
        return f"{'a different result than' if differs else 'the same result, bit for bit, as'} in {path}"
    if False in (fact for (section, _), fact in new.facts.items() if section == "result.claims"):
        return f"{path} is not written: a claim does not hold"
    with writing(path):
        write_text(path, lock_text(new.facts))
    return f"wrote {path}: with it, `ftr verify` and `ftr run --locked` reproduce this run"


def renew_lock(recipe: Path, facts: Facts) -> str:
    """Write the lock beside a recipe anew, and say what has changed. Its result stays when nothing else has.

    Raises:
        OSError: it cannot be written.
    """
    path = lock_of(recipe)
    try:
        old = read_lock(path) if os.path.lexists(path) else None
    except RecipeError:  # to be written anew
        old = None
    if old is None:
        write_text(path, lock_text(facts))
        return f"wrote {path}; the next `ftr run` adds its result"
    changed = differences(old.facts, facts, INPUTS)
    if not changed:
        return f"{path} is up to date" + ("" if old.has_result else "; the next `ftr run` adds its result")
    write_text(path, lock_text(facts))
    lines = [f"  {each.name}: {each.locked or 'none'} -> {each.now or 'none'}" for each in changed]
    return "\n".join([f"renewed {path}; the next `ftr run` adds its result", *lines])


def _named(changed: Sequence[Difference]) -> str:
    names = [each.name for each in changed]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


_LONGEST = 80


def shown(fact: Fact, short: bool = True) -> str:
    """Return a fact as text without control characters; `short` has 12 digits of a hash, 6 of other numbers."""
    if short and isinstance(fact, float):
        return f"{fact:.6g}"
    text = str(fact)
    if short and len(text) == 64 and not set(text) - set("0123456789abcdef"):
        return text[:12]
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
