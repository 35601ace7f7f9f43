"""What a study says: a line for each trial with its figures first, a table of the best, and live what is computed."""

from __future__ import annotations

import os
import pty
from io import StringIO

import optuna
import pytest
from rich.console import Console

from recipe_lang.check.domains import Domain
from runtime.reporting.population import SearchProgress
from runtime.reporting.study import StudyDisplay, study_summary
from runtime.training.events import FeaturesComputed
from runtime.workflows.tune.objectives import Objective
from runtime.workflows.tune.search import Limits, TrialEnded, TrialFeatures, TrialStarted
from runtime.workflows.tune.space import Dimension
from runtime.workflows.tune.study import Asked, Definition, Study, open_study

LOSS = (Objective("loss", higher_is_better=False),)


def study() -> Study:
    rest = ("random", {}, "none", {})
    what = Definition("aa", "bb", {}, (), ("loss",), ("minimize",), *rest, seed=3, epochs=4)
    space = (Dimension("lr", Domain(1e-4, 1e-1, is_log=True, start=1e-2), is_whole=False),)
    return open_study(optuna.storages.InMemoryStorage(), "a test", "toy", what, space)


def begun(searched: Study) -> Asked:
    asked = searched.next()
    assert asked is not None
    return asked


def test_lines_and_table_of_trials_that_ended_in_every_way() -> None:
    searched, page = study(), Console(file=StringIO(), width=80)
    with StudyDisplay(page, lambda: 0.0, searched, LOSS, Limits(3)) as shown:
        for end in ("finish", "prune", "fail"):
            asked = begun(searched)
            shown(TrialStarted(asked.trial.number, asked.place, asked.texts))
            if end == "finish":
                searched.finish(asked, [0.25], {"epochs": 4, "seconds": 61.0})
            elif end == "prune":
                searched.prune(asked, "pruned", {"epochs": 2, "seconds": 2.0, "metrics": {"loss": 0.5}})
            else:
                searched.fail(asked, "the batch is too large")
            shown(TrialEnded(asked.trial.number))
    study_summary(page, searched, LOSS)
    lines = page.file.getvalue().splitlines()
    values = [each.texts["lr"] for each in searched.finished()]
    assert lines[:4] == [
        "1/3  valid.loss 0.25  1:01  best  lr = 0.01",
        f"2/3  valid.loss 0.5  2.0 s  pruned after epoch 2  lr = {values[1]}",
        f"3/3  failed  lr = {values[2]}: the batch is too large",
        "3 trials: 1 complete, 1 pruned, 1 failed",
    ]
    assert lines[-1] == "the recipe's own values are lr = 0.01"


def test_a_terminal_says_which_features_are_computed_and_fits_its_lines() -> None:
    searched, page = study(), Console(file=StringIO(), width=50, force_terminal=True, legacy_windows=False)
    clock = iter(range(100))
    with StudyDisplay(page, lambda: float(next(clock)), searched, LOSS, Limits(3)) as shown:
        asked = begun(searched)
        shown(TrialStarted(asked.trial.number, asked.place, asked.texts))
        shown(TrialFeatures(asked.trial.number, 32, 1077))
    assert "trial 1/3  frozen features: 32 of 1,077 images  lr\x1b" in page.file.getvalue(), "cut at the width"


def test_a_search_goes_on_where_its_terminal_is_gone() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        page = Console(file=terminal, force_terminal=True)
        progress = SearchProgress(page, lambda: 0.0)
        searched = study()
        with StudyDisplay(page, lambda: 0.0, searched, LOSS, Limits(3)) as shown:
            os.close(ours)
            progress(FeaturesComputed(0, 0, 0, 1, 2))
            progress.clear()
            asked = begun(searched)
            shown(TrialStarted(asked.trial.number, asked.place, asked.texts))
            searched.finish(asked, [0.25], {"epochs": 4, "seconds": 61.0})
            shown(TrialEnded(asked.trial.number))


def test_a_terminal_that_cannot_move_its_cursor_has_lines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    page = Console(file=StringIO(), width=80, force_terminal=True)
    SearchProgress(page, lambda: 0.0)(FeaturesComputed(0, 0, 0, 1, 2))
    with StudyDisplay(page, lambda: 0.0, study(), LOSS, Limits(3)) as shown:
        shown(TrialStarted(0, 0, {"lr": "0.01"}))
    assert page.file.getvalue() == ""
