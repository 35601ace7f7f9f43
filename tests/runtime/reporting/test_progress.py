"""The display of a run that trains."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from displayed import RECIPE, REPORT, console_of, values
from golden_files import assert_golden
from planned import class_facts, facts, plan_of
from rich.console import Console

from runtime.plan.types import Plan
from runtime.reporting.epoch_line import EpochLine
from runtime.reporting.progress import Display, worse_since
from runtime.tasks.classification.metrics import METRICS
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.training import events
from runtime.training.state import Origin


@pytest.fixture(scope="module")
def plan() -> Plan:
    data = class_facts(("cat", "dog"), {"train": (50, 50), "valid": (10, 10), "test": (12, 12)})
    return plan_of(RECIPE, data=data)


def canned(plan: Plan) -> list[tuple[float, events.Event]]:
    """Return events, each with the seconds that pass before it."""
    found: list[tuple[float, events.Event]] = []
    for stage, epochs in zip(plan.stages, (2, 2), strict=True):
        at = stage.position
        found.append((0.5, events.StageStarted(stage, at)))
        if stage.measures_beginning:
            found.append((0.0, events.EvaluationStarted(at, 0, 0, "valid")))
            found.append((1.0, events.Evaluated(at, 0, 0, "valid", values(0.55), math.nan, True)))
        step = 0
        for epoch in range(1, epochs + 1):
            for _ in range(min(4, stage.steps - step)):
                step += 1
                found.append((0.25, events.StepFinished(at, epoch, step, 2 / step, 1e-3 / step, 25)))
            found.append((0.0, events.EvaluationStarted(at, epoch, step, "valid")))
            evaluated = events.Evaluated(
                at, epoch, step, "valid", values(0.5 + epoch / 10), 1 / step, at == 1 and epoch == 1
            )
            found.append((2.0, evaluated))
        reason = "stopped early" if at else "done"
        kept, epoch = ("the best (epoch 1)", 1) if at else ("the last (epoch 2)", 2)
        best, gained = (0.59, True) if at else (None, None)
        found.append((0.0, events.StageFinished(at, epochs, step, reason, kept, best, Origin(at, epoch), gained)))
    found += [(0.0, events.EvaluationStarted(1, 2, 6, "test")), (60.0, events.Tested(1, 2, 6, "test", REPORT))]
    return found


def show(plan: Plan, width: int, terminal: bool, quiet: bool = False) -> str:
    console, text = console_of(width, terminal)
    time = 0.0
    with Display(console, lambda: time, plan, quiet) as display:
        for done in range(0, 145, 16):
            time += 1
            display(events.ImagesChecked(done, 144))
        for passed, event in canned(plan):
            time += passed
            display(event)
    return text.getvalue()


@pytest.mark.parametrize("width", [60, 100])
def test_lines_where_there_is_no_terminal(plan: Plan, width: int) -> None:
    text = show(plan, width, terminal=False)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)
    assert_golden("display-plain.txt", text)  # the same at any width: a log has lines, not columns


def screens(text: str) -> list[str]:
    """Return what a terminal shows, each time that the moving lines are drawn anew."""
    lines = [""]
    row = 0
    shown = []
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part and part not in ("\r", "\x1b[?25l", "\x1b[?25h"):
            assert not part.startswith("\x1b"), repr(part)
            lines[row] += part
            shown.append("\n".join(line.rstrip() for line in lines).rstrip())
    shown.append("\n".join(line.rstrip() for line in lines).rstrip())
    return shown


WIDTHS = (40, 60, 70, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_moving_lines_on_a_terminal(plan: Plan, width: int) -> None:
    seen = screens(show(plan, width, terminal=True))
    assert all(len(line) <= width for screen in seen for line in screen.splitlines())
    parts = [seen[-1]]
    for sought in ("checking images: ", " 0/8", " 5/8 ", "evaluating valid", "evaluating test"):
        last = [screen for screen in seen if sought in screen][-1]
        parts.append(last)
    assert_golden(f"display-terminal-{width}.txt", "\n\n=====\n\n".join(parts) + "\n")


@pytest.mark.parametrize("width", range(40, 121, 10))
@pytest.mark.parametrize("monitor", ["accuracy", "balanced_accuracy", "f1", "loss"])
@pytest.mark.parametrize("length", ["8 epochs", "120 epochs", "2500 steps"])
def test_one_line_for_an_epoch_with_the_largest_values(length: str, monitor: str, width: int) -> None:
    text = RECIPE.replace("2 epochs", f"{length}\n  monitor = valid.{monitor}")
    stage = plan_of(text, data=facts(6400)).stages[0]
    event = events.Evaluated(0, 8, stage.steps, "valid", values(0.5) | {"loss": 2.302}, 2.453, True)
    line = EpochLine.of(CLASSIFICATION, stage, event, 13612.0).text(width).plain
    assert len(line) <= width
    assert "best" in line or "*" in line
    assert {"2.453", "2.302"} <= set(re.findall(r"\d\.\d{3}", line))
    if width >= 80:
        assert re.search(r"13,612(/s| images/s)  best$", line)
    if width >= 60:
        assert f"  {length.split()[1][:-1]}" in line
        assert "valid" in line


def test_what_changes_inside_a_stage_is_said_when_it_does() -> None:
    text = RECIPE.replace("2 epochs", "3 epochs\n  from 2 epochs {\n    loss = focal\n  }")
    plan = plan_of(text)
    console, shown = console_of(100, terminal=False)
    with Display(console, lambda: 0.0, plan) as display:
        display(events.StageStarted(plan.stages[0], 0, 0, 0))
        for epoch in (1, 2, 3):
            display(events.Evaluated(0, epoch, 10 * epoch, "valid", values(0.5), 1.0, False))
    lines = shown.getvalue().splitlines()
    assert lines[3].startswith("  epoch 3: loss focal(")
    assert sum("focal" in line for line in lines) == 1


def test_a_length_is_shown_in_the_unit_of_the_recipe(plan: Plan) -> None:
    lines = show(plan, 100, terminal=False).splitlines()
    assert [line.split()[:2] for line in lines if "valid" in line] == [
        ["epoch", "1/2"],
        ["epoch", "2/2"],
        ["step", "0/6"],
        ["step", "4/6"],
        ["step", "6/6"],
    ]


def evaluated(*losses: tuple[float, float, float]) -> list[events.Evaluated]:
    """Return evaluations with these training and validation losses, and accuracies."""
    return [
        events.Evaluated(0, epoch, 4 * epoch, "valid", {"loss": valid, "accuracy": accuracy}, train, False)
        for epoch, (train, valid, accuracy) in enumerate(losses, 1)
    ]


RISING = ((1.0, 0.9, 0.7), (0.8, 0.8, 0.8), (0.6, 0.85, 0.79), (0.4, 0.9, 0.8), (0.2, 0.95, 0.78))


def test_validation_that_gets_worse_is_told_from_noise() -> None:
    found = worse_since(evaluated(*RISING), "accuracy", METRICS["accuracy"])
    assert found is not None
    assert found.epoch == 2
    assert worse_since(evaluated(*RISING[:4]), "accuracy", METRICS["accuracy"]) is None  # two epochs may be an accident
    better = (*RISING[:4], (0.2, 0.95, 0.81))
    assert (
        worse_since(evaluated(*better), "accuracy", METRICS["accuracy"]) is None
    )  # a loss may rise while the classes get better
    flat = (*RISING[:4], (0.2, 0.801, 0.78))
    assert worse_since(evaluated(*flat), "accuracy", METRICS["accuracy"]) is None
    stuck = (*RISING[:4], (0.9, 0.95, 0.78))
    assert worse_since(evaluated(*stuck), "accuracy", METRICS["accuracy"]) is None  # the training is no better either
    assert worse_since([], "accuracy", METRICS["accuracy"]) is None


@pytest.mark.parametrize(
    ("width", "said"),
    [(80, "  valid loss up, train loss down since epoch 2: overfitting?"), (40, "  overfitting since epoch 2?")],
)
def test_it_is_said_once(width: int, said: str) -> None:
    stage = plan_of(RECIPE.replace("2 epochs", "9 epochs")).stages[0]
    console, text = console_of(width, terminal=True)
    with Display(console, lambda: 0.0, plan_of(RECIPE)) as display:
        display(events.StageStarted(stage, 0))
        for event in evaluated(*RISING, *RISING[-1:] * 4):
            display(replace(event, values=values(event.values["accuracy"]) | dict(event.values)))
    lines = screens(text.getvalue())[-1].splitlines()
    assert lines.count(said) == 1
    assert lines.index(said) == (6 if width == 80 else 7)


def test_a_trend_is_drawn_in_characters_that_the_stream_has() -> None:
    plan = plan_of(RECIPE.replace("2 epochs", "9 epochs"))
    for encoding, curve in (("utf-8", "█▁▃▆"), ("latin-1", "#_,=")):
        file = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", newline="")
        console = Console(file=file, width=80, force_terminal=True, color_system=None, _environ={})
        with Display(console, lambda: 0.0, plan) as display:
            display(events.StageStarted(plan.stages[0], 0))
            for event, loss in zip(evaluated(*RISING), (0.9, 0.2, 0.4, 0.7), strict=False):
                display(replace(event, values=values(0.5) | {"loss": loss}))
        file.seek(0)
        assert f"valid loss {curve}" in file.read()


def test_a_fault_of_the_display_ends_no_run(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    console, text = console_of(80, terminal=True)
    with Display(console, lambda: 0.0, plan) as display:
        display(events.StageStarted(plan.stages[0], 0))
        display(events.Evaluated(0, 1, 4, "valid", {}, 1.0, False))
        display(events.Evaluated(0, 2, 8, "valid", {}, 1.0, False))  # said once
    assert text.getvalue().endswith("\x1b[?25h")
    said = "the run continues without a progress display"
    assert capsys.readouterr().err.splitlines() == [f"{said}: KeyError: 'accuracy'"]


class Reflowing:
    """The last rows of a terminal that breaks its lines anew when its width changes, as most do."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[tuple[str, bool]] = [("", False)]  # and whether a row goes on with the one before
        self.row = 0

    def take(self, text: str) -> None:
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", text):
            if part == "\n":
                self.row += 1
                self.rows[self.row :] = self.rows[self.row :] or [("", False)]
            elif part == "\x1b[1A":
                self.row -= 1
            elif part == "\x1b[2K":
                self.rows[self.row] = ("", False)
            elif part and not part.startswith(("\x1b", "\r")):
                broken = self.broken(self.rows[self.row][0] + part)
                self.rows[self.row : self.row + 1] = broken
                self.row += len(broken) - 1

    def broken(self, line: str) -> list[tuple[str, bool]]:
        starts = range(0, max(1, len(line)), self.width)
        return [(line[start : start + self.width], start > 0) for start in starts]

    def resize(self, width: int) -> None:
        assert self.row == len(self.rows) - 1 or not any(text for text, _ in self.rows[self.row + 1 :])
        lines: list[str] = []
        for text, goes_on in self.rows[: self.row + 1]:
            lines = [*lines[:-1], lines[-1] + text] if goes_on else [*lines, text]
        self.width = width
        self.rows = [row for line in lines for row in self.broken(line)]
        self.row = len(self.rows) - 1


@pytest.mark.parametrize("widths", [(80, 60, 100), (100, 60, 40, 80), (120, 40, 41, 70, 40)])
def test_a_terminal_that_changes_its_width_keeps_no_moving_lines(plan: Plan, widths: tuple[int, ...]) -> None:
    console, text = console_of(widths[0], terminal=True)
    terminal, time, taken = Reflowing(widths[0]), 0.0, 0
    happening = canned(plan)
    with Display(console, lambda: time, plan) as display:
        for number, (passed, event) in enumerate(happening):
            time += passed
            display(event)
            terminal.take(text.getvalue()[taken:])
            taken = len(text.getvalue())
            width = widths[number * len(widths) // len(happening)]
            if width != terminal.width:
                terminal.resize(width)
                console.width = width
    terminal.take(text.getvalue()[taken:])
    left = "\n".join(row for row, _ in terminal.rows)
    assert not re.search("stage ./|rate|left|evaluating|━|─", left), left
    assert left.count("keeps the") == 2


def test_what_others_say_after_the_check_stands_on_a_line_of_its_own(plan: Plan) -> None:
    console, text = console_of(80, terminal=True)
    time = 0.0
    with Display(console, lambda: time, plan) as display:
        for done in range(0, 145, 16):
            time += 1
            display(events.ImagesChecked(done, 144))
        text.write("advice[W760]\n")  # on standard error, past the display
        display(events.StageStarted(plan.stages[0], 0, 0, 0))
    seen = screens(text.getvalue())
    assert any("checking images: 128 of 144" in screen for screen in seen)
    assert seen[-1].splitlines()[0] == "advice[W760]"


def test_what_stays_on_a_terminal_are_the_lines_of_a_log(plan: Plan) -> None:
    left = screens(show(plan, 200, terminal=True))[-1].splitlines()
    assert [line.rstrip() for line in show(plan, 200, terminal=False).splitlines()] == left


def test_quiet_shows_nothing(plan: Plan) -> None:
    assert show(plan, 80, terminal=True, quiet=True) == ""


def test_a_run_that_goes_on_and_one_that_goes_back_say_so(plan: Plan) -> None:
    text = io.StringIO()
    with Display(Console(file=text, width=100), lambda: 0.0, plan) as display:
        passed_over = ("checkpoints/000002.json: its digest does not match",)
        display(events.Resumed(0, 1, 3, (("run.threads", "2", "1"),), passed_over))
        display(events.StageStarted(plan.stages[0], 0, 1, 3))
        display(events.RolledBack(0, 1, 3, 5, "loss", float("nan"), 0.25))
    lines = text.getvalue().splitlines()
    assert lines[0] == "skipped a damaged checkpoint: checkpoints/000002.json: its digest does not match"
    assert lines[1] == "run.threads changed from 2 to 1: weights may differ"
    assert lines[2] == f"resumes in stage 1, after step 3 of {plan.stages[0].steps}"
    assert lines[-1] == "  the loss is nan at step 5: back to step 3, at 0.25 times the learning rate"


def test_images_that_were_skipped_make_another_plan(plan: Plan) -> None:
    console, text = console_of(100, terminal=False)
    fewer = replace(plan, stages=(replace(plan.stages[0], steps=plan.stages[0].steps - 2), *plan.stages[1:]))
    with Display(console, float, plan) as display:
        display(events.FolderOpened(Path("runs/a-1"), fewer))
        display(events.Resumed(0, 1, 3))
    assert text.getvalue() == f"resumes in stage 1, after step 3 of {plan.stages[0].steps - 2}\n"


def test_a_stage_that_gained_nothing_says_so(plan: Plan) -> None:
    text = io.StringIO()
    with Display(Console(file=text, width=100), lambda: 0.0, plan) as display:
        display(events.StageStarted(plan.stages[1], 1))
        kept = 'what it began with: epoch 2 of stage 1 "head"'
        display(events.StageFinished(1, 2, 6, "done", kept, 0.55, Origin(0, 2), gained=False))
    assert text.getvalue().splitlines()[-1] == f"  0:00; no improvement; keeps {kept}"


def test_images_per_second_leave_out_evaluation(plan: Plan) -> None:
    lines = [line for line in show(plan, 100, terminal=False).splitlines() if "images/s" in line]
    # 100 images in a second, in each full epoch; two seconds of evaluation do not count
    assert [re.findall(r"(\d+) images/s", line) for line in lines] == [["100"]] * 4
