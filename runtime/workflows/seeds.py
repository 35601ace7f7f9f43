"""One recipe, several seeds: a run for each, in one process, under one folder with a summary.

The seed moves everything that the recipe's own moves: the first weights of the head, the order of the images and their
augmentation, and where `holdout` or `folds` divide, which images are trained on and which tested. So the spread is what
a reader of the recipe would see who begins anew. Each run is prepared and trained by `prepare` and `run`, and is the
same, bit for bit, as `ftr run --seed` gives alone; what they share is the process, and on the disk what frozen parts
make of images and which images are sound, all of it kept by content.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGINT
from typing import Any

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.identity import resolved_hash
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import RecipeError
from recipe_lang.syntax.parser import read_source
from runtime.runs.folder import create_folder, has_ended, locked, write_json, write_text, writing
from runtime.runs.own_graph import naming_own_graph
from runtime.runs.resume import Resume
from runtime.runs.seeds import SUMMARY, SeedRun, finished_runs, read_run, seed_folder, summary_of, write_seeds
from runtime.runs.writer import Extra, how_to_resume
from runtime.system.signals import stop_signal
from runtime.training.events import Observer
from runtime.training.problems import RecipeChanged
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import PrepareArguments, Prepared, prepare
from runtime.workflows.run import manifest_of, run


@dataclass(frozen=True, slots=True)
class SeedsPlan:
    """Which runs there are to be: the recipe and its settings, the seeds, and where they run."""

    recipe: PrepareArguments
    seeds: tuple[int, ...]
    settings: RunSettings
    extras: tuple[Extra, ...] = ()

    def prepared(self, seed: int, first: Prepared) -> Prepared:
        """Return the recipe with a seed, ready to run, as it was read for the first, whatever its file says by now.

        Raises:
            RecipeError: something about the recipe, its data or its base is wrong.
        """
        given = self.recipe
        return prepare(given.path, given.settings, given.data_root, given.outside, seed, first)


@dataclass(frozen=True, slots=True)
class SeedsFollower:
    """Who follows the runs: `watched` gives an observer of a run that begins, `ended` hears of each that has ended."""

    watched: Callable[[int, Prepared], Any]  # a context manager, whose value is an observer
    ended: Callable[[SeedRun], None] = field(default=lambda run: None)


def seeds_from(first: int, count: int) -> tuple[int, ...]:
    """Return the seeds of `count` runs."""
    return tuple(range(first, first + count))


@contextmanager
def seeds_folder(out: Path | None, plan: SeedsPlan, first: Prepared, *, resumes: bool = False) -> Iterator[Path]:
    """Have the folder of several runs for oneself: a new one with all that it says before them, or one that is there.

    Raises:
        RecipeError: it cannot be written, holds something already, or another process has it; or one that is there
            began with another recipe.
    """
    if resumes:
        assert out is not None
        with locked(out):
            _refuse_other_recipe(out, first)
            yield out
        return
    folder = create_folder(out, f"{first.plan.name}-seeds")
    with locked(folder):
        with writing(folder):
            write_seeds(folder, plan.seeds)  # first: without it the folder would be taken for that of a run
            write_text(folder / "resolved.ftr", print_recipe(first.recipe, VOCABULARY))
            replace(manifest_of(first.given, plan.settings), seed=None).write(folder)
        yield folder


def _refuse_other_recipe(folder: Path, first: Prepared) -> None:
    """Refuse to go on with another recipe than that of the runs in a folder: `first` has the first of their seeds.

    Raises:
        RecipeError: it is another one.
    """
    resolved = folder / "resolved.ftr"
    tree = naming_own_graph(parse(read_source(resolved)), seed_folder(folder, first.plan.seed))
    then, now = (resolved_hash(each, VOCABULARY)[:12] for each in (check(tree, VOCABULARY), first.recipe))
    if then != now:
        changes = (("hash of all values", then, now),)
        raise RecipeError(RecipeChanged(path=str(folder), differences=changes, resolved=str(resolved)))


def run_seeds(folder: Path, plan: SeedsPlan, first: Prepared, follower: SeedsFollower) -> dict[str, Any]:
    """Train with each seed that has not ended in the folder, and return the summary, which is written there.

    Raises:
        RecipeError: a run failed, or a file of a run is damaged.
        Interrupted: a signal ended it, whose number is its argument; the runs that have ended stay, the one that was
            interrupted may be resumed.
    """
    with stop_signal() as signal:

        def refuse_to_go_on() -> None:
            if signal.number is not None:
                raise Interrupted(signal.number)

        for position, seed in enumerate(plan.seeds):
            place = seed_folder(folder, seed)
            if not has_ended(place):
                prepared = first if position == 0 else plan.prepared(seed, first)
                refuse_to_go_on()
                resume = Resume(place) if (place / "run.json").exists() else None
                with follower.watched(seed, prepared) as observer:
                    try:
                        _train(prepared, plan, place, resume, observer, signal.should_stop)
                    except RecipeError as error:
                        error.note = how_to_resume(folder)
                        raise
                    except Interrupted as stopped:  # of a signal that this block caught, the run knows no number
                        numbers = (*stopped.args, signal.number, SIGINT)
                        raise Interrupted(next(each for each in numbers if each is not None)) from None
                del prepared
                gc.collect()  # what its training leaves in cycles, before the next takes memory
            refuse_to_go_on()
            follower.ended(read_run(place, seed))
    summary = summary_of(finished_runs(folder))
    with writing(folder):
        write_json(folder / SUMMARY, summary)
    return summary


def _train(
    prepared: Prepared,
    plan: SeedsPlan,
    place: Path,
    resume: Resume | None,
    observer: Observer,
    should_stop: Callable[[], bool],
) -> None:
    """Train one run to its end.

    Raises:
        RecipeError: it failed.
        Interrupted: it was interrupted.
    """
    how: dict[str, Any] = {"resume": resume, "should_stop": should_stop, "extras": plan.extras}
    _, result = run(prepared, plan.settings, place, observers=(observer,), **how)
    if result["status"] != "finished":
        raise Interrupted(result["signal"])
