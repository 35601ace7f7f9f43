"""Is B better than A? Two recipes, or what their runs have left, compared seed by seed.

In go the finished runs of both; out comes a `Comparison`. The verdict on the recipes is that of the t interval of the
differences by seed: it holds 0, or it does not. What two runs answered right of the same images is compared for each
pair by itself, by McNemar's exact test; that is of these two runs and says nothing of other seeds.

The metric is one of the validation set unless another one is asked for: a recipe is chosen by comparing, and who
chooses by the test set has none left to report with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted, listed
from runtime.runs.evaluation import right_answers
from runtime.runs.lock.facts import differences
from runtime.runs.lock.file import LOCK, Facts, read_lock
from runtime.runs.noise import Disagreement, Estimate, disagreement, estimate
from runtime.runs.seeds import SETS, SeedRun, finished_runs, is_summary, read_run
from runtime.runs.trained import load
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import Task
from runtime.workflows.problems import DifferentImages, NotComparable


@dataclass(frozen=True, slots=True)
class Side:
    """One of two that are compared: what people call it, and its runs."""

    name: str
    runs: Sequence[SeedRun]


@dataclass(frozen=True, slots=True)
class Pair:
    """A run of A and one of B, their values, and on which images their answers differ, where that can be said."""

    a: SeedRun
    b: SeedRun
    value_a: float
    value_b: float
    answers: Disagreement | None = None

    @property
    def difference(self) -> float:
        """The value of B less that of A."""
        return self.value_b - self.value_a


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, `a` and `b`, compared in a metric of a set: the pairs, the mean of their differences, what is noted.

    `mean` is None where there is one pair only, whose difference says nothing of other seeds.
    """

    a: str
    b: str
    set: str
    metric: str
    higher_is_better: bool
    pairs: tuple[Pair, ...]
    mean: Estimate | None
    notes: tuple[str, ...] = ()

    @property
    def better(self) -> str:
        """Which is better, `a` or `b`; empty where no difference is shown."""
        if self.mean is not None:
            is_noise, gained = self.mean.is_noise, self.mean.mean
        else:
            answers = self.pairs[0].answers
            is_noise, gained = answers is None or answers.is_noise, self.pairs[0].difference
        if is_noise or not gained:
            return ""
        return "b" if (gained > 0) == self.higher_is_better else "a"

    @property
    def verdict(self) -> str:
        """The verdict in one sentence."""
        better, worse = (self.b, self.a) if self.better == "b" else (self.a, self.b)
        what = "recipes" if self.mean is not None else "runs"
        if not self.better:
            return f"no difference is shown between the {what}"
        if self.mean is not None:
            return f"{better} is better than {worse}"
        return f"the run {better} answers these images better than {worse}; other seeds may differ"


def side_of(path: Path) -> Side:
    """Return the runs that a folder holds: one, or those of several seeds that have ended.

    Raises:
        RecipeError: it has none.
    """
    runs = finished_runs(path) if is_summary(path) else [read_run(path)]
    if not runs:
        raise RecipeError(NotComparable(a=str(path), b="another", reason=f"no run in {path} has ended"))
    return Side(path.name, runs)


def compare(
    a: Side, b: Side, asked: str | None = None, answers: Callable[[SeedRun, str], dict[str, bool]] | None = None
) -> Comparison:
    """Compare two sides in a metric, `valid.accuracy` or `accuracy`; by default in what the recipes claim, on `valid`.

    `answers` gives what a run has right of a set, by image; without it their answers are not compared.

    Raises:
        RecipeError: they do not have the same images, tasks or metrics, or no pairs can be made.
    """
    task = _task(a, b)
    set_name, metric = _metric(a, b, task, asked)
    paired, notes = _paired(a, b)
    _refuse_other_images(a, b, paired, set_name)
    pairs = []
    for one, other in paired:
        first, second = (_value(a, b, run, set_name, metric) for run in (one, other))
        pairs.append(Pair(one, other, first, second))
    mean = estimate([pair.difference for pair in pairs]) if len(pairs) > 1 else None
    if answers is not None and task.is_right_or_wrong:
        try:
            pairs = [_with_answers(pair, set_name, answers) for pair in pairs]
        except RecipeError as error:
            reason = error.problems[0].message()
            notes.append(f"which images the runs answer right cannot be said: {reason}")
    elif not task.is_right_or_wrong:
        notes.append(f"answers of {task.name} are not right or wrong, so no images are counted: the interval decides")
    if _facts(paired[0][0], "train") != _facts(paired[0][1], "train"):
        notes.append("they train on different images")
    better = task.metrics[metric].higher_is_better
    return Comparison(a.name, b.name, set_name, metric, better, tuple(pairs), mean, tuple(notes))


def measured_answers(context: Any, workers: int) -> Callable[[SeedRun, str], dict[str, bool]]:
    """Return what tells which images of a set a run has right: its network is loaded, and asked again."""
    return lambda run, set_name: right_answers(load(run.folder), context, workers, set_name)


def _task(a: Side, b: Side) -> Task:
    names = [str(side.runs[0].result.get("task", USUAL.name)) for side in (a, b)]
    if names[0] != names[1] or names[0] not in TASKS:
        raise RecipeError(NotComparable(a=a.name, b=b.name, reason=f"their tasks are {names[0]} and {names[1]}"))
    return TASKS[names[0]]


def _metric(a: Side, b: Side, task: Task, asked: str | None) -> tuple[str, str]:
    """Return the set and the metric that decide."""
    if asked is None:
        return "valid", next(_claimed(a, b, task), task.monitor)
    set_name, _, metric = asked.rpartition(".")
    if metric in task.metrics and set_name in ("", *SETS):
        return set_name or "valid", metric
    known = listed(tuple(f"`{name}`" for name in task.metrics), "and")
    reason = f"there is no metric `{asked}`"
    raise RecipeError(NotComparable(a=a.name, b=b.name, reason=reason, hint=f"of `valid` or `test` there are {known}"))


def _claimed(a: Side, b: Side, task: Task) -> Iterator[str]:
    for claim in (claim for side in (a, b) for claim in side.runs[0].claims):
        name = str(claim.get("metric")).rpartition(".")[2]
        if name in task.metrics:
            yield name


def _paired(a: Side, b: Side) -> tuple[list[tuple[SeedRun, SeedRun]], list[str]]:
    """Return pairs of runs, those with the same seed if there are such, and what is to be said of it."""
    of_a, of_b = ({run.seed: run for run in side.runs} for side in (a, b))
    common = [seed for seed in of_a if seed in of_b]
    most = max(len(of_a), len(of_b))
    if len(common) > 1 or len(common) == most:
        left = most - len(common)
        notes = [f"{counted(left, 'run')} left out, with a seed that the other has not"] if left else []
        return [(of_a[seed], of_b[seed]) for seed in common], notes
    if len(a.runs) != len(b.runs):
        reason = f"{counted(len(a.runs), 'run')} of one and {len(b.runs)} of the other, with other seeds"
        hint = "`ftr run --seeds` trains with the same seeds"
        raise RecipeError(NotComparable(a=a.name, b=b.name, reason=reason, hint=hint))
    notes = ["their seeds differ: the runs are paired in their order"] if len(a.runs) > 1 else []
    return list(zip(a.runs, b.runs, strict=True)), notes


def _refuse_other_images(a: Side, b: Side, paired: Sequence[tuple[SeedRun, SeedRun]], set_name: str) -> None:
    """Refuse pairs that are not measured on the same images, as their locks say.

    Raises:
        RecipeError: one is not.
    """
    for one, other in paired:
        found = differences(_facts(one, set_name), _facts(other, set_name), ("data",))
        if found:
            names = (a.name, b.name) if len(paired) == 1 else (str(one.folder), str(other.folder))
            told = tuple((each.name, each.locked, each.now) for each in found)
            raise RecipeError(DifferentImages(a=names[0], b=names[1], set=set_name, differences=told))


def _facts(run: SeedRun, set_name: str) -> Facts:
    facts = read_lock(run.folder / LOCK).facts
    return {key: fact for key, fact in facts.items() if key[0] == f"data.{set_name}"}


def _value(a: Side, b: Side, run: SeedRun, set_name: str, metric: str) -> float:
    value = run.value(set_name, metric)
    if value is None:
        reason = f"{run.folder} has no `{set_name}.{metric}`"
        raise RecipeError(NotComparable(a=a.name, b=b.name, reason=reason))
    return value


def _with_answers(pair: Pair, set_name: str, answers: Callable[[SeedRun, str], dict[str, bool]]) -> Pair:
    found = disagreement(answers(pair.a, set_name), answers(pair.b, set_name))
    return Pair(pair.a, pair.b, pair.value_a, pair.value_b, found)
