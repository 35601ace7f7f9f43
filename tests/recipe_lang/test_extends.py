"""`extends`, `drop` and parameters across files: what is merged, what is refused, and where errors point."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, load_source, parse
from recipe_lang.compose.merge import merge
from recipe_lang.output.identity import recipe_hash
from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.nodes import Block
from runtime.vocabulary import VOCABULARY

BASE = """\
ftr 1
name = "base"
seed = 7
param lr = 1e-3 in log(1e-5 .. 1e-1)
data {
  train = folder("train")
  size  = 128px
  batch = 16
}
defaults {
  clip = global_norm(1.0)
}
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = $lr)
}
stage "top" {
  train = base.block3 .. head
  for   = 5 epochs
  norm  = frozen
}
expect {
  valid.accuracy >= 80%
  valid.accuracy <= 99%
  valid.loss < 1
}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.ftr").write_text(BASE)


def checked(text: str, *settings: str, name: str = "child.ftr", outside: bool = False) -> CheckedRecipe:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return check(load(path, outside=outside), VOCABULARY, settings)


def codes(text: str, *settings: str, name: str = "child.ftr", outside: bool = False) -> list[str]:
    return [problem.code for problem in refusal(text, *settings, name=name, outside=outside).problems]


def refusal(text: str, *settings: str, name: str = "child.ftr", outside: bool = False) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        checked(text, *settings, name=name, outside=outside)
    return caught.value


def titles(recipe: CheckedRecipe) -> list[str]:
    return [stage.title for stage in recipe.all("stage")]


def test_a_child_that_says_nothing_is_its_parent() -> None:
    child = checked('ftr 1\nextends "base.ftr"\n')
    parent = check(load("base.ftr"), VOCABULARY)
    assert child.fields == parent.fields
    assert child.blocks == parent.blocks
    assert child.claims == parent.claims
    assert recipe_hash(child, VOCABULARY) == recipe_hash(parent, VOCABULARY)


def test_fields_of_blocks_are_replaced_one_by_one() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nseed = 8\ndata {\n  batch = 64\n  take = 100\n}\n')
    data = child.block("data")
    assert (child["seed"], child["name"]) == (8, "base")
    assert (data["batch"], data["take"], data["size"]) == (64, 100, 128)
    assert str(data["train"]["path"]) == "train"


def test_a_value_is_replaced_whole() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nstage "head" {\n  optimizer = adam(beta1 = 0.8)\n}\n')
    optimizer = next(child.all("stage"))["optimizer"]
    assert (optimizer["lr"], optimizer["beta1"]) == (1e-3, 0.8)
    assert optimizer.args["lr"].span is None  # the language's default, not the parent's `$lr`


def test_stages_keep_the_parents_place_and_new_ones_go_last() -> None:
    child = checked(
        'ftr 1\nextends "base.ftr"\nstage "all" {\n  train = all\n  for = 1 epoch\n}\n'
        'stage "head" {\n  for = 9 epochs\n}\n'
    )
    assert titles(child) == ["head", "top", "all"]
    assert [stage["for"].number for stage in child.all("stage")] == [9, 5, 1]


def test_switches_merge_by_when_they_begin_and_stand_in_that_order() -> None:
    child = checked(
        'ftr 1\nextends "base.ftr"\nstage "top" {\n  from 4 epochs {\n    views = 2\n  }\n  from 2 epochs {\n'
        "    loss = focal\n  }\n}\n"
    )
    Path("middle.ftr").write_text(child.source.text)
    grandchild = checked(
        'ftr 1\nextends "middle.ftr"\nstage "top" {\n  from 1 epoch {\n    augment = none\n  }\n  from 4 epoch {\n'
        "    augment = [flip]\n  }\n}\n"
    )
    for recipe, expected in (
        (child, {"2 epochs": ["loss"], "4 epochs": ["views"]}),
        (grandchild, {"1 epoch": ["augment"], "2 epochs": ["loss"], "4 epochs": ["augment", "views"]}),
    ):
        top = next(stage for stage in recipe.all("stage") if stage.title == "top")
        assert {str(each.begins and each.begins.value): [*each.fields] for each in top.inside} == expected


def test_defaults_of_the_parent_fill_the_stages_of_the_child() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nstage "all" {\n  train = all\n  for = 1 epoch\n}\n')
    assert [stage["clip"].name for stage in child.all("stage")] == ["global_norm"] * 3
    child = checked('ftr 1\nextends "base.ftr"\ndefaults {\n  norm = train\n  l1 = 1e-4\n}\n')
    assert [stage["norm"] for stage in child.all("stage")] == ["train", "frozen"]
    assert [stage["l1"] for stage in child.all("stage")] == [1e-4, 1e-4]


def test_drop_takes_a_stage_away_and_can_make_room_for_another() -> None:
    child = checked('ftr 1\nextends "base.ftr"\ndrop stage "top"\n')
    assert titles(child) == ["head"]
    child = checked(
        'ftr 1\nextends "base.ftr"\ndrop stage "head"\nstage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    )
    assert titles(child) == ["head", "top"]
    assert [problem.code for problem in child.advice if problem.code == "W701"] == []  # `lr` is the parent's


def test_claims_on_a_metric_replace_the_parents_on_it() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nexpect {\n  valid.accuracy >= 90%\n  valid.accuracy <= 95%\n}\n')
    assert [(str(c.metric), c.operator, c.number) for c in child.claims] == [
        ("valid.accuracy", ">=", 0.9),
        ("valid.loss", "<", 1.0),
        ("valid.accuracy", "<=", 0.95),
    ]


def test_a_recipe_in_two_files_has_the_hash_of_the_same_in_one() -> None:
    Path("stages.ftr").write_text('ftr 1\nstage "head" {\n  train = head\n  for = 3 epochs\n}\n')
    child = checked('ftr 1\nextends "stages.ftr"\ndata {\n  train = folder("d")\n  batch = 8\n}\n')
    flat = 'ftr 1\ndata {\n  train = folder("d")\n  batch = 8\n}\nstage "head" {\n  train = head\n  for = 3 epochs\n}\n'
    assert recipe_hash(child, VOCABULARY) == recipe_hash(check(parse(Source("f.ftr", flat)), VOCABULARY), VOCABULARY)


def test_paths_are_relative_to_the_file_that_writes_them() -> None:
    Path("shared").mkdir()
    Path("shared/base.ftr").write_text(BASE)
    child = checked('ftr 1\nextends "shared/base.ftr"\ndata {\n  test = folder("test")\n}\n')
    data = child.block("data")
    assert str(data["train"]["path"]) == "shared/train"
    assert str(data["test"]["path"]) == "test"


def test_parents_have_parents() -> None:
    Path("middle.ftr").write_text('ftr 1\nextends "base.ftr"\nseed = 1\ndata {\n  batch = 8\n}\n')
    child = checked('ftr 1\nextends "middle.ftr"\ndata {\n  batch = 4\n}\n')
    assert (child["seed"], child.block("data")["batch"], child.block("data")["size"]) == (1, 4, 128)


# --- parameters --------------------------------------------------------------------------------


def test_a_child_sets_a_parameter_within_the_parents_domain() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nparam lr = 3e-4\n')
    assert next(child.all("stage"))["optimizer"]["lr"] == 3e-4
    error = refusal('ftr 1\nextends "base.ftr"\nparam lr = 3\n')
    assert [problem.code for problem in error.problems] == ["E306"]
    text = render(error.problems[0])
    assert "child.ftr:3:12" in text
    assert "base.ftr:4:" in text  # both places


@pytest.mark.parametrize("domain", ["log(1e-4 .. 1e-2)", "1e-4 .. 1e-2", "[1e-3, 1e-2]"])
def test_a_child_narrows_a_domain(domain: str) -> None:
    text = f'ftr 1\nextends "base.ftr"\nparam lr = 1e-3 in {domain}\n'
    assert next(checked(text, "lr=1e-2").all("stage"))["optimizer"]["lr"] == 1e-2
    assert codes(text, "lr=5e-2") == ["E306"]  # inside the parent's, outside its own


@pytest.mark.parametrize("domain", ["log(1e-4 .. 1)", "0 .. 1e-2", "[1e-3, 10]"])
def test_a_child_does_not_widen_a_domain(domain: str) -> None:
    assert codes(f'ftr 1\nextends "base.ftr"\nparam lr = 1e-3 in {domain}\n') == ["E313"]


def test_a_grandparents_domain_holds_too() -> None:
    Path("middle.ftr").write_text('ftr 1\nextends "base.ftr"\nparam lr = 1e-3 in 1e-4 .. 1e-2\n')
    assert codes('ftr 1\nextends "middle.ftr"\nparam lr = 1e-3 in 1e-5 .. 1e-2\n') == ["E313"]


def test_a_list_of_the_parent_is_narrowed_by_a_list_only() -> None:
    Path("base.ftr").write_text(BASE.replace("log(1e-5 .. 1e-1)", "[1e-3, 1e-2]"))
    assert codes('ftr 1\nextends "base.ftr"\nparam lr = 1e-3 in 1e-3 .. 1e-2\n') == ["E313"]
    assert checked('ftr 1\nextends "base.ftr"\nparam lr = 1e-3 in [1e-3]\n')


def test_a_setting_reaches_the_parents_parameter_and_its_excerpt_is_the_command_line() -> None:
    child = checked('ftr 1\nextends "base.ftr"\n', "lr=2e-3")
    assert next(child.all("stage"))["optimizer"]["lr"] == 2e-3
    text = render(refusal('ftr 1\nextends "base.ftr"\n', "lr=2").problems[0])
    assert "--> --set:1:4\n" in text
    assert "1 | lr=2\n" in text
    assert "base.ftr:4:" in text


# --- what is refused ---------------------------------------------------------------------------


def test_errors_point_into_the_file_that_has_them() -> None:
    Path("base.ftr").write_text(BASE.replace("size  = 128px", "size  = 128").replace('"base"', "'base'"))
    error = refusal('ftr 1\nextends "base.ftr"\nsede = 8\n')
    assert sorted((p.code, str(p.span)) for p in error.problems) == [
        ("E101", "base.ftr:2:8"),
        ("E201", "child.ftr:3:1"),
        ("E303", "base.ftr:7:11"),
    ]


def test_a_value_of_the_parent_that_the_child_replaces_is_not_checked() -> None:
    Path("base.ftr").write_text(BASE.replace("size  = 128px", "size  = 128"))
    assert checked('ftr 1\nextends "base.ftr"\ndata {\n  size = 96px\n}\n').block("data")["size"] == 96


def test_two_fields_of_one_name_in_one_file_are_still_an_error() -> None:
    assert codes('ftr 1\nextends "base.ftr"\nseed = 8\nseed = 9\n') == ["E401"]
    assert codes('ftr 1\nextends "base.ftr"\ndata {\n  batch = 8\n  batch = 9\n}\n') == ["E401"]


def test_a_circle_is_shown_as_a_path() -> None:
    Path("a.ftr").write_text('ftr 1\nextends "b.ftr"\n')
    Path("b.ftr").write_text('ftr 1\nextends "./sub/../a.ftr"\n')
    (problem,) = refusal('ftr 1\nextends "a.ftr"\n').problems
    assert (problem.code, problem.message()) == (
        "E115",
        "the recipes extend each other in a circle: a.ftr -> b.ftr -> a.ftr",
    )
    assert str(problem.span) == "b.ftr:2:9"
    assert codes('ftr 1\nextends "child.ftr"\n') == ["E115"]


def test_a_chain_of_parents_ends_at_eight() -> None:
    for n in range(9):
        Path(f"p{n}.ftr").write_text(f'ftr 1\nextends "p{n + 1}.ftr"\n')
    Path("p8.ftr").write_text(BASE)
    assert checked('ftr 1\nextends "p1.ftr"\n')["seed"] == 7
    assert codes('ftr 1\nextends "p0.ftr"\n') == ["E116"]


def test_a_parent_outside_of_the_folder_is_refused_unless_asked_for(tmp_path: Path) -> None:
    text = 'ftr 1\nextends "../base.ftr"\n'
    assert codes(text, name="mine/child.ftr") == ["E114"]
    assert checked(text, name="mine/child.ftr", outside=True)["seed"] == 7
    assert codes(f'ftr 1\nextends "{tmp_path}/base.ftr"\n', name="mine/child.ftr") == ["E114"]
    Path("mine/link.ftr").symlink_to(tmp_path / "base.ftr")
    assert codes('ftr 1\nextends "link.ftr"\n', name="mine/child.ftr") == ["E114"]
    # A parent below may look up as far as the recipe's own folder.
    Path("deep").mkdir()
    Path("deep/up.ftr").write_text('ftr 1\nextends "../base.ftr"\n')
    assert checked('ftr 1\nextends "deep/up.ftr"\n')["seed"] == 7


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda path: path.unlink(), "E110"),
        (lambda path: path.write_bytes(b"ftr 1\n\xff"), "E108"),
        (lambda path: path.write_text("#" * 1_000_001), "E109"),
        (lambda path: (path.unlink(), path.mkdir()), "E110"),
        (lambda path: path.write_text("seed = 1\n"), "E111"),
        (lambda path: path.write_text("ftr 2\n"), "E112"),
    ],
)
def test_a_parent_that_cannot_be_read_is_one_error(write: object, code: str) -> None:
    write(Path("base.ftr"))  # type: ignore[operator]
    error = refusal('ftr 1\nextends "base.ftr"\n')
    assert code in [problem.code for problem in error.problems]
    if code in ("E108", "E109", "E110"):
        assert [str(problem.span) for problem in error.problems] == ["child.ftr:2:9"]


def test_where_the_words_stand() -> None:
    assert codes('ftr 1\nseed = 1\nextends "base.ftr"\n') == ["E406"]
    assert codes('ftr 1\nextends "base.ftr"\nextends "base.ftr"\n') == ["E401"]
    assert codes('ftr 1\nextends "base.ftr"\ndata {\n  extends "x.ftr"\n  drop stage "a"\n}\n') == ["E406", "E406"]
    assert codes(BASE + 'drop stage "head"\n') == ["E406"]


def test_a_drop_that_matches_nothing_has_a_suggestion() -> None:
    (problem,) = refusal('ftr 1\nextends "base.ftr"\ndrop stage "hed"\n').problems
    assert (problem.code, problem.help()) == ("E211", 'did you mean "head"?')
    (problem,) = refusal('ftr 1\nextends "base.ftr"\ndrop stages "zzz"\n').problems
    assert (problem.code, problem.help()) == ("E211", "remove the line")


def test_a_text_that_is_read_alone_has_no_parents() -> None:
    with pytest.raises(RecipeError) as caught:
        check(parse(Source("resolved.ftr", 'ftr 1\nextends "base.ftr"\n')), VOCABULARY)
    assert [problem.code for problem in caught.value.problems] == ["E117"]


def test_unsaved_text_finds_its_parents_by_its_name() -> None:
    recipe = check(load_source(Source("unsaved.ftr", 'ftr 1\nextends "base.ftr"\n')), VOCABULARY)
    assert recipe["seed"] == 7


def test_parameters_may_name_each_other_in_any_order() -> None:
    Path("base.ftr").write_text(BASE.replace("param lr", "param first = 1e-3\nparam second = 2e-3\nparam lr"))
    child = checked(
        'ftr 1\nextends "base.ftr"\nparam third = 1e-2\nparam first = ($third + $second) / 2\nparam lr = $first\n'
    )
    assert next(child.all("stage"))["optimizer"]["lr"] == 6e-3
    assert codes('ftr 1\nextends "base.ftr"\nparam first = $lr\nparam lr = $first\n') == ["E205"]  # a circle
    assert codes('ftr 1\nextends "base.ftr"\nparam lr = 1e-3\nparam lr = 1e-3\n') == ["E401"]


def test_a_long_chain_of_parameters_is_no_trouble() -> None:
    lines = [f"param p{n} = $p{n + 1}" for n in range(5000)]
    assert checked('ftr 1\nextends "base.ftr"\n' + "\n".join(lines) + "\nparam p5000 = 1\nseed = $p0\n")["seed"] == 1


def test_a_dropped_stage_that_is_written_anew_keeps_its_place() -> None:
    text = 'ftr 1\nextends "base.ftr"\ndrop stage "head"\nstage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    child = checked(text)
    assert titles(child) == ["head", "top"]
    head = next(child.all("stage"))
    assert (head["for"].number, head.fields["optimizer"].span) == (1, None)  # nothing of the parent's


def test_new_stages_stand_among_the_stages() -> None:
    child = checked('ftr 1\nextends "base.ftr"\nstage "all" {\n  train = all\n  for = 1 epoch\n}\n')
    kinds = [item.kind for item in merge(child.written).items if isinstance(item, Block)]
    assert kinds == ["data", "defaults", "stage", "stage", "stage", "expect"]


def test_a_setting_starts_its_path_where_the_parameter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shared").mkdir()
    Path("shared/base.ftr").write_text(
        BASE.replace('folder("train")', "folder($dir)").replace("param", 'param dir = "a"\nparam')
    )
    child = checked('ftr 1\nextends "shared/base.ftr"\n', 'dir="b"')
    assert str(child.block("data")["train"]["path"]) == "shared/b"


def test_a_domain_names_no_parameters() -> None:
    Path("base.ftr").write_text(
        BASE.replace("param lr = 1e-3 in log(1e-5 .. 1e-1)", "param top = 1e-2\nparam lr = 1e-3 in 1e-5 .. $top")
    )
    assert codes('ftr 1\nextends "base.ftr"\n') == ["E301"]


def test_behind_a_link_the_parent_is_the_same_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("real/a/b").mkdir(parents=True)
    Path("link").symlink_to("real/a/b")
    Path("real/a/p.ftr").write_text(BASE)
    Path("p.ftr").write_text(BASE.replace("seed = 7", "seed = 9"))
    text = 'ftr 1\nextends "../p.ftr"\n'
    assert checked(text, name="link/c.ftr", outside=True)["seed"] == 7
    monkeypatch.chdir("link")
    assert checked(text, name="c.ftr", outside=True)["seed"] == 7


@pytest.mark.parametrize("path", ["a\\u0000b", "x" * 5000])
def test_a_path_that_no_file_can_have_is_one_error(path: str) -> None:
    assert codes(f'ftr 1\nextends "{path}"\n') == ["E110"]
