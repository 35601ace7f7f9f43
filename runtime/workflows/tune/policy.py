"""A policy of augmentations found on the training images, as an ordinary `augment`.

Density matching, as in Fast AutoAugment (Lim et al., arXiv 1905.00397): the recipe is trained on a part of the training
images; a policy is good where that network still tells the others after the policy has changed them. So a policy costs
a pass over a fold, and no training. What is left to a pass cannot say how strong augmentation should be: unchanged
images always match best. Hence the search runs at three strengths, each with a controller of its own
(`controller.py`), and validation decides between the three that come out and the recipe's own augmentation, by a
training of each.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.output.formatter import format_text
from recipe_lang.output.resolved import brief_text
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.data.sets import Sets
from runtime.data.splits import folds
from runtime.data.tiles import tiled
from runtime.data.transforms.views import version
from runtime.features.prefix import padded
from runtime.features.store import Tables
from runtime.plan.types import Component, Plan
from runtime.runs.folder import write_text, writing
from runtime.system.random import derive
from runtime.tasks.catalog import task_of
from runtime.tasks.tiles import set_evaluator
from runtime.training.events import StageFinished, Tested
from runtime.training.loop import train
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import read_params, write_params
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, compile_for, lock_facts, validate_images
from runtime.workflows.tune.controller import searched
from runtime.workflows.tune.course import child, given
from runtime.workflows.tune.members import Ground
from runtime.workflows.tune.pbt import kept_images, monitored
from runtime.workflows.tune.population_problems import NoSharedAugmentation, OtherSearch

STRENGTHS = ("weak", "medium", "strong")
KINDS: Mapping[str, tuple[str, str, str]] = {
    "mirror": ("flip(horizontal)",) * 3,
    "upside down": ("flip(vertical)",) * 3,
    "turn": ("rotation(5)", "rotation(15)", "rotation(30)"),
    "shift": ("affine(translate = 5%)", "affine(translate = 10%)", "affine(translate = 20%)"),
    "zoom": ("affine(scale = 0.9 .. 1.1)", "affine(scale = 0.8 .. 1.25)", "affine(scale = 0.65 .. 1.5)"),
    "shear": ("affine(shear = 5)", "affine(shear = 10)", "affine(shear = 20)"),
    "perspective": ("perspective(10%)", "perspective(25%)", "perspective(50%)"),
    "brightness": (
        "color_jitter(brightness = 0.1)",
        "color_jitter(brightness = 0.25)",
        "color_jitter(brightness = 0.5)",
    ),
    "contrast": ("color_jitter(contrast = 0.1)", "color_jitter(contrast = 0.25)", "color_jitter(contrast = 0.5)"),
    "saturation": (
        "color_jitter(saturation = 0.1)",
        "color_jitter(saturation = 0.25)",
        "color_jitter(saturation = 0.5)",
    ),
    "hue": ("color_jitter(hue = 0.02)", "color_jitter(hue = 0.05)", "color_jitter(hue = 0.15)"),
    "sharpness": ("sharpness(1.5)", "sharpness(2)", "sharpness(4)"),
    "blur": ("blur(sigma = 0.1 .. 0.5)", "blur(sigma = 0.1 .. 1.0)", "blur(sigma = 0.1 .. 2.0)"),
    "posterize": ("posterize(6)", "posterize(5)", "posterize(4)"),
    "solarize": ("solarize(224)", "solarize(192)", "solarize(128)"),
    "autocontrast": ("autocontrast(25%)", "autocontrast(50%)", "autocontrast(100%)"),
    "equalize": ("equalize(25%)", "equalize(50%)", "equalize(100%)"),
    "erasing": (
        "erasing(25%, scale = 0.02 .. 0.1)",
        "erasing(50%, scale = 0.02 .. 0.2)",
        "erasing(50%, scale = 0.02 .. 0.33)",
    ),
}
"""What a policy is made of: steps of the vocabulary, at three strengths."""
_LEAST_CHANGE = 0.5 / 255  # mean over pixels: less is rounding
_LOOKED_AT = 16  # images


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """How many folds the training images are cut into, how many are used, and how many draws a strength has."""

    folds: int = 5
    used: int = 2
    draws: int = 24
    slots: int = 2
    metric: str = ""  # by which validation decides: that of the last stage's `monitor`, else the loss
    seed: int = 0  # of what is drawn


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy: its strength and steps, the loss on folds that it changed, and what validation says; NaN before."""

    strength: str
    steps: tuple[str, ...]
    fold_loss: float
    value: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class PolicyFound:
    """What a search came to: the recipe's own augmentation first, then the best policy of each strength.

    `best` is the one that validation prefers, of equals the earlier; `left_out` says which kinds were not searched.
    """

    metric: str
    candidates: tuple[Candidate, ...]
    best: int
    left_out: Mapping[str, str]
    measured: int
    seconds: float
    searched: CheckedRecipe

    @property
    def gains(self) -> bool:
        """Whether a policy is better than the recipe's own augmentation."""
        return self.best > 0

    def recipe(self, parent: str) -> str:
        """Return a child of the recipe, written `parent`, with the policy."""
        found, own = self.candidates[self.best], self.candidates[0]
        remark = (
            f"# Found by density matching at {self.measured} policies and confirmed on validation:\n"
            f"# valid.{self.metric} {found.value:.4f}, with the recipe's own augmentation {own.value:.4f}.\n"
        )
        return child_text(self.searched, parent, found.steps, remark)


def child_text(recipe: CheckedRecipe, parent: str, steps: Sequence[str], remark: str = "") -> str:
    """Return a child of a recipe whose augmentation has further steps."""
    own = recipe.block("data").fields["augment"]
    text = brief_text(own, VOCABULARY.blocks["data"].fields["augment"].type, VOCABULARY) if own.value else "[]"
    whole = ", ".join([*filter(None, [text[1:-1]]), *steps])
    quoted = json.dumps(parent, ensure_ascii=False)
    head = "\n".join([f"ftr {VOCABULARY.version}", f"extends {quoted}", "", *given(recipe)])
    text = f"{head}\n{remark}data {{\n  augment = [{whole}]\n}}\n"
    return format_text(Source("policy.ftr", text))


def search_policy(
    prepared: Prepared,
    context: RunContext,
    folder: Path,
    settings: PolicySettings,
    told: Callable[[str, Any], None] = lambda what, value: None,
) -> PolicyFound:
    """Search a policy for a recipe in a folder, or go on with the search that is there.

    `told` hears what is done: `left out`, `fold`, `measured`, `confirmed`.

    Raises:
        RecipeError: all stages have an augmentation of their own, or the folder holds another search.
        Interrupted: it was interrupted; the folder has what is known.
    """
    check_shared(prepared.recipe)
    images = validate_images(prepared, context)
    prepared = compile_for(prepared, images)
    lock_facts(prepared, context)
    record = _Record.opened(folder, {"recipe": prepared.plan.hash, **asdict(settings)})
    with closing(Tables()) as tables, kept_images(context) as decoded:
        ground = Ground(prepared, images, context, prepared.model.arrays(), tables, decoded)
        return _found(_Search(ground, record, settings, told))


def check_shared(recipe: CheckedRecipe) -> None:
    """Refuse a recipe without a stage that has the augmentation of the data block.

    Raises:
        RecipeError: it is one.
    """
    if not any(stage["augment"] == "shared" for stage in recipe.all("stage")):
        raise RecipeError(NoSharedAugmentation(span=recipe.block("data").head_span))


def _found(search: _Search) -> PolicyFound:
    record, prepared = search.record, search.ground.prepared
    kinds, left_out = search.kinds()
    search.told("left out", left_out)
    networks = [search.network(fold) for fold in range(1, search.settings.used + 1)]
    found = [Candidate("own", (), search.loss(networks, ()))]
    for level, strength in enumerate(STRENGTHS):
        found.append(search.best_of(networks, kinds, level, strength))
    metric = search.settings.metric or monitored(prepared)
    confirmed = tuple(replace(each, value=search.confirmed(each.steps, metric)) for each in found)
    higher = task_of(prepared.recipe).metrics[metric].higher_is_better
    values = [each.value if higher else -each.value for each in confirmed]
    best = max(range(len(values)), key=lambda number: (values[number], -number))
    measured = len(record.content["losses"])
    return PolicyFound(metric, confirmed, best, left_out, measured, record.seconds(), prepared.recipe)


@dataclass(slots=True, eq=False)
class _Record:
    """What a search has found so far, in its folder."""

    folder: Path
    content: dict[str, Any]
    since: float

    @classmethod
    def opened(cls, folder: Path, identity: Mapping[str, Any]) -> _Record:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "policy.json"
        content: dict[str, Any] = {"identity": dict(identity), "losses": {}, "confirmed": {}, "seconds": 0.0}
        try:
            found = json.loads(path.read_text("utf-8")) if path.exists() else content
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.keys() != content.keys() or found["identity"] != content["identity"]:
            raise RecipeError(OtherSearch(path=str(folder), what="recipe, metric, or number of folds or draws"))
        return cls(folder, found, time.monotonic() - found["seconds"])

    def seconds(self) -> float:
        return time.monotonic() - self.since

    def known(self, table: str, steps: Sequence[str], compute: Callable[[], float]) -> float:
        """Return a value that is recorded for a policy, computed where it is not."""
        key, values = ", ".join(steps), self.content[table]
        if key not in values:
            values[key] = compute()
            self.content["seconds"] = round(self.seconds(), 3)
            with writing(self.folder):
                write_text(self.folder / "policy.json", json.dumps(self.content, indent=1))
        return float(values[key])


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A network that was trained without a fold, the images of the fold, and what predicts."""

    samples: Sequence[Any]
    sets: Sets
    plan: Plan
    outputs: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    ground: Ground
    record: _Record
    settings: PolicySettings
    told: Callable[[str, Any], None]

    @property
    def recipe(self) -> CheckedRecipe:
        return self.ground.prepared.recipe

    def child(self, steps: Sequence[str]) -> CheckedRecipe:
        """Return the recipe with further steps of augmentation."""
        text = child_text(self.recipe, Path(self.recipe.source.name).name, steps)
        return child(self.recipe, text, self.ground.prepared.given.settings)

    def steps(self, steps: Sequence[str]) -> tuple[Component, ...]:
        """Return what is done to a training image under a policy."""
        plan = self.ground.plan_of(self.child(steps))
        shared = [n for n, stage in enumerate(self.recipe.all("stage")) if stage["augment"] == "shared"]
        return plan.stages[shared[-1]].augment

    def kinds(self) -> tuple[list[str], dict[str, str]]:
        """Return the kinds that are searched, and why the others are not."""
        used, left_out = [], {}
        for name, texts in KINDS.items():
            try:
                *own, step = (value.value for value in self.child((texts[-1],)).block("data")["augment"])
                change = self._change(texts[-1])
            except RecipeError:
                left_out[name] = "it is not for such targets"
                continue
            if step in own:
                left_out[name] = "the recipe has it"
            elif change < _LEAST_CHANGE:
                left_out[name] = "it changes nothing of these images"
            else:
                used.append(name)
        return used, left_out

    def _change(self, step: str) -> float:
        """Return by how much a step changes pixels, as a mean from 0 to 1, at a few training images."""
        few = tiled(self.ground.images.listings["train"].samples, self.ground.prepared.plan.data.tiles)
        few = few[:: max(1, len(few) // _LOOKED_AT)][:_LOOKED_AT]
        sets = self._sets(self.ground.prepared.plan, few)
        before, after = (self._pixels(sets, few, self.steps(steps)) for steps in ((), (step,)))
        return float(np.abs(before - after).mean()) / 255

    def _pixels(self, sets: Sets, samples: Sequence[Any], steps: Sequence[Component]) -> Any:
        views = [version(steps, derive(sets.seed, "policy", sample.id)) for sample in samples]
        with closing(sets.views(samples, steps, views)) as batches:
            return np.concatenate([np.asarray(batch.images, np.float32) for batch in batches])

    def _sets(self, plan: Plan, samples: Sequence[Any]) -> Sets:
        collate = partial(task_of(self.recipe).collate, facts=plan.data.target)
        workers = self.ground.context.settings.workers
        return Sets(plan.data, plan.seed, {"valid": samples}, workers, collate, None)

    def network(self, fold: int) -> _Network:
        """Return a network that was trained without a fold."""
        prepared = self.ground.prepared
        listing = self.ground.images.listings["train"]
        task = task_of(self.recipe)
        of = folds(listing, self.settings.folds, prepared.plan.seed, task.strata(listing))
        parts = {
            "train": tuple(sample for sample in listing.samples if of[sample.id] != fold),
            "valid": tuple(sample for sample in listing.samples if of[sample.id] == fold),
        }
        listings = {name: replace(listing, samples=samples) for name, samples in parts.items()}
        ground = replace(self.ground, images=replace(self.ground.images, listings=listings))
        session, path = ground.session(self.recipe), self.record.folder / f"fold-{fold}.params"
        plan = session.plan
        if path.exists():
            prepared.model.load(read_params(path), str(path))
        else:
            last = len(plan.stages) - 1
            with closing(train(session)) as events:
                for event in events:
                    self.ground.context.tell(event)
                    if isinstance(event, StageFinished) and event.stage == last:
                        break
            with writing(self.record.folder):
                write_params(path, prepared.model.arrays())
        self.told("fold", fold)
        samples = session.sets.samples["valid"]
        features = replace(session.features(), keep=False, cache=None, lasting=None)
        prefix, net = features.prefix(0, (), 1), features.predicting(0)
        return _Network(
            samples, self._sets(plan, samples), plan, lambda images: net(*prefix(padded(images, prefix.batch)))
        )

    def loss(self, networks: Sequence[_Network], steps: Sequence[str]) -> float:
        """Return the mean loss on the folds, their images changed by a policy."""

        def compute() -> float:
            changed = self.steps(steps)
            return float(np.mean([self._loss(network, changed) for network in networks]))

        return self.record.known("losses", steps, compute)

    def _loss(self, network: _Network, steps: Sequence[Component]) -> float:
        data, context = network.plan.data, self.ground.context
        evaluator = set_evaluator(
            task_of(self.recipe), data.target, network.plan.stages[-1].last.loss, data, network.samples
        )
        views = [version(steps, derive(network.sets.seed, "policy", sample.id)) for sample in network.samples]
        with closing(network.sets.views(network.samples, steps, views)) as batches:
            for batch in batches:
                context.stop_here()
                evaluator.update(network.outputs(batch.images)[: len(batch.targets)].asnumpy(), batch.targets)
        return float(evaluator.report().values["loss"])

    def best_of(self, networks: Sequence[_Network], kinds: Sequence[str], level: int, strength: str) -> Candidate:
        """Return the best policy of a strength."""

        def texts(chosen: Sequence[int]) -> tuple[str, ...]:
            return tuple(KINDS[kinds[kind]][level] for kind in chosen)

        def reward(chosen: tuple[int, ...]) -> float:
            loss = self.loss(networks, texts(chosen))
            self.told("measured", (strength, texts(chosen), loss))
            return -loss

        path = ("policy", strength)
        found = searched(reward, len(kinds), self.settings.slots, self.settings.draws, self.settings.seed, *path)
        best = max(found, key=lambda chosen: found[chosen])
        return Candidate(strength, texts(best), -found[best])

    def confirmed(self, steps: Sequence[str], metric: str) -> float:
        """Return what validation says of the recipe trained with a policy."""

        def compute() -> float:
            session = self.ground.session(self.child(steps))
            with closing(train(session)) as events:
                for event in events:
                    self.ground.context.tell(event)
                    if isinstance(event, Tested):  # validation; the test set would be next
                        return float(event.report.values[metric])
            raise AssertionError("a run that ends measures validation")

        value = self.record.known("confirmed", steps, compute)
        self.told("confirmed", (steps, value))
        return value
