"""`ftr explain` knows every name that a recipe can hold and every code, says what may be meant, and fits a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from paths import ROOT

from recipe_lang.check.params import UNITS
from runtime.cli import app
from runtime.help import index as places
from runtime.help import keywords as glossary
from runtime.help import networks
from runtime.help.codes import codes
from runtime.help.explain import explain_word, list_words
from runtime.help.text_page import Page, Prose, Terms, render_page
from runtime.models.catalog import EXCLUDED, ZOOS
from runtime.vocabulary import VOCABULARY

Explain = Callable[..., Result]


@pytest.fixture
def explain(monkeypatch: pytest.MonkeyPatch) -> Explain:
    monkeypatch.delenv("COLUMNS", raising=False)
    return lambda *words: CliRunner().invoke(app, ["explain", *words])


NAMES = sorted(
    {
        *VOCABULARY.blocks,
        *(arg.name for _, arg in places.arguments()),
        *(entry.name for _, entry in places.entries()),
        *(word for *_, word, _ in places.words()),
        *VOCABULARY.metrics,
        *(f"{name}.{metric}" for name in VOCABULARY.sets for metric in VOCABULARY.metrics),
        *(
            f"{where.strip('`')}.{name}"
            for where, fields in places.field_tables().items()
            for name in fields
            if "`" in where
        ),
        *networks.all_names(),
        *(name for zoo in ZOOS for name in ZOOS[zoo]),
        *UNITS,
        *("base", "head", "all", "matching", "except", "base.stem", "base.block3", "block7", "%", "..", "$", "#"),
        *("ftr", "param", "extends", "drop", "in", "then", "over", "log", "true", "false", "none"),
    }
)


def test_every_name_has_a_page() -> None:
    assert not [name for name in NAMES if not explain_word(name)[1]]
    assert len(NAMES) > 250


def test_every_code_has_a_page_with_its_reason_and_example() -> None:
    for code in codes():
        text, known = explain_word(code.lower())
        assert known
        assert text.startswith(f"{code}: ")
        assert re.search(r"^  Wrong.*\n    \S", text, re.MULTILINE), code
        assert re.search(r"^  Right.*\n    \S", text, re.MULTILINE), code
        assert ("Source: " in text) == (code.startswith("W71") or code.startswith("W72") or "Source" in text)


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        (
            "adam",
            [
                "adam: an optimizer",
                "beta1 m + (1 - beta1) g",
                "lr",
                "default `0.001`",
                "optimizer = adam(",
                "1412.6980",
            ],
        ),
        (
            "lr",
            [
                "lr: an argument of `sgd`, `nag` and `adagrad`",
                "Default: `0.01`",
                "`adam`, `adamw`, `rmsprop`, `adabelief` and `lamb`",
                "Default: `0.001`",
            ],
        ),
        ("warmup", ["`constant`", "`cosine`", "Default: `0 epochs`", "s / W"]),
        ("train", ["a field of `data`", "a field of `stage`", "a word of `norm` of `stage`", "a word of `part`"]),
        ("frozen", ["a word of `norm` of `stage`", "Keep the running statistics"]),
        ("classes", ["a word of `units` of `dense`"]),
        ("valid.accuracy", ["accuracy: a metric", "monitor = valid.accuracy"]),
        ("data.size", ["size: a field of `data`", "size = 224px"]),
        ("epoch", ["epochs: a unit"]),
        ("base.block3", ["a selector", "base.block3 .. head"]),
        ("defaults", ["a block", "Fields", "optimizer"]),
        ("resnet50_v1b", ["a network of the zoo gluoncv", "224px", "`base.block4`", 'gluoncv("resnet50_v1b")']),
        ("resnet18_v2", ["a network of the zoos gluoncv and gluon"]),
        ("dla34", ["in steps of 32px"]),
        ("efficientnet_lite0", ["a packaged network", "`base.block7`"]),
        ("resnet50_v1b_gn", ["not offered", EXCLUDED["gluoncv"]["resnet50_v1b_gn"][:20]]),
        ("gluon", ["Networks", "mobilenetv2_1.0"]),
        ("W710", ["rate too high", "Source: "]),
        ("cosine", ["(1 + cos(pi t)) / 2", "With f the fraction of the peak"]),
    ],
)
def test_a_page_says_what_counts(word: str, pieces: list[str]) -> None:
    text, known = explain_word(word)
    assert known
    assert not [piece for piece in pieces if piece not in text], text


def test_several_words_and_one_that_is_none(explain: Explain) -> None:
    result = explain("adam", "zzz", "E203")
    assert result.exit_code == 2
    assert result.stdout.startswith("adam: an optimizer\n\n  Adam")
    assert "\n\nE203: unknown entry\n" in result.stdout
    assert result.stderr == "nothing is called `zzz`: `ftr explain` lists all names and codes\n"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("adma", "adam"),
        ("E299", ""),
        ("E9xx", ""),
        ("warmpu", "warmup"),
        ("resnet50_v1z", "resnet50_v1"),
        ("momen", "momentum"),
        *((word, "") for word in ("xx", "wholly", "moved", "hardy", "outset", "partly", "al", "ratings")),
    ],
)
def test_a_near_miss_is_asked_about(explain: Explain, word: str, meant: str) -> None:
    result = explain(word)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"nothing is called `{word}`")
    assert (f": did you mean `{meant}" in result.stderr) == bool(meant)


@pytest.mark.parametrize(
    ("word", "begins", "has"),
    [
        (
            "learning_rate",
            "`learning_rate` is called `lr` here: write `optimizer = adam(lr = …)`",
            "lr: an argument of",
        ),
        ("transforms", "`transforms` is called `prepare` or `augment` here.", "augment: a field of `stage`"),
        ("freeze", "`freeze` is a word of other tools: a stage names what trains", "`train = head`"),
        ("val_loss", "`val_loss` is called `valid.loss` here.", "loss: a metric"),
        ("Backbone", "`Backbone` is called `base` here.", "base: a field of the recipe"),
        ("Adam", "`Adam` is called `adam` here.", "adam: an optimizer"),
        ("AdamW", "`AdamW` is called `adamw` here.", "adamw: an optimizer"),
        ("SGD", "`SGD` is called `sgd` here.", "sgd: an optimizer"),
        ("Cosine", "`Cosine` is called `cosine` here.", "cosine: a schedule"),
        ("ExponentialLR", "`ExponentialLR` is called `exponential` here.", "exponential: a schedule"),
        ("CrossEntropyLoss", "`CrossEntropyLoss` is called `cross_entropy` here.", "cross_entropy: a loss"),
        ("NLLLoss", "`NLLLoss` is called `cross_entropy` here.", "cross_entropy: a loss"),
        ("LearningRate", "`LearningRate` is called `lr` here", "lr: an argument of"),
        ("batch-size", "`batch-size` is called `batch` here.", "batch: a field of `data`"),
        ("Mosaic", "`Mosaic` is a word of other tools: not in this release", ""),
        ("focal_loss", "`focal_loss` is called `focal` here.", "focal: a loss"),
        ("ReduceLROnPlateau", "`ReduceLROnPlateau` is called `reduce_on_plateau` here.", "valid.loss"),
        ("validation_split", "`validation_split` is a word of other tools", "valid = holdout(20%)"),
        ("parent", "`parent` is a word of other tools", 'extends "base.ftr"'),
        ("import", "`import` is a word of other tools", 'extends "base.ftr"'),
        ("softmax", "`softmax` is a word of other tools", "loss = cross_entropy"),
        ("requires_grad", "`requires_grad` is a word of other tools", "train = head"),
        ("data-root", "`data-root` is a word of other tools", "--data-root FOLDER"),
        ("noqa", "`noqa` is a word of other tools", "# allow: W710"),
    ],
)
def test_a_word_of_other_tools_is_answered(explain: Explain, word: str, begins: str, has: str) -> None:
    result = explain(word)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(begins)
    assert has in result.stdout


@pytest.mark.parametrize(
    ("word", "begins"),
    [
        *((word, "E203: unknown entry") for word in ("error[E203]", "error[E203]:", "[E203]", "E203:", "`e203`")),
        ("advice[W701]", "W701: unused param"),
        ("E1xx", "E1xx: syntax and files\n\n  E101  unexpected"),
        ("w7", "W7xx: advice\n\n  W701  unused param"),
        ("E20", "E20x: names\n\n  E201  unknown field"),
        ("224px", "px: a unit"),
        ("10 epochs", "epochs: a unit"),
        ("1 epoch", "epochs: a unit"),
        ("20%", "%: a unit"),
        ("adam.lr", "lr: an argument of `adam`"),
        ("dense.units", "units: an argument of `dense`"),
        ("$lr", "$: a value"),
        ("# allow: W710", "# allow: a statement"),
        ("allow", "# allow: a statement"),
        ("folder(", "folder: a source of images"),
        ('"resnet18_v2"', "resnet18_v2: a network"),
        ("block6", "block6: a selector"),
    ],
)
def test_what_the_program_prints_can_be_asked_about(explain: Explain, word: str, begins: str) -> None:
    result = explain(word)
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.match(re.escape(begins) + r"(?!\w)", result.stdout)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("block13", "no network has such a block, and `base.block12` is the last that any has"),
        ("base.block99", "no network has such a block"),
        ("E299", "`ftr explain E2xx` lists the codes"),
        ("adam.momentum", "the arguments of `adam` are `lr`, "),
        ("efficientnet", "`efficientnet_b3.ra2_in1k`, `efficientnet_lite0`"),
        ("mobilenet", "`mobilenet1.0_int8`, `mobilenetv2_0.25` and 8 more"),
    ],
)
def test_what_there_is_instead(word: str, says: str) -> None:
    text, known = explain_word(word)
    assert not known
    assert says in text


def test_a_block_that_few_networks_have_names_them() -> None:
    assert "`base.block7` is a part of" in explain_word("block7")[0]
    assert "`deit_tiny_patch16_224.fb_in1k`" in explain_word("base.block12")[0]
    assert "is a part of" not in explain_word("block2")[0]


def test_every_habit_leads_to_something() -> None:
    names = {name for answer in VOCABULARY.habits.values() for name in answer.split("|") if " " not in name}
    assert not [word for word in {*VOCABULARY.habits, *names} if not explain_word(word)[1]]


def test_the_list_names_everything_but_arguments() -> None:
    text = list_words()
    entries = {entry.name for _, entry in places.entries()}
    for name in {*VOCABULARY.blocks, *entries, *VOCABULARY.metrics, *(term.word for term in glossary.TERMS)}:
        assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", text), name
    assert "warmup," not in text
    assert re.search(r"^  E2xx  names$", text, re.MULTILINE)
    assert len(list_words(80).splitlines()) < 80


@pytest.mark.parametrize("width", [40, 60, 100])
def test_prose_keeps_to_the_width(width: int) -> None:
    texts = [
        list_words(width),
        *(explain_word(word, width)[0] for word in ("flip", "lr_scale", "E204", "dense", "param")),
    ]
    for line in "\n".join(texts).splitlines():
        is_code = re.match(r"    \S.*[={}(]", line) or "`" in line  # neither is broken
        assert len(line) <= width or is_code, line


def test_a_terminals_width_is_used(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = explain("lr_scale").stdout
    monkeypatch.setenv("COLUMNS", "50")
    narrow = explain("lr_scale").stdout
    assert max(map(len, wide.splitlines())) > 60
    assert len(narrow.splitlines()) > len(wide.splitlines())
    assert narrow.split() == wide.split()
    monkeypatch.setenv("COLUMNS", "400")
    assert explain("lr_scale").stdout == wide


def test_long_terms_and_code_in_backticks() -> None:
    page = Page(
        "x: y", (Terms((("a", ("one two",)), ("a_very_long_name", ("three",)), ("an_even_longer_name", ("four",)))),)
    )
    assert render_page(page, 60) == (
        "x: y\n\n"
        "  a                 one two\n"
        "  a_very_long_name  three\n"
        "  an_even_longer_name\n"
        "                    four"
    )
    assert render_page(Page("x: y", (Prose("see what is `a b c d`", "H"),)), 20) == (
        "x: y\n\n  H\n    see what is\n    `a b c d`"
    )


def test_the_glossary_has_the_units_and_the_words_of_the_grammar() -> None:
    words = {word for term in glossary.TERMS for word in (term.word, *term.also)}
    grammar = (ROOT / "recipe_lang/syntax/grammar.lark").read_text(encoding="utf-8")
    keywords = set(re.findall(r'"([a-z]+)"', grammar))
    assert {"ftr", "param", "except"} <= keywords
    assert set(UNITS) | keywords <= words


def test_a_page_needs_few_modules() -> None:
    code = (
        "import sys; from runtime.help.explain import explain_word; explain_word('adam');"
        "print([name for name in ('mxnet', 'numpy', 'PIL', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done
