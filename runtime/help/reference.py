"""The language reference, from the vocabulary's tables: `python -m runtime.help.reference > docs/reference.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recipe_lang.check.describe import describe
from recipe_lang.check.vocabulary import Arg, Entry
from recipe_lang.words import listed
from runtime.help import index as places
from runtime.help import keywords as glossary
from runtime.help.codes import FAMILIES, codes, reason
from runtime.help.examples import Example, examples_of
from runtime.help.explain import PLACES, default_phrase, stands
from runtime.vocabulary import VOCABULARY


def reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference of the vocabulary"
    yield ""
    yield "Generated from the tables by `python -m runtime.help.reference`; `ftr explain WORD` says the same."
    yield "The rules: [language.md](language.md). The networks of the zoos: [bases.md](bases.md)."
    yield from ("", "## Words of the language")
    for term in glossary.TERMS:
        yield from ("", f"### `{term.word}`", "", f"{term.kind.capitalize()}. {term.doc}", *_code(term.examples))
    yield from ("", "## Fields of a recipe", "")
    yield from _table(VOCABULARY.fields.values())
    for block in VOCABULARY.blocks.values():
        header = f'`{block.name} "title" {{ }}`' if block.titled else f"`{block.name} {{ }}`"
        yield from ("", f"## {header}", "", block.doc, *_code(block.examples))
        if block.fields:
            yield ""
            yield from _table(block.fields.values())
        for inner in block.inside.values():
            own = listed(tuple(f"`{name}`" for name in inner.fields), "and")
            doc = (
                f"{inner.doc} It takes {own}, as the block `{block.name}` does; what it does not write stays as it was."
            )
            yield from ("", f"### `{inner.name} 8 epochs {{ }}`", "", doc, *_code(inner.examples))
    for family in VOCABULARY.families.values():
        uses = listed(places.uses(family.name), "and")
        yield from ("", f"## {family.name.capitalize()}", "", f"What can be used in {uses}.")
        for entry in family.entries.values():
            yield from _entry(entry)
    yield from ("", "## Metrics", "", "Written with their set: `valid.accuracy`, `test.f1`.", "")
    yield from ("| metric | |", "|---|---|")
    for name, metric in VOCABULARY.metrics.items():
        yield f"| `{name}` | {' '.join(filter(None, (metric.doc, stands(metric.only))))} |"
    yield from ("", "## Codes")
    for name in FAMILIES:
        yield from _family(name)


def _entry(entry: Entry) -> Iterator[str]:
    source_text = f"Source: {entry.source}." if entry.source else ""
    yield from ("", f"### `{entry.name}`", "", " ".join(filter(None, (entry.doc, stands(entry.only), source_text))))
    if entry.formula:
        letters, _, equations = entry.formula.partition("\n")
        yield from ("", "```text", equations, "```", "", f"With {letters}.")
    if entry.args:
        yield ""
        yield from _table(entry.args)
    yield from _code(entry.examples)


def _table(args: Iterable[Arg]) -> Iterator[str]:
    yield "| name | takes | default | |"
    yield "|---|---|---|---|"
    for arg in args:
        words = "".join(f" `{word}`: {doc}" for options in places.words_of(arg.type) for word, doc in options.items())
        takes = _cell(describe(arg.type, VOCABULARY))
        yield f"| `{arg.name}` | {takes} | {default_phrase(arg)} | {_cell(arg.doc + words)} |"


def _family(name: str) -> Iterator[str]:
    yield from ("", f"### {name}xx: {FAMILIES[name].title}")
    examples = examples_of(name)
    for code, kind in codes(name).items():
        yield from ("", f"#### {code}: {kind.title}", "", reason(kind))
        if kind.source:
            yield from ("", f"Source: {kind.source}.")
        if code in examples:
            yield from _example(examples[code])


def _example(example: Example) -> Iterator[str]:
    if example.given:
        yield from ("", example.given)
    for word, text in (("Wrong", example.wrong), ("Right", example.right)):
        yield from ("", f"{word}{PLACES[example.inside]}:", *_code((text,)))


def _code(texts: tuple[str, ...]) -> Iterator[str]:
    if texts:
        apart = "\n\n" if any("\n" in text for text in texts) else "\n"
        yield from ("", "```text", apart.join(texts), "```")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
