"""The language reference, from the vocabulary's tables: `python -m runtime.reference > docs/reference.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from recipe_lang.vocabulary import REQUIRED, Arg
from recipe_lang.wording import describe
from runtime.explain import codes, default_text
from runtime.vocabulary import VOCABULARY


def reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference of the vocabulary"
    yield ""
    yield "Generated from the tables by `python -m runtime.reference`. The rules: [language.md](language.md)."
    yield "The networks of the zoos: [bases.md](bases.md)."
    yield from ("", "## Fields of a recipe", "")
    yield from _table(VOCABULARY.fields.values())
    for block in VOCABULARY.blocks.values():
        title = f'`{block.name} "title" {{ }}`' if block.titled else f"`{block.name} {{ }}`"
        yield from ("", f"## {title}", "", block.doc)
        if block.fields:
            yield ""
            yield from _table(block.fields.values())
    for family in VOCABULARY.families.values():
        yield from ("", f"## {family.name.capitalize()}")
        for entry in family.entries.values():
            source = f" Source: {entry.source}." if entry.source else ""
            yield from ("", f"### `{entry.name}`", "", f"{entry.doc}{source}")
            if entry.args:
                yield ""
                yield from _table(entry.args)
    yield from ("", "## Metrics", "", "Written with their set: `valid.accuracy`, `test.f1`.", "")
    yield from ("| metric | |", "|---|---|")
    yield from (f"| `{name}` | {doc} |" for name, doc in VOCABULARY.metrics.items())
    yield from ("", "## Codes", "", "| code | |", "|---|---|")
    yield from (f"| {code} | {_cell(inspect.getdoc(kind) or '')} |" for code, kind in codes().items())


def _table(args: Iterable[Arg]) -> Iterator[str]:
    yield "| name | takes | default | |"
    yield "|---|---|---|---|"
    for arg in args:
        default = "required" if arg.default is REQUIRED else f"`{default_text(arg)}`"
        yield f"| `{arg.name}` | {_cell(describe(arg.type, VOCABULARY))} | {default} | {_cell(arg.doc)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
