"""The language: what recipes mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from readings import FLOWERS, PARTS, codes, read, selected, stage_of, written

from recipe_lang.check.checked import Metric, Quantity, Selection
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source

# --- the example of the design ----------------------------------------------------------------


def test_the_example_means_what_it_says() -> None:
    recipe = read(FLOWERS)
    assert (recipe["name"], recipe["task"], recipe["seed"]) == ("flowers-resnet50", "classification", 7)
    data = recipe.block("data")
    assert (data["size"], data["batch"], data["valid"]["share"]) == (224, 32, 0.2)
    assert data["train"]["path"] == Path("data/flowers/train")
    assert [step.value.name for step in data["augment"]] == ["random_resized_crop", "flip", "color_jitter"]
    assert data["augment"][0].value["scale"] == (0.4, 1.0)
    assert recipe["base"]["weights"]["sha256"] == "0676ba61"
    assert recipe["loss"]["label_smoothing"] == 0.1
    first, second = recipe.all("stage")
    assert first.title == "warm up the head"
    assert first["train"].parts == ("head",)
    assert (first["optimizer"].name, first["optimizer"]["lr"]) == ("adam", 1e-3)
    assert second["train"].parts == ("base.block3", "base.block4", "head")
    assert second["optimizer"]["lr"] == 5e-4
    assert [(key.value.parts, scale.value) for key, scale in second["lr_scale"]] == [
        (("base.block3",), 0.1),
        (("base.block4",), 0.3),
    ]
    assert (second["schedule"]["warmup"], second["schedule"]["final"]) == (Quantity(1, "epochs"), 0.01)
    assert second["stop"]["metric"] == Metric("valid", "accuracy")
    (claim,) = recipe.claims
    assert (str(claim.metric), claim.operator, claim.number) == ("test.accuracy", ">=", 0.93)


def test_defaults_are_those_of_the_language_and_have_no_place() -> None:
    recipe = read(written())
    assert recipe["base"]["name"] == "efficientnet_lite0"
    assert [layer.value.name for layer in recipe["head"]] == ["dense"]
    stage = recipe.block("stage")
    assert (stage["optimizer"].name, stage["schedule"].name, stage["norm"]) == ("adam", "cosine", "train")
    assert stage.fields["optimizer"].span is None
    train = stage.fields["train"].span
    assert train is not None
    assert train.text == "head"


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("50%", 0.5),
        ("5e-1", 0.5),
        ("1 / 2", 0.5),
        ("1 - 0.5", 0.5),
        ("2 * 3 - 11 / 2", 0.5),
        ("(1 + 2) / 6", 0.5),
        ("1 + -0.5", 0.5),
        ("8 / 4 / 4", 0.5),
        ("2 - 1 - 0.5", 0.5),
        ("100% / 2", 0.5),
        ("-(1 - 1.5)", 0.5),
    ],
)
def test_arithmetic(text: str, value: float) -> None:
    assert stage_of(f"l1 = {text}")["l1"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 epochs", Quantity(3, "epochs")),
        ("1 epoch", Quantity(1, "epochs")),
        ("500 steps", Quantity(500, "steps")),
        ("500steps", Quantity(500, "steps")),
        ("2 * 3 epochs", Quantity(6, "epochs")),
        ("3 epochs - 1 epoch", Quantity(2, "epochs")),
        ("9 epochs / 3", Quantity(3, "epochs")),
    ],
)
def test_lengths(text: str, value: Quantity) -> None:
    assert read(written(stage=f"train = head\nfor = {text}")).block("stage")["for"] == value


def test_strings_know_their_escapes() -> None:
    text = r'"a \"b\" \\ \n \t \u00e9 # no comment {"'
    assert read(written(f"name = {text}"))["name"] == 'a "b" \\ \n \t é # no comment {'


def test_ranges_need_no_blanks() -> None:
    data = read(written(data="augment = [random_resized_crop(scale = 0.4..1.0)]")).block("data")
    assert data["augment"][0].value["scale"] == (0.4, 1.0)


def test_lines_break_inside_brackets() -> None:
    text = written("head = [ # first\n\n dropout(\n p = 0.1,\n ),\n dense(classes), # last\n]")
    assert [layer.value.name for layer in read(text)["head"]] == ["dropout", "dense"]


def test_words_of_the_grammar_can_name_fields_and_arguments() -> None:
    recipe = parse(Source("r", "then = 1\nexcept = 2\nin = 3\nparam in = 4\n"))
    assert recipe.problems == ()
    assert len(recipe.items) == 4


# --- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "good", "bad"),
    [
        ("log(1e-4 .. 1e-1)", "0.1", "0.2"),
        ("1e-4 .. 1e-1", "1e-4", "0"),
        ("[0.1, 0.01, 1e-3]", "10%", "0.05"),
    ],
)
def test_a_setting_stays_in_the_domain(domain: str, good: str, bad: str) -> None:
    top = f"param lr = 0.01 in {domain}"
    line = "optimizer = adam(lr = $lr)"
    assert stage_of(line, top)["optimizer"]["lr"] == 0.01
    assert stage_of(line, top, [f"lr={good}"])["optimizer"]["lr"] == pytest.approx(float(good.replace("10%", "0.1")))
    text = written(top, stage=f"train = head\nfor = 2 epochs\n{line}")
    assert codes(text, [f"lr={bad}"]) == ["E306"]


def test_parameters_hold_any_value_and_use_those_above() -> None:
    top = "param n = 2 epochs in 1 epoch .. 8 epochs\nparam m = $n * 2\n"
    top += 'param o = adam in [adam, sgd]\nparam t = "x"\nname = $t'
    stage = "train = head\nfor = $m\noptimizer = $o"
    recipe = read(written(top, stage=stage), ["n=3 epochs", "o=sgd"])
    assert recipe.block("stage")["for"] == Quantity(6, "epochs")
    assert recipe.block("stage")["optimizer"].name == "sgd"
    assert recipe["name"] == "x"
    assert [(param.name, param.value, param.was_set) for param in recipe.params] == [
        ("n", "3 epochs", True),
        ("m", "6 epochs", False),
        ("o", "sgd", True),
        ("t", '"x"', False),
    ]


@pytest.mark.parametrize("name", ["ftr", "extends", "param", "drop", "stage", "then"])
def test_a_parameter_named_like_a_word_of_the_syntax_can_be_set(name: str) -> None:
    text = written(f"param {name} = 1 in 0 .. 9\nseed = ${name}")
    assert read(text, [f"{name}=3"])["seed"] == 3
    assert codes(text, [f"{name}=10"]) == ["E306"]


def test_parameters_can_be_parts() -> None:
    top = "param first = base.block6\nparam parts = [$first .. head]"
    stage = "train = $parts except base.block7\nfor = 2 epochs"
    assert read(written(top, stage=stage)).block("stage")["train"].parts == ("base.block6", "head")


def test_a_setting_of_the_wrong_unit_is_blamed_itself() -> None:
    text = written("param n = 3 epochs in 1 epoch .. 8 epochs", stage="train = head\nfor = $n")
    with pytest.raises(RecipeError) as caught:
        read(text, ["n=3"])
    (problem,) = caught.value.problems
    assert problem.span is not None
    assert (problem.code, problem.span.text, problem.help()) == ("E303", "3", "write `3 epochs`")


def test_a_parameter_that_is_wrong_takes_the_call_that_uses_it_with_it() -> None:
    assert codes(written("param name = $none\nbase = packaged(name = $name)")) == ["E205"]


def test_an_unused_parameter_is_worth_a_word() -> None:
    (advice,) = read(written("param lr = 0.1\nparam s = 3\nseed = $s")).advice
    assert (advice.code, advice.is_error) == ("W701", False)
    assert advice.span is not None
    assert advice.span.text == "lr"


def test_a_parameter_is_set_once() -> None:
    with pytest.raises(RecipeError) as caught:
        read(written("param s = 1\nseed = $s"), ["s=2", "s=3"])
    (problem,) = caught.value.problems
    assert (problem.code, problem.message()) == ("E401", "the setting `s` is given twice")


# --- defaults ---------------------------------------------------------------------------------


def test_defaults_fill_the_fields_that_a_stage_leaves_out() -> None:
    text = """ftr 1
data { 
  train = digits
}
defaults {
  for       = 5 epochs
  optimizer = sgd(lr = 0.5, momentum = 0.1)
  norm      = frozen
}
stage "a" {
  train = head
}
stage "b" {
  train     = all
  for       = 1 epoch
  optimizer = sgd(lr = 0.25)
}
"""
    first, second = read(text).all("stage")
    assert (first["for"], first["optimizer"]["momentum"], first["norm"]) == (Quantity(5, "epochs"), 0.1, "frozen")
    assert (second["for"], second["norm"]) == (Quantity(1, "epochs"), "frozen")
    assert second["optimizer"]["lr"] == 0.25
    assert second["optimizer"]["momentum"] == 0.9  # a call is replaced whole
    place = first.fields["for"].span
    assert place is not None
    assert place.line == 6


def test_defaults_may_stand_behind_the_stages() -> None:
    text = written(stage="train = head") + "defaults {\nfor = 4 epochs\n}\n"
    assert read(text).block("stage")["for"] == Quantity(4, "epochs")


# --- selectors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "parts"),
    [
        ("head", ("head",)),
        ("base", PARTS),
        ("all", (*PARTS, "head")),
        ("base.block6", ("base.block6",)),
        ("base.block6 .. head", ("base.block6", "base.block7", "head")),
        ("base.stem .. base.block1", ("base.stem", "base.block1")),
        ("base.block6 .. base.block6", ("base.block6",)),
        ("[head, base.stem]", ("base.stem", "head")),
        ("[head, head]", ("head",)),
        ("[base.block6 .. head, base.block7]", ("base.block6", "base.block7", "head")),
        ("base except base.stem .. base.block5", ("base.block6", "base.block7")),
        ("all except [base, head] except_none", ()),
        ("all except [base.stem .. base.block6, head]", ("base.block7",)),
        ("[all except base, base.stem]", ("base.stem", "head")),
    ],
)
def test_selectors(selector: str, parts: tuple[str, ...]) -> None:
    if not parts:
        assert codes(written(stage=f"train = {selector}\nfor = 2 epochs")) == ["E101"]
    else:
        assert selected(selector) == Selection(parts)


def test_patterns() -> None:
    assert selected('[head, matching("*gamma")]') == Selection(("head",), ("*gamma",))
    assert selected('all except matching("*bias")').without == ("*bias",)
    assert selected('matching("*gamma") except base.stem') == Selection((), ("*gamma",), ("base.stem.*",))


# --- claims -----------------------------------------------------------------------------------


def test_claims_keep_their_order_and_operators() -> None:
    text = written(data="test = holdout(10%)")
    text += "expect {\ntest.f1 > 1 / 2\nvalid.loss <= 0.5\ntest.accuracy < 100%\n}\n"
    claims = [(str(claim.metric), claim.operator, claim.number) for claim in read(text).claims]
    assert claims == [("test.f1", ">", 0.5), ("valid.loss", "<=", 0.5), ("test.accuracy", "<", 1.0)]
