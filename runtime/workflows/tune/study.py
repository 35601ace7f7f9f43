"""A study: the trials of a search, where they are kept, and which comes next.

`open_study` makes one or finds it; `Study.next` gives the next trial, which `finish`, `prune`, `fail` or `break_off`
ends. All that is known of a trial is in the storage the moment it is known, so that a process may be killed at any
time, and several may work on one study.

How a study goes on. A trial whose process is dead, or which was interrupted, is marked failed, and its values are tried
again, before any others. The next values depend on the study's seed, the trials that are finished, their count, and how
many other processes run: numbers of trials, which count those that were broken off as well, decide nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.system.random import derive
from runtime.workflows.tune.problems import OtherStudy
from runtime.workflows.tune.samplers import PLACE, pruner, sampler
from runtime.workflows.tune.space import Dimension, grid
from runtime.workflows.tune.storage import failing, without_password
from runtime.workflows.tune.workers import is_dead, this_worker

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

Direction: TypeAlias = Literal["minimize", "maximize"]

FAILED, AGAIN, DEFINITION = "failed", "again", "definition"
"""Attributes: why a trial cannot be run with its values, the number of the trial that one repeats, what a study is."""


@dataclass(frozen=True, slots=True)
class Definition:
    """All that decides which trials a study makes: plain values, kept with it.

    `recipe` is the hash of the recipe with the defaults of its parameters, `images` that of its images; `epochs` is how
    long it trains then.
    """

    recipe: str
    images: str
    space: Mapping[str, str]
    settings: tuple[str, ...]
    metrics: tuple[str, ...]
    directions: tuple[Direction, ...]
    sampler: str
    sampler_settings: Mapping[str, Any]
    pruner: str
    pruner_settings: Mapping[str, Any]
    seed: int
    epochs: int

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """A trial that is to be run: its number, and how many were finished before it.

    `texts` are its values as `--set` takes them.
    """

    trial: optuna.Trial
    place: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that is over: `state` is `complete`, `pruned` or `failed`.

    `values` are those of the objectives, None of one that was not trained to its end; `reason` says why it failed.
    """

    number: int
    state: str
    texts: Mapping[str, str]
    values: tuple[float, ...] | None
    metrics: Mapping[str, float]
    epochs: int
    seconds: float
    weights: str
    reason: str


def open_study(
    storage: BaseStorage, where: str, name: str, definition: Definition, space: Sequence[Dimension]
) -> Study:
    """Begin a study, or take up the one of this name that the storage has.

    Raises:
        RecipeError: it has another one of this name, or cannot be used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it would say, we say
    with failing(where):
        found = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(definition.directions),
            load_if_exists=True,
            pruner=pruner(definition.pruner, definition.epochs),
        )
        known = found.user_attrs.get(DEFINITION)
        if known is None:
            found.set_user_attr(DEFINITION, definition.plain())
        elif known != definition.plain():
            differences, best = _differences(known, definition), _best_texts(found)
            raise RecipeError(OtherStudy(where=without_password(where), differences=differences, best=best))
        if not found.get_trials(deepcopy=False):
            _add(found, {each.name: each.start for each in space})
    return Study(found, where, definition, tuple(space))


def _best_texts(study: optuna.Study) -> str:
    """Return the values of the trial that is best by the first metric; empty where none came to its end."""
    sign = 1 if study.directions[0].name == "MINIMIZE" else -1
    done = [each for each in study.get_trials(deepcopy=False) if each.values and "texts" in each.user_attrs]
    best = min(
        (each for each in done if each.state.name == "COMPLETE"), key=lambda it: sign * it.values[0], default=None
    )
    return ", ".join(f"{name} = {text}" for name, text in best.user_attrs["texts"].items()) if best else ""


def _differences(known: Mapping[str, Any], definition: Definition) -> tuple[str, ...]:
    """Say in which of its parts, and for which parameters, a study differs; of hashes only that they do."""
    before, now = _told(known), _told(definition.plain())
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return tuple(
        _HASHES.get(name) or f"{name}: it has {before.get(name, 'none')}, not {now.get(name, 'none')}"
        for name in names
        if _FOLLOWS.get(name) not in names
    )


_FOLLOWS = {"directions": "metrics", "sampler settings": "sampler", "pruner settings": "pruner"}
_HASHES = {"recipe": "its recipe is no longer the same", "images": "its images are no longer the same"}


def _told(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return each part of a definition as it is shown."""
    domains = {f"the domain of `{name}`": domain for name, domain in definition.get("space", {}).items()}
    rest = {name.replace("_", " "): value for name, value in definition.items() if name != "space"}
    shown = {
        name: ", ".join(value) or "none" if isinstance(value, list) else str(value) for name, value in rest.items()
    }
    return {**shown, **domains}


def _add(study: optuna.Study, values: Mapping[str, Any] | None, **attributes: Any) -> None:
    """Have a trial wait to be run: with these values, or with those that the sampler gives it.

    That this process is to run it stands beside it before it begins: wherever the process is killed, that is seen.
    """
    from optuna.trial import TrialState, create_trial

    told = {**this_worker(), "seen": time.time(), **attributes.pop("user", {})}
    fixed = {} if values is None else {"fixed_params": dict(values)}
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={**attributes, **fixed}, user_attrs=told))


@dataclass(frozen=True, eq=False)
class Study:
    """A study that is open. One process may have several trials of it only one after the other."""

    study: optuna.Study
    where: str
    definition: Definition
    space: tuple[Dimension, ...]

    @property
    def is_single(self) -> bool:
        """Whether there is one objective."""
        return len(self.definition.metrics) == 1

    @property
    def own(self) -> dict[str, str]:
        """The recipe's own values, as `--set` takes them."""
        return {each.name: each.text(each.start) for each in self.space}

    @cached_property
    def _combinations(self) -> list[dict[str, float]]:
        """All points of a grid, in the order in which they are tried; none of other samplers."""
        points = self.definition.sampler_settings.get("points")
        if points is None:
            return []
        found = grid(self.space, points)
        shuffled = np.random.Generator(np.random.PCG64(derive(self.definition.seed, "tune", "grid")))
        return [found[number] for number in shuffled.permutation(len(found))]

    def next(self, most: int | None = None) -> Asked | None:
        """Begin the next trial; None where `most` are finished or running, or a grid has no more.

        Raises:
            RecipeError: the storage cannot be used.
        """
        with failing(self.where):
            self._take_over()
            trials = self.study.get_trials(deepcopy=False)
            place = sum(map(_counts, trials))
            running = sum(each.state.name == "RUNNING" for each in trials)
            if most is not None and place + running >= most:
                return None
            if all(each.state.name != "WAITING" for each in trials):
                point = self._next_point(trials) if self._combinations else None
                if self._combinations and point is None:
                    return None
                _add(self.study, point)
            others = [running] if running else []  # which would draw the same values otherwise
            seed = derive(self.definition.seed, "tune", place, *others) % 2**32
            self.study.sampler = sampler(self.definition.sampler, seed, self.definition.seed % 2**32)
            trial = self.study.ask({each.name: each.distribution() for each in self.space})
            for name, value in {**this_worker(), "seen": time.time(), PLACE: place}.items():
                trial.set_user_attr(name, value)
            texts = {each.name: each.text(trial.params[each.name]) for each in self.space}
            return Asked(trial, place, texts)

    def _next_point(self, trials: Sequence[optuna.trial.FrozenTrial]) -> dict[str, float] | None:
        """Return the next point of the grid that no trial has."""
        tried = [_wanted(each) for each in trials if _counts(each) or not each.state.is_finished()]
        return next((point for point in self._combinations if point not in tried), None)

    def _take_over(self) -> None:
        """Mark trials failed whose processes are dead, and have the values of all that were broken off tried again."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        for each in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if is_dead(each.user_attrs):
                try:
                    self.study.tell(each.number, state=TrialState.FAIL)
                except (UpdateFinishedTrialError, ValueError):  # another process was faster
                    continue
        trials = self.study.get_trials(deepcopy=False)
        repeated = {each.user_attrs.get(AGAIN) for each in trials}
        for each in trials:
            broken_off = each.state == TrialState.FAIL and FAILED not in each.user_attrs
            wanted = _wanted(each)
            if broken_off and each.number not in repeated and wanted.keys() >= {name.name for name in self.space}:
                _add(self.study, wanted, user={AGAIN: each.number}, **_of_sampler(each))

    def report(self, asked: Asked, value: float, epoch: int) -> bool:
        """Note the objective behind an epoch, from 1; say whether the trial should end there."""
        from optuna.exceptions import UpdateFinishedTrialError

        with failing(self.where):
            try:
                if value == value:  # a NaN is no value
                    asked.trial.report(value, epoch)
                return bool(asked.trial.should_prune())
            except UpdateFinishedTrialError:  # this process was taken for dead: another one has the trial
                return True

    def seen(self, asked: Asked) -> None:
        """Note that the trial's process is alive."""
        from optuna.exceptions import UpdateFinishedTrialError

        with failing(self.where), suppress(UpdateFinishedTrialError):
            asked.trial.set_user_attr("seen", time.time())

    def finish(self, asked: Asked, values: Sequence[float], told: Mapping[str, Any]) -> None:
        """End a trial that was trained to its end; `told` is kept beside its values."""
        if any(value != value for value in values):
            self.fail(asked, "a metric is no number", told)
        else:
            self._end(asked, "COMPLETE", told, list(values))

    def prune(self, asked: Asked, reason: str, told: Mapping[str, Any]) -> None:
        """End a trial whose epochs say that it does not pay."""
        if self.is_single:
            self._end(asked, "PRUNED", {**told, FAILED: reason})
        else:  # samplers for several objectives know of no such trials
            self.fail(asked, reason, told)

    def fail(self, asked: Asked, reason: str, told: Mapping[str, Any] = MappingProxyType({})) -> None:
        """End a trial that cannot be run with its values."""
        self._end(asked, "FAIL", {**told, FAILED: reason})

    def break_off(self, asked: Asked) -> None:
        """End a trial that was interrupted: its values are tried again."""
        self._end(asked, "FAIL", {})

    def _end(self, asked: Asked, state: str, told: Mapping[str, Any], values: list[float] | None = None) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        was_taken_for_dead = suppress(UpdateFinishedTrialError, ValueError)
        with failing(self.where), was_taken_for_dead:
            for name, value in told.items():
                asked.trial.set_user_attr(name, value)
            self.study.tell(asked.trial, values, state=TrialState[state])

    def finished(self) -> list[Finished]:
        """Return the trials that are over, but for those that were broken off."""
        with failing(self.where):
            return list(self._finished())

    def _finished(self) -> Iterator[Finished]:
        for each in self.study.get_trials(deepcopy=False):
            if not _counts(each):
                continue
            told = each.user_attrs
            texts = {one.name: one.text(each.params[one.name]) for one in self.space if one.name in each.params}
            state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(each.state.name, "failed")
            values = tuple(each.values) if state == "complete" else None
            yield Finished(
                each.number,
                state,
                texts,
                values,
                told.get("metrics", {}),
                told.get("epochs", 0),
                told.get("seconds", 0.0),
                told.get("weights", ""),
                told.get(FAILED, ""),
            )

    def best(self) -> list[Finished]:
        """Return the best trial, or with several objectives those that none is better than in all, in order."""
        done = [each for each in self.finished() if each.values is not None and not any(v != v for v in each.values)]
        signs = [1 if direction == "minimize" else -1 for direction in self.definition.directions]

        def costs(each: Finished) -> tuple[float, ...]:
            assert each.values is not None
            return tuple(sign * value for sign, value in zip(signs, each.values, strict=True))

        if self.is_single:
            return sorted(done, key=costs)[:1]
        front = [each for each in done if not any(_dominates(costs(other), costs(each)) for other in done)]
        return sorted(front, key=costs)

    def importance(self) -> dict[str, float]:
        """Return how much of the difference between good trials and others each parameter explains, largest first.

        It is the share by PED-ANOVA (arXiv 2304.10255); empty where there are too few trials, or several objectives.
        """
        import optuna
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        done = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if not self.is_single or len(self.space) < 2 or len(done) < _FEW:
            return {}
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25, region_quantile=1.0, evaluate_on_local=True)
        try:
            return get_param_importances(self.study, evaluator=evaluator)
        except (ValueError, RuntimeError, ZeroDivisionError):  # all trials are equally good
            return {}


_FEW = 8


def _of_sampler(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return what a sampler has written beside a trial, such as its generation, without what its epochs gave."""
    return {name: value for name, value in trial.system_attrs.items() if not name.startswith("completed_rung")}


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _counts(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial is over for good."""
    return trial.state.name in ("COMPLETE", "PRUNED") or (trial.state.name == "FAIL" and FAILED in trial.user_attrs)


def _wanted(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return the values that a trial has, or is to have."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
