"""The text of a lock: sections of `name = value`, sorted, a fact a line, so that two versions differ where facts do.

In goes a lock's facts, out comes its text, and the other way round. The text is plain TOML; what is read of TOML is
what is written here: strings in JSON's form, numbers, true and false. Nothing read runs code.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import TypeAlias

from recipe_lang.problem import RecipeError
from recipe_lang.source import Source, Span
from recipe_lang.syntax.parser import decode_source, read_bytes
from runtime.runs.lock.problems import BrokenLock, NoLock
from runtime.runs.pack.file import MEMBERS, opened
from runtime.runs.pack.signature import is_pack
from runtime.training.settings import MOST_THREADS

Fact: TypeAlias = "str | int | float | bool"
Key: TypeAlias = "tuple[str, str]"  # the section, the name in it
Facts: TypeAlias = Mapping[Key, Fact]

LOCK = "recipe.ftr.lock"
"""The name of the lock in a run folder."""
_MOST_BYTES = MEMBERS[LOCK].most
_FORMAT = 1
_HEADER = "# Written by ftr: what a run was made from, and its result. `ftr verify` compares, `ftr lock` renews it."
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECTION = re.compile(r"\[([a-z]+(?:\.[a-z]+)*)\]")
_STRING = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
_LINE = re.compile(rf"([A-Za-z0-9_-]+|{_STRING}) = ({_STRING}|true|false|-?\d[\d.eE+-]{{0,30}})")


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as it was read: its facts, and where each stands."""

    source: Source
    facts: Facts
    spans: Mapping[Key, Span] = field(repr=False)
    renewable: bool = True  # that of a run or of a pack stays as it is

    @property
    def has_result(self) -> bool:
        """Whether a run has ended with it."""
        return ("result", "weights") in self.facts

    @property
    def instructions(self) -> Fact | None:
        """The level of instructions that its run computed with, as `runtime.system.cpu` has it."""
        return self.facts.get(("machine", "instructions"))

    def broken(self, key: Key, reason: str) -> RecipeError:
        """Return the error for a fact that cannot be."""
        return RecipeError(BrokenLock(path=self.source.name, reason=reason, span=self.spans.get(key)))

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a setting of the run that is one of some words.

        Raises:
            RecipeError: it is another one.
        """
        found = self.facts.get(("run", name))
        if found not in choices:
            raise self.broken(("run", name), f"`run.{name}` is not {' or '.join(choices)}")
        return str(found)

    def threads(self) -> int:
        """Return the number of threads of the run.

        Raises:
            RecipeError: it is no number that a run can have.
        """
        found = self.facts.get(("run", "threads"))
        if type(found) is not int or not 1 <= found <= MOST_THREADS:
            raise self.broken(("run", "threads"), f"`run.threads` is not a number from 1 to {MOST_THREADS}")
        return found


def lock_text(facts: Facts) -> str:
    """Return the text of a lock, the same for the same facts."""
    lines = [_HEADER, f"lock = {_FORMAT}"]
    for section, keys in groupby(sorted(facts), key=lambda key: key[0]):
        lines += ["", f"[{section}]"]
        lines += [f"{_name(key[1])} = {_value(facts[key])}" for key in keys]
    return "\n".join([*lines, ""])


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(fact: Fact) -> str:
    if isinstance(fact, float) and not math.isfinite(fact):
        fact = str(fact)
    return json.dumps(fact, ensure_ascii=False).replace("\x7f", "\\u007f")


def lock_of(recipe: Path) -> Path:
    """Return the path of the lock beside a recipe."""
    return recipe.with_name(f"{recipe.name}.lock")


def existing_lock(path: Path) -> Lock:
    """Read the lock beside a recipe, or in the folder of a run or its pack.

    Raises:
        RecipeError: there is none, or it is broken.
    """
    if is_pack(path):
        with opened(path) as content:
            if not os.path.exists(content / LOCK):
                raise RecipeError(NoLock(path=str(path / LOCK), recipe=""))
            lock = read_lock(content / LOCK, str(path / LOCK))
            facts = {key: fact for key, fact in lock.facts.items() if key[0] != "parents"}
            return replace(lock, facts=facts, renewable=False)  # its recipe is one text, with its parents in it
    folder = os.path.isdir(path)
    place = path / LOCK if folder else lock_of(path)
    if not os.path.exists(place):
        if not folder:
            read_bytes(path)  # which says when there is no such recipe either
        raise RecipeError(NoLock(path=str(place), recipe="" if folder else quote(str(path))))
    return replace(read_lock(place), renewable=not folder)


def read_lock(path: Path, name: str = "") -> Lock:
    """Read a lock that may come from somebody else; people see the path, or the name that is given for it.

    Raises:
        RecipeError: it cannot be read, is longer than 8 MB, or a line of it is not as `lock_text` writes it.
    """
    source = decode_source(read_bytes(path, most=_MOST_BYTES), name or str(path), _MOST_BYTES)
    facts: dict[Key, Fact] = {}
    spans: dict[Key, Span] = {}
    section, at = "", 0
    for line in source.text.split("\n"):
        span, text = source.span(at, at + len(line.rstrip())), line.rstrip()
        at += len(line) + 1
        if not text or text.startswith("#"):
            continue
        if opened := _SECTION.fullmatch(text):
            section = opened[1]
            continue
        try:
            key, fact = _fact(section, text)
            if key in facts:
                raise ValueError("a second value of one name")
        except (ValueError, RecursionError) as error:
            raise RecipeError(BrokenLock(path=source.name, reason=_shown(error), span=span)) from None
        facts[key], spans[key] = fact, span
    if facts.pop(("", "lock"), None) != _FORMAT or any(not section for section, _ in facts):
        reason = f"it does not begin with `lock = {_FORMAT}`, or a newer ftr wrote it"
        raise RecipeError(BrokenLock(path=source.name, reason=reason, span=source.span(0, 0)))
    return Lock(source, facts, spans)


def _fact(section: str, text: str) -> tuple[Key, Fact]:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError("this is not `name = value`")
    name = json.loads(found[1]) if found[1].startswith('"') else found[1]
    fact: Fact = json.loads(found[2])
    return (section, name), fact


def _shown(error: Exception) -> str:
    return "this is not a value" if isinstance(error, json.JSONDecodeError) else str(error)
