"""What the language server says about a place in a text, without the server: completion, hovers, places, changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT

from recipe_lang.problem import Edit, Kind
from recipe_lang.source import Source
from runtime.lsp.actions import layout, quick_fixes
from runtime.lsp.completion import Suggestion, complete
from runtime.lsp.hover import hover
from runtime.lsp.navigation import definition, outline
from runtime.lsp.positions import editor_source, offset, position
from runtime.lsp.reading import Reading, findings, read
from runtime.vocabulary import VOCABULARY

HEAD = "ftr 1\nparam lr = 1e-3 in log(1e-5 .. 1e-1)\nparam n = 3 epochs\n"
STAGE = HEAD + 'stage "top" {{\n  train = head\n  {}\n  clip = global_norm(1.0)\n}}\n'
PARENT = 'ftr 1\nparam lr = 1e-3 in log(1e-5 .. 1e-1)\nstage "head" {\n  train = head\n  for = 3 epochs\n}\n'


def reading_at(text: str, name: str = "x.ftr") -> tuple[Reading, int]:
    """Read a text whose cursor is the `|`."""
    before, after = text.split("|")
    return read(Source(name, before + after)), len(before)


def at(text: str, name: str = "x.ftr") -> dict[str, Suggestion]:
    return {each.label: each for each in complete(*reading_at(text, name))}


def in_stage(line: str) -> list[str]:
    return list(at(STAGE.format(line)))


def written(text: str, label: str, name: str = "x.ftr") -> str:
    """Return the text after a suggestion was taken; the cursor is the `|` again."""
    reading, place = reading_at(text, name)
    chosen = next(each for each in complete(reading, place) if each.label == label)
    old = reading.source.text
    return f"{old[: chosen.start]}{chosen.text}|{chosen.tail}{old[place:]}"


# --- statements --------------------------------------------------------------------------------


def test_at_the_top_are_fields_blocks_and_statement_words_that_are_not_yet_there() -> None:
    found = at("ftr 1\nseed = 3\n|\ndata {\n  train = digits\n}\n")
    assert {"name", "base", "loss", "stage", "expect", "extends", "param"} <= set(found)
    assert not {"seed", "data", "ftr", "drop", "optimizer"} & set(found)
    assert "ftr" in at("|")


@pytest.mark.parametrize("line", ["|", "opt|", "optimizer| = adam"])
def test_a_block_has_its_own_fields_without_those_written_above_or_below(line: str) -> None:
    found = in_stage(line)
    assert {"optimizer", "for", "schedule"} <= set(found)
    assert not {"train", "clip", "seed", "batch", "lr"} & set(found)


def test_what_a_suggestion_writes() -> None:
    assert written("ftr 1\nse|\n", "seed") == "ftr 1\nseed = |\n"
    assert written("ftr 1\nse| = 7\n", "seed") == "ftr 1\nseed| = 7\n"
    assert written("ftr 1\nst|", "stage") == 'ftr 1\nstage "|" {\n  \n}'
    assert written("ftr 1\nda|", "data") == "ftr 1\ndata {\n  |\n}"
    assert written(STAGE.format("optimizer = ad|"), "adam") == STAGE.format("optimizer = adam(|)")
    assert written(STAGE.format("optimizer = ad|(lr = 1)"), "adam") == STAGE.format("optimizer = adam|(lr = 1)")
    assert written("ftr 1\nbase = glu|", "gluoncv") == 'ftr 1\nbase = gluoncv("|")'
    assert written("ftr 1\nexpect {\n  valid.lo|\n}", "valid.loss") == "ftr 1\nexpect {\n  valid.loss <= |\n}"
    assert written(STAGE.format("for = 3|"), "epochs") == STAGE.format("for = 3 epochs|")


def test_defaults_have_the_fields_of_a_stage() -> None:
    assert {"optimizer", "norm"} <= set(at("ftr 1\ndefaults {\n  |\n}\n"))


def test_a_stage_takes_switches_and_these_take_their_fields() -> None:
    text = 'ftr 1\nstage "top" {{\n  train = head\n  for = 10 epochs\n  {}\n}}\n'
    assert at(text.format("fr|"))["from"].kind == "block"
    inside = at(text.format("from 8 epochs {\n    views = 2\n    |\n  }"))
    assert set(inside) == {"loss", "augment", "sampling", "size"}
    assert "optimizer" not in at(text.format("from 50% {\n    |\n  }"))
    assert {"none", "shared"} <= set(at(text.format("from 50% {\n    augment = |\n  }")))


# --- values ------------------------------------------------------------------------------------

VALUES = [
    ("optimizer = |", {"adam", "sgd"}, {"cosine", "flip", "none", "true", "$lr"}),
    ("norm = f|", {"train", "frozen"}, {"adam"}),
    ("keep = |", {"none", "best", "last"}, {"true"}),
    ("optimizer = adam(|", {"lr", "beta1", "$lr"}, {"momentum", "$n", "adam"}),
    ("optimizer = adam(lr = |)", {"$lr"}, {"beta1", "$n"}),
    ("optimizer = adam(lr = 1, |)", {"beta1"}, {"lr"}),
    ("optimizer = adam(lr = 1, decay_norms = |)", {"true", "false"}, {"beta1"}),
    ("optimizer = adam(0.1, |", {"beta1"}, {"lr"}),
    ("optimizer = adam(lr = $|)", {"$lr"}, {"$n"}),
    ("optimizer = adam(lr = 2 * |)", {"$lr"}, set()),
    ("for = |", {"$n"}, {"$lr"}),
    ("for = 3 |", {"epochs", "steps"}, {"px", "%", "$n"}),
    ("for = 1 ep|", {"epoch", "step"}, {"epochs"}),
    ("stop = early(va|", {"valid.accuracy", "metric", "patience"}, {"test.accuracy"}),
    ("stop = early(valid.accuracy, patience = |)", {"$n"}, {"valid.accuracy"}),
    ("schedule = cosine(warmup = 1 epoch, final = 1|)", {"%"}, {"epochs"}),
    ("schedule = multistep([3 |", {"epochs"}, {"px"}),
    ("lr_scale = { ba|", {"base.block1", "head"}, {"layer_decay", "none"}),
    ("lr_scale = { base.block1 = |", set(), {"base.block1"}),
    ("lr_scale = |", {"layer_decay", "none"}, {"base.block1"}),
    ("augment = [flip(|", {"direction", "horizontal"}, {"resize"}),
    ("augment = [flip(horizontal), |", {"resize", "flip"}, {"horizontal"}),
    ("augment = [\n    flip(horizontal),\n    |\n  ]", {"resize"}, {"optimizer"}),
    ("augment = [flip(horizontal)\n  |", {"optimizer"}, {"resize"}),
    ("augment = [flip(\n  |norm = frozen", {"optimizer"}, {"direction"}),
    ("monitor = valid.|", {"valid.loss"}, {"test.loss"}),
    ("optimizer = adam # |", set(), {"adam", "lr"}),
    ("optimizer = adam |", set(), {"adam", "lr", "%"}),
]


@pytest.mark.parametrize(("line", "there", "absent"), VALUES)
def test_a_value_is_completed_by_the_type_that_its_place_expects(line: str, there: set[str], absent: set[str]) -> None:
    found = set(in_stage(line))
    assert there <= found
    assert not absent & found


@pytest.mark.parametrize(
    ("base", "blocks"),
    [("", 7), ('base = gluoncv("resnet50_v1b")\n', 4), ('base = gluoncv("vgg16", weights = none)\n', 5)],
)
def test_selectors_name_the_parts_of_this_base(base: str, blocks: int) -> None:
    text = HEAD + base + 'stage "a" {\n  train = base.| .. head\n}\n'
    parts = [name for name in at(text) if name.startswith("base.")]
    assert parts == ["base.stem", *(f"base.block{n}" for n in range(1, blocks + 1))]


def test_behind_a_part_stand_the_operators_of_selectors() -> None:
    text = HEAD + 'stage "a" {\n  train = base.block3 |\n}\n'
    assert list(at(text)) == ["..", "except"]
    assert "head" in at(text.replace(" |", " .. |"))


def test_behind_the_number_of_a_claim_stands_over_how_many_seeds_it_is() -> None:
    text = HEAD + "expect {\n  test.accuracy >= 90 |\n}\n"
    assert list(at(text)) == ["%", "over"]
    assert list(at(text.replace(" |", "% over 5 |"))) == ["seeds"]
    assert list(at(text.replace(">= 90 |", "|"))) != ["%", "over"]


def test_a_base_that_is_half_typed_leaves_the_words_that_fit_every_base() -> None:
    found = at(HEAD + 'base = gluoncv("resnet\nstage "a" {\n  train = |\n}\n')
    assert {"head", "base", "all"} <= set(found)
    assert "base.block1" not in found


def test_strings_hold_networks_files_and_titles(tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "base.ftr").write_text(PARENT)
    (tmp_path / "notes.txt").write_text("")
    name = str(tmp_path / "x.ftr")
    assert "resnet50_v1b" in at('ftr 1\nbase = gluoncv("res|', name)
    assert list(at('ftr 1\ndata {\n  train = folder("|")\n}\n', name)) == ["data/", "base.ftr", "notes.txt"]
    assert list(at('ftr 1\ndata {\n  train = folder("data/t|")\n}\n', name)) == ["train/"]
    assert written('ftr 1\nextends "ba|"\n', "base.ftr", name) == 'ftr 1\nextends "base.ftr|"\n'
    assert set(at('ftr 1\nextends "|"\n', name)) == {"data/", "base.ftr"}
    child = 'ftr 1\nextends "base.ftr"\n'
    assert list(at(child + 'drop stage "|"\n', name)) == ["head"]
    assert "drop" in at(child + "|\n", name)
    assert "$lr" in at(child + 'stage "head" {\n  optimizer = adam(lr = |)\n}\n', name)
    assert at('ftr 1\nname = "|"\n', name) == {}


def test_a_parameter_knows_those_above_it_and_how_it_goes_on() -> None:
    assert list(at("ftr 1\nparam a = 1\nparam b = |\nparam c = 2\n")) == ["$a"]
    assert "in" in at("ftr 1\nparam a = 3 |\n")


def test_a_blank_that_nobody_asked_for_begins_no_statement() -> None:
    reading, place = reading_at(STAGE.format("|"))
    assert complete(reading, place, after_blank=True) == []
    reading, place = reading_at(STAGE.format("norm = |"))
    assert complete(reading, place, after_blank=True)


def test_a_recipe_in_json_is_left_to_the_editors_own_schema() -> None:
    assert at('{"ftr": 1, |}', "x.ftr.json") == {}


RECIPE = (ROOT / "recipes" / "folder-resnet50.ftr").read_text(encoding="utf-8")


@settings(deadline=None, max_examples=80)
@given(st.integers(0, len(RECIPE)), st.integers(0, 40), st.text(st.sampled_from('ab.$"{}[]()=,# \n\r1é😀'), max_size=4))
def test_no_text_is_too_broken(place: int, cut: int, typed: str) -> None:
    text = RECIPE[:place] + typed + RECIPE[place + cut :]
    reading = read(editor_source("x.ftr", text))
    for each in complete(reading, place + len(typed)):
        assert 0 <= each.start <= place + len(typed)
    hover(reading, place)
    definition(reading, place)
    outline(reading.recipe)
    list(findings(reading))


# --- hovers ------------------------------------------------------------------------------------


def about(text: str, name: str = "x.ftr") -> str:
    found = hover(*reading_at(text, name))
    return "" if found is None else found.text


HOVERS = [
    (STAGE.format("opt|imizer = adam"), "a field of `stage`"),
    (STAGE.replace("  {}\n", "").replace("{{", "{").replace("}}", "}").replace("train", "tr|ain"), "parts that train"),
    ("ftr 1\ndata {\n  tra|in = digits\n}\n", "images to train on"),
    (STAGE.format("optimizer = ad|am"), "an optimizer"),
    (STAGE.format("optimizer = adam(l|r = 1)"), "an argument of `adam`"),
    (STAGE.format("optimizer = adam(lr = $l|r)"), "Its domain is `log(1e-5 .. 1e-1)`"),
    (STAGE.format("norm = fr|ozen"), "Keep the running statistics"),
    (STAGE.format("monitor = valid.acc|uracy"), "a metric"),
    (STAGE.format("for = 3 ep|ochs"), "a unit"),
    ('ftr 1\nbase = gluoncv("resn|et50_v1b")\n', "`base.block4`"),
    (
        'ftr 1\nbase = gluoncv("resnet50_v1b")\nstage "a" {\n  train = base.blo|ck3\n}\n',
        "Part 4 of the 5 of resnet50_v1b",
    ),
    ('ftr 1\nst|age "a" {\n', "a block"),
    ("ftr 1\npar|am lr = 3\n", "a statement"),
    ("ftr 1\nseed = \n# a com|ment about adam", ""),
    (STAGE.format("optimizer = ad|ma"), "**E203**"),
    ("ftr 1\nexpect {\n  test.acc|uracy >= 9%\n}\n", "a metric"),
]


@pytest.mark.parametrize(("text", "part"), HOVERS)
def test_a_hover_explains_a_word_by_its_place(text: str, part: str) -> None:
    found = about(text)
    assert part in found
    assert bool(found) == bool(part)


# --- where things are --------------------------------------------------------------------------


def test_definitions_lead_to_parameters_parents_and_their_blocks(tmp_path: Path) -> None:
    (tmp_path / "base.ftr").write_text(PARENT)
    name = str(tmp_path / "x.ftr")

    def found(text: str) -> str:
        place = definition(*reading_at(text, name))
        return "" if place is None else f"{Path(place.source.name).name}:{place.line}:{place.column}"

    child = 'ftr 1\nextends "base.ftr"\n'
    assert found(HEAD + 'stage "a" {\n  optimizer = adam(lr = $l|r)\n}\n') == "x.ftr:2:7"
    assert found(child + 'stage "a" {\n  optimizer = adam(lr = $|lr)\n}\n') == "base.ftr:2:7"
    assert found('ftr 1\nextends "ba|se.ftr"\n') == "base.ftr:1:1"
    assert found('ftr 1\nextends "ga|ne.ftr"\n') == ""
    assert found(child + 'drop stage "he|ad"\n') == "base.ftr:3:1"
    assert found(child + 'stage "he|ad" {\n}\n') == "base.ftr:3:1"
    assert found(child + 'stage "ne|w" {\n}\n') == ""


def test_the_outline_has_blocks_stages_and_parameters_even_of_a_broken_text() -> None:
    reading, _ = reading_at(STAGE.format("optimizer = |"))
    entries = outline(reading.recipe)
    assert [(each.name, each.kind) for each in entries] == [("lr", "param"), ("n", "param"), ("top", "block")]
    assert [each.name for each in entries[-1].inner] == ["train", "clip"]
    assert entries[-1].detail == "stage"


def test_a_problem_of_a_parent_stands_at_the_extends_line(tmp_path: Path) -> None:
    (tmp_path / "base.ftr").write_text(PARENT.replace("3 epochs", "3"))
    text = 'ftr 1\nextends "base.ftr"\ndata {\n  train = digits\n}\n'
    (found,) = findings(read(Source(str(tmp_path / "x.ftr"), text)))
    assert found.span.text == '"base.ftr"'
    assert found.message.startswith("in base.ftr, line 5: ")
    ((place, _),) = found.others
    assert (Path(place.source.name).name, place.line) == ("base.ftr", 5)


def test_too_long_a_text_is_one_finding() -> None:
    assert [f.problem.code for f in findings(read(Source("x.ftr", "#" * 1_000_001)))] == ["E109"]


# --- places and changes ------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "column"), [("utf-16", 7), ("utf-8", 11), ("utf-32", 6)])
def test_columns_count_code_units(encoding: str, column: int) -> None:
    source = editor_source("x", 'é\r\n"e\u0301😀é"x\r\nz')
    place = source.text.index("x")
    assert position(source, place, encoding) == (1, column)
    assert offset(source, 1, column, encoding) == place
    assert offset(source, 1, 99, encoding) == place + 1  # not behind the line's end
    assert offset(source, 9, 0, encoding) == len(source.text)


@settings(deadline=None)
@given(
    st.text(st.sampled_from("aé\u0301ह😀\n\r\u2028\ufeff\ud800\t"), max_size=12),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_places_go_there_and_back(text: str, encoding: str) -> None:
    source = editor_source("x", text)
    assert len(source.text) == len(text)
    for place in range(len(source.text) + 1):
        if source.text[place - 1 : place + 1] != "\r\n":  # no editor stands between these
            assert offset(source, *position(source, place, encoding), encoding) == place


Misspelt = Kind(
    "E999",
    "misspelt",
    reason="For these tests.",
    fields="right",
    message="misspelt",
    edits=lambda p: (Edit(p.span, p.right),) if p.span else (),
)


def test_quick_fixes_are_those_of_the_problems_that_the_range_touches() -> None:
    source = Source("x.ftr", "ftr 1\nsede = 7\nbase = 3\n")
    problems = (Misspelt(span=source.span(6, 10), right="seed"), Misspelt(span=source.span(15, 23), right=""))
    reading = Reading(source, read(source).recipe, problems)
    (fix,) = quick_fixes(reading, 10, 10)
    assert (fix.title, fix.edits) == ("replace `sede` with `seed`", problems[0].edits())
    assert [each.title for each in quick_fixes(reading, 0, 30)] == ["replace `sede` with `seed`", "remove `base = 3`"]


def test_layout_changes_only_the_lines_that_differ() -> None:
    source = Source("x.ftr", "ftr 1\n\nseed=7\n\nloss = cross_entropy\n")
    edit = layout(source)
    assert edit is not None
    assert (edit.span.text, edit.text) == ("seed=7\n", "seed = 7\n")
    assert layout(Source("x.ftr", "ftr 1\n\nseed = 7\n")) is None
    assert layout(Source("x.ftr", "ftr 1\nseed = \n")) is None


def test_every_name_of_the_vocabulary_can_be_completed_and_hovered() -> None:
    for kind, block in VOCABULARY.blocks.items():
        title = ' "t"' if block.titled else ""
        for name in block.fields:
            assert name in at(f"ftr 1\n{kind}{title} {{\n  |\n}}\n")
            assert about(f"ftr 1\n{kind}{title} {{\n  |{name} = \n}}\n"), name
