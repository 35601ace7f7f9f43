"""What `ftr explain` says: every name of the vocabulary and every code of an error, from their tables."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping

from recipe_lang import errors, parent_problems, vocabulary
from recipe_lang.diagnostics import Problem
from recipe_lang.suggest import suggest
from recipe_lang.wording import describe
from runtime import plan_problems, run_problems
from runtime.data import problems as data_problems
from runtime.vocabulary import VOCABULARY, rules
from runtime.weights import problems as weights_problems

_MODULES = (errors, parent_problems, rules, data_problems, weights_problems, plan_problems, run_problems)


def codes() -> dict[str, type[Problem]]:
    """Return every kind of problem by its code."""
    found = {}
    for module in _MODULES:
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Problem) and kind.code:
                found[kind.code] = kind
    return dict(sorted(found.items()))


def explain_word(word: str) -> str:
    """Return the documentation of a name or a code; a text that begins with `nothing` when there is none."""
    if word.upper() in codes():
        kind = codes()[word.upper()]
        return f"{kind.code}\n\n{textwrap.fill(' '.join(inspect.getdoc(kind).split()), 90)}"  # type: ignore[union-attr]
    found = [text for name, text in _documented() if name == word]
    if found:
        return "\n\n".join(found)
    near = suggest(word, {name for name, _ in _documented()} | set(codes()), VOCABULARY.habits)
    return f"nothing is called `{word}`" + (f"; {errors.suggested(near)}" if near else "")


def list_words() -> str:
    """Return all names by family, and all codes."""
    lines = ["fields   " + _wrapped(VOCABULARY.fields), "blocks   " + _wrapped(VOCABULARY.blocks)]
    for block in VOCABULARY.blocks.values():
        if block.fields:
            lines.append(f"  {block.name}: {_wrapped(block.fields)}")
    for family in VOCABULARY.families.values():
        lines.append(f"{family.name}: {_wrapped(family.entries)}")
    lines.append(f"metrics: {_wrapped(VOCABULARY.metrics)}")
    lines.append(f"codes: {_wrapped(codes())}")
    return "\n".join(lines)


def _wrapped(names: Mapping[str, object]) -> str:
    return "\n    ".join(textwrap.wrap(", ".join(names), 84))


def _documented() -> Iterator[tuple[str, str]]:
    for arg in VOCABULARY.fields.values():
        yield arg.name, f"{arg.name}: a field of the recipe\n{_argument(arg)}"
    for block in VOCABULARY.blocks.values():
        fields = "\n".join(f"  {arg.name}\n{_argument(arg)}" for arg in block.fields.values())
        yield block.name, f"{block.name}: a block\n  {block.doc}\n{fields}"
        for arg in block.fields.values():
            yield arg.name, f"{arg.name}: a field of `{block.name}`\n{_argument(arg)}"
    for family in VOCABULARY.families.values():
        for entry in family.entries.values():
            args = "\n".join(f"  {arg.name}\n{_argument(arg)}" for arg in entry.args)
            source = f"\n  Source: {entry.source}." if entry.source else ""
            yield entry.name, f"{entry.name}: {family.noun}\n  {entry.doc}{source}\n{args}".rstrip()
    for name, doc in VOCABULARY.metrics.items():
        yield name, f"{name}: a metric, written as `valid.{name}` or `test.{name}`\n  {doc}"


def _argument(arg: vocabulary.Arg) -> str:
    lines = [f"    {arg.doc}", f"    Takes {describe(arg.type, VOCABULARY)}."]
    if arg.default is not vocabulary.REQUIRED:
        lines.append(f"    Default: {default_text(arg)}.")
    return "\n".join(lines)


def default_text(arg: vocabulary.Arg) -> str:
    """Return an argument's default as recipe text."""
    default = arg.default
    if isinstance(default, vocabulary.Default):
        return default.text
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return " .. ".join(f"{value:g}" for value in default)
    return f"{default:g}" if isinstance(default, float) else str(default)
