"""What people type out of habit, from YAML, TOML, JSON, Python or another tool: the help names the right form."""

from __future__ import annotations

from pathlib import Path

import pytest
from habits import ROWS, errors, recipe

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.aliases import FOREIGN


@pytest.mark.parametrize(("place", "text", "codes", "words"), ROWS, ids=[row[1] for row in ROWS])
def test_a_habit_is_answered_once_with_the_right_form(place: str, text: str, codes: str, words: str) -> None:
    found = errors(recipe(place, text))
    shown = "\n".join(map(render, found))
    assert [problem.code for problem in found] == codes.split(), shown
    helps = [problem.help() for problem in found]
    assert any(words in each for each in helps) if words else helps == [""], shown


SENTENCES = [(word, answer) for word, answer in FOREIGN.items() if " " in answer]


@pytest.mark.parametrize("place", ["top", "data", "stage"])
def test_what_explain_says_of_a_word_of_other_tools_check_says_too(place: str) -> None:
    for word, answer in SENTENCES:
        found = errors(recipe(place, f"{word} = 1"))
        assert [problem.code for problem in found] == ["E201"], word
        assert found[0].help() == answer, word


def test_a_word_of_other_tools_is_known_in_any_spelling() -> None:
    for word in ("class_weights", "ClassWeights", "classWeights", "CLASS_WEIGHTS"):
        (problem,) = errors(recipe("stage", f"{word} = 1"))
        assert "`loss = cross_entropy(weights = balanced)`" in problem.help()


def test_what_stands_below_a_mistake_is_checked_too() -> None:
    text = "stage x {\n  train: hed\n  for = 3, epochs = 4\n  optimizer = adm(lr = 'a')\n}\n[expect]\nvalid.f2 >= 1"
    codes = [problem.code for problem in errors(recipe("tail", text))]
    assert codes == ["E101", "E101", "E204", "E303", "E101", "E201", "E203", "E101", "E301", "E101", "E207"]


def test_the_selectors_of_an_unknown_base_are_checked_where_they_can_be() -> None:
    text = (
        'stage "x" {\n  train = base.block99 .. head\n  for = 1 epoch\n}\nstage "y" {\n  train = fc\n  for = 1 epoch\n}'
    )
    source = recipe("tail", text)
    source = Source("recipe.ftr", source.text.replace("ftr 1\n", 'ftr 1\nbase = gluoncv("resnet5000")\n'))
    assert [(problem.code, problem.help()) for problem in errors(source)][1:] == [("E204", "did you mean `head`?")]


def test_a_setting_has_its_own_advice() -> None:
    text = recipe("top", "param lr = 0.1").text.replace("for", "optimizer = adam(lr = $lr)\n  for")
    for setting, words in [("lr", "NAME=VALUE"), ("lr=", "NAME=VALUE"), ("stage.for=3", "only parameters can be set")]:
        with pytest.raises(RecipeError) as caught:
            check(parse(Source("recipe.ftr", text)), VOCABULARY, [setting])
        assert [words in problem.help() for problem in caught.value.problems] == [True]


def test_a_setting_of_no_parameter_says_how_to_make_one() -> None:
    text = recipe("stage", "optimizer = adam(lr = 0.1)")
    for setting, name, where in [
        ("lr", "lr", "write `lr = $lr` in line 10"),
        ("optimizer.lr", "lr", "write `lr = $lr` in line 10"),
        ("stage.head.for", "for", "write `for = $for` in line 9"),
        ("beta1", "beta1", "write `beta1 = $beta1` in `adam(…)`, line 10"),
        ("data.batch", "batch", "write `batch = $batch` in the block `data`"),
        ("warmup", "warmup", "write `schedule = cosine(warmup = $warmup)` in a stage"),
        ("seed", "seed", "write `seed = $seed` at the top, outside the blocks"),
        ("device", "device", "use `$device` where it is needed"),
        ("dropout", "dropout", "use `$dropout` where it is needed"),
    ]:
        with pytest.raises(RecipeError) as caught:
            check(parse(text), VOCABULARY, [f"{setting}=3"])
        (problem,) = caught.value.problems
        only = "only parameters can be set: " if "." in setting else ""
        assert (problem.code, problem.help()) == ("E210", f"{only}add `param {name} = …` to the recipe and {where}")


def test_a_setting_of_a_field_that_a_parameter_gives_names_the_parameter() -> None:
    text = recipe("top", "param rate = 0.1").text.replace("for", "optimizer = adam(lr = $rate)\n  for")
    for setting in ("lr", "optimizer.lr"):
        with pytest.raises(RecipeError) as caught:
            check(parse(Source("recipe.ftr", text)), VOCABULARY, [f"{setting}=3"])
        assert [problem.help() for problem in caught.value.problems] == ["did you mean `rate`?"]


@pytest.mark.parametrize("part", ["base.head", "base.fc", "base.classifier"])
def test_the_head_is_no_part_of_the_base(part: str) -> None:
    (problem,) = errors(Source("recipe.ftr", recipe("top", "").text.replace("train = head", f"train = {part}")))
    assert problem.help() == "did you mean `head`?"


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("digits.json", '{"ftr": 1, "data": {"train": {"name": "digits"}}}', "E101", "`NAME.ftr.json`"),
        ("README.md", "# A title\n\n" + "Some prose, and more.\n" * 20 + "x = 1\ndata {\n}\n", "E111", "`ftr 1`"),
    ],
)
def test_another_text_gets_one_message(name: str, text: str, code: str, words: str) -> None:
    (problem,) = errors(Source(name, text))
    assert (problem.code, words in problem.help()) == (code, True)


def test_a_recipe_without_a_version_gets_all_its_mistakes_told() -> None:
    text = recipe("stage", "\n  ".join(f"x{number}: 1" for number in range(15))).text.removeprefix("ftr 1\n")
    assert len(errors(Source("recipe.ftr", text))) > 15


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("bse.ftr", "did you mean {folder}/base.ftr?"),
        ("deep.ftr", "did you mean {folder}/sub/deep.ftr?"),
        ("other.ftr", ""),
        ("https://example.org/base.ftr", "a recipe is a file on this machine"),
    ],
)
def test_a_parent_that_is_not_there(parent: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("base.ftr", "sub/deep.ftr"):
        (tmp_path / name).write_text(recipe("top", "").text)
    child = tmp_path / "child.ftr"
    child.write_text(f'ftr 1\nextends "{parent}"\n')
    with pytest.raises(RecipeError) as caught:
        check(load(child), VOCABULARY)
    (problem,) = caught.value.problems
    assert problem.code == "E110"
    assert problem.help().startswith(words.format(folder=tmp_path)) if words else problem.help() == ""


def test_two_parents_are_one_mistake() -> None:
    (problem,) = errors(Source("recipe.ftr", 'ftr 1\nextends ["a.ftr", "b.ftr"]\nseed = 1\n'))
    assert "one parent only" in problem.help()


def test_after_fifty_mistakes_the_rest_is_left_and_nothing_is_said_to_be_missing() -> None:
    found = errors(Source("recipe.ftr", "ftr 1\ndata {\n" + "  = 1\n" * 500 + "}\n"))
    assert [problem.code for problem in found] == ["E101"] * 50


def test_a_mistake_above_indented_lines_stays_inside_the_statement() -> None:
    text = 'ftr 1\nstage "head" {;   train = base.block7, head   # two of them\n    for = 2 epochs\n'
    assert [problem.code for problem in errors(Source("recipe.ftr", text))][:3] == ["E104", "E101", "E101"]


@pytest.mark.parametrize("word", ["ftr", "param", "extends", "drop", "in", "then", "except", "over"])
def test_a_word_of_the_language_can_begin_a_line_inside_brackets(word: str) -> None:
    text = f"ftr 1\nx = [\n  {word}(1),\n  {word},\n]\ny = f(\n  {word},\n  {word} = 1\n)\n"
    assert parse(Source("recipe.ftr", text)).problems == ()
