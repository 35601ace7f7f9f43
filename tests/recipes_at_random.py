"""Recipes out of a random generator: from the vocabulary's tables, and by damage to recipes that exist.

`generated` gives recipes whose values have the right types (most of them check); `damaged` changes a text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import Value
from recipe_lang.check.conditions import narrowed
from runtime.vocabulary import VOCABULARY as ALL

VOCABULARY = narrowed(ALL, {"task": Value("classification")})  # what may stand beside the default
OF_OTHER_TASKS = ("masks", "voc", "coco", "yolo", "rec", "scenes", "tags")  # sources without classes of images
STRINGS = ('"x"', '"a b/c.params"', '"é"', r'"\"\\\n"', '""')
SELECTORS = (
    "head",
    "base",
    "all",
    "base.stem",
    "base.block1 .. head",
    "[head, base.stem]",
    "all except base.stem",
    '[head, matching("*gamma")]',
    'all except matching("*bias")',
)


def generated(rng: random.Random) -> str:
    """Return a recipe of random fields with values that their types take; rules across fields may not hold."""
    lines = ["ftr 1"]
    if rng.random() < 0.3:
        lines.append(f"param p = {rng.choice(('0.5 in 0 .. 1', '1e-3 in log(1e-5 .. 1)', '2 epochs'))}")
    lines += _some(VOCABULARY.fields, rng, 0.4)
    blocks = [block for block in VOCABULARY.blocks.values() if block.fields]
    for block in blocks:
        for number in range(rng.randint(1, 3) if block.repeated else 1):
            title = f' "{number}"' if block.titled else ""
            lines += ["", f"{block.name}{title} {{", *_some(block.fields, rng, 0.25)]
            for inner in block.inside.values() if rng.random() < 0.2 else ():
                lines += [f"{inner.name} {rng.choice(('1 epoch', '50%'))} {{", *_some(inner.fields, rng, 0.5), "}"]
            lines.append("}")
    if rng.random() < 0.3:
        claim = f"{rng.choice(VOCABULARY.sets)}.{rng.choice(list(VOCABULARY.metrics))} >= {rng.random():.2f}"
        claim += " over 5 seeds" * (claim[-1] in "123")  # no further draw: the recipes stay what they were
        lines += ["expect {", claim, "}"]
    return "\n".join(lines) + "\n"


def _some(fields: Iterable[str], rng: random.Random, share: float) -> list[str]:
    if not isinstance(fields, dict):
        raise TypeError(f"{fields!r} is no table")
    chosen = [arg for arg in fields.values() if arg.default is v.REQUIRED or rng.random() < share]
    chosen = [arg for arg in chosen if arg.name != "task"]
    rng.shuffle(chosen)
    return [f"{arg.name} = {value(arg.type, rng)}" for arg in chosen]


def value(type_: v.Type, rng: random.Random) -> str:
    """Return the text of a value that a type takes."""
    match type_:
        case v.Number():
            return _number(type_, rng)
        case v.Duration(whole, share=share):
            lengths = ("1 epoch", "3 epochs", "500 steps", "2 * 2 epochs", "10 steps")
            lengths += () if whole else ("1 epoch / 3", "0.1 epochs + 0.2 epochs")
            return rng.choice((*lengths, "7%", "0.3 / 7", "100% / 3") if share else lengths)
        case v.Truth():
            return rng.choice(("true", "false"))
        case v.Text() | v.FilePath():
            return rng.choice(STRINGS)
        case v.HexDigits():
            return f'"{rng.randrange(16**12):012x}"'
        case v.NothingType():
            return "none"
        case v.Word(options):
            return rng.choice(list(options))
        case v.OneOfStrings(_, options):
            return f'"{rng.choice(options)}"'
        case v.CallOf(families):
            return _call(rng.choice([name for name in families if _entries(name)]), rng)
        case v.ListOf(item, least, most):
            return "[" + ", ".join(value(item, rng) for _ in range(most or least + rng.randint(0, 2))) + "]"
        case v.RangeOf(item):
            low, high = sorted(float(_number(item, rng, plain=True)) for _ in range(2))
            return f"{low!r} .. {high!r}"
        case v.MapOf(key, item):
            return f"{{ {'head' if isinstance(key, v.Select) else value(key, rng)} = {value(item, rng)} }}"
        case v.Select():
            return rng.choice(SELECTORS)
        case v.MetricOf(sets):
            return f"{rng.choice(sets)}.{rng.choice(list(VOCABULARY.metrics))}"
        case v.Either(options):
            return value(
                rng.choice(
                    [each for each in options if not isinstance(each, v.CallOf) or any(map(_entries, each.families))]
                ),
                rng,
            )
    raise AssertionError(type_)


def _number(type_: v.Number, rng: random.Random, plain: bool = False) -> str:
    low = type_.low if type_.low is not None else -10
    high = min(type_.high if type_.high is not None else 10, 500)
    number = rng.uniform(low, high)
    if type_.whole:
        text = str(max(round(number), int(low) + type_.above))
    else:
        text = f"{number:.6f}" if 0.01 < number < 0.99 * high else f"{(low + high) / 2:.6f}"
        if not plain and rng.random() < 0.2:
            text = rng.choice((f"{float(text) * 100:.5f}%", f"{text} / 1", f"(0 + {text})"))
    return text + ("px" if type_.unit == "px" else f" {type_.unit}" if type_.unit else "")


def _entries(family: str) -> list[v.Entry]:
    """Return what a family has for the task that is generated."""
    return [entry for entry in VOCABULARY.families[family].entries.values() if entry.name not in OF_OTHER_TASKS]


def _call(family: str, rng: random.Random) -> str:
    entry = rng.choice(_entries(family))
    args = [arg for arg in entry.args if arg.default is v.REQUIRED or rng.random() < 0.4]
    if not args:
        return rng.choice((entry.name, f"{entry.name}()"))
    first = args[0]
    texts = [f"{arg.name} = {value(arg.type, rng)}" for arg in args]
    if entry.positional and first is entry.args[0] and rng.random() < 0.5:
        texts[0] = texts[0].partition(" = ")[2]
    return f"{entry.name}({', '.join(texts)})"


# --- damage -----------------------------------------------------------------------------------

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|[A-Za-z][\w.]*|[0-9][0-9.e+-]*|\s+|.', re.DOTALL)
INSERTS = (
    *"(){}[]=,.:;\"'#$%*/+-\n\t\\<>@~é漢\u200b\U0001f600",
    " .. ",
    " except ",
    " then ",
    "$lr",
    "1e999",
    "-1",
    "0",
    "3 epochs",
    "20%",
    "none",
    "true",
    "head",
    "param x = 1\n",
    "ftr 1\n",
    'extends "a"\n',
    "\r\n",
    '"',
    "matching(",
    "[]",
    "{}",
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
)


def damaged(text: str, others: list[str], rng: random.Random, names: list[str]) -> str:
    """Return a text with one to three changes: tokens dropped, doubled, swapped, renamed, or taken from others."""
    tokens = TOKEN.findall(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(tokens)) if tokens else 0
        match rng.randrange(12):
            case 0:
                del tokens[at : at + rng.randint(1, 3)]
            case 1:
                tokens[at:at] = [rng.choice(INSERTS)]
            case 2:
                tokens[at:at] = tokens[at : at + rng.randint(1, 30)]
            case 3 | 4 | 5 | 9 | 10 | 11:  # another word, number or string: this passes the grammar
                _exchange(tokens, rng, names)
            case 6:
                other = TOKEN.findall(rng.choice(others))
                start = rng.randrange(max(1, len(other)))
                tokens[at:at] = other[start : start + rng.randint(1, 20)]
            case 7:
                lines = "".join(tokens).split("\n")
                rng.shuffle(lines) if rng.random() < 0.2 else lines.insert(
                    rng.randrange(len(lines)), rng.choice(rng.choice(others).split("\n"))
                )
                tokens = TOKEN.findall("\n".join(lines))
            case _:
                tokens = TOKEN.findall("".join(tokens)[: rng.randrange(len(text) + 1)])
    return "".join(tokens)


def _exchange(tokens: list[str], rng: random.Random, names: list[str]) -> None:
    places = [at for at, token in enumerate(tokens) if token[0].isalnum() or token[0] == '"']
    if not places:
        return
    at = rng.choice(places)
    if rng.random() < 0.3:
        tokens[at] = tokens[rng.choice(places)]
    elif tokens[at][0].isdigit():
        tokens[at] = rng.choice(("0", "1", "1.5", "1e30", "100000", "7", "0.001"))
    elif tokens[at][0] == '"':
        tokens[at] = rng.choice(STRINGS)
    else:
        tokens[at] = rng.choice(names)
