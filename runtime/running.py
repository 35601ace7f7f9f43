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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from recipe_lang.checked import CheckedRecipe
from recipe_lang.checker import check
from recipe_lang.diagnostics import InternalError, Problem, RecipeError, ordered
from recipe_lang.errors import Unreadable
from recipe_lang.flatten import flatten
from recipe_lang.formatter import recipe_text
from recipe_lang.loading import load
from recipe_lang.printer import print_recipe
from runtime.artifacts import Record, create_folder, recording, result_of, write_json, write_text, writing
from runtime.compile import compile_plan, step
from runtime.curves import draw_curves
from runtime.data.decoded import Decoded, read_again
from runtime.data.sets import Place, Sets, check_images, data_facts, list_sets, under_root
from runtime.data.sound_images import sound_images
from runtime.data.sources import Listing
from runtime.events import Event
from runtime.feature_cache import user_cache
from runtime.finished import RunSettings, export_model
from runtime.guard import note
from runtime.memory import is_refusal, room
from runtime.memory_need import Need, memory_need
from runtime.model import Model, build_model, start_weights
from runtime.mx import mx
from runtime.plan import Plan
from runtime.plan_advice import plan_advice
from runtime.run_problems import LossNotFinite, NoSuchDevice, OutOfMemory
from runtime.train import Interrupted, Session, train
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules import image_size
from runtime.weights.params_file import write_params


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A recipe with all that is known before training."""

    recipe: CheckedRecipe
    listings: Mapping[str, Listing]
    model: Model
    plan: Plan
    need: Need
    advice: tuple[Problem, ...] = ()

    def out_of_memory(self, folder: Path | None = None) -> OutOfMemory:
        """Return what to say when memory is refused: with the place of the batch, and one that would fit."""
        batch = self.plan.data.batch
        fits = self.need.fitting(batch, room())
        place = self.recipe.block("data").place("batch")
        return OutOfMemory(span=place, batch=batch, fits=fits, run="" if folder is None else str(folder))


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
    recipe = check(load(path, outside=outside), VOCABULARY, settings)
    if data_root is not None:
        recipe = under_root(recipe, data_root)
    _check_paths(recipe)
    listings = list_sets(recipe)
    facts = data_facts(listings)
    size, _ = image_size(recipe)
    head = [step(layer) for layer in recipe["head"]]
    model = build_model(step(recipe.fields["base"]), head, len(facts.classes), size)
    plan = compile_plan(recipe, facts, model.facts())
    need = memory_need(model, plan)
    advice = ordered((*recipe.advice, *plan_advice(recipe, plan, listings, need)))
    return Prepared(recipe, listings, model, plan, need, tuple(advice))


def _check_paths(recipe: CheckedRecipe) -> None:
    """Refuse paths that `resolved.ftr`, which is UTF-8 text, cannot hold: the run could not be loaded again."""
    try:
        print_recipe(recipe, VOCABULARY).encode()
    except UnicodeEncodeError:
        reason = "the path of the recipe or of its data is no UTF-8 text; rename it"
        raise RecipeError(Unreadable(path=recipe.source.name, reason=reason)) from None


def run(
    prepared: Prepared, settings: RunSettings, out: Path | None = None, watch: Watch | None = None
) -> tuple[Path, dict[str, Any]]:
    """Train a prepared recipe; return the run folder and what its `result.json` says.

    An interrupted run (SIGINT, SIGTERM, SIGHUP) ends at the next step, keeps what it has and says so in `status`.

    Raises:
        RecipeError: the data, the weights, the disk or the loss stopped it. What was trained is kept.
        Interrupted: it was interrupted before the training began; there is no run folder.
    """
    watch = watch or NoWatch()
    started = time.monotonic()
    context, versions = device_context(settings.device), versions_used(settings)
    with _signals() as asked:
        recipe, plan = prepared.recipe, prepared.plan
        count = sum(len(listing.samples) for listing in prepared.listings.values())
        cache = user_cache() if settings.cache else None
        with sound_images(cache, count) as sound:
            listings, skipped = check_images(recipe, prepared.listings, settings.workers, watch.checking, asked, sound)
        if asked():
            raise Interrupted(asked.signal)
        if skipped:
            plan = compile_plan(recipe, data_facts(listings), prepared.model.facts())
        with Place(plan.base.place):
            start_weights(prepared.model, plan.base, plan.seed, context)
        folder = _begin(recipe, plan, out)
        note(run=str(folder))
        samples = {name: each.samples for name, each in listings.items()}
        decoded = closing(Decoded(read_again(plan))) if settings.cache else nullcontext()
        with recording(folder) as record, decoded as kept:
            sets = Sets(plan.data, plan.seed, samples, settings.workers, kept)
            session = Session(plan, prepared.model, sets, context, asked, settings.fuse, settings.cache, cache)
            threading.Thread(target=_import_ahead).start()
            status, failure = _train(prepared, session, folder, record, watch)
            weights = _settle(session, failure) if status != "finished" else "the final weights"
            result = result_of(plan, record, status, weights, skipped)
            result["settings"] = {param.name: param.value for param in recipe.params if param.was_set}
            with writing(folder):
                if weights is not None:
                    write_params(folder / "model.params", session.model.arrays())
                if status == "finished":
                    export_model(session.model, folder / "model")
                    draw_curves(folder / "curves.png", plan, record)
                result |= {"wall_s": round(time.monotonic() - started, 2), "versions": versions}
                write_json(folder / "result.json", result)
        if failure is not None:
            raise failure
    return folder, {**result, "signal": asked.signal}


def _import_ahead() -> None:
    """Import what the picture will need while other work goes on: it takes a second."""
    with suppress(ImportError):  # said where it is needed
        for name in ("matplotlib.backends.backend_agg", "matplotlib.figure"):
            import_module(name)


def _begin(recipe: CheckedRecipe, plan: Plan, out: Path | None) -> Path:
    folder = create_folder(out, plan.name)
    with writing(folder):
        write_text(folder / "recipe.ftr", _as_written(recipe))
        write_text(folder / "resolved.ftr", print_recipe(recipe, VOCABULARY))
        write_json(folder / "plan.json", plan)
        write_json(folder / "classes.json", plan.data.classes)
    return folder


def _as_written(recipe: CheckedRecipe) -> str:
    """Return the recipe's text; one that builds on others, or is JSON, as one `.ftr` text of the same meaning."""
    if recipe.written.parent is None and not recipe.source.is_json:
        return recipe.source.text
    return recipe_text(flatten(recipe))


def _train(
    prepared: Prepared, session: Session, folder: Path, record: Record, watch: Watch
) -> tuple[str, RecipeError | InternalError | None]:
    try:
        for event in train(session):
            with writing(folder):
                record.note(event)
            watch(event)
    except Interrupted:
        return "interrupted", None
    except (RecipeError, InternalError) as error:
        return "failed", error
    except Exception as error:
        if not is_refusal(error):
            raise
        return "failed", RecipeError(prepared.out_of_memory(folder))
    return "finished", None


def _settle(session: Session, failure: RecipeError | InternalError | None) -> str | None:
    """Put the weights in place that an unfinished run leaves, and say which; None when all are of no use.

    These are the best so far where the running stage has some. Else they are the last, unless the loss, or a step that
    got no memory, has ruined them: then those that the stage began with.
    """
    state = session.state
    stage = f"of stage {state.stage + 1}"
    problems = failure.problems if isinstance(failure, RecipeError) else ()
    ruined = any(isinstance(problem, LossNotFinite | OutOfMemory) for problem in problems)
    if state.best is not None and state.best.weights:
        kept, text = state.best.weights, f"the best weights so far, of epoch {state.best.epoch} {stage}"
    elif ruined:
        kept, text = state.begun_with, f"the weights from before the first step {stage}"
    else:
        return f"the weights after step {state.step} {stage}"
    for name, copy in kept.items():
        session.model.parameters[name].set_data(copy)
    return text if kept else None


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
    if kind != "gpu" or not number.isdecimal():
        raise RecipeError(NoSuchDevice(device=device, reason="devices are `cpu`, `gpu` and `gpu(N)`"))
    if int(number) >= mx.context.num_gpus():
        reason = f"MXNet sees {mx.context.num_gpus()} GPUs"
        raise RecipeError(NoSuchDevice(device=device, reason=reason))
    return mx.gpu(int(number))


def versions_used(settings: RunSettings) -> dict[str, str]:
    """Return the versions, and what else may change the rounding of a result."""
    names = ("ftr", "mxnet", "gluoncv", "numpy", "pillow", "scikit-learn")
    return {
        **{name: version(name) for name in names},
        "python": platform.python_version(),
        "cpu": platform.processor() or platform.machine(),
        "device": settings.device,
        "cache": "on" if settings.cache else "off",
        "fuse": "on" if settings.fuse else "off",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
