"""Population-based training of a recipe: from a prepared recipe to the course of parameters that did best.

A folder holds what a population has come to, written after each member's turn: `population.json`, and below `members`
a checkpoint for what each has learned. A population that was interrupted or killed goes on there, to the same end. The
members' weights begin alike and see the same images in the same order, since all have the recipe's seed: what differs
are the parameters alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.data.decoded import Decoded
from runtime.features.store import Tables
from runtime.runs.folder import write_text, writing
from runtime.runs.lock.facts import HASHED
from runtime.runs.lock.file import Facts
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, compile_for, lock_facts, validate_images
from runtime.workflows.tune.course import Course, course_of
from runtime.workflows.tune.members import Ground, RecipeMember
from runtime.workflows.tune.population import Generation, Values, beginning, best_of, train_population
from runtime.workflows.tune.population_problems import NothingChanges, OtherSearch

STATE = "population.json"


@dataclass(frozen=True, slots=True)
class PopulationSettings:
    """How many members there are, after how many epochs they exchange, and the metric on validation that decides."""

    size: int = 5
    epochs: int = 1
    metric: str = ""  # that of the last stage's `monitor`; where there is none, the loss
    seed: int = 0  # of what is drawn; the members train with the recipe's

    @property
    def identity(self) -> dict[str, Any]:
        """What a population must begin with to be the same one, beside its recipe."""
        return {"members": self.size, "interval": self.epochs, "metric": self.metric, "seed": self.seed}


def settings_of(folder: Path, size: int | None, epochs: int | None, metric: str, seed: int) -> PopulationSettings:
    """Return settings, what is not given as the population in a folder began, or the default; the folder keeps them.

    Raises:
        RecipeError: the folder is damaged, or cannot be written.
    """
    is_new = not (folder / STATE).exists()
    began = {"members": 5, "interval": 1} if is_new else _read(folder)["identity"]
    settings = PopulationSettings(size or began["members"], epochs or began["interval"], metric, seed)
    if is_new:
        state: dict[str, Any] = {"identity": settings.identity, "generation": None, "members": [], "seconds": 0.0}
        with writing(folder):
            write_text(folder / STATE, json.dumps(state, indent=1))
    return settings


def _read(folder: Path) -> dict[str, Any]:
    """Return the content of the state of a population.

    Raises:
        RecipeError: it is damaged.
    """
    try:
        content = json.loads((folder / STATE).read_text("utf-8"))
        if content.keys() == {"identity", "generation", "members", "seconds"}:
            return dict(content)
    except (ValueError, AttributeError):
        pass
    raise RecipeError(OtherSearch(path=str(folder), what=f"version, or `{STATE}` is damaged"))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a population came to: the metric of each member, the best one, and the parameters of its course.

    `course` writes them as a recipe. `seconds` are those of training, of all attempts.
    """

    course: Course
    metric: str
    values: tuple[float, ...]
    best: int
    history: tuple[Values, ...]
    seconds: float

    def recipe(self, parent: str) -> str:
        """Return the best member's course as a child of the recipe, which it names `parent`."""
        epochs = self.course.intervals[0].end
        remark = (
            f"Found by population-based training, the best of {counted(len(self.values), 'member')} that exchanged\n"
            f"what they had learned after every {'epoch' if epochs == 1 else f'{epochs} epochs'}: "
            f"valid.{self.metric} {self.values[self.best]:.4f}.\n"
            f"All members together took {counted(round(self.seconds), 'second')}."
        )
        return self.course.text(self.history, parent, remark)


def train_recipe_population(
    prepared: Prepared,
    context: RunContext,
    folder: Path,
    settings: PopulationSettings,
    told: Callable[[Course, Generation], None] = lambda course, generation: None,
) -> Outcome:
    """Train a population of a recipe's variants in a folder, or go on with the one that is there.

    `told` hears of each generation as it stands after a member's turn.

    Raises:
        RecipeError: nothing can change while the recipe trains, the folder holds another population, or the losses of
            all its members are no numbers.
        Interrupted: it was interrupted; the folder has what is known.
    """
    images = validate_images(prepared, context)
    prepared = compile_for(prepared, images)
    metric = settings.metric or monitored(prepared)
    course = changing(prepared, settings.epochs, metric)
    facts, _ = lock_facts(prepared, context)
    members_folder = folder / "members"
    with closing(Tables()) as tables, kept_images(context) as decoded:
        ground = Ground(prepared, images, context, prepared.model.arrays(), tables, decoded)
        members = [
            RecipeMember(ground, course, metric, members_folder / str(number + 1), context.tell)
            for number in range(settings.size)
        ]
        identity = {**replace(settings, metric=metric).identity, "recipe": _digest(facts)}
        begin, spent = _begin(folder, identity, course, members, settings.seed)
        since = time.monotonic() - spent
        with writing(folder):
            _save(folder, identity, begin, members, spent)

        def save(now: Generation) -> None:
            if len(now.scores) == len(members) and all(math.isnan(score) for score in now.scores):
                raise next(member.failure for member in members if member.failure)
            with writing(folder):
                _save(folder, identity, now, members, time.monotonic() - since)
            told(course, now)

        end = train_population(members, course.axes, begin, len(course.intervals), settings.seed, save)
    best = best_of(end.scores)
    values = tuple(
        member.value if not math.isnan(score) else score for member, score in zip(members, end.scores, strict=True)
    )
    return Outcome(course, metric, values, best, members[best].history, time.monotonic() - since)


def kept_images(context: RunContext) -> AbstractContextManager[Decoded | None]:
    """Return what keeps the decoded images that are read again and again; nothing without a cache."""
    return closing(Decoded(frozenset({"train", "valid"}))) if context.settings.cache else nullcontext()


def changing(prepared: Prepared, epochs: int, metric: str) -> Course:
    """Return what may change of a recipe that trains, after so many epochs each; `metric` compares its members.

    Raises:
        RecipeError: nothing.
    """
    given = prepared.given

    def load(more: Sequence[str]) -> CheckedRecipe:
        return check(prepared.recipe.written, VOCABULARY, [*given.settings, *more])

    course = course_of(load(()), prepared.plan, epochs, metric, load, given.settings)  # with the same paths
    if not course.axes:
        reasons = "; ".join(f"`{name}` stays, {reason}" for name, reason in course.fixed.items())
        raise RecipeError(NothingChanges(reasons=reasons))
    return course


def monitored(prepared: Prepared) -> str:
    """Return the metric by which the recipe itself goes in the end: that of its last stage's monitor, else the loss."""
    monitor = prepared.plan.stages[-1].monitor
    return monitor.name if monitor else "loss"


def _digest(facts: Facts) -> str:
    """Return a digest of the recipe, its images and its weights."""
    told = sorted((*key, str(fact)) for key, fact in facts.items() if key[0] in HASHED)
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def _begin(
    folder: Path, identity: Mapping[str, Any], course: Course, members: Sequence[RecipeMember], seed: int
) -> tuple[Generation, float]:
    """Return where a population goes on, and the seconds that it has taken; its members stand where they were."""
    first = Generation(0, tuple(beginning(course.axes, course.defaults, len(members), seed)))
    if not (folder / STATE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        return first, 0.0
    content = _read(folder)
    for name, value in content["identity"].items():
        if identity[name] != value:
            what = {"members": "number of members", "recipe": "recipe, or other images"}.get(name, name)
            raise RecipeError(OtherSearch(path=str(folder), what=what))
    now = content["generation"]
    if now is None:
        return first, 0.0
    for member, plain in zip(members, content["members"], strict=True):
        member.history, member.learned = tuple(plain["history"]), plain["learned"]
        member.value = _number(plain["value"])
    sources = {int(member): source for member, source in now["sources"].items()}
    scores = tuple(_number(score) for score in now["scores"])
    return Generation(now["interval"], tuple(now["values"]), scores, sources), content["seconds"]


def _save(
    folder: Path, identity: Mapping[str, Any], now: Generation, members: Sequence[RecipeMember], seconds: float
) -> None:
    plain = [{"history": list(each.history), "learned": each.learned, "value": _plain(each.value)} for each in members]
    generation = {
        "interval": now.interval,
        "values": list(now.values),
        "scores": [_plain(score) for score in now.scores],
        "sources": {str(member): source for member, source in (now.sources or {}).items()},
    }
    content = {"identity": identity, "generation": generation, "members": plain, "seconds": round(seconds, 3)}
    write_text(folder / STATE, json.dumps(content, indent=1))
    needed = {member.learned for member in members}
    for place in (folder / "members").glob("*/*"):
        if f"{place.parent.name}/{place.name}" not in needed:
            shutil.rmtree(place, ignore_errors=True)


def _plain(number: float) -> float | None:
    return None if math.isnan(number) else number


def _number(plain: float | None) -> float:
    return math.nan if plain is None else plain
