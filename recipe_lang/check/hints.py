"""What a person meant by a value of the wrong kind: `hint_for(node, type, …) -> Hint`.

Looked up only after a value did not fit its type. Nothing here changes what is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recipe_lang.check import vocabulary as v
from recipe_lang.check.describe import fits
from recipe_lang.check.params import Params
from recipe_lang.source import Source, Span
from recipe_lang.suggest import is_close, suggest, suggest_name
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from recipe_lang.words import listed, suggested


@dataclass(frozen=True, slots=True)
class Hint:
    """A sentence of help; `meant` is the text to write instead where there is no doubt, else empty."""

    text: str = ""
    meant: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: the types that fit there, and the words around it."""

    options: tuple[v.Type, ...]
    vocabulary: v.Vocabulary
    params: Mapping[str, nodes.Node]

    def entries(self) -> Iterator[v.Entry]:
        """Yield what can be called here."""
        for option in self.options:
            if isinstance(option, v.CallOf):
                yield from _entries(option, self.vocabulary)

    def has(self, *kinds: type) -> bool:
        """Whether a type of one of these kinds fits here."""
        return any(isinstance(option, kinds) for option in self.options)


def hint_for(node: nodes.Node, type_: v.Type, vocabulary: v.Vocabulary, params: Params) -> Hint:
    """Say how a value of the wrong kind is written right; empty when nothing is known."""
    options = type_.options if isinstance(type_, v.Either) else (type_,)
    place = _Place(options, vocabulary, params.values)
    return next((hint for way in _WAYS if (hint := way(node, place)).text), Hint())


def literal(span: Span) -> bool:
    """Whether an edit of a place changes this value alone, and not a parameter, whose domain has its kind."""
    return not span.source.line(span.line).lstrip().startswith("param")


def home(name: str, vocabulary: v.Vocabulary) -> str:
    """Say where a field belongs; empty when nowhere."""
    homes = tuple(f"`{kind.name}`" for kind in vocabulary.blocks.values() if name in kind.fields)
    if homes:
        return f"`{name}` is a field of {listed(homes)}: write `{name} = …` there"
    around = tuple(f"`{kind.name}`" for kind in vocabulary.blocks.values() if name in kind.inside)
    if around:
        return f"`{name}` stands inside a block {listed(around)}"
    known = name in vocabulary.fields
    return f"`{name} = …` goes at the top of the recipe, outside the blocks" if known else ""


def holder_of(name: str, type_: v.CallOf, vocabulary: v.Vocabulary) -> str:
    """Say which call takes a name, or one like it, out of its list (`gluoncv("…")`); empty when none does."""
    for closest in (False, True):
        for entry in _entries(type_, vocabulary):
            first = entry.args[0].type if entry.args and entry.positional else None
            if isinstance(first, v.OneOfStrings):
                found = suggest(name, first.options, vocabulary.habits) if closest else name
                if found in first.options:
                    return f'write `{entry.name}("{found}")`'
    return ""


def _entries(type_: v.CallOf, vocabulary: v.Vocabulary) -> list[v.Entry]:
    return [entry for name in type_.families for entry in vocabulary.families[name].entries.values()]


# --- the ways to be wrong, the likelier first ---------------------------------------------------


def _parameter(node: nodes.Node, place: _Place) -> Hint:
    if isinstance(node, nodes.Name) and node.value in place.params:
        return Hint(f"the parameter is `${node.value}`", f"${node.value}")
    return Hint()


def _in_quotes(node: nodes.Node, place: _Place) -> Hint:
    if not isinstance(node, nodes.Text):
        return Hint()
    inner = _unquoted(node)
    if any(fits(inner, option, place.vocabulary) for option in place.options):
        return Hint(f"write it without the quotes: `{node.value}`", node.value)
    return Hint()


def _call_in_quotes(node: nodes.Node, place: _Place) -> Hint:
    names = [entry.name for entry in place.entries()]
    near = suggest_name(node.value, names, place.vocabulary.habits) if isinstance(node, nodes.Text) else ""
    return Hint(f"write `{near}`") if near else Hint()


def _truth(node: nodes.Node, place: _Place) -> Hint:
    if isinstance(node, nodes.Number) and place.has(v.Truth):
        word = "true" if node.value else "false"
        return Hint(f"write `{word}`", word)
    return Hint()


def _no_list(node: nodes.Node, place: _Place) -> Hint:
    for option in place.options:
        if isinstance(option, v.ListOf) and fits(node, option.item, place.vocabulary):
            copies = option.least if isinstance(option.item, v.Number) else 1
            text = f"[{', '.join([node.span.text] * copies)}]"
            return Hint(f"write a list: `{text}`", "" if isinstance(node, nodes.Name) and _needs(node, place) else text)
        if isinstance(option, v.ListOf) and isinstance(option.item, v.CallOf):
            names = [entry.name for entry in _entries(option.item, place.vocabulary)]
            word = node.name if isinstance(node, nodes.Call) else node.value if isinstance(node, nodes.Name) else ""
            near = suggest(word, names, place.vocabulary.habits) if word else ""
            if near in names:
                return Hint(f"write a list: `[{node.span.text.replace(word, near, 1)}]`")
    return Hint()


def _needs(name: nodes.Name, place: _Place) -> bool:
    """Whether a name is that of a call with arguments that must be written."""
    items = _Place(tuple(each.item for each in place.options if isinstance(each, v.ListOf)), place.vocabulary, {})
    return any(arg.default is v.REQUIRED for entry in items.entries() if entry.name == name.value for arg in entry.args)


def _list(node: nodes.Node, place: _Place) -> Hint:
    if not isinstance(node, nodes.List) or not node.items:
        return Hint()
    first, last = node.items[0], node.items[-1]
    for option in place.options:
        if isinstance(option, v.RangeOf) and len(node.items) == 2 and isinstance(first, nodes.Number):
            text = f"{first.span.text} .. {last.span.text}"
            return Hint(f"write a range: `{text}`", text)
        if isinstance(option, v.Number) and isinstance(first, nodes.Number):
            text = first.span.text + (option.unit if option.unit == "px" and first.unit is None else "")
            return Hint(f"write one number: `{text}`")
        if fits(first, option, place.vocabulary) and len(node.items) == 1:
            return Hint(f"write it without the brackets: `{first.span.text}`", first.span.text)
    return Hint()


def _range(node: nodes.Node, place: _Place) -> Hint:
    if not isinstance(node, nodes.Number) or not place.has(v.RangeOf):
        return Hint()
    ends = re.fullmatch(r"([0-9.]+)\s*-\s*([0-9.]+)", node.span.text)
    if ends:
        text = f"{ends[1]} .. {ends[2]}"
        return Hint(f"write a range: `{text}`", text)
    if re.fullmatch(r"[0-9.]+", node.span.text):
        return Hint(f"write a range: `{node.span.text} .. {max(1, node.value):g}`")
    return Hint()


def _map(node: nodes.Node, place: _Place) -> Hint:
    if any(isinstance(option, v.MapOf) and isinstance(option.key, v.Select) for option in place.options):
        return Hint("name the parts: `{ base.block3 = 0.1, head = 1 }`")
    if isinstance(node, nodes.Map):
        entry = next(place.entries(), None)
        return Hint(f"arguments go in round brackets: `{entry.name}(…)`") if entry else Hint()
    return Hint()


def _first_argument(node: nodes.Node, place: _Place) -> Hint:
    if not isinstance(node, nodes.Text | nodes.Number):
        return Hint()
    near = ""
    for entry in place.entries():
        first = entry.args[0].type if entry.args and entry.positional else None
        if first is not None and fits(node, first, place.vocabulary):
            if not isinstance(first, v.OneOfStrings):
                near = near or f"write `{entry.name}({node.span.text})`"
                continue
            if node.value in first.options:
                return Hint(f"write `{entry.name}({node.span.text})`")
            found = suggest(str(node.value), first.options, place.vocabulary.habits)
            near = near or (found and f'write `{entry.name}("{found}")`')
    return Hint(near)


def _only_entry(node: nodes.Node, place: _Place) -> Hint:
    entries = list(place.entries())
    if len(entries) != 1 or not isinstance(node, nodes.Number):
        return Hint()
    for arg in entries[0].args:
        if isinstance(arg.type, v.Duration):
            count = node.span.text if node.unit else f"{node.value:g} epoch{'' if node.value == 1 else 's'}"
            return Hint(f"write `{entries[0].name}({arg.name} = {count})`")
    return Hint()


_STRINGS = (v.Text, v.FilePath, v.OneOfStrings)


def _no_quotes(node: nodes.Node, place: _Place) -> Hint:
    is_bare = isinstance(node, nodes.Name | nodes.Arithmetic | nodes.Negative) and '"' not in node.span.text
    if is_bare and place.has(*_STRINGS):
        text = f'"{node.span.text}"'
        return Hint(f"write it in quotes: `{text}`", text)
    return Hint()


def _dotted(node: nodes.Node, place: _Place) -> Hint:
    """`gluoncv.resnet18_v1b` and `optim.Adam`: a call in another language's words."""
    if not isinstance(node, nodes.Name) or "." not in node.value:
        return Hint()
    zoo, _, name = node.value.rpartition(".")
    for option in place.options:
        if isinstance(option, v.CallOf):
            holder = holder_of(name, option, place.vocabulary)
            if holder.startswith(f"write `{zoo}("):
                return Hint(holder)
    names = [entry.name for entry in place.entries()]
    near = suggest(name, names, place.vocabulary.habits)
    return Hint(f"write `{near}`") if near in names else Hint()


def _word(node: nodes.Node, place: _Place) -> Hint:
    if isinstance(node, nodes.Name):
        near = suggest(
            node.value, [word for option in place.options for word in _words(option)], place.vocabulary.habits
        )
        return Hint(suggested(near), near if is_close(node.value, near) else "")
    if isinstance(node, nodes.Call):
        return Hint(suggested(suggest(node.name, (), place.vocabulary.habits)))
    return Hint()


_WAYS = (
    _parameter,
    _in_quotes,
    _truth,
    _no_list,
    _list,
    _range,
    _map,
    _first_argument,
    _call_in_quotes,
    _only_entry,
    _dotted,
    _no_quotes,
    _word,
)


def _words(type_: v.Type) -> tuple[str, ...]:
    match type_:
        case v.Word(options):
            return tuple(options)
        case v.Truth():
            return ("true", "false")
        case v.NothingType():
            return ("none",)
    return ()


def _unquoted(text: nodes.Text) -> nodes.Node:
    """Return the value that a string's text would be without the quotes; the string itself where it is none."""
    recipe = parse(Source("", f"x = {text.value[:_SHORT]}"))
    item = recipe.items[0] if len(recipe.items) == 1 and not recipe.problems else None
    return item.value if isinstance(item, nodes.Field) else text


_SHORT = 80  # characters; nobody quotes a longer value by mistake
