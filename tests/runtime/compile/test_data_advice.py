"""Advice that takes the facts of the data: where it is due, and where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from advised import advised, facts, on_data, recipe
from planned import class_facts

from runtime.data.listing import Listing, Sample


def test_the_data_that_the_cases_change_give_no_advice() -> None:
    assert on_data() == []


def test_classes_of_very_different_size() -> None:
    assert on_data(facts=facts((600, 119))) == ["W740"]
    assert on_data(facts=facts((1100, 100))) == ["W740", "W753"]
    for treated in ("loss = logit_adjusted", "loss = cross_entropy(weights = [1, 9])", "sampling = balanced"):
        assert on_data(treated, facts=facts((1100, 100))) == ["W740"]
    assert on_data(facts=facts((600, 120))) == []
    assert on_data("monitor = valid.balanced_accuracy", facts=facts((900, 100))) == []
    assert on_data("monitor = valid.accuracy", facts=facts((900, 100))) == ["W740"]
    assert on_data(more="expect { valid.f1 >= 50% }", facts=facts((900, 100))) == []


def test_classes_of_few_images() -> None:
    assert on_data(facts=facts((9, 40, 600))) == ["W740", "W741", "W753"]
    assert on_data("for = 20 epochs", data="batch = 16", facts=facts((10, 40))) == []
    assert on_data("for = 20 epochs", data="batch = 16", facts=facts((9, 40))) == ["W741"]


def test_slow_weights_that_never_move() -> None:
    assert on_data("for = 25 steps\naverage = lookahead(k = 26)") == ["W759"]
    assert on_data("for = 25 steps\naverage = lookahead(k = 25)") == []


def test_averages_of_one_epoch() -> None:
    """By the formula of `swa`, epochs end after 75% of 4 epochs once, of 5 twice."""
    assert on_data("for = 4 epochs\naverage = swa") == ["W779"]
    assert on_data("for = 5 epochs\naverage = swa") == []
    assert on_data("for = 4 epochs\naverage = swa(start = 50%)") == []
    assert on_data("for = 30 steps\naverage = swa(start = 1 epoch)") == ["W779"]
    assert on_data("for = 4 epochs\naverage = ema") == []
    assert on_data("for = 4 epochs\naverage = lookahead") == []


def test_top5_of_few_classes() -> None:
    def asking(classes: int, stage: str = "", more: str = "") -> list[str]:
        return on_data(stage, more=more, facts=facts((600,) * classes, (50,) * classes))

    for more in ({"stage": "monitor = valid.top5"}, {"more": "expect { valid.top5 >= 90% }"}):
        assert [code for code in asking(5, **more) if code == "W785"] == ["W785"]
        assert "W785" not in asking(6, **more)
    assert "W785" not in asking(5, stage="monitor = valid.accuracy")


def test_few_images_that_choose() -> None:
    assert on_data("monitor = valid.loss", facts=facts((600, 600), (24, 25))) == ["W742"]
    assert on_data("monitor = valid.loss", facts=facts((600, 600), (25, 25))) == []
    assert on_data(facts=facts((600, 600), (24, 25))) == []


def test_claims_on_few_images() -> None:
    def claiming(claim: str, test: Sequence[int]) -> list[str]:
        return on_data(data="test = holdout(10%)", more=f"expect {{ {claim} }}", facts=facts((600, 600), test=test))

    assert claiming("test.accuracy >= 90%", (112, 112)) == ["W743"]  # 2.004 points
    assert claiming("test.accuracy >= 90%", (113, 113)) == []
    assert claiming("test.accuracy >= 99%", (50, 50)) == []
    assert claiming("test.balanced_accuracy >= 90%", (400, 60)) == ["W743"]  # accuracy: 1.4 points
    assert claiming("test.loss < 0.3", (10, 10)) == []


def test_an_epoch_that_leaves_images_out() -> None:
    assert on_data("for = 9 epochs", data="batch = 100", facts=facts((70, 56))) == ["W744", "W745"]
    assert on_data("for = 9 epochs", data="batch = 100", facts=facts((70, 55))) == ["W745"]
    (lost, *_) = advised(
        'ftr 1\ndata {\ntrain = folder("photos")\nbatch = 64\n}\nbase = gluon("resnet18_v2")\n'
        'stage "one" {\ntrain = head\nfor = 30 epochs\n}\n',
        facts((60, 60)),
    )
    assert lost.help() == "`batch = 60` drops 0"


def test_stages_of_few_steps() -> None:
    assert on_data("for = 19 steps") == ["W745"]
    assert on_data("for = 20 steps") == []
    *_, few = (each for each in advised(recipe("accumulate = 4"), facts((64, 64))) if each.code == "W745")
    assert (few.code, few.help()) == (
        "W745",
        "train for more epochs, or on smaller batches; `accumulate = 4` makes one step of 4 batches",
    )


def test_many_numbers_on_few_images() -> None:
    low = ("for = 9 epochs", "optimizer = adam(lr = 1e-4)", "schedule = cosine(warmup = 5 steps)")
    assert on_data(*low, train="all", facts=facts((500, 499))) == ["W746"]
    assert on_data(*low, train="all", facts=facts((500, 500))) == []
    assert on_data(*low, train="base.block1 .. head", facts=facts((500, 499))) == ["W746"]
    assert on_data(*low, train="base.stem .. base.block2", facts=facts((500, 499))) == []  # less than half of all


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Dog", "cat", "dog"), "`Dog` (600) and `dog` (600)"),
        (("1", "01", "1.0", "2"), "`1` (600), `01` (600) and `1.0` (600)"),
        (("90071992547409931", "90071992547409932"), ""),  # one number to a float
        (("big_cat", "Big Cat", "big-cat", "bigcat"), "`big_cat` (600), `Big Cat` (600) and `big-cat` (600)"),
        (("STRASSE", "straße", "-1", "1"), "`STRASSE` (600) and `straße` (600)"),
        (("a", "A", "β", "Β", "cafe", "café", "1a", "01a"), ""),
    ],
)
def test_classes_that_may_be_one(names: tuple[str, ...], said: str) -> None:
    found = advised(recipe(), class_facts(names, {"train": (600,) * len(names)}))
    assert [problem.message().partition(": ")[2] for problem in found if problem.code == "W794"] == [said] * bool(said)


def test_a_missing_label_as_a_class() -> None:
    found = advised(recipe(), class_facts(("NaN", "cat", "none"), {"train": (600, 600, 600)}))
    (problem,) = (problem for problem in found if problem.code == "W795")
    assert problem.message() == "`NaN` (600 training images) is a class, and may stand for a missing label"


@pytest.mark.parametrize(
    ("augment", "sides", "has_choice"),
    [
        ("random_crop", (64, 64), False),
        ("random_crop", (8, 500), False),  # `prepare` makes them all 64
        ("random_crop", None, True),
        ("random_crop(padding = 4px)", (64, 64), True),
        ("resize(72px), random_crop", (64, 64), True),
        ("resize(64px), center_crop, random_crop", None, False),
        ("random_resized_crop", (64, 64), True),
        ("random_resized_crop(scale = 1.0 .. 1.0, ratio = 1.0 .. 1.0)", (64, 64), False),
        ("random_resized_crop(scale = 1.0 .. 1.0, ratio = 1.0 .. 1.0)", None, True),
        ("random_resized_crop(scale = 1.0 .. 1.0)", (64, 64), True),
    ],
)
def test_crops_that_have_no_choice(augment: str, sides: tuple[int, int] | None, has_choice: bool) -> None:
    data = f"size = 64px\naugment = [{augment}, flip]"
    assert on_data(data=data, facts=facts((600, 600), sides=sides)) == ([] if has_choice else ["W797"])


def test_files_that_stand_in_two_sets() -> None:
    def listing(*names: str) -> Listing:
        return Listing(tuple(Sample(name, 0, Path("photos", name)) for name in names), ("a", "b"))

    text = recipe(data='train = csv("a.csv", image = "i", label = "l")\nvalid = csv("b.csv", image = "i", label = "l")')
    text = (
        text.replace('packaged("efficientnet_lite0")', 'gluon("resnet18_v2")')
        .replace("block6", "block4")
        .replace("for = 4", "for = 9")
    )
    (problem,) = advised(text, facts((600, 600)), {"train": listing("1", "2", "3"), "valid": listing("3", "4")})
    assert problem.code == "W747"
    assert problem.message() == "1 file of `valid` is in `train` as well, such as `photos/3`"
    assert advised(text, facts((600, 600)), {"train": listing("1"), "valid": listing("2")}) == ()
