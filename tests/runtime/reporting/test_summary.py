"""Results, plans and reports as they are printed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from displayed import RECIPE, REPORT, console_of, values
from golden_files import assert_golden
from planned import class_facts, plan_of

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.source import Source
from runtime.plan.types import Plan
from runtime.reporting.plan import show_plan
from runtime.reporting.plan_summary import show_summary
from runtime.reporting.progress import Display, summary
from runtime.reporting.report import show_report
from runtime.tasks.classification.metrics import ClassRow, telling
from runtime.training import events
from runtime.vocabulary import VOCABULARY


@pytest.fixture(scope="module")
def plan() -> Plan:
    data = class_facts(("cat", "dog"), {"train": (50, 50), "valid": (10, 10), "test": (12, 12)})
    return plan_of(RECIPE, data=data)


RESULT: dict[str, Any] = {
    "recipe": "canned [x]",
    "classes": ["cat", "dog"],
    "images": {"train": 100, "valid": 20, "test": 24},
    "valid": values(0.9) | {"classes": []},
    "test": values(0.875) | {"classes": []},
    "weights_from": {"stage": 2, "title": "top [x]", "epoch": 5, "metric": "valid.loss", "value": 0.1},
    "expect": [
        {"claim": "test.accuracy >= 0.9", "value": 0.875, "holds": False},
        {"claim": "test.loss < 0.5", "value": 0.125, "holds": True},
    ],
    "wall_s": 3725.0,
}


def test_the_summary() -> None:
    console, text = console_of(60, terminal=False)
    summary(console, RESULT, "runs/canned-1", telling(2))
    assert_golden("summary.txt", text.getvalue())


@pytest.mark.parametrize("classes", [5, 6])
def test_top5_is_shown_where_there_are_more_than_five_classes(classes: int) -> None:
    console, text = console_of(60, terminal=False)
    summary(console, RESULT, "runs/canned-1", telling(classes))
    rows = tuple(ClassRow(name, 0.9, 0.8, 0.85, 12) for name in "abcdef"[:classes])
    show_report(console, "folder", replace(REPORT, classes=rows), telling(len(rows)))
    assert text.getvalue().count("top5") == (2 if classes > 5 else 0)


@pytest.mark.parametrize("width", [60, 100])
def test_all_of_a_plan_on_paper(plan: Plan, width: int) -> None:
    console, text = console_of(width, terminal=False)
    show_plan(console, plan)
    assert_golden(f"plan-{width}.txt", text.getvalue())


@pytest.mark.parametrize("width", [40, 80])
def test_a_plan_on_one_screen(plan: Plan, width: int) -> None:
    console, text = console_of(width, terminal=False)
    show_summary(console, plan, check(parse(Source("recipes/r.ftr", RECIPE)), VOCABULARY))
    lines = text.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= 23 or width < 80
    assert_golden(f"plan-summary-{width}.txt", text.getvalue())


def test_a_plan_says_that_a_metric_decides_the_learning_rate() -> None:
    stage = 'stage "a" {\n  train = head\n  for = 9 epochs\n  schedule = reduce_on_plateau(valid.accuracy)\n}\n'
    console, text = console_of(200, terminal=False)
    show_plan(console, plan_of(f"ftr 1\ndata {{\n  train = digits\n}}\n{stage}"))
    assert "drawn without reductions, which valid.accuracy decides in the run" in text.getvalue()


SWITCHING = """ftr 1
data {
  train   = folder("photos")
  batch   = 10
  augment = [color_jitter(0.3), mixup]
}
base = gluon("resnet18_v2", weights = none)
stage "one" {
  train = head
  for   = 10 epochs
  size  = 160px

  from 50% {
    size = shared
  }
  from 8 epochs {
    augment = none
    loss    = focal
  }
}
"""


def test_a_plan_has_the_epochs_of_each_phase() -> None:
    plan = plan_of(SWITCHING)
    console, text = console_of(200, terminal=False)
    show_summary(console, plan, check(parse(Source("recipes/r.ftr", SWITCHING)), VOCABULARY))
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert [line for line in lines if line.startswith("then")] == [
        "then    epochs 6 to 8: size = shared",
        "then    epochs 9 to 10: loss = focal, augment = none; frozen base.stem .. base.block4: once for each image,"
        " cached: <= 1 MB",
    ]
    console, text = console_of(200, terminal=False)
    show_plan(console, plan)
    rows = [line for line in text.getvalue().splitlines() if line.startswith(("size", "epochs"))]
    assert [row.split("  ")[0] for row in rows] == ["size", "epochs 6 to 8", "epochs 9 to 10"]
    assert "160px; 224px where it is measured" in rows[0]
    assert "resize(size = 224), center_crop(size = 224), color_jitter" in rows[1]
    assert "loss focal(" in rows[2]


def test_a_report_on_paper() -> None:
    console, text = console_of(60, terminal=False)
    show_report(console, "folder [bold]x", REPORT, telling(len(REPORT.classes)))
    assert_golden("report.txt", text.getvalue())


@pytest.mark.parametrize(
    ("filling", "said"),
    [(0.5, "~0:02 left in this stage, ~10 s in all"), (60.0, "~0:49 left in this stage, ~10 min in all")],
)
def test_what_is_guessed_of_later_stages_is_told_from_what_is_measured(plan: Plan, filling: float, said: str) -> None:
    console, text = console_of(80, terminal=True)
    time = 0.0
    stages = (plan.stages[0], replace(plan.stages[1], stop=None))
    with Display(console, lambda: time, replace(plan, stages=stages)) as display:
        display(events.StageStarted(plan.stages[0], 0))
        for passed, event in (
            *((filling, events.FeaturesComputed(0, 0, 0, done, 100)) for done in (25, 50, 75, 100)),
            *((0.25, events.StepFinished(0, 1, step, 1.0, 1e-3, 25)) for step in range(1, 5)),
        ):
            time += passed
            display(event)
    assert said in text.getvalue(), text.getvalue()[-300:]
