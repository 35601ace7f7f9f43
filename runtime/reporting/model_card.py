"""The model card of a packed run: `README.md` as the Hugging Face hub shows it.

In go the checked recipe and what the run left, out comes Markdown with YAML before it
(https://huggingface.co/docs/hub/model-cards). Names of classes, of sets and the like are somebody's text: in the YAML
they stand as JSON strings, in the Markdown without effect. Equal runs give equal cards: there is no date in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from recipe_lang.check.checked import CallValue, Value
from recipe_lang.output.resolved import value_text
from recipe_lang.words import printable
from runtime.data.sources.catalog import SOURCES
from runtime.runs.pack.pack import Card
from runtime.vocabulary import VOCABULARY

_MOST_ENTRIES = 200  # in the list
_LONGEST = 200  # characters of a name
_MARKS = re.compile(r"[\\`*_{}\[\]<>#!|~&:@$]|(?<=www)\.", re.IGNORECASE)


def card_text(card: Card) -> str:
    """Return the card as Markdown."""
    return "\n".join([*_front(card), *_use(card), *_data(card), *_results(card), *_training(card), *_running(card)])


def _front(card: Card) -> Iterator[str]:
    words = card.task.card(card.targets)
    entries: dict[str, Any] = {
        "library_name": "ftr",
        **({"pipeline_tag": words.pipeline} if words.pipeline else {}),
        "license": card.licence or "unknown",
        "tags": [words.tag, "transfer-learning", "mxnet", "gluoncv", "ftr"],
        "metrics": [words.headline],
    }
    if results := list(_evaluations(card)):
        entries["model-index"] = [{"name": _plain(card.name), "results": results}]
    yield "---"
    yield from (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())  # JSON is YAML
    yield "---"


def _evaluations(card: Card) -> Iterator[dict[str, Any]]:
    words = card.task.card(card.targets)
    for name, numbers in _measured(card):
        yield {
            "task": {"type": words.tag},
            "dataset": {"name": _data_set(card, name), "type": "other", "split": name},
            "metrics": [{"type": key, "name": key.replace("_", " "), "value": value} for key, value in numbers.items()],
        }


def _measured(card: Card) -> list[tuple[str, dict[str, float]]]:
    """Return the sets that were measured, each with its numbers."""
    found = []
    telling = card.task.telling(card.targets)
    keys = [key for key in card.task.card(card.targets).metrics if key in telling]
    for name in ("test", "valid"):
        report = card.result.get(name)
        if isinstance(report, dict):
            found.append((name, {key: report[key] for key in keys if _is_number(report.get(key))}))
    return [(name, numbers) for name, numbers in found if numbers]


def _use(card: Card) -> Iterator[str]:
    yield from ("", f"# {_safe(card.name)}", "")
    if about := card.recipe["about"]:
        yield from (_safe(about, limit=2000), "")
    words = card.task.card(card.targets)
    yield f"{words.sentence} Fine-tuned on the data set {_safe(_data_set(card, 'train'))},"
    yield "with Apache MXNet and GluonCV, by the recipe below."
    yield from ("", "## Intended use", "")
    yield "For images like those of the data below. On others, and where a wrong answer does harm, evaluate it first:"
    yield words.warning
    yield from ("", words.heading, "")
    yield from (f"{number}. {_safe(name)}" for number, name in enumerate(words.entries[:_MOST_ENTRIES], 1))
    if len(words.entries) > _MOST_ENTRIES:
        yield from ("", f"and {len(words.entries) - _MOST_ENTRIES} more, in `{card.task.file}`.")


def _data(card: Card) -> Iterator[str]:
    images = card.result.get("images")
    counts = images if isinstance(images, dict) else {}
    yield from ("", "## Data", "", "| set | source | images |", "|---|---|---|")
    for name, value in _sources(card).items():
        count, source = counts.get(name), _safe(_written(value, name))
        if not _is_source(value.value):
            source += f" of {_safe(_data_set(card, name))}"
        yield f"| {name} | {source} | {f'{count:,}' if _is_number(count) else ''} |"
    yield from ("", "The images are not part of this model.", "")
    calls = {value.value.name for value in card.recipe.block("data").fields.values() if _is_source(value.value)}
    for call in sorted(calls):
        yield f"- licence of `{call}`: {SOURCES[call].licence or 'not stated here; ask the author'}"


def _results(card: Card) -> Iterator[str]:
    yield from ("", "## Results", "")
    measured = _measured(card)
    if not measured:
        yield "This run has not evaluated its final weights."
        return
    names = [key for key in card.task.card(card.targets).metrics if any(key in numbers for _, numbers in measured)]
    yield f"| set | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for name, numbers in measured:
        cells = (f"{numbers[key]:.4f}" if key in numbers else "" for key in names)
        yield f"| {name} | {' | '.join(cells)} |"
    claims = card.result.get("expect")
    for claim in claims if isinstance(claims, list) else ():
        if isinstance(claim, dict) and _is_number(claim.get("value")):
            verdict = {True: "holds", None: "is of several runs, and not tested by this one"}.get(
                claim.get("holds"), "does not hold"
            )
            yield from ("", f"The claim `{_code(claim.get('claim'))}` {verdict}: {claim['value']:.4f}.")
    advice = card.result.get("advice")
    for each in advice if isinstance(advice, list) else ():
        yield from (
            "",
            f"Take these numbers with care: {_safe(each[-1] if isinstance(each, list) and each else each, 500)}.",
        )


def _training(card: Card) -> Iterator[str]:
    result = card.result
    yield from ("", "## Training", "")
    yield f"- base: {_safe(_written(card.recipe.fields['base'], 'base'))}"
    yield from _base_weights(card)
    if card.recipe["teacher"] is not None:
        yield f"- teacher: {_safe(_written(card.recipe.fields['teacher'], 'teacher'))}, which training it again needs"
    yield f"- seed: {card.recipe['seed']}"
    settings = result.get("settings")
    if isinstance(settings, dict) and settings:
        yield f"- settings: {', '.join(_safe(f'{name} = {value}') for name, value in settings.items())}"
    yield f"- recipe: `{_code(result.get('hash'))[:12]}`, {_safe(result.get('status'))}"
    versions = result.get("versions")
    if isinstance(versions, dict):
        used = [f"{name} {versions[name]}" for name in ("ftr", "mxnet", "gluoncv", "python") if name in versions]
        yield f"- with {_safe(', '.join(used))}"
    text = printable(card.text.rstrip("\n"), kept="\n\t")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield from ("", f"{fence}text", text, fence)


def _base_weights(card: Card) -> Iterator[str]:
    match card.result.get("base"):
        case {"weights": str() as weights, "licence": str() as licence}:
            if licence:
                yield f"- it began with: {_safe(weights)}, licence {_safe(licence)}"


def _running(card: Card) -> Iterator[str]:
    yield from ("", "## How to run", "", "```sh")
    if card.weights:
        yield "ftr predict model.ftrpack photo.jpg"
        yield f"ftr evaluate model.ftrpack --data {card.task.card(card.targets).data}"
    settings = card.result.get("settings")
    given = settings.items() if isinstance(settings, dict) else ()
    options = "".join(f" --set {quote(_plain(f'{name}={value}'))}" for name, value in given)
    yield f"ftr run model.ftrpack{options} --data-root FOLDER   # train it again"
    yield from ("```", "")
    if card.exports:
        yield from ("## Exported files", "")
        yield from (f"- `{_code(name)}`: {_safe(note, 300)}" for name, note in card.exports.items())
        yield ""


def _sources(card: Card) -> dict[str, Value]:
    """Return where the images of each set come from: a source, or a share of `train`."""
    fields = card.recipe.block("data").fields
    sets = ((name, fields[name]) for name in ("train", "valid", "test") if name in fields)
    return {name: value for name, value in sets if value.value is not None}


def _data_set(card: Card, name: str) -> str:
    """Return what the data that a set comes from is called: by its path below the recipe, else by its last part."""
    sources = _sources(card)
    call = sources[name].value if name in sources and _is_source(sources[name].value) else sources["train"].value
    paths = (arg.value for arg in call.args.values() if isinstance(arg.value, Path))
    path, home = next(paths, None), card.recipe.source.folder
    if path is None:
        return str(call.name)
    return _plain(path.relative_to(home) if path.is_relative_to(home) else path.name)


def _written(value: Value, field: str) -> str:
    """Return a value of the recipe, or of its `data`, as the recipe would write it in full."""
    table = VOCABULARY.fields if field in VOCABULARY.fields else VOCABULARY.blocks["data"].fields
    return _plain(value_text(value.value, table[field].type, VOCABULARY))


def _is_source(value: Any) -> bool:
    return isinstance(value, CallValue) and value.family == "source"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # neither inf nor NaN


def _plain(text: Any, limit: int = _LONGEST) -> str:
    """Return text in one line of printable characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _safe(text: Any, limit: int = _LONGEST) -> str:
    """Return text in which nothing is Markdown, HTML or a link."""
    return _MARKS.sub(lambda mark: f"\\{mark[0]}", _plain(text, limit))


def _code(text: Any) -> str:
    """Return text that can stand between backticks."""
    return _plain(text).replace("`", "'")
