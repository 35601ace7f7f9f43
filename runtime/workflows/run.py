"""From a prepared recipe to a run folder, in five steps.

`run` validates the images, compiles the plan, takes the lock's facts, opens the folder and trains. What happens is told
to observers as events (`runtime/training/events.py`); what a person sees of it is theirs.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from recipe_lang.problem import Problem
from runtime.backend.device import device_context
from runtime.backend.fingerprint import library_versions, thread_count
from runtime.compile.compiler import compile_plan
from runtime.compile.facts import data_facts
from runtime.compile.image_advice import image_advice
from runtime.data.content_hashes import Hashes, set_hashes
from runtime.data.decoded import Decoded, read_again
from runtime.data.listing import Listing
from runtime.data.sets import Sets, check_images, located
from runtime.data.tally import Tally
from runtime.data.tiles import tiled
from runtime.data.verified import verified_images
from runtime.distribution.exchange import ALONE, Exchange
from runtime.features.store import Tables
from runtime.models.heads import output_bias
from runtime.models.network import start_weights
from runtime.models.norm_statistics import norm_advice
from runtime.models.weights_sources import source_for
from runtime.runs.base_weights import weights_used
from runtime.runs.folder import create_folder, locked, writing
from runtime.runs.lock.facts import inputs
from runtime.runs.lock.file import Facts
from runtime.runs.manifest import RunManifest
from runtime.runs.resume import Resume, last_checkpoint
from runtime.runs.start import Start, write_restart, write_start
from runtime.runs.training_images import write_image_hashes
from runtime.runs.writer import EXPORTED, Extra, RunWriter
from runtime.system.cache.disk import FeatureCache, user_cache
from runtime.system.cpu import instructions
from runtime.system.signals import StopSignal, stop_signal
from runtime.tasks.catalog import task_of
from runtime.training.events import (
    Advised,
    Event,
    FolderOpened,
    ImagesChecked,
    ImagesConverted,
    ImagesSkipped,
    Observer,
    Preliminary,
)
from runtime.training.settings import CheckpointSchedule, RunSettings
from runtime.training.stage import Interrupted, Session
from runtime.training.state import Checkpoint, TrainState
from runtime.workflows.agreement import refuse_idle, tell_facts, tell_start
from runtime.workflows.preparation import PrepareArguments, Prepared


def run(
    prepared: Prepared,
    settings: RunSettings,
    out: Path | None = None,
    *,
    resume: Resume | None = None,
    observers: Sequence[Observer] = (),
    should_stop: Callable[[], bool] = lambda: False,
    approve: Callable[[Facts], None] = lambda facts: None,
    extras: Sequence[Extra] = (),
    exchange: Exchange = ALONE,
) -> tuple[Path, dict[str, Any]]:
    """Train a prepared recipe; return the run folder and what its `result.json` says.

    `observers` are called with each event, in order. `approve` is asked before anything is written, with what the run
    is made from (`lock.facts.inputs`), and may refuse. `extras` are written after the result. With `resume` a run that
    has begun resumes at its newest checkpoint, to the same weights, bit for bit, as if it had never stopped. `exchange`
    is with the other workers, where there are some; this is then the one that leads them (`worker.py`).

    SIGINT, SIGTERM and SIGHUP, `should_stop`, which is asked before each batch, and an observer that raises
    `Interrupted` end a run between two steps: it keeps what it has, says so in `status`, and can be resumed.

    Raises:
        RecipeError: the data, the weights, the disk or the loss stopped it; what was trained is kept. Or the folder
            belongs to another run, or its run began with another recipe.
        ResumableError: the same, and the run may resume.
        Interrupted: it was interrupted before the training began; there is no run folder.
    """
    started = time.monotonic()
    with stop_signal() as signal, locked(resume.folder) if resume else nullcontext():
        refuse_idle(exchange, prepared.plan)
        context = RunContext(settings, observers, should_stop, signal)
        images = validate_images(prepared, context)
        prepared = compile_for(prepared, images)
        facts, hashes = lock_facts(prepared, context)
        checkpoint = last_checkpoint(resume, prepared.plan, facts) if resume else None
        approve(facts)
        tell_facts(exchange, facts)
        if checkpoint is None:
            look_at_norms(prepared, images, context)
        with open_folder(out, resume, prepared, settings, facts, hashes, checkpoint) as start:
            context.tell(FolderOpened(start.folder, prepared.plan))
            with writing(start.folder):
                tell_start(exchange, start.folder, start.checkpoint)
            result = train(prepared, images, start, context, extras, started, exchange)
    return start.folder, {**result, "signal": signal.number}


@dataclass(slots=True)
class RunContext:
    """What the steps of a run share: where it runs, who follows it, and who can end it.

    Raises:
        RecipeError: there is no such device here.
    """

    settings: RunSettings
    observers: Sequence[Observer] = ()
    asked: Callable[[], bool] = lambda: False
    signal: StopSignal = field(default_factory=StopSignal)
    device: Any = field(init=False)  # MXNet's context
    cache: FeatureCache | None = field(init=False)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self.device = device_context(self.settings.device)
        self.cache = user_cache() if self.settings.cache else None

    def tell(self, event: Preliminary | Event) -> None:
        """Tell all observers of an event; one that raises `Interrupted` ends the run at its next step."""
        for observer in self.observers:
            try:
                observer(event)
            except Interrupted:
                self._stopped = True

    def checked(self, done: int, total: int) -> None:
        """Tell how many images were checked."""
        self.tell(ImagesChecked(done, total))

    def should_stop(self) -> bool:
        """Whether the run is to end; once it is, it stays so."""
        self._stopped = self._stopped or self.signal.should_stop() or self.asked()
        return self._stopped

    def stop_here(self) -> None:
        """Raise `Interrupted` if the run is to end."""
        if self.should_stop():
            raise Interrupted(self.signal.number)


@dataclass(frozen=True, slots=True, eq=False)
class ValidatedImages:
    """The sets without the images that cannot be read, these with the reason, and what the images advise."""

    listings: Mapping[str, Listing]
    skipped: tuple[tuple[str, str], ...]
    advice: tuple[Problem, ...]


def validate_images(prepared: Prepared, context: RunContext) -> ValidatedImages:
    """Open every image once, but those that are known to be sound; tell what is done to them, and what they advise.

    Raises:
        RecipeError: there are images that cannot be read, and the recipe does not skip them.
        Interrupted: it is to end.
    """
    count = sum(len(listing.samples) for listing in prepared.listings.values())
    recipe, workers, cache, tally = prepared.recipe, context.settings.workers, context.cache, Tally()
    with verified_images(cache, count) as sound:
        looking = (workers, context.checked, context.should_stop, sound, tally.add)
        listings, skipped = check_images(recipe, prepared.listings, task_of(recipe), *looking)
        advice = image_advice(recipe, prepared.listings, listings, workers, cache, context.should_stop)
    context.stop_here()
    if skipped:
        context.tell(ImagesSkipped(skipped))
    if notes := tuple(tally.notes(prepared.plan.data.prepare)):
        context.tell(ImagesConverted(notes))
    if advice:
        context.tell(Advised(advice))
    return ValidatedImages(listings, skipped, advice)


def compile_for(prepared: Prepared, images: ValidatedImages) -> Prepared:
    """Return the recipe with the plan for the images that are left; the plan is compiled anew where some are not.

    Raises:
        RecipeError: the recipe cannot work with what is left.
    """
    if not images.skipped:
        return prepared
    facts = data_facts(images.listings, prepared.recipe)
    known = (prepared.model.facts(), prepared.plan.base, prepared.plan.teacher)
    return replace(prepared, plan=compile_plan(prepared.recipe, facts, *known))


def lock_facts(prepared: Prepared, context: RunContext) -> tuple[Facts, Hashes]:
    """Return what the run is made from, as its lock has it, with the hash of each image; the network has its weights.

    Raises:
        RecipeError: the weights cannot be had.
        Interrupted: it is to end.
    """
    plan, settings = prepared.plan, context.settings
    with located(plan.base.span):
        start_weights(prepared.model, plan.base, plan.seed, context.device, output_bias(plan))
    hashes = image_hashes(prepared, context)
    return inputs(prepared.recipe, plan, prepared.listings, settings, hashes), hashes


def image_hashes(prepared: Prepared, context: RunContext) -> Hashes:
    """Return the hash of each image.

    Raises:
        Interrupted: it is to end.
    """
    workers, stop = context.settings.workers, context.should_stop
    hashes = set_hashes(prepared.listings, workers, context.cache, context.checked, stop)
    context.stop_here()
    return hashes


def look_at_norms(prepared: Prepared, images: ValidatedImages, context: RunContext) -> None:
    """Tell where weights of another framework do not expect what the training images give."""
    plan = prepared.plan
    source = source_for(plan.base)
    if not source.as_in_torch(plan.base):
        return
    samples = images.listings["train"].samples
    few = samples[:: max(1, len(samples) // _PHOTOS)][:_PHOTOS]
    collate = partial(task_of(prepared.recipe).collate, facts=plan.data.target)
    sets = Sets(replace(plan.data, batch=_PHOTOS), plan.seed, {"photos": few}, context.settings.workers, collate)
    with closing(sets.evaluation("photos")) as batches:
        photos = sets.inputs(next(batches).images, context.device)
    _, path = source.provenance(plan.base)
    if advice := norm_advice(prepared.model.base, photos, str(path)):
        context.tell(Advised(advice))


_PHOTOS = 32


@contextmanager
def open_folder(
    out: Path | None,
    resume: Resume | None,
    prepared: Prepared,
    settings: RunSettings,
    facts: Facts,
    hashes: Hashes,
    checkpoint: Checkpoint | None,
) -> Iterator[Start]:
    """Have a run folder, a new one or that of a run that resumes, with all that it says before the training.

    Raises:
        RecipeError: it cannot be written, or holds something already.
    """
    recipe, plan = prepared.recipe, prepared.plan
    folder = resume.folder if resume else create_folder(out, plan.name)
    with nullcontext() if resume else locked(folder):
        with writing(folder):
            now = manifest_of(prepared.given, settings)
            if resume:
                begun = write_restart(resume, recipe, plan, now, facts, checkpoint)
            else:
                begun = write_start(folder, recipe, plan, now, facts)
            write_image_hashes(folder, hashes)
        yield begun


@contextmanager
def open_session(
    prepared: Prepared,
    images: ValidatedImages,
    context: RunContext,
    due: Callable[[TrainState], bool] = lambda state: False,
    checkpoint: Checkpoint | None = None,
    exchange: Exchange = ALONE,
) -> Iterator[Session]:
    """Have what the loop trains, at its beginning or where a checkpoint was taken; the network has its first weights.

    Decoded images that are read again are kept as long.
    """
    kept = closing(Decoded(read_again(prepared.plan))) if context.settings.cache else nullcontext()
    with kept as decoded:
        yield session_of(prepared, images, context, decoded, is_due=due, checkpoint=checkpoint, exchange=exchange)


@contextmanager
def ready_session(
    prepared: Prepared, settings: RunSettings, observers: Sequence[Observer] = ()
) -> Iterator[tuple[Session, RunContext]]:
    """Have a recipe ready to train as a run does, without a run folder: its images validated, its first weights there.

    Raises:
        RecipeError: an image or the weights cannot be read.
        Interrupted: a signal ended it.
    """
    with stop_signal() as signal:
        context = RunContext(settings, observers, signal=signal)
        images = validate_images(prepared, context)
        prepared = compile_for(prepared, images)
        plan = prepared.plan
        with located(plan.base.span):
            start_weights(prepared.model, plan.base, plan.seed, context.device, output_bias(plan))
        with open_session(prepared, images, context) as session:
            yield session, context


def train(
    prepared: Prepared,
    images: ValidatedImages,
    start: Start,
    context: RunContext,
    extras: Sequence[Extra],
    started: float,
    exchange: Exchange = ALONE,
) -> dict[str, Any]:
    """Train, and leave in the run folder what there is; return the content of `result.json`.

    Raises:
        RecipeError: it failed; what was trained is kept.
        ResumableError: the same, and the run may resume.
    """
    plan, settings, checkpoint = prepared.plan, context.settings, start.checkpoint
    if start.resumed is not None:
        context.tell(start.resumed)
    due = CheckpointSchedule(settings.interval, time.monotonic)
    with open_session(prepared, images, context, due, checkpoint, exchange) as session:
        said = {
            "skipped_images": [list(pair) for pair in images.skipped],
            "passed_over": prepared.passed_over(),
            "advice": [[each.code, each.message()] for each in images.advice],
            **start.said,
            "base": weights_used(plan),
            "versions": _versions(settings),
            "resumed": list(start.began.resumed),
        }
        since = started - (checkpoint.elapsed_s if checkpoint else 0.0)
        refused, files = prepared.out_of_memory(), (EXPORTED, *extras)
        return RunWriter(session, start.folder, due, since, start.facts, said, refused, files)(context.tell)


def session_of(
    prepared: Prepared,
    images: ValidatedImages,
    context: RunContext,
    decoded: Decoded | None,
    *,
    is_due: Callable[[TrainState], bool],
    checkpoint: Checkpoint | None = None,
    exchange: Exchange = ALONE,
    lasting: Tables | None = None,
) -> Session:
    """Return a prepared recipe as a session that is ready to train; its network has the weights that it begins with.

    `lasting` keeps frozen features for later sessions of this process.
    """
    plan, settings = prepared.plan, context.settings
    task = task_of(prepared.recipe)
    samples = {name: tiled(each.samples, plan.data.tiles) for name, each in images.listings.items()}
    collate = partial(task.collate, facts=plan.data.target)
    return Session(
        plan=plan,
        task=task,
        model=prepared.model,
        sets=Sets(plan.data, plan.seed, samples, settings.workers, collate, decoded),
        context=context.device,
        should_stop=context.should_stop,
        is_due=is_due,
        checkpoint=checkpoint,
        fuse=settings.fuse,
        keep=settings.cache,
        cache=context.cache,
        state=checkpoint.state if checkpoint else TrainState(),
        teacher=prepared.teacher,
        exchange=exchange,
        lasting=lasting,
    )


def manifest_of(given: PrepareArguments, settings: RunSettings) -> RunManifest:
    """Return how a run begins that is prepared from these arguments."""
    root = None if given.data_root is None else str(given.data_root)
    where = (settings.device, settings.workers, settings.cache, settings.fuse, thread_count(), instructions())
    return RunManifest(str(given.path), given.settings, root, given.outside, *where, seed=given.seed)


def _versions(settings: RunSettings) -> dict[str, str]:
    """Return the versions, and what else may change the rounding of a result."""
    return {
        **library_versions(),
        "cpu": platform.processor() or platform.machine(),
        "device": settings.device,
        "cache": "on" if settings.cache else "off",
        "fuse": "on" if settings.fuse else "off",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
