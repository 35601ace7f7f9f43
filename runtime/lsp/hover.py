"""What a word of a recipe means, at its place: `hover(reading, offset) -> Hover`.

The word's place decides: `train` in a stage is another field than in the data. Problems at the place are explained too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipe_lang.check import vocabulary as v
from recipe_lang.check.quantities import quantity_text
from recipe_lang.source import Span
from recipe_lang.syntax import nodes
from runtime.help import networks
from runtime.help.codes import reason
from runtime.lsp.cursor import Cursor, Token, cursor, token_at
from runtime.lsp.documentation import argument_doc, page_on, pages_on, part_doc
from runtime.lsp.expected import Expected, entry, expected
from runtime.lsp.reading import Reading, base, findings, params, values
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Hover:
    """A text in Markdown and the characters that it speaks of."""

    text: str
    span: Span


def hover(reading: Reading, offset: int) -> Hover | None:
    """Return what is known of the word at a place and of the problems there; None where there is nothing to say."""
    source = reading.source
    token = None if source.is_json else token_at(source.text, offset)
    span = source.span(token.start, token.end) if token else source.span(offset, offset)
    texts = [] if token is None else [_word(reading, token)]
    for found in findings(reading):
        if found.span.start <= offset < found.span.end:
            texts.append(f"**{found.problem.code}**: {reason(found.problem.kind)}")
    text = "\n\n---\n\n".join(filter(None, texts))
    return Hover(text, span) if text else None


def _word(reading: Reading, token: Token) -> str:
    """Return what a token means; empty where nothing is known of it."""
    position = cursor(reading.source.text, token.start)
    wanted = expected(position)
    if position.typed is not None:  # in a comment
        return ""
    if token.kind == "param":
        return _param(reading, token.text[1:])
    if token.kind == "string":
        is_network = any(isinstance(type_, v.OneOfStrings) for type_ in wanted.types)
        name = token.text.strip('"')
        return pages_on(name) if is_network and name in networks.all_names() else ""
    if token.kind == "number":
        return ""
    if not position.statement:
        return _first_word(token.text, position, wanted)
    if position.statement[0].text == "param" and len(position.statement) == 1:
        return _param(reading, token.text)
    following = reading.source.text[token.end :].lstrip()
    if wanted.names and token.text in wanted.names and following.startswith("="):
        return f"**{token.text}**: an argument of `{wanted.of}`\n\n{argument_doc(wanted.names[token.text])}"
    return next(filter(None, _values(reading, token.text, position, wanted)), "")


def _first_word(name: str, position: Cursor, wanted: Expected) -> str:
    """Explain the first word of a statement."""
    if name in (wanted.names or {}):
        block = VOCABULARY.every_block().get(wanted.of)
        around = (of for of, kind in VOCABULARY.blocks.items() if wanted.of in kind.inside)
        home = next(around, (block.defaults_for or block.name) if block else "")
        return page_on(name, f"a field of {f'`{home}`' if home else 'the recipe'}")
    if position.block is None or name in VOCABULARY.every_block():
        return page_on(name, "a block") or page_on(name, "a statement")
    return page_on(name.rpartition(".")[2], "a metric")


def _values(reading: Reading, name: str, position: Cursor, wanted: Expected) -> Iterator[str]:
    """Yield what a word in a value may mean, the likeliest first."""
    for type_ in wanted.types:
        match type_:
            case v.Word(options) if name in options:
                yield f"**{name}**: {options[name]}"
            case v.MetricOf():
                yield page_on(name.rpartition(".")[2], "a metric")
            case v.Select():
                text = part_doc(name, *base(reading.recipe))
                yield f"**{name}**: {text}" if text else ""
    if position.before is not None and position.before.kind == "number":
        yield page_on(name, "a unit")
    found = entry(name, wanted.types)
    if found:
        yield page_on(name, found[0].noun)
    for kind in ("a selector", "a value", "part of a parameter's declaration"):
        yield page_on(name, kind)


def _param(reading: Reading, name: str) -> str:
    """Return a parameter's declaration and value; empty for an unknown one."""
    param = params(reading.recipe).get(name)
    if param is None:
        return ""
    value = values(reading.recipe).get(name)
    lines = [f"```ftr\n{param.span.text}\n```"]
    if value is not None and not isinstance(param.default, nodes.Number | nodes.Text | nodes.Name):
        lines.append(f"Its value is `{quantity_text(value)}`.")
    if param.domain is not None:
        lines.append(f"Its domain is `{param.domain.span.text}`.")
    if param.span.source.name != reading.source.name:
        lines.append(f"Declared in `{param.span}`.")
    return "\n\n".join(lines)
