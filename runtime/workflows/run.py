"""From a recipe file to a run folder, in the order in which it happens.

`prepare` is everything before training: read, parse, check, list the images, build the network, compile. `run` checks
the images, trains, and writes the run folder. What a person sees is left to the `watch` object.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import load_source, parse
from recipe_lang.output.flatten import flatten
from recipe_lang.output.formatter import recipe_text
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.syntax.parser import read_source
from recipe_lang.syntax.problems import Unreadable
from runtime.backend.fingerprint import library_versions, thread_count
from runtime.backend.mx import mx
from runtime.compile.compiler import compile_plan, step
from runtime.compile.data_advice import plan_advice
from runtime.compile.facts import data_facts
from runtime.compile.image_advice import image_advice
from runtime.compile.memory import Need, memory_need
from runtime.data.content_hashes import set_hashes
from runtime.data.decoded import Decoded, read_again
from runtime.data.listing import Listing
from runtime.data.sets import Place, Sets, check_images, list_sets, under_root
from runtime.data.sources.files import passed_over
from runtime.data.sources.skipped import passed_line
from runtime.data.tally import Tally
from runtime.data.verified import sound_images
from runtime.models.network import Model, build_model, check_weights, start_weights
from runtime.plan.types import Plan
from runtime.runs.checkpoints import newest
from runtime.runs.folder import (
    create_folder,
    locked,
    read_json,
    remove_leftovers,
    write_json,
    write_text,
    writing,
)
from runtime.runs.lock.facts import SURROUNDINGS, changed_since, differences, inputs, refuse
from runtime.runs.lock.file import LOCK, Facts, Lock, existing_lock, lock_text
from runtime.runs.manifest import Began, how_it_began
from runtime.runs.recipe_files import read_recipe
from runtime.runs.resume import check_unchanged
from runtime.runs.training_images import write_seen
from runtime.runs.writer import EXPORTED, Extra, Leaving
from runtime.system.cache.disk import user_cache
from runtime.system.cpu import instructions
from runtime.system.memory import room
from runtime.tasks.catalog import TASKS, task_of
from runtime.training.events import Event, Resumed
from runtime.training.problems import NoSuchDevice, OutOfMemory
from runtime.training.settings import Due, RunSettings
from runtime.training.stage import Interrupted, Session
from runtime.training.state import Checkpoint, TrainState
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules import image_size


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of `prepare`, with whole paths: a run that goes on is prepared again."""

    path: Path
    settings: tuple[str, ...]
    data_root: Path | None
    outside: bool


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A recipe with all that is known before training."""

    recipe: CheckedRecipe
    listings: Mapping[str, Listing]
    model: Model
    plan: Plan
    need: Need
    given: Given
    advice: tuple[Problem, ...] = ()

    def passed_over(self) -> str:
        """Say in a line which files among the images take no part; nothing where there are none."""
        return passed_line(passed_over(self.listings.values()))

    def out_of_memory(self) -> OutOfMemory:
        """Return what to say when memory is refused: with the place of the batch, and one that would fit."""
        batch = self.plan.data.batch
        fits = self.need.fitting(batch, room())
        place = self.recipe.block("data").place("batch")
        return OutOfMemory(span=place, batch=batch, fits=fits)


class Watch(Protocol):
    """What looks at a run."""

    def checking(self, done: int, total: int) -> None:
        """Be told how far the check of the images is."""

    def __call__(self, event: Event) -> None:
        """Be told of an event."""


class NoWatch:
    """Looks at nothing."""

    def checking(self, done: int, total: int) -> None:
        """Do nothing."""

    def __call__(self, event: Event) -> None:
        """Do nothing."""


def prepare(path: Path, settings: Sequence[str] = (), data_root: Path | None = None, outside: bool = False) -> Prepared:
    """Check a recipe, find its images, build its network and compile its plan. Nothing is trained or written.

    `outside` allows parents outside of the folder of the recipe.

    Raises:
        RecipeError: something about the recipe, its data or its base is wrong.
    """
    recipe, listings = listed(path, settings, data_root, outside)
    facts = data_facts(listings, recipe)
    size, _ = image_size(recipe)
    base, head = step(recipe.fields["base"]), [step(layer) for layer in recipe["head"]]
    with Place(base.place):
        check_weights(base)
    model = build_model(base, head, size, partial(task_of(recipe).head_block, facts=facts.target))
    plan = compile_plan(recipe, facts, model.facts())
    need = memory_need(model, plan)
    advice = ordered((*recipe.advice, *plan_advice(recipe, plan, listings, need)))
    given = Given(path.absolute(), tuple(settings), data_root and data_root.absolute(), outside)
    return Prepared(recipe, listings, model, plan, need, given, tuple(advice))


def listed(
    path: Path, settings: Sequence[str], data_root: Path | None, outside: bool
) -> tuple[CheckedRecipe, dict[str, Listing]]:
    """Check a recipe and find its images, as `prepare` does.

    Raises:
        RecipeError: something about the recipe or its data is wrong.
    """
    recipe = check(load_source(read_recipe(path), outside=outside), VOCABULARY, settings)
    if data_root is not None:
        recipe = under_root(recipe, data_root)
    _check_paths(recipe)
    return recipe, list_sets(recipe, task_of(recipe))


def _check_paths(recipe: CheckedRecipe) -> None:
    """Refuse paths that `resolved.ftr`, which is UTF-8 text, cannot hold: the run could not be loaded again."""
    try:
        print_recipe(recipe, VOCABULARY).encode()
    except UnicodeEncodeError:
        reason = "the path of the recipe or of its data is not UTF-8; rename it"
        raise RecipeError(Unreadable(path=recipe.source.name, reason=reason)) from None


@dataclass(frozen=True, slots=True)
class Resume:
    """The folder of a run that is to go on. With `extend` the recipe's stages may be longer than they were."""

    folder: Path
    extend: bool = False


def run(
    prepared: Prepared,
    settings: RunSettings,
    out: Path | None = None,
    watch: Watch | None = None,
    approve: Callable[[Facts], None] = lambda facts: None,
    advise: Callable[[tuple[Problem, ...]], None] = lambda found: None,
    resume: Resume | None = None,
    tell: Callable[[str], None] = lambda note: None,
    opened: Callable[[Path], None] = lambda folder: None,
    extras: Sequence[Extra] = (),
) -> tuple[Path, dict[str, Any]]:
    """Train a prepared recipe; return the run folder and what its `result.json` says.

    Before it trains `tell` gets each line on what is done to images of a kind that the recipe does not speak of,
    `advise` what the images advise, if anything, then `approve` what the run is made from (`locking.inputs`); the
    latter two may refuse. `opened` is told the run folder. `extras` are written after the result. With
    `resume` a run that has begun resumes at its newest checkpoint, to the same weights, bit for bit, as if it had never
    stopped.
    An interrupted run (SIGINT, SIGTERM, SIGHUP) ends at the next step, keeps what it has and says so in `status`.

    Raises:
        RecipeError: the data, the weights, the disk or the loss stopped it; what was trained is kept. Or the folder
            belongs to another run, or its run began with another recipe.
        ResumableError: the same, and the run may go on.
        Interrupted: it was interrupted before the training began; there is no run folder.
    """
    watch = watch or NoWatch()
    started = time.monotonic()
    context = device_context(settings.device)
    with _signals() as asked, locked(resume.folder) if resume else nullcontext():
        recipe, plan = prepared.recipe, prepared.plan
        task = task_of(recipe)
        count = sum(len(listing.samples) for listing in prepared.listings.values())
        cache = user_cache() if settings.cache else None
        with sound_images(cache, count) as sound:
            tally = Tally()
            looking = (settings.workers, watch.checking, asked, sound, tally.add)
            listings, skipped = check_images(recipe, prepared.listings, task, *looking)
            found = image_advice(recipe, prepared.listings, listings, settings.workers, cache, asked)
        if asked():
            raise Interrupted(asked.signal)
        for line in tally.notes(plan.data.prepare):
            tell(line)
        if found:
            advise(found)
        if skipped:
            plan = compile_plan(recipe, data_facts(listings, recipe), prepared.model.facts())
        with Place(plan.base.place):
            start_weights(prepared.model, plan.base, plan.seed, context)
        hashes = set_hashes(prepared.listings, settings.workers, cache, watch.checking, asked)
        if asked():
            raise Interrupted(asked.signal)
        facts = inputs(recipe, plan, prepared.listings, settings, hashes)
        checkpoint = newest(resume.folder) if resume else None
        if resume:
            _refuse_changes(resume, plan, checkpoint, facts)
        approve(facts)
        folder = resume.folder if resume else create_folder(out, plan.name)
        opened(folder)
        with nullcontext() if resume else locked(folder), _decoded(plan, settings) as decoded:
            start = _begin(folder, replace(prepared, plan=plan), settings, facts, resume, checkpoint is None)
            with writing(folder):
                write_seen(folder, hashes)
            samples = {name: each.samples for name, each in listings.items()}
            collate = partial(task.collate, facts=plan.data.target)
            sets = Sets(plan.data, plan.seed, samples, settings.workers, collate, decoded)
            due = Due(settings.interval, time.monotonic)
            state = checkpoint.state if checkpoint else TrainState()
            session = Session(
                plan,
                task,
                prepared.model,
                sets,
                context,
                asked,
                due,
                checkpoint,
                settings.fuse,
                settings.cache,
                cache,
                state,
            )
            with suppress(RuntimeError):  # no thread can be had: it is imported when it is needed
                for extra in extras:
                    threading.Thread(target=extra.import_ahead).start()
            since = started - (checkpoint.elapsed_s if checkpoint else 0.0)
            said = {
                "skipped_images": [list(pair) for pair in skipped],
                "passed_over": prepared.passed_over(),
                "advice": [[each.code, each.message()] for each in found],
                **start.said,
                "versions": versions_used(settings),
                "resumed": list(start.began.resumed),
            }
            if resume and checkpoint is None:
                watch(Resumed(0, 0, 0))
            result = Leaving(
                session, folder, due, since, start.facts, said, prepared.out_of_memory(), (EXPORTED, *extras)
            )(watch)
    return folder, {**result, "signal": asked.signal}


def _refuse_changes(resume: Resume, plan: Plan, checkpoint: Checkpoint | None, facts: Facts) -> None:
    """Refuse what is not as it was when a run began.

    Other images of the same recipe make another plan too, but the lock tells which they are, so it speaks first.

    Raises:
        RecipeError: the recipe, the images or the base's weights are others.
    """
    lock = existing_lock(resume.folder) if (resume.folder / "plan.json").exists() else None
    is_same_recipe = lock is not None and lock.facts.get(("recipe", "hash")) == facts["recipe", "hash"]
    if not is_same_recipe:
        check_unchanged(resume.folder, plan, checkpoint, resume.extend)
    if lock is not None:
        refuse(lock, ("weights", "data"), facts)
    if is_same_recipe:
        check_unchanged(resume.folder, plan, checkpoint, resume.extend)


def _decoded(plan: Plan, settings: RunSettings) -> AbstractContextManager[Decoded | None]:
    return closing(Decoded(read_again(plan))) if settings.cache else nullcontext()


@dataclass(frozen=True, slots=True)
class _Start:
    """What a run says of its beginning: `run.json`, the lock's facts, and what `result.json` has of the recipe."""

    began: Began
    facts: Facts
    said: Mapping[str, Any]


def _begin(
    folder: Path, prepared: Prepared, settings: RunSettings, facts: Facts, resume: Resume | None, is_anew: bool
) -> _Start:
    """Write what a run folder says before the training; where the run goes on, what is not so any more.

    `is_anew` is whether nothing that was trained before is left, so that it does not matter with what.

    Raises:
        RecipeError: the folder cannot be written.
    """
    with writing(folder):
        began = _beginning(prepared, settings)
        if resume is not None:
            old = how_it_began(folder)
            remove_leftovers(folder)
        if resume is None or not (folder / "plan.json").exists():  # which is written last
            return _begun(folder, prepared, began, facts)
        lock = existing_lock(folder)
        if not is_anew:
            compared = (*SURROUNDINGS, "machine", *(("recipe",) if resume.extend else ()))
            others = [[each.name, each.locked, each.now] for each in differences(lock.facts, facts, compared)]
            began = replace(began if resume.extend else old, resumed=(*old.resumed, others))
            facts = {**facts, **changed_since(began.resumed)}
        if resume.extend:
            return _begun(folder, prepared, began, facts)
        if is_anew:
            where = {name: getattr(old, name) for name in ("recipe", "settings", "data_root", "outside")}
            began = replace(began, **where)
        began.write(folder)
        start = _kept(folder, began, lock, facts)
        if is_anew:
            write_text(folder / LOCK, lock_text(start.facts))
        return start


def _begun(folder: Path, prepared: Prepared, began: Began, facts: Facts) -> _Start:
    """Write all that a run folder says before the training."""
    began.write(folder)
    write_text(folder / "recipe.ftr", _as_written(prepared.recipe))
    write_text(folder / "resolved.ftr", print_recipe(prepared.recipe, VOCABULARY))
    write_json(folder / TASKS[prepared.plan.task].file, prepared.plan.data.target.as_file())
    write_text(folder / LOCK, lock_text(facts))
    write_json(folder / "plan.json", prepared.plan)
    return _Start(began, facts, _given(prepared.recipe))


def _kept(folder: Path, began: Began, lock: Lock, facts: Facts) -> _Start:
    """Say what the folder says of the recipe: the one that the run goes on with may be written otherwise."""
    recipe = check(parse(read_source(folder / "recipe.ftr")), VOCABULARY, began.settings)
    plan = read_json(folder, "plan.json")
    said = {"recipe": str(plan["name"]), "hash": str(plan["hash"]), "params": plan["params"], **_given(recipe)}
    others = {key: fact for key, fact in facts.items() if key[0] not in _OF_RECIPE}
    return _Start(began, others | {key: fact for key, fact in lock.facts.items() if key[0] in _OF_RECIPE}, said)


def _given(recipe: CheckedRecipe) -> dict[str, Any]:
    return {"settings": {param.name: param.value for param in recipe.params if param.was_set}}


_OF_RECIPE = ("recipe", "parents")


def _beginning(prepared: Prepared, settings: RunSettings) -> Began:
    given = prepared.given
    root = None if given.data_root is None else str(given.data_root)
    where = (settings.device, settings.workers, settings.cache, settings.fuse, thread_count(), instructions())
    return Began(str(given.path), given.settings, root, given.outside, *where)


def _as_written(recipe: CheckedRecipe) -> str:
    """Return the recipe's text; one that builds on others, or is JSON, as one `.ftr` text of the same meaning."""
    if recipe.written.parent is None and not recipe.source.is_json:
        return recipe.source.text
    return recipe_text(flatten(recipe))


class _Asked:
    """Whether a signal asked the run to end, and which."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None


_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TWICE_S = 0.2


@contextmanager
def _signals() -> Iterator[_Asked]:
    """Let SIGINT, SIGTERM and SIGHUP ask instead of break; a second SIGINT breaks. What is ignored stays so (nohup)."""
    asked = _Asked()
    since = 0.0

    def ask(number: int, _: object) -> None:
        nonlocal since
        if asked.signal is None:
            asked.signal, since = number, time.monotonic()
        # One signal may come twice: to the whole group, and passed on by the parent.
        elif number == signal.SIGINT and time.monotonic() - since > _TWICE_S:
            raise KeyboardInterrupt

    wanted = [each for each in _ASKING if signal.getsignal(each) is not signal.SIG_IGN]
    try:
        before = {number: signal.signal(number, ask) for number in wanted}
    except ValueError:  # not the main thread: signals are the caller's business
        yield asked
        return
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def device_context(device: str) -> Any:
    """Return MXNet's context for `cpu`, `gpu` or `gpu(N)`.

    Raises:
        RecipeError: there is no such device here.
    """
    kind, _, rest = device.partition("(")
    number = rest.rstrip(")") or "0"
    if kind == "cpu":
        return mx.cpu()
    if kind != "gpu" or not number.isdecimal() or len(number) > 9:
        raise RecipeError(NoSuchDevice(device=device, reason="devices are `cpu`, `gpu` and `gpu(N)`"))
    if int(number) >= mx.context.num_gpus():
        reason = f"MXNet sees {mx.context.num_gpus()} GPUs"
        raise RecipeError(NoSuchDevice(device=device, reason=reason))
    return mx.gpu(int(number))


def versions_used(settings: RunSettings) -> dict[str, str]:
    """Return the versions, and what else may change the rounding of a result."""
    return {
        **library_versions(),
        "cpu": platform.processor() or platform.machine(),
        "device": settings.device,
        "cache": "on" if settings.cache else "off",
        "fuse": "on" if settings.fuse else "off",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
