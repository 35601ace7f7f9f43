"""Studies: which trial comes next, also after others were killed, and what several processes make of one."""

from __future__ import annotations

import random
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
import pytest
from click import Choice

from recipe_lang.check.domains import Domain
from recipe_lang.problem import RecipeError
from runtime.commands.search import tune
from runtime.workflows.tune.samplers import PRUNERS, SAMPLERS, check_choice
from runtime.workflows.tune.space import Dimension
from runtime.workflows.tune.storage import open_storage
from runtime.workflows.tune.study import Asked, Definition, Study, open_study
from runtime.workflows.tune.workers import is_dead, this_worker

SPACE = (
    Dimension("lr", Domain(1e-4, 1e-1, is_log=True, start=1e-2), is_whole=False),
    Dimension("n", Domain(1, 6, "epochs", start=3), is_whole=True),
    Dimension("kind", Domain(items=("adam", "sgd", "lamb"), start=1), is_whole=False),
)
EPOCHS = 9


def definition(sampler: str = "tpe", pruner: str = "median", metrics: tuple[str, ...] = ("loss",)) -> Definition:
    settings = (sampler, SAMPLERS[sampler].settings, pruner, PRUNERS[pruner].settings)
    return Definition("aa", "bb", {}, (), metrics, ("minimize",) * len(metrics), *settings, seed=3, epochs=EPOCHS)


def opened(storage: Any, what: Definition) -> Study:
    return open_study(storage, "a test", "toy", what, SPACE)


def losses(asked: Asked) -> list[float]:
    """Return what an imagined network reaches in each epoch."""
    lr, n = float(asked.texts["lr"]), float(asked.texts["n"].split()[0])
    end = abs(lr - 3e-3) * 10 + abs(n - 4) / 10 + len(asked.texts["kind"]) / 100
    return [end + 1 / (epoch + 1) for epoch in range(EPOCHS)]


def run(study: Study, asked: Asked, until: int = EPOCHS) -> bool:
    """Run a trial, or its first epochs; say whether it is over."""
    for epoch, loss in enumerate(losses(asked)[:until], 1):
        if study.is_single and study.report(asked, loss, epoch) and epoch < EPOCHS:
            study.prune(asked, "pruned", {"epochs": epoch})
            return True
    if until == EPOCHS:
        study.finish(asked, [losses(asked)[-1], 1.0][: len(study.definition.metrics)], {"epochs": EPOCHS})
    return until == EPOCHS


def kill(asked: Asked) -> None:
    """Leave a trial as a process leaves it that is killed."""
    asked.trial.set_user_attr("process_started", -1)


def searched(what: Definition, trials: int, kills: int = 0) -> list[tuple[Any, ...]]:
    storage, luck = optuna.storages.InMemoryStorage(), random.Random(kills)
    left, study = kills, opened(storage, what)
    while (asked := study.next(trials)) is not None:
        if left and luck.random() < 0.6:
            left -= 1
            run(study, asked, luck.randrange(EPOCHS))
            if not asked.trial.study.trials[asked.trial.number].state.is_finished():
                kill(asked)
            study = opened(storage, what)
        else:
            run(study, asked)
    assert not left
    return [(each.state, each.texts, each.values, each.epochs) for each in study.finished()]


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("tpe", "median"), ("tpe", "hyperband"), *((name, "none") for name in SAMPLERS if name != "tpe")],
)
def test_a_study_that_is_killed_ends_with_the_trials_of_one_that_is_not(sampler: str, pruner: str) -> None:
    if find_spec(SAMPLERS[sampler].package) is None:
        pytest.skip(f"{SAMPLERS[sampler].package} is not installed")
    what = definition(sampler, pruner, ("loss", "parameters") if sampler == "nsga2" else ("loss",))
    whole = searched(what, 18)
    assert len(whole) == 18
    assert whole[0][1] == {"lr": "0.01", "n": "3 epochs", "kind": "sgd"}, "the defaults come first"
    assert searched(what, 18) == whole, "a study repeats"
    assert searched(what, 18, kills=10) == whole
    assert len({str(each[1]) for each in whole}) > 15
    if pruner != "none":
        assert any(each[0] == "pruned" for each in whole)


def test_a_grid_is_gone_through_once() -> None:
    what = replace(definition("grid"), sampler_settings={"points": 2})
    found = searched(what, 1000)
    assert len(found) == 2 * 2 * 3 + 1, "and the defaults, which are no point of it"


def test_trials_of_living_processes_are_left_alone_and_count() -> None:
    storage = optuna.storages.InMemoryStorage()
    study, other = opened(storage, definition()), opened(storage, definition())
    first, second = study.next(3), other.next(3)
    assert first is not None
    assert second is not None
    assert first.texts != second.texts
    assert study.next(2) is None, "two are running"
    run(study, first)
    kill(second)
    again = study.next(3)
    assert again is not None
    assert again.texts == second.texts, "it is tried again before others"
    run(other, second)  # it was not dead, but slow
    run(study, again)
    assert [each.texts for each in study.finished()] == [first.texts, again.texts]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid"])
def test_processes_that_begin_together_try_different_values(sampler: str) -> None:
    storage = optuna.storages.InMemoryStorage()
    asked = [opened(storage, definition(sampler, "none")).next() for _ in range(5)]
    assert len({str(each.texts) for each in asked if each}) == 5


def test_what_cannot_be_run_is_not_tried_again_and_an_interrupted_trial_is() -> None:
    study = opened(optuna.storages.InMemoryStorage(), definition())
    first = study.next()
    assert first is not None
    study.fail(first, "too large")
    second = study.next()
    assert second is not None
    assert second.texts != first.texts
    study.break_off(second)
    third = study.next()
    assert third is not None
    assert third.texts == second.texts
    study.finish(third, [float("nan")], {})
    assert [(each.state, each.reason) for each in study.finished()] == [
        ("failed", "too large"),
        ("failed", "a metric is no number"),
    ]
    assert study.best() == []


def test_another_study_of_the_name_is_refused_with_what_differs() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = opened(storage, definition())
    for value in (0.5, 0.25):
        asked = study.next()
        assert asked is not None
        study.finish(asked, [value], {"texts": dict(asked.texts)})
    with pytest.raises(RecipeError, match="its recipe is no longer the same; seed: it has 3, not 4") as caught:
        opened(storage, replace(definition(), recipe="cc", seed=4))
    best = ", ".join(f"{name} = {text}" for name, text in study.best()[0].texts.items())
    assert caught.value.problems[0].help().endswith(f"the best values of this one are {best}")


def test_a_journal_with_half_a_line_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    study = opened(open_storage(str(path)), definition())
    asked = study.next()
    assert asked is not None
    run(study, asked)
    with path.open("ab") as file:
        file.write(b'{"op_code": 5, "wor')
    again = opened(open_storage(str(path)), definition())
    assert again.finished() == study.finished()
    assert again.next() is not None
    assert len(opened(open_storage(str(path)), definition()).finished()) == 1


def test_several_objectives_have_a_front_and_no_importance() -> None:
    study = opened(optuna.storages.InMemoryStorage(), definition("tpe", "none", ("loss", "parameters")))
    for values in ((1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 1.0)):
        asked = study.next()
        assert asked is not None
        study.finish(asked, values, {})
    assert [each.values for each in study.best()] == [(1.0, 5.0), (2.0, 3.0), (3.0, 1.0)]
    assert study.importance() == {}


def test_the_importance_of_parameters_finds_the_one_that_matters() -> None:
    study = opened(optuna.storages.InMemoryStorage(), definition("random", "none"))
    while (asked := study.next(60)) is not None:
        study.finish(asked, [abs(float(asked.texts["lr"]) - 3e-3)], {})
    importance = study.importance()
    assert next(iter(importance)) == "lr"
    assert sum(importance.values()) == pytest.approx(1)


def test_who_is_dead_is_known_by_the_process_and_elsewhere_by_the_time() -> None:
    mine = {**this_worker(), "seen": 0.0}
    assert not is_dead(mine)
    assert is_dead({**mine, "process_started": 1}), "another process has its number"
    assert is_dead({**mine, "process": 2**22 + 1, "process_started": 7})
    elsewhere = {**mine, "host": "another", "seen": 1000.0}
    assert not is_dead(elsewhere, now=1500.0)
    assert is_dead(elsewhere, now=1700.0)


def test_several_metrics_take_no_pruner_and_not_each_sampler() -> None:
    assert check_choice("tpe", None, ["loss"]) == "median"
    assert check_choice("tpe", None, ["loss", "parameters"]) == "none"
    for sampler, pruner in (("cmaes", None), ("tpe", "median")):
        with pytest.raises(RecipeError):
            check_choice(sampler, pruner, ["loss", "parameters"])


def test_the_command_names_all_samplers_and_pruners() -> None:
    choices = {each.name: each.type for each in tune.params}
    for name, rows in (("sampler", (*SAMPLERS, "pbt")), ("pruner", PRUNERS)):
        kind = choices[name]
        assert isinstance(kind, Choice)
        assert tuple(kind.choices) == tuple(rows)
