"""How recipes print, and what makes two of them the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import TESTS
from readings import FLOWERS, RECIPES, read, written

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checker import check, check_value
from recipe_lang.compose.load import parse
from recipe_lang.output.identity import recipe_hash, resolved_hash
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import read_source
from runtime.vocabulary import VOCABULARY


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_check_without_advice(path: Path) -> None:
    assert check(parse(read_source(path)), VOCABULARY).advice == ()


@pytest.mark.parametrize("text", [FLOWERS, *(path.read_text() for path in RECIPES)])
def test_a_printed_recipe_checks_to_the_same_values(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    first = check(parse(Source("/recipe.ftr", text)), VOCABULARY)
    printed = print_recipe(first, VOCABULARY)
    again = check(parse(Source("/other/place.ftr", printed)), VOCABULARY)
    assert (again.fields, again.blocks, again.claims) == (first.fields, first.blocks, first.claims)
    assert print_recipe(again, VOCABULARY) == printed
    assert resolved_hash(first, VOCABULARY) == recipe_hash(again, VOCABULARY) == resolved_hash(again, VOCABULARY)


def test_the_text_of_one_value(tmp_path: Path) -> None:
    source = VOCABULARY.blocks["data"].fields["train"].type
    value = check_value(Source("--data", 'data = csv("f.csv", image = "a", label = "b")', tmp_path), source, VOCABULARY)
    assert (value.value.name, value.value["file"], value.value["label"]) == ("csv", tmp_path / "f.csv", "b")
    assert value.value.args["file"].span.text == '"f.csv"'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "codes", "place"),
    [
        ("csv(", ["E103"], "("),
        ("flowers(3)", ["E203"], "flowers"),
        ("holdout(20%)", ["E203"], "holdout"),
        ("folder($x)", ["E205"], "$x"),
        ('csv("f.csv", image = 3)', ["E403", "E301"], 'csv("f.csv", image = 3)'),
        ('folder("a")\nmore = 1', ["E406"], 'data = folder("a")\nmore = 1'),
        ("", ["E101"], "="),
    ],
)
def test_a_text_that_is_no_value_of_its_type(text: str, codes: list[str], place: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_value(Source("--data", f"data = {text}"), VOCABULARY.blocks["data"].fields["train"].type, VOCABULARY)
    assert [problem.code for problem in caught.value.problems] == codes
    span = caught.value.problems[0].span
    assert span is not None
    assert (span.source.name, span.text) == ("--data", place)


@pytest.mark.parametrize("text", ["1 epoch / 3", "0.1 epochs + 0.2 epochs", "7 steps", "1e-7 epochs"])
def test_lengths_print_in_full(text: str) -> None:
    first = read(written(stage=f"train = head\nfor = 2 epochs\nschedule = cosine(warmup = {text})"))
    again = read(print_recipe(first, VOCABULARY))
    assert again.block("stage")["schedule"]["warmup"] == first.block("stage")["schedule"]["warmup"]


BEFORE = """\
ftr 1
name = "a"
about = "x"
param s = 3 in 0 .. 9
seed = $s
base = packaged("efficientnet_lite0")
head = [dropout(0.2), dense(classes)]
data {
  train = digits
  valid = holdout(20%)
  test = folder("photos/test")
  size = 64px
  augment = [flip(horizontal)]
  batch = 32
}
stage "head" {
  train = base.block6 .. head
  for = 2 epochs
  optimizer = adam(lr = 0.01)
  lr_scale = { base.block7 = 0.1 }
  norm = frozen
}
expect {
  valid.accuracy >= 90%
}
"""


PAIRS = [
    line.partition(":")
    for line in (TESTS / "identity.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("kind", "edit"), [(kind, edit.strip()) for kind, _, edit in PAIRS])
def test_identity(kind: str, edit: str) -> None:
    old, arrow, new = edit.partition("->")
    old, new = old.strip(), new.strip()
    assert arrow
    assert BEFORE.count(old) == 1
    before, after = (recipe_hash(read(text), VOCABULARY) for text in (BEFORE, BEFORE.replace(old, new)))
    assert (before == after) == (kind == "same")


def test_the_hash_knows_settings_and_nothing_of_the_order_of_blocks_fields() -> None:
    before = recipe_hash(read(BEFORE), VOCABULARY)
    assert recipe_hash(read(BEFORE, ["s=4"]), VOCABULARY) != before
    assert recipe_hash(read(BEFORE, ["s=3"]), VOCABULARY) == before
    lines = BEFORE.splitlines()
    top = [lines[0], *reversed(lines[4:7]), *lines[1:4], *lines[7:]]
    assert recipe_hash(read("\n".join(top)), VOCABULARY) == before


def test_the_order_of_a_map_means_nothing() -> None:
    one, other = ("{ base.block7 = 0.1, head = 0.5 }", "{ head = 0.5, base.block7 = 0.1 }")
    texts = [BEFORE.replace("{ base.block7 = 0.1 }", scales) for scales in (one, other)]
    first, second = (recipe_hash(read(text), VOCABULARY) for text in texts)
    assert first == second != recipe_hash(read(BEFORE), VOCABULARY)


def test_the_hash_is_pinned() -> None:
    """A change of this value means that all shared recipes get new names: only with a new version of the language."""
    assert recipe_hash(read(BEFORE), VOCABULARY)[:16] == PINNED


PINNED = "98b423ee99c8f700"


def test_a_new_optional_argument_changes_no_hash() -> None:
    fields = {**VOCABULARY.fields, "temperature": v.Arg("temperature", v.Number(), "New.", 1.0)}
    newer = v.Vocabulary(
        **{name: getattr(VOCABULARY, name) for name in VOCABULARY.__slots__} | {"fields": fields}  # type: ignore[arg-type]
    )
    parsed = parse(Source("recipe.ftr", BEFORE))
    assert recipe_hash(check(parsed, newer), newer) == recipe_hash(check(parsed, VOCABULARY), VOCABULARY)
