"""What stands beside certain words only, in documentation, schema and editors: on a vocabulary with two tasks."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from recipe_lang.check import vocabulary as v
from recipe_lang.source import Source
from runtime.help import explain, index, json_schema, reference
from runtime.lsp import completion, documentation, expected, reading
from runtime.vocabulary import VOCABULARY

RANKING = ("task", "ranking")
PAIRS = v.Entry("pairs", "Pairs in the right order.", only=frozenset({RANKING}))
LOSS = replace(
    VOCABULARY.fields["loss"],
    type=v.CallOf(("loss",)),
    by={RANKING: v.Default("pairs")},
)
TASK = v.Arg("task", v.Word({"classification": "One class.", "ranking": "An order."}), "What.", "classification")
CSV = VOCABULARY.families["source"].entries["csv"]
LABEL = next(arg for arg in CSV.args if arg.name == "label")
TABLE = replace(CSV, args=tuple(replace(arg, by={RANKING: None}) if arg is LABEL else arg for arg in CSV.args))
LOSSES = [replace(entry, only=frozenset()) for entry in VOCABULARY.families["loss"].entries.values()]
TWO = replace(
    VOCABULARY,
    fields={**VOCABULARY.fields, "task": TASK, "loss": LOSS},
    families={
        **VOCABULARY.families,
        "loss": v.family("loss", "a loss", *LOSSES, PAIRS),
        "source": v.family(
            "source", "a source", *({**VOCABULARY.families["source"].entries, "csv": TABLE}.values())
        ),
    },
    metrics={
        name: replace(each, only=frozenset({RANKING}) if name == "top5" else frozenset())
        for name, each in VOCABULARY.metrics.items()
    },
    rules=(),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _two_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: tuple[ModuleType, ...] = (
        explain,
        index,
        json_schema,
        reference,
        completion,
        documentation,
        expected,
        reading,
    )
    for module in modules:
        monkeypatch.setattr(module, "VOCABULARY", TWO)


def _said(word: str) -> str:
    text, is_known = explain.explain_word(word)
    assert is_known
    return text


def test_pages_say_beside_which_words_a_name_stands() -> None:
    assert "Only with `task = ranking`." in _said("pairs")
    assert "Only with `task = ranking`." in _said("top5")
    assert "Only with" not in _said("cross_entropy")


def test_pages_have_the_defaults_of_all_words() -> None:
    assert "Default: `cross_entropy`; with `task = ranking`: `pairs`." in " ".join(_said("loss").split())
    assert "required; with `task = ranking`: `none`" in " ".join(_said("csv").split())
    assert "Default: `cross_entropy`; with `task = ranking`: `pairs`." in documentation.argument_doc(LOSS)
    assert documentation.entry_doc(PAIRS).endswith("Only with `task = ranking`.")


def test_the_reference_has_both() -> None:
    lines = reference.reference().splitlines()
    at = lines.index("### `pairs`")
    assert lines[at + 2] == "Pairs in the right order. Only with `task = ranking`."
    assert any("| `cross_entropy`; with `task = ranking`: `pairs` |" in line for line in lines)
    assert any(line.startswith("| `top5` |") and line.endswith("Only with `task = ranking`. |") for line in lines)


def test_the_schema_takes_what_stands_beside_any_word() -> None:
    schema: dict[str, Any] = json_schema.schema()
    rules = jsonschema.Draft202012Validator({"$ref": "#/$defs/source.csv", "$defs": schema["$defs"]})
    call = {"call": "csv", "args": ["a.csv"], "with": {"image": "file"}}
    assert rules.is_valid(call)
    assert not rules.is_valid({**call, "args": []})
    loss = jsonschema.Draft202012Validator({**schema["properties"]["loss"], "$defs": schema["$defs"]})
    assert loss.is_valid({"name": "pairs"})


@pytest.mark.parametrize(
    ("top", "losses", "metric"),
    [
        ("", {"cross_entropy"}, False),
        ("task = ranking\n", {"cross_entropy", "pairs"}, True),
        ("param t = ranking\ntask = $t\n", {"cross_entropy", "pairs"}, True),
    ],
)
def test_completion_knows_the_word_wherever_it_stands(top: str, losses: set[str], metric: bool) -> None:
    def at(text: str) -> set[str]:
        before, after = text.split("|")
        return {each.label for each in completion.complete(reading.read(Source("x.ftr", before + after)), len(before))}

    assert {"cross_entropy", "pairs"} & at(f"ftr 1\nloss = |\n{top}") == losses
    claims = at(f"ftr 1\n{top}expect {{\n  |\n}}\n")
    assert ("test.top5" in claims, "test.accuracy" in claims) == (metric, True)
    stage = at(f'ftr 1\nstage "s" {{\n  monitor = |\n}}\n{top}')
    assert ("valid.top5" in stage, "valid.accuracy" in stage) == (metric, True)
