"""Advice (W7) on the text of a recipe, where it is due and where it is not, and what the commands make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from advised import advised, checked, facts, given, recipe
from golden_files import assert_golden
from hosted import hosted
from kinds import modules_of_kinds
from paths import ROOT
from toy import make_images

from recipe_lang.output.render import render
from runtime.cli import app
from runtime.compile.memory import MemoryEstimate
from runtime.data.listing import Listing, Sample
from runtime.help.codes import codes
from runtime.help.examples.advice import EXAMPLES
from runtime.vocabulary import VOCABULARY

OF_TEXT = sorted(set(codes("W7")) - VOCABULARY.later)
OF_DATA = sorted(
    set(codes("W7"))
    & VOCABULARY.later
    - {
        f"W7{number}"
        for number in (48, 50, 51, 55, 56, 57, 60, 61, 64, 65, 66, 67, 71, 74, 75, 76, 77, 81, 82, 86, 87, 90, 91, 92)
    }
)  # these take numbers, a cache, the files or the network


# --- where advice is due, and where it is not --------------------------------------------------


def test_the_recipe_that_the_cases_change_gets_no_advice() -> None:
    assert given(recipe()) == []


@pytest.mark.parametrize(
    ("code", "due", "not_due"),
    [
        ("W710", recipe("optimizer = adam(lr = 1.1e-3)"), recipe("optimizer = adam(lr = 1e-3)")),
        (
            "W710",
            recipe("optimizer = adam(lr = 1e-3)", "norm = frozen"),
            recipe("optimizer = adam(lr = 9e-4)", "norm = frozen"),
        ),
        (
            "W710",
            recipe("optimizer = sgd(lr = 0.01)", "norm = frozen"),
            recipe("optimizer = sgd(lr = 0.01)", "norm = frozen", "schedule = cosine(warmup = 9 steps)"),
        ),
        ("W710", recipe("optimizer = sgd(lr = 0.1)"), recipe("optimizer = sgd(lr = 0.02)")),
        (
            "W710",
            recipe("optimizer = adam(lr = 0.01)", "lr_scale = { base.block6 = 0.01 }"),
            recipe("optimizer = adam(lr = 0.01)", "lr_scale = { base.block6 = 0.01, base.block7 = 0.05 }"),
        ),
        (
            "W710",
            recipe("optimizer = adam", "lr_scale = layer_decay(1)", "norm = frozen"),
            recipe("optimizer = adam", "lr_scale = layer_decay(0.7)", "norm = frozen"),
        ),
        (
            "W710",
            recipe("optimizer = adam(lr = 0.01)"),
            recipe("optimizer = adam(lr = 0.01)", train="all", base='gluon("resnet18_v2", weights = none)'),
        ),
        ("W710", recipe("optimizer = adam(lr = 0.01)"), recipe("optimizer = adam(lr = 0.01)", train="head")),
        ("W711", recipe("lr_scale = { head = 0.5 }"), recipe("lr_scale = { head = 2 }")),
        ("W711", recipe("lr_scale = { base.block7 = 2 }"), recipe("lr_scale = { base.block7 = 1 }")),
        ("W713", recipe("lr_scale = { base.block6 = 1e-4 }"), recipe("lr_scale = { base.block6 = 1e-3 }")),
        ("W714", recipe("schedule = cosine(warmup = 3 epochs)"), recipe("schedule = cosine(warmup = 2 epochs)")),
        ("W714", recipe("schedule = cosine(warmup = 3 epochs)"), recipe("schedule = cosine(warmup = 3 steps)")),
        ("W715", recipe("schedule = step"), recipe("schedule = step(every = 3 epochs)")),
        (
            "W715",
            recipe("schedule = step(every = 3 epochs, warmup = 1 epoch)"),
            recipe("schedule = step(every = 3 epochs, warmup = 0.5 epochs)"),
        ),
        ("W716", recipe("stop = early(patience = 4 epochs)"), recipe("stop = early(patience = 3 epochs)")),
        ("W716", recipe("stop = early(patience = 4 epochs)"), recipe("stop = early(patience = 4 steps)")),
        (
            "W758",
            recipe("schedule = reduce_on_plateau(patience = 2 epochs)"),
            recipe("schedule = reduce_on_plateau(patience = 1 epoch)"),
        ),
        (
            "W758",
            recipe("schedule = reduce_on_plateau(patience = 1 epoch, warmup = 1 epoch)"),
            recipe("schedule = reduce_on_plateau(patience = 1 epoch, warmup = 0.5 epochs)"),
        ),
        ("W718", recipe("monitor = valid.loss", "keep = last"), recipe("monitor = valid.loss", "keep = best")),
        (
            "W718",
            recipe("monitor = valid.loss", "keep = last"),
            recipe("keep = last", more="defaults {\n  monitor = valid.loss\n}\n"),
        ),
        (
            "W719",
            recipe(more="defaults {\n  for = 2 epochs\n}\n"),
            recipe(more="defaults {\n  clip = global_norm(1.0)\n}\n"),
        ),
        ("W720", recipe(data="train = solar_cells\nbatch = 8"), recipe(data="train = solar_cells\nbatch = 16")),
        (
            "W720",
            recipe(data="train = solar_cells\nbatch = 8"),
            recipe("norm = frozen", data="train = solar_cells\nbatch = 8"),
        ),
        (
            "W720",
            recipe(data="train = solar_cells\nbatch = 8", base='gluon("vgg11_bn")', train="base.block5 .. head"),
            recipe(data="train = solar_cells\nbatch = 8", base='gluon("vgg11")', train="base.block5 .. head"),
        ),
        ("W721", recipe("optimizer = adam(lr = 1e-4, weight_decay = 0.01)"), recipe("optimizer = adam(lr = 1e-4)")),
        (
            "W722",
            recipe("loss = cross_entropy(label_smoothing = 0.4)"),
            recipe("loss = cross_entropy(label_smoothing = 0.3)"),
        ),
        ("W722", recipe(more="loss = cross_entropy(label_smoothing = 40%)\n"), recipe(more="loss = cross_entropy\n")),
        (
            "W723",
            recipe(more="head = [dropout(0.75), dense(classes)]\n"),
            recipe(more="head = [dropout(0.7), dense(classes)]\n"),
        ),
        (
            "W724",
            recipe(base='gluon("resnet18_v2", weights = none)', train="base.block1 .. head"),
            recipe(base='gluon("resnet18_v2", weights = none)', train="all"),
        ),
        (
            "W725",
            recipe("augment = [flip(vertical)]", data="train = digits"),
            recipe("augment = [flip(vertical)]", data="train = solar_cells"),
        ),
        (
            "W726",
            recipe(data='train = folder("a")\nvalid = folder("./a")'),
            recipe(data='train = folder("a")\nvalid = folder("b")'),
        ),
        (
            "W726",
            recipe(data='train = folder("a")\nvalid = folder("b")\ntest = folder("b")'),
            recipe(data='train = folder("a")\nvalid = holdout(20%)\ntest = holdout(20%)'),
        ),
        (
            "W726",
            recipe(data="train = fashion_mnist(train)\ntest = fashion_mnist"),
            recipe(data="train = fashion_mnist(train)\ntest = fashion_mnist(test)"),
        ),
        (
            "W727",
            recipe("stop = early(valid.f1, patience = 2 epochs)", more="expect { valid.f1 >= 90% }\n"),
            recipe("keep = last", "stop = early(patience = 2 epochs)", more="expect { valid.f1 >= 90% }\n"),
        ),
        (
            "W728",
            recipe(data="train = digits\ntest = holdout(20%)", more="expect { valid.f1 >= 90% }\n"),
            recipe(
                data="train = digits\ntest = holdout(20%)", more="expect {\n  valid.f1 >= 90%\n  test.f1 >= 90%\n}\n"
            ),
        ),
        ("W729", recipe("views = 2"), recipe("augment = [random_crop]", "views = 2")),
        ("W796", recipe("augment = [color_jitter]"), recipe("augment = [color_jitter(hue = 0.1)]")),
        (
            "W796",
            recipe("augment = [color_jitter(0.2, brightness = 0, contrast = 0, saturation = 0)]"),
            recipe("augment = [color_jitter(0.2, brightness = 0, contrast = 0)]"),
        ),
        ("W796", recipe("augment = [lighting(0)]"), recipe("augment = [lighting]")),
        (
            "W729",
            recipe("augment = [flip(horizontal), flip(vertical)]", "views = 4"),
            recipe("augment = [flip(horizontal), flip(vertical)]", "views = 3"),
        ),
        (
            "W729",
            recipe("augment = [random_crop]", "views = none", data="train = solar_cells\nviews = 2"),
            recipe("augment = [random_crop]", data="train = solar_cells\nviews = 2"),  # it holds for one of the stages
        ),
        (
            "W730",
            recipe("augment = [lighting]", "views = 5"),
            recipe("augment = [lighting]", "views = 4"),
        ),
        (
            "W730",
            recipe("augment = [lighting]", "views = 5"),
            recipe("augment = [lighting]", "views = 5", "for = 9 steps"),
        ),
        (
            "W730",
            recipe(data="train = solar_cells\naugment = [lighting]\nviews = 5"),
            recipe(data="train = solar_cells\naugment = [lighting]\nviews = 4"),
        ),
    ],
)
def test_advice_on_the_text(code: str, due: str, not_due: str) -> None:
    assert code in given(due)
    assert code not in given(not_due)


def first_stage(*fields: str) -> str:
    """Return a recipe of one stage on a network of pretrained parts, of which it trains those of the fields."""
    lines = "\n".join(fields)
    return (
        'ftr 1\ndata { train = folder("photos") }\nbase = gluon("resnet18_v2")\n'
        f'stage "one" {{\nfor = 4 epochs\noptimizer = sgd(lr = 0.001)\n{lines}\n}}\n'
    )


def test_a_fresh_head_and_the_base_together() -> None:
    assert given(first_stage("train = all")) == ["W712"]
    assert given(first_stage("train = all except base.stem")) == ["W712"]
    assert given(first_stage("train = base.block4 .. head")) == []
    assert given(first_stage("train = all", "schedule = cosine(warmup = 10 steps)")) == []
    assert given(first_stage("train = all", "lr_scale = { base = 0.1 }")) == []
    assert given(first_stage("train = all", "lr_scale = layer_decay(0.7)")) == []
    assert given(recipe(train="all")) == []  # a stage before it trains the head


def test_stages_that_repeat() -> None:
    def two(first: str, second: str) -> list[str]:
        stages = "".join(
            f'stage "{title}" {{\ntrain = head\nkeep = last\n{fields}\n}}\n'
            for title, fields in (("a", first), ("b", second))
        )
        return given(f"ftr 1\ndata {{ train = digits }}\n{stages}")

    assert two("for = 2 epochs", "for = 5 epochs") == ["W717"]
    assert two("for = 2 epochs\noptimizer = adam", "for = 2 epochs") == ["W717"]  # adam is the default
    assert two("for = 2 epochs", "for = 2 epochs\noptimizer = adam(lr = 1e-4)") == []


def test_the_place_of_advice_is_inside_its_stage() -> None:
    """Where a rate is a parameter, the stage that trains too fast is to blame, and its line takes the suppression."""
    text = "ftr 1\nparam lr = 0.5\n" + recipe("optimizer = sgd(lr = $lr)").removeprefix("ftr 1\n")
    for settings in ((), ("lr=0.4",)):
        (problem,) = checked(text, settings).advice
        assert problem.span is not None
        assert problem.span.text == "sgd(lr = $lr)"
    (problem,) = checked(recipe("optimizer = sgd(lr = 0.5)")).advice
    assert problem.span is not None
    assert problem.span.text == "0.5"


def test_versions_that_several_stages_share_are_named_once() -> None:
    for text in (
        recipe(data="train = solar_cells\nviews = 2"),
        recipe(more="defaults {\n  views = 2\n}\n"),
        "ftr 1\nparam k = 2\n" + recipe(data="train = solar_cells\nviews = $k").removeprefix("ftr 1\n"),
    ):
        assert given(text) == ["W729"]
    assert given(recipe("views = 2", "augment = [flip]")) == ["W729"]  # and not W730 besides


def test_the_form_that_the_help_gives_is_right() -> None:
    (problem,) = checked(recipe("optimizer = adam(lr = 1e-2)")).advice
    scale = re.search(r"`(lr_scale = .*)`", problem.help())
    assert scale is not None
    assert given(recipe("optimizer = adam(lr = 1e-2)", scale[1])) == []
    (problem,) = checked(first_stage("train = all except base.block1")).advice
    scale = re.search(r"`(lr_scale = .*)`", problem.help())
    assert scale is not None
    checked(first_stage("train = all except base.block1", scale[1]))


def test_errors_come_without_advice() -> None:
    with pytest.raises(Exception, match="warm-up") as caught:
        checked(recipe("optimizer = adam(lr = 1)", "schedule = cosine(warmup = 4 epochs)"))
    assert [problem.code for problem in caught.value.problems] == ["E421"]  # type: ignore[attr-defined]


# --- all of them -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", OF_TEXT)
def test_the_examples_of_the_text(code: str) -> None:
    example = EXAMPLES[code]
    assert code in given(hosted(example.wrong, example.inside))
    assert given(hosted(example.right, example.inside)) == []


def test_each_kind_has_a_reason_a_source_and_an_example() -> None:
    kinds = codes("W7")
    assert list(kinds) == list(EXAMPLES)
    for code, kind in kinds.items():
        assert kind.reason
        if code not in ("W701", "W702"):  # they say what the recipe itself shows
            assert kind.source, code
    of_text = ("recipe_lang.", "runtime.vocabulary.")
    modules = modules_of_kinds()
    given_later = {code for code in kinds if not modules[code].startswith(of_text)}
    assert given_later | {"W750"} == VOCABULARY.later & set(kinds)  # W750 looks at the machine


DATA_GIVES = (
    'ftr 1\ndata {\n  train = csv("a.csv", image = "i", label = "l")\n'
    '  test  = csv("b.csv", image = "i", label = "l")\n  batch = 400\n'
    '  augment = [random_crop, flip]\n}\nbase  = gluon("resnet18_v2")\n'
    'stage "all" {\n  train     = all\n  for       = 5 steps\n  optimizer = adam(lr = 1e-4)\n'
    "  schedule  = cosine(warmup = 1 step)\n  monitor   = valid.accuracy\n  average   = lookahead(k = 6)\n}\n"
    'stage "head" {\n  train   = head\n  for     = 30 steps\n  average = swa(start = 29 steps)\n  keep    = last\n}\n'
    "expect {\n  test.accuracy >= 80%\n  test.top5 >= 80%\n}\n"
)


def test_rendered_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.compile.data_advice.room", lambda processes: 8 * 10**9)
    problems = [
        next(
            problem
            for problem in checked(hosted(EXAMPLES[code].wrong, EXAMPLES[code].inside)).advice
            if problem.code == code
        )
        for code in OF_TEXT
    ]
    photo = Listing((Sample("1", 0, Path("photos/1.jpg")),), ("a", "b"))
    counts = facts((520, 9, 30, 30, 30), (5, 2, 0, 0, 0), (20, 3, 0, 0, 0), sides=(100, 224))
    of_data = advised(DATA_GIVES, counts, {"train": photo, "test": photo}, MemoryEstimate(5 * 10**8, 6 * 10**7))
    assert sorted({problem.code for problem in of_data}) == OF_DATA
    assert_golden("advice.txt", "\n\n".join(map(render, (*problems, *of_data))) + "\n")


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_recipes_in_the_docs_are_quiet(page: str) -> None:
    for block in re.findall(
        r"^```ftr\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        if "extends" not in block:
            assert given(block) == []


# --- the commands ------------------------------------------------------------------------------


def ftr(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        app(args=[str(arg) for arg in args], prog_name="ftr")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_check_denies_advice_where_it_is_told_to(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hasty, calm, wrong = (tmp_path / f"{name}.ftr" for name in ("hasty", "calm", "wrong"))
    hasty.write_text(recipe("optimizer = adam(lr = 0.01)"))
    calm.write_text(recipe())
    wrong.write_text("ftr 1\n")
    assert ftr("check", hasty) == 0
    out, err = capfd.readouterr()
    assert (out.startswith(f"{hasty}: fine"), err.startswith("advice[W710]: ")) == (True, True)
    assert ftr("check", "--deny-warnings", calm) == 0
    capfd.readouterr()
    assert ftr("check", "--deny-warnings", hasty, calm) == 1
    out, err = capfd.readouterr()
    assert [line.split(" (")[0] for line in out.splitlines()] == [f"{hasty}: refused", f"{calm}: fine"]
    assert out.splitlines()[0].endswith("), with advice on 1")
    assert err.startswith("advice[W710]: ")
    assert ftr("check", "--deny-warnings", hasty, wrong) == 2
    capfd.readouterr()
    assert ftr("check", "--deny-warnings", "--json", hasty) == 1
    (report,) = json.loads(capfd.readouterr().out)
    assert [(each["code"], each["level"]) for each in report["problems"]] == [("W710", "advice")]


def test_plan_and_run_tell_what_the_data_shows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_images(tmp_path / "photos", {"blue": 20, "red": 3})
    few = tmp_path / "few.ftr"
    few.write_text(
        'ftr 1\ndata {\n  train = folder("photos")\n  size  = 32px\n  batch = 4\n}\n'
        'base = gluoncv("cifar_resnet20_v1", weights = none)  # allow: W724\n'
        'stage "head" {\n  train = head\n  for   = 40 steps\n}\n'
    )
    assert ftr("plan", few) == 0
    assert re.findall(r"advice\[(W\d+)\]", capfd.readouterr().err) == ["W740", "W741"]
    assert ftr("plan", "--deny-warnings", few) == 1
    capfd.readouterr()
    assert ftr("run", "--deny-warnings", "--out", tmp_path / "run", few) == 1
    assert "advice[W740]" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
    few.write_text(few.read_text().replace('folder("photos")', 'folder("photos")  # allow: W740, W741'))
    assert ftr("plan", "--deny-warnings", few) == 0
    assert capfd.readouterr().err == ""


def test_a_claim_that_is_made_of_the_test_set_too_needs_no_advice() -> None:
    claims = "expect {\n  valid.accuracy >= 0.8\n  test.accuracy >= 0.8\n}\n"
    text = recipe("monitor = valid.accuracy", data='train = folder("photos")\n  test = holdout(20%)', more=claims)
    assert given(text) == []
    assert given(text.replace("test.accuracy", "test.f1")) == ["W727"]
