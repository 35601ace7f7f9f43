"""What depends on a word of a top field: names that stand beside it only, other defaults, and what explains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CheckedRecipe, Value
from recipe_lang.check.checker import check
from recipe_lang.check.conditions import narrowed, written_words
from recipe_lang.check.locations import how_to_write
from recipe_lang.check.params import Params
from recipe_lang.check.selectors import Selector
from recipe_lang.check.values import Values
from recipe_lang.compose.load import load_source, parse
from recipe_lang.output.identity import recipe_hash
from recipe_lang.output.render import render
from recipe_lang.output.resolved import changed_values, print_recipe
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import read_source
from runtime.vocabulary import VOCABULARY

RICE = frozenset({("dish", "rice")})
SOUP = frozenset({("dish", "soup")})


def _by_rice(default: Any) -> dict[v.Condition, Any]:
    return {("dish", "rice"): default}


KITCHEN = v.Vocabulary(
    version=1,
    fields=v.table(
        v.Arg(
            "heat", v.CallOf(("heat",)), "How it is cooked.", v.Default("boil"), by=_by_rice(v.Default("steam"))
        ),
        v.Arg("spice", v.Either((v.NothingType(), v.CallOf(("food",)), v.CallOf(("heat",)))), "For taste.", None),
        v.Arg("dish", v.Word({"soup": "Liquid.", "rice": "Grains."}), "What is cooked.", "soup"),
        v.Arg("herb", v.Word({"dill": "Green.", "sage": "Grey."}), "What smells.", "dill"),
        v.Arg("lid", v.Number(), "How far it is open.", 0, since="1.4"),
    ),
    blocks={
        "pot": v.BlockType(
            "pot",
            "What cooks.",
            v.table(
                v.Arg("fill", v.ListOf(v.CallOf(("food",))), "What goes in."),
                v.Arg("until", v.MetricOf(("taste",)), "When it is done.", v.Default("taste.salty"), by={
                    ("dish", "rice"): v.Default("taste.dry")
                }),
                v.Arg("water", v.Number(), "In litres.", 1, by=_by_rice(v.REQUIRED)),
            ),
            required=True,
        ),
        "wish": v.BlockType("wish", "What guests say.", claims=True),
    },
    families={
        "food": v.family(
            "food",
            "a food",
            v.Entry(
                "carrot",
                "Orange.",
                (
                    v.Arg("slices", v.Number(whole=True), "How many.", by=_by_rice(None)),
                    v.Arg("grated", v.Truth(), "How fine.", False, since="1.4"),
                ),
            ),
            v.Entry("barley", "A grain.", only=SOUP),
        ),
        "heat": v.family(
            "heat",
            "a way of cooking",
            v.Entry("boil", "In water.", only=SOUP),
            v.Entry("steam", "Above water.", (v.Arg("level", v.Word({"hot": "", "mild": ""}), "", "mild"),), only=RICE),
            v.Entry("smoke", "Above fire.", only=frozenset({("dish", "rice"), ("herb", "sage")})),
        ),
    },
    metrics={
        "salty": v.MetricWord("Much salt.", SOUP),
        "sour": v.MetricWord("Much lemon."),
        "dry": v.MetricWord("No water.", RICE),
    },
    sets=("taste",),
    parts=lambda _: None,
    habits={"dryness": "dry|taste.dry"},
    renamings=frozenset({"dryness"}),
)  # fmt: skip


def read(text: str, settings: Sequence[str] = ()) -> CheckedRecipe:
    return check(parse(Source("kitchen.ftr", text)), KITCHEN, settings)


def problems(text: str, settings: Sequence[str] = ()) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        read(text, settings)
    return caught.value.problems


def written(top: str = "", pot: str = "fill = [carrot(3)]", end: str = "") -> str:
    return f"ftr 1\n{top}\npot {{\n  {pot}\n}}\n{end}\n"


# --- defaults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "top",
    [
        pytest.param("dish = rice", id="written"),
        pytest.param("param d = rice in [rice, soup]\ndish = $d", id="a parameter"),
        pytest.param("dish = (rice)", id="in brackets"),
    ],
)
def test_a_word_has_its_own_defaults(top: str) -> None:
    recipe = read(written(top, "fill = [carrot]\n  water = 2"))
    assert (recipe["heat"].name, recipe["heat"]["level"]) == ("steam", "mild")
    pot = recipe.block("pot")
    assert str(pot["until"]) == "taste.dry"
    assert pot["fill"][0].value["slices"] is None
    soup = read(written())
    assert (soup["heat"].name, str(soup.block("pot")["until"]), soup.block("pot")["water"]) == (
        "boil",
        "taste.salty",
        1,
    )


def test_a_setting_changes_the_word_and_with_it_the_defaults() -> None:
    text = written("param d = soup in [rice, soup]\ndish = $d", "fill = [carrot(3)]\n  water = 2")
    assert [read(text, given)["heat"].name for given in ((), ("d=rice",))] == ["boil", "steam"]


def test_a_child_may_change_the_word(tmp_path: Path) -> None:
    (tmp_path / "soup.ftr").write_text(written("heat = boil", "fill = [carrot(3)]\n  water = 2"))
    (tmp_path / "rice.ftr").write_text('ftr 1\nextends "soup.ftr"\ndish = rice\n')
    with pytest.raises(RecipeError) as caught:
        check(load_source(read_source(tmp_path / "rice.ftr")), KITCHEN)
    (problem,) = caught.value.problems
    assert (problem.code, problem.message()) == ("E212", "`boil` is a way of cooking for `dish = soup`")
    ((place, _),) = problem.related()
    assert (Path(place.source.name).name, place.line) == ("rice.ftr", 3)


def test_where_an_argument_would_stand_follows_the_words_default() -> None:
    for top, answer in (("dish = rice", "`heat = steam(level = mild)` at the top, outside the blocks"), ("", "")):
        recipe = parse(Source("kitchen.ftr", written(top)))
        assert how_to_write(recipe, "level", "mild", KITCHEN) == answer


def test_what_must_be_written_depends_on_the_word() -> None:
    (soup,) = problems(written(pot="fill = [carrot]"))
    assert (soup.code, soup.message()) == ("E403", "`carrot` needs `slices`")
    (rice,) = problems(written("dish = rice", "fill = [carrot]"))
    assert (rice.code, rice.message()) == ("E402", "`pot` has no `water`")


@pytest.mark.parametrize("top", ["dish = stew", "dish = [rice]", "dish = $none", "dish rice"])
def test_beside_a_word_that_is_wrong_everything_may_stand(top: str) -> None:
    found = problems(written(f"{top}\nspice = steam", "fill = [carrot, barley]\n  until = taste.dry"))
    assert len(found) == 1
    assert found[0].code != "E212"


# --- names ------------------------------------------------------------------------------------


def test_a_name_of_another_word_is_shown_with_both_words() -> None:
    (problem,) = problems(written("heat = steam(hot)\ndish = soup"))
    assert render(problem) == (
        "error[E212]: `steam` is a way of cooking for `dish = rice`\n"
        " --> kitchen.ftr:2:8\n"
        "  |\n"
        "2 | heat = steam(hot)\n"
        "  |        ^^^^^ the dish here is soup\n"
        " ::: kitchen.ftr:3:8\n"
        "  |\n"
        "3 | dish = soup\n"
        "  |        ^^^^ the dish\n"
        "  = help: write `dish = rice`, or use `boil`"
    )
    assert problem.edits() == ()


def test_the_word_may_be_a_default() -> None:
    (problem,) = problems(written("spice = steam"))
    assert (problem.code, problem.label(), problem.related()) == ("E212", "the dish here is soup", ())


def test_one_of_several_words_is_enough() -> None:
    assert read(written("spice = smoke\nherb = sage"))["spice"].name == "smoke"
    (problem,) = problems(written("spice = smoke"))
    assert problem.message() == "`smoke` is a way of cooking for `dish = rice` or `herb = sage`"


@pytest.mark.parametrize("where", ["until = taste.dry", "}\nwish {\n  taste.dry >= 1"])
def test_a_metric_of_another_word(where: str) -> None:
    (problem,) = problems(written(pot=f"fill = [carrot(3)]\n  {where}"))
    assert problem.message() == "`taste.dry` is a metric for `dish = rice`"
    assert problem.help() == "write `dish = rice`, or use one of `taste.salty`, `taste.sour`"


def test_lists_have_what_stands_here() -> None:
    (unknown,) = problems(written("dish = rice\nheat = grill", "fill = [carrot]\n  water = 2"))
    assert (unknown.code, unknown.help()) == ("E203", "there is `steam`, `smoke`")
    (metric,) = problems(written(pot="fill = [carrot(3)]\n  until = nobody_knows"))
    assert metric.help() == "write `taste`, a dot, and one of `salty`, `sour`"
    (kind,) = problems(written("dish = rice", 'fill = [carrot]\n  water = 2\n  until = "x y"'))
    assert "a metric such as `taste.sour`" in render(kind)


def test_what_is_near_here_goes_before_what_is_nearer_elsewhere() -> None:
    (here,) = problems(written("heat = boyl"))
    assert here.help() == "did you mean `boil`?"
    (elsewhere,) = problems(written("heat = steem"))
    assert (elsewhere.code, elsewhere.help()) == ("E203", "`steam` is a way of cooking for `dish = rice`")
    (known,) = problems(written(pot="fill = [carrot(3)]\n  until = dryness"))
    assert (known.code, known.help()) == ("E207", "`taste.dry` is a metric for `dish = rice`")
    assert not (*elsewhere.edits(), *known.edits())


# --- the resolved form ------------------------------------------------------------------------


@pytest.mark.parametrize("dish", ["soup", "rice"])
def test_a_printed_recipe_checks_to_the_same_values(dish: str) -> None:
    recipe = read(written(f"dish = {dish}\nlid = 2", "fill = [carrot(3, grated = true), carrot(4)]\n  water = 2"))
    printed = print_recipe(recipe, KITCHEN)
    assert "carrot(slices = 3, grated = true), carrot(slices = 4)" in printed
    again = read(printed)
    assert (again.fields, again.blocks) == (recipe.fields, recipe.blocks)
    unwritten = read(written(f"dish = {dish}", "fill = [carrot(2)]\n  water = 2"))
    assert "lid" not in print_recipe(unwritten, KITCHEN)


def test_a_default_that_cannot_be_written_is_left_out() -> None:
    recipe = read(written("dish = rice", "fill = [carrot]\n  water = 2"))
    assert "[carrot]" in print_recipe(recipe, KITCHEN)
    assert read(print_recipe(recipe, KITCHEN)).blocks == recipe.blocks


def test_new_arguments_and_other_defaults_move_neither_hash_nor_form() -> None:
    older = replace(
        KITCHEN,
        fields={name: replace(arg, by={}) for name, arg in KITCHEN.fields.items() if not arg.since},
        families={
            **KITCHEN.families,
            "food": v.family(
                "food", "a food", v.Entry("carrot", "Orange.", (v.Arg("slices", v.Number(whole=True), ""),))
            ),
        },
    )
    parsed = parse(Source("kitchen.ftr", written()))
    before, after = check(parsed, older), check(parsed, KITCHEN)
    assert recipe_hash(before, older) == recipe_hash(after, KITCHEN)
    assert print_recipe(before, older) == print_recipe(after, KITCHEN)


def test_changed_values_are_those_that_differ_from_the_words_own_default() -> None:
    recipe = read(written("dish = rice\nheat = steam", "fill = [carrot]\n  water = 2\n  until = taste.dry"))
    assert [name for _, name, _ in changed_values(recipe, KITCHEN)] == ["dish", "fill", "water"]
    soup = read(written("heat = smoke\nherb = sage", "fill = [carrot(3)]\n  until = taste.salty\n  water = 2"))
    assert [name for _, name, _ in changed_values(soup, KITCHEN)] == ["heat", "herb", "fill", "water"]


# --- the rows ---------------------------------------------------------------------------------


def test_must_be_written_means_beside_all_words() -> None:
    carrot = KITCHEN.families["food"].entries["carrot"].args[0]
    pot = KITCHEN.blocks["pot"].fields
    assert [arg.must_be_written for arg in (carrot, pot["water"], pot["fill"])] == [False, False, True]


WORDS = [
    pytest.param(vocabulary, name, word, id=f"{name} = {word}")
    for vocabulary in (KITCHEN, VOCABULARY)
    for name, arg in vocabulary.fields.items()
    if isinstance(arg.type, v.Word)
    for word in arg.type.options
]


@pytest.mark.parametrize(("vocabulary", "name", "word"), WORDS)
def test_every_default_stands_beside_its_words(vocabulary: v.Vocabulary, name: str, word: str) -> None:
    problems: list[Problem] = []
    params = Params(problems, {})
    values = Values(vocabulary, params, Selector(problems, params, {}), problems)
    values.names.narrow({**written_words((), {}, vocabulary), name: Value(word)})
    here = values.vocabulary
    entries = [entry for family in here.families.values() for entry in family.entries.values()]
    tables = [here.fields.values(), *(kind.fields.values() for kind in here.blocks.values())]
    for arg in (arg for table in (*tables, *(entry.args for entry in entries)) for arg in table):
        assert not arg.by
        if arg.default is not v.REQUIRED:
            values.default(arg)
    assert not problems


def test_what_is_narrowed_has_nothing_left_to_narrow() -> None:
    words = written_words((), {}, KITCHEN)
    here = narrowed(KITCHEN, words)
    assert here != KITCHEN
    assert narrowed(here, words) == here
