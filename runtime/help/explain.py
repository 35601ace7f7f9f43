"""What `ftr explain` says: pages on every name that a recipe can hold and on every code, from their tables.

In goes a word, out come its pages, one for each of its meanings; `list_words` names all words by family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from recipe_lang.check import vocabulary as v
from recipe_lang.check.describe import describe
from recipe_lang.suggest import habit_of, respelled
from recipe_lang.words import listed
from runtime.help import codes, networks
from runtime.help import index as places
from runtime.help import keywords as glossary
from runtime.help import lookup as asked
from runtime.help.text_page import Code, Page, Prose, Terms, render_page, wrapped
from runtime.tasks.catalog import METRICS
from runtime.vocabulary import VOCABULARY

_CODE = re.compile(r"[EW]\d{3}", re.IGNORECASE)
_CODES = re.compile(r"([EW]\d{1,2})x*", re.IGNORECASE)  # the beginning of some: `E2`, `E2xx`
_SHOWN = 6  # names that are offered


def explain_word(word: str, width: int = 100) -> tuple[str, bool]:
    """Return the documentation of a word, and whether there is any; else the text says what may be meant.

    A word of another tool has some as well: what stands for it here. So has what the program prints around a name.
    """
    found = list(pages(word)) or list(pages(asked.bare(word))) or list(_code_lists(asked.bare(word)))
    if found:
        return "\n\n".join(render_page(page, width) for page in found), True
    names, advice = _habit(asked.bare(word))
    if names or advice:
        here = f"is called {_listed(names, 'or')} here" if names else "is a word of other tools"
        text = wrapped(f"`{word}` {here}{f': {advice}' if advice else ''}.", width)
        return "\n\n".join([text, *(render_page(page, width) for name in names for page in pages(name))]), True
    return f"nothing is called `{word}`: {_instead(asked.bare(word))}", False


def pages(word: str) -> Iterator[Page]:
    """Yield the pages on a word; none when it has no meaning in a recipe."""
    if _CODE.fullmatch(word):
        yield from _problems(word.upper())
        return
    for find in (_terms, _blocks, _fields, _entries, _arguments, _words, _metrics, networks.pages):
        yield from find(word)


def list_words(width: int = 100) -> str:
    """Return all names by family, without the arguments, and the families of codes: an index of a screen or two."""
    families: dict[str, Iterable[str]] = {
        "language": (term.word for term in glossary.TERMS),
        "blocks": VOCABULARY.every_block(),
        **{f"in {where}": fields for where, fields in places.field_tables().items()},
        **{family.name: family.entries for family in VOCABULARY.families.values()},
        "words": dict.fromkeys(word for *_, word, _ in places.words()),
        "metrics": VOCABULARY.metrics,
        "networks": ("`ftr explain gluoncv`, `gluon`, `timm` and `packaged` list them",),
    }
    rows = tuple((name, (", ".join(words),)) for name, words in families.items())
    numbers = tuple((f"{name}xx", (family.title,)) for name, family in codes.FAMILIES.items())
    pages = (
        Page("Names: `ftr explain NAME` says more", (Terms(rows),)),
        Page("Codes of errors and advice: `ftr explain E5xx` lists those of a family", (Terms(numbers),)),
    )
    return "\n\n".join(render_page(page, width) for page in pages)


def default_text(arg: v.Arg) -> str:
    """Return an argument's default as recipe text."""
    default = arg.default
    if isinstance(default, v.Default):
        return default.text
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return " .. ".join(f"{value:g}" for value in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def default_phrase(arg: v.Arg) -> str:
    """Return an argument's default, and those of certain words: "`cross_entropy`; with `task = …`: `huber`"."""
    others = {f"; with `{field} = {word}`: ": by for (field, word), by in arg.by.items() if by != arg.default}
    texts = {
        where: "required" if default is v.REQUIRED else f"`{default_text(replace(arg, default=default))}`"
        for where, default in {"": arg.default, **others}.items()
    }
    return "".join(where + text for where, text in texts.items())


def stands(only: Iterable[v.Condition]) -> str:
    """Return the sentence on what stands beside certain words only; empty where it stands beside all."""
    conditions = tuple(f"`{field} = {word}`" for field, word in sorted(only))
    return f"Only with {listed(conditions)}." if conditions else ""


# --- pages on one kind of word each -----------------------------------------------------------


def _terms(word: str) -> Iterator[Page]:
    part = word.removeprefix("base.")
    is_block = re.fullmatch(r"block\d+", part) is not None
    bases = networks.with_part(part) if is_block else []
    if bases or not is_block:
        for term in glossary.of(word):
            title = f"{part if bases else term.word}: {term.kind}"
            yield Page(title, (Prose(term.doc), *_prose(_few(part, bases)), *_examples(term.examples)))


def _few(part: str, bases: list[str]) -> str:
    """Say which networks have a block that not all have."""
    count = len(networks.with_part("stem"))
    names = f": {_listed(bases)}" if len(bases) <= 15 else ""
    return f"`base.{part}` is a part of {len(bases)} of the {count} networks{names}." if 0 < len(bases) < count else ""


def _blocks(word: str) -> Iterator[Page]:
    blocks = VOCABULARY.every_block()
    if word in blocks:
        block = blocks[word]
        fields = blocks[block.defaults_for or word].fields
        default = "as it was before" if block.begins is not None else ""
        table = _table("Fields", fields.values(), default)
        yield Page(f"{word}: a block", (Prose(block.doc), *table, *_examples(block.examples)))


def _fields(word: str) -> Iterator[Page]:
    block, _, name = word.rpartition(".")
    for where, fields in places.field_tables().items():
        if name in fields and block in ("", where.strip("`")):
            arg = fields[name]
            yield Page(f"{name}: a field of {where}", (*_argument(arg), *_examples(arg.examples)))


def _entries(word: str) -> Iterator[Page]:
    for family, entry in places.entries():
        if entry.name == word:
            parts = (
                Prose(entry.doc),
                *_prose(stands(entry.only)),
                *_formula(entry.formula),
                *_table("Arguments", entry.args),
                *_examples(entry.examples),
                *_prose(", ".join(networks.names(word)), "Networks"),
                Prose(f"Used in {listed(places.uses(family.name), 'and')}."),
                *_prose(f"Source: {entry.source}." if entry.source else ""),
            )
            yield Page(f"{word}: {family.noun}", parts)


def _arguments(word: str) -> Iterator[Page]:
    call, _, name = word.rpartition(".")
    for arg, calls in places.shared_arguments():
        if arg.name == name and call in ("", *calls):
            yield Page(f"{name}: an argument of {_listed(calls)}", _argument(arg))


def _words(word: str) -> Iterator[Page]:
    found: dict[tuple[str, str], tuple[v.Arg, dict[str, None]]] = {}
    for where, arg, name, doc in places.words():
        if name == word:
            found.setdefault((arg.name, doc), (arg, {}))[1][where] = None
    for (name, doc), (arg, where_all) in found.items():
        title = f"{word}: a word of `{name}` of {listed(tuple(where_all), 'and')}"
        yield Page(title, (Prose(doc), *_examples(tuple(text for text in arg.examples if word in text))))


def _metrics(word: str) -> Iterator[Page]:
    set_name, _, name = word.rpartition(".")
    if name in VOCABULARY.metrics and set_name in ("", *VOCABULARY.sets):
        where = "Written with its set, in `expect`, in `monitor` and in `early`."
        metric = VOCABULARY.metrics[name]
        examples = _examples(tuple(text for text, _ in metric_examples(name)))
        yield Page(f"{name}: a metric", (Prose(metric.doc), *_prose(stands(metric.only)), Prose(where), *examples))


def metric_examples(name: str) -> tuple[tuple[str, str], ...]:
    """Return examples of a metric, each with where it stands, as in `Example.inside`."""
    claim = f"expect {{\n  valid.{name} {METRICS[name].example}\n}}"
    return ((f"monitor = valid.{name}", "stage"), (claim, "recipe"))


def _problems(code: str) -> Iterator[Page]:
    family = code[:2]
    kind = codes.codes(family).get(code) if family in codes.FAMILIES else None
    if kind is None:
        return
    from runtime.help.examples import examples_of

    parts: list[Prose | Code] = [Prose(codes.reason(kind))]
    parts += _prose(f"Source: {kind.source}." if kind.source else "")
    example = examples_of(family).get(code)
    if example is not None:
        place = PLACES[example.inside]
        parts += _prose(f"Example: {example.given}" if example.given else "")
        parts += (Code(example.wrong, f"Wrong{place}"), Code(example.right, f"Right{place}"))
    yield Page(f"{code}: {kind.title}", tuple(parts))


PLACES = {
    "file": ", a whole recipe",
    "json": ", a recipe as JSON",
    "recipe": "",
    "data": ", in the `data` block",
    "stage": ", in a stage",
    "shell": ", on the command line",
    "python": ", in Python",
}
"""Where an example stands, in words that follow a heading."""


# --- their parts ------------------------------------------------------------------------------


def _argument(arg: v.Arg) -> tuple[Prose | Terms, ...]:
    default = "" if arg.must_be_written else f" Default: {default_phrase(arg)}."
    words = (Terms(tuple((word, (doc,)) for word, doc in options.items())) for options in places.words_of(arg.type))
    return (Prose(arg.doc), Prose(f"Takes {describe(arg.type, VOCABULARY)}.{default}"), *words)


def _table(heading: str, args: Iterable[v.Arg], default: str = "") -> list[Terms]:
    """Return a table of fields or arguments; `default` says what holds where none of them is written."""
    rows = tuple((arg.name, _row(arg, default)) for arg in args)
    return [Terms(rows, heading)] if rows else []


def _row(arg: v.Arg, default: str) -> tuple[str, ...]:
    default = f"{'' if arg.default is v.REQUIRED else 'default '}{default or default_phrase(arg)}"
    words = (f"`{word}`: {doc}" for options in places.words_of(arg.type) for word, doc in options.items())
    return (f"{describe(arg.type, VOCABULARY)}; {default}", arg.doc, *words)


def _examples(texts: tuple[str, ...]) -> list[Code]:
    apart = "\n\n" if any("\n" in text for text in texts) else "\n"
    return [Code(apart.join(texts), "Example" if len(texts) == 1 else "Examples")] if texts else []


def _formula(formula: str) -> tuple[Prose | Code, ...]:
    letters, _, equations = formula.partition("\n")
    return (Code(equations, "Formula"), Prose(f"With {letters}.")) if formula else ()


def _prose(text: str, heading: str = "") -> list[Prose]:
    return [Prose(text, heading)] if text else []


def _listed(names: Iterable[str], last: str = "and") -> str:
    return listed(tuple(f"`{name}`" for name in names), last)


# --- what is no name of ours ------------------------------------------------------------------


def _code_lists(word: str) -> Iterator[Page]:
    """Yield the list of the codes that begin as a word says."""
    begin = _CODES.fullmatch(word)
    family = begin[1][:2].upper() if begin else ""
    if begin and family in codes.FAMILIES:
        kinds = codes.codes(family).items()
        rows = tuple((code, (kind.title,)) for code, kind in kinds if code.startswith(begin[1].upper()))
        if rows:
            yield Page(f"{begin[1].upper():x<4}: {codes.FAMILIES[family].title}", (Terms(rows),))


def _all_names() -> set[str]:
    metrics = {f"{prefix}{name}" for prefix in ("", "valid.", "test.") for name in VOCABULARY.metrics}
    return {
        *(name for term in glossary.TERMS for name in (term.word, *term.also)),
        *VOCABULARY.every_block(),
        *(entry.name for _, entry in places.entries()),
        *(arg.name for _, arg in places.arguments()),
        *(word for *_, word, _ in places.words()),
        *metrics,
        *networks.all_names(),
    }


def _habit(word: str) -> tuple[list[str], str]:
    """Return what a word of other tools is called here, and a sentence of advice; both may be empty."""
    answer = habit_of(word, VOCABULARY.habits) or respelled(word, _all_names())
    candidates = [text for text in answer.split("|") if text]
    names = [text for text in candidates if " " not in text]
    advice = [text for text in candidates if " " in text]
    if advice:  # a word that one place takes is not what a sentence is about: `freeze` is more than `norm = frozen`
        few = {word for *_, word, _ in places.words()}
        names = [name for name in names if name not in few]
    return names, "; ".join(advice)


def _instead(word: str) -> str:
    """Say what may be meant by a word that is nothing."""
    if _CODE.fullmatch(word):  # no code is near another one
        family = word[:2].upper()
        return f"`ftr explain {family}xx` lists the codes" if family in codes.FAMILIES else _LISTS
    if re.fullmatch(r"(base\.)?block\d+", word):
        last = max((part for part in networks.all_parts() if part.startswith("block")), key=lambda part: int(part[5:]))
        return f"no network has such a block, and `base.{last}` is the last that any has"
    call, _, _ = word.rpartition(".")
    args = next((entry.args for _, entry in places.entries() if entry.name == call), ())
    if args:
        return f"the arguments of `{call}` are {_listed(arg.name for arg in args)}"
    found = asked.near(word, _all_names())
    if len(found) < 2:
        return f"did you mean `{found[0]}`?" if found else _LISTS
    if len(found) > _SHOWN:
        shown = ", ".join(f"`{name}`" for name in found[:_SHOWN])
        return f"names that begin so are {shown} and {len(found) - _SHOWN} more"
    return f"names that begin so are {_listed(found)}"


_LISTS = "`ftr explain` lists all names and codes"
