"""The images of a run: from what a recipe says of its data to batches of input.

`list_sets` finds the samples of each set; `Sets` reads, transforms and batches them. A training image's order and
randomness derive from the seed, the stage, the epoch and its own id, so that neither workers nor skipped images matter.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.check.checked import CallValue, CheckedRecipe, Value
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Span
from runtime.backend.mx import array, nd
from runtime.data import splits
from runtime.data.class_map import mapped
from runtime.data.decoded import Decoded, fixed_lead, opening
from runtime.data.exclude import without
from runtime.data.groups import groups_of
from runtime.data.images import ImageError, Traits, find_broken, stored_size
from runtime.data.listing import Embedded, Listing, Sample
from runtime.data.loader import Batch, Collate, batches, epoch_order, target_after
from runtime.data.newest import times_of
from runtime.data.parts import is_split, parts_of_train, share_of
from runtime.data.problems import UnreadableImages
from runtime.data.sample_weights import settled
from runtime.data.sampling import drawn, turns
from runtime.data.sources.catalog import SOURCES
from runtime.data.splits import Split
from runtime.data.targets import SetRules
from runtime.data.tiles import tiled_sets
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import Change
from runtime.data.transforms.views import View, chosen
from runtime.data.verified import VerifiedImages
from runtime.plan.size import Size
from runtime.plan.types import Component, DataPlan, StagePlan, TilePlan
from runtime.system.random import generator

_SETS = ("train", "valid", "test")


def under_root(recipe: CheckedRecipe, data_root: Path) -> CheckedRecipe:
    """Return the recipe with the relative paths of its data taken from `data_root`."""
    data = recipe.block("data")
    moved = replace(data, fields={name: _under(value, data_root) for name, value in data.fields.items()})
    return replace(recipe, blocks=tuple(moved if block is data else block for block in recipe.blocks))


def _under(value: Value, data_root: Path) -> Value:
    call = value.value
    if not isinstance(call, CallValue) or call.family != "source":
        return value
    args = {name: replace(arg, value=_moved(arg, data_root)) for name, arg in call.args.items()}
    return replace(value, value=replace(call, args=args))


def _moved(arg: Value, data_root: Path) -> Any:
    if not isinstance(arg.value, Path) or arg.span is None:
        return arg.value
    folder = arg.span.source.folder  # the checker has put it before a relative path
    if arg.span.text.startswith('"/') or not arg.value.is_relative_to(folder):
        return arg.value
    return data_root / arg.value.relative_to(folder)


def list_sets(recipe: CheckedRecipe, rules: SetRules, known: tuple[str, ...] = ()) -> dict[str, Listing]:
    """Find the samples of `train`, `valid` and `test`, all with targets as those of `train`. No image is opened.

    `known` are the names of an earlier run: they come first, whether they have samples or not.

    Raises:
        RecipeError: a source cannot be used, with the place in the recipe that names it.
    """
    data = recipe.block("data")
    listings: dict[str, Listing] = {}
    for name in _SETS:
        if data[name] is not None and not is_split(data[name]):
            with located(data.span_of(name)):
                listings[name] = load_source(data[name], training=name == "train" and not known)
            if data["classes"] is not None:
                with located(data.span_of("classes")):
                    is_trained = name == "train" and not known
                    listings[name] = mapped(listings[name], data["classes"], name, training=is_trained)
    if data["exclude"] is not None:
        with located(data.span_of("exclude")):
            listings = without(listings, data["exclude"])
    train = listings.pop("train")
    if data["take"] is not None:
        with located(data.span_of("take")):
            train = splits.take(train, data["take"], recipe["seed"], rules.strata(train))
    found = _divided(recipe, train, rules)
    if data["shots"] is not None:
        found["train"] = splits.shots(found["train"], data["shots"], recipe["seed"], rules.strata(found["train"]))
    names = (*known, *(name for name in train.names if name not in known))
    if known:
        found = {name: replace(rules.align(part, names, name), known=len(known)) for name, part in found.items()}
    for name, listing in listings.items():
        with located(data.span_of(name)):
            found[name] = rules.align(listing, names, name)
    with located(data.span_of("train")):
        found = settled(found)
    _check_sets(recipe, found, rules)
    return {name: found[name] for name in _SETS if name in found}


def _check_sets(recipe: CheckedRecipe, sets: Mapping[str, Listing], rules: SetRules) -> None:
    data = recipe.block("data")
    seen = tiled_sets(sets, TilePlan.of(data["tiles"]))
    problems = [*rules.problems(sets), *splits.too_small(seen, data["batch"])]
    if problems:
        raise RecipeError(
            [_placed(problem, data.span_of(getattr(problem, "set_name", "train"))) for problem in problems]
        )


def _divided(recipe: CheckedRecipe, train: Listing, rules: SetRules) -> dict[str, Listing]:
    parts: dict[str, Split] = {}
    groups: dict[str, str] | None = None
    for name, value in parts_of_train(recipe).items():
        call: CallValue = value.value
        with located(value.span):
            if call["by"] is not None and groups is None:  # both go by the same
                groups = groups_of(train, call["by"])
            latest = call["latest"] if call.name == "holdout" else None
            times = None if latest is None else times_of(train, latest)
            count, use = (int(call["count"]), int(call["use"])) if call.name == "folds" else (0, 0)
            parts[name] = Split(share_of(call), count, use, groups, times)
    with located(next((value.span for value in reversed(parts_of_train(recipe).values()) if value.span), None)):
        return splits.divided(train, parts, recipe["seed"], rules.strata(train))


def load_source(source: CallValue, training: bool = True) -> Listing:
    """Find the samples of one source.

    Raises:
        RecipeError: the source cannot be used.
    """
    return SOURCES[source.name].load({name: value.value for name, value in source.args.items()}, training)


@contextmanager
def located(span: Span | None) -> Iterator[None]:
    """Give the problems that are raised inside a place in the recipe."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError([_placed(problem, span) for problem in error.problems]) from error


def _placed(problem: Problem, span: Span | None) -> Problem:
    return problem if problem.span is not None else problem.replace(span=span)


def square_sides(samples: Sequence[Sample]) -> tuple[int, int] | None:
    """Return the least and the largest side of images in pixels; None where one is not square."""
    least, largest = sys.maxsize, 0
    for sample in samples:
        with suppress(ImageError):  # said where all images are opened
            height, width = stored_size(sample.image)
            if width != height:
                return None
            least, largest = min(least, width), max(largest, width)
    return (least, largest) if largest else None


def check_images(
    recipe: CheckedRecipe,
    listings: Mapping[str, Listing],
    rules: SetRules,
    workers: int,
    progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
    sound: VerifiedImages | None = None,
    seen: Callable[[Traits], None] = lambda traits: None,
) -> tuple[dict[str, Listing], tuple[tuple[str, str], ...]]:
    """Open every image once, and return the sets without the broken ones, and these with their reasons.

    Images that `sound` knows are not opened; it takes notice of those that were, and could be read. `seen` is told the
    traits of each image. When `should_stop` says so, the sets come back as they are.

    Raises:
        RecipeError: there are broken images and `on_error` is `stop`, or too little is left without them.
    """
    data = recipe.block("data")
    total = sum(len(listing.samples) for listing in listings.values())
    broken: list[tuple[str, str]] = []
    kept: dict[str, Listing] = {}
    done, span = 0, None
    for name, listing in listings.items():
        unknown = sound.unknown(listing.samples, seen) if sound else listing.samples
        opened: list[tuple[Sample, Traits]] = []
        if len(unknown) < len(listing.samples):
            done += len(listing.samples) - len(unknown)
            progress(done, total)

        def report(count: int, _: int, before: int = done) -> None:
            progress(before + count, total)

        found = dict(find_broken(unknown, max(1, workers), report, should_stop, opened.append))
        if should_stop():
            return dict(listings), ()
        span = span or (data.span_of(name) if found else None)
        broken += [(_shown(s), found[s.id]) for s in listing.samples if s.id in found]
        sound_ones = tuple(s for s in listing.samples if s.id not in found)
        kept[name] = Listing(sound_ones, listing.names, known=listing.known, notes=listing.notes)
        for _, traits in opened:
            seen(traits)
        if sound:
            sound.note(opened)
        done += len(unknown)
    if broken and data["on_error"] == "stop":
        raise RecipeError(UnreadableImages(span=span, images=tuple(broken)))
    _check_sets(recipe, kept, rules)
    return kept, tuple(broken)


def _shown(sample: Sample) -> str:
    if isinstance(sample.image, Embedded):
        return f"{sample.image.file}: {sample.id}"
    return str(sample.image) if isinstance(sample.image, Path) else sample.id


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """The samples of each set, and how they become batches.

    `collate` makes an array of their targets; `decoded` keeps images that are read again.
    """

    plan: DataPlan
    seed: int
    samples: Mapping[str, Sequence[Sample]]
    workers: int
    collate: Collate
    decoded: Decoded | None = None

    def order(self, stage: StagePlan, epoch: int) -> list[Sample]:
        """Return the training samples in the random order of one epoch (from 0) of a stage; some may recur."""
        samples = self.samples["train"]
        if stage.sampling is not None:
            return drawn(samples, stage.sampling.shares, self.seed, stage.position, epoch)
        return [samples[index] for index in epoch_order(samples, self.seed, stage.position, epoch)]

    def randomness(self, stage: StagePlan, epoch: int, sample: Sample, turn: int = 0) -> np.random.Generator:
        """Return the generator of a training image's augmentation in one epoch of a stage, where it comes again."""
        return generator(self.seed, "augment", stage.position, epoch, sample.id, *((turn,) if turn else ()))

    def training(self, stage: StagePlan, epoch: int, done: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of one epoch (from 0) of a stage behind the first `done`, shuffled and augmented.

        A last part that fills no batch is dropped.
        """
        samples: Sequence[Sample] = self.order(stage, epoch)
        randomness: Callable[[Sample], np.random.Generator] = partial(self.randomness, stage, epoch)
        if stage.sampling is not None:
            turn_of, samples = turns(samples), [replace(sample) for sample in samples]
            turn = {id(sample): number for sample, number in zip(samples, turn_of, strict=True)}
            randomness = lambda sample: self.randomness(stage, epoch, sample, turn[id(sample)])  # noqa: E731
        samples = self.whole_batches(samples)[done * self.plan.batch :]
        return self._batches(samples, stage.augment, randomness, self._again("train"))

    def whole_batches(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Return the samples without a last part that fills no batch, which training leaves out."""
        return samples[: len(samples) - len(samples) % self.plan.batch]

    def views(
        self, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]
    ) -> Generator[Batch, None, None]:
        """Yield batches of samples, each in the view that is asked for; one may stand there in several.

        Only training has views of any randomness. An image that has but one view is read once: what is made of it is
        kept elsewhere.
        """
        each = [replace(sample) for sample in samples]
        view_of = {id(sample): view for sample, view in zip(each, views, strict=True)}
        again = self._again("train") and any(view != () for view in views)
        return self._batches(each, steps, lambda sample: chosen(view_of[id(sample)]), again)

    def targets(self, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]) -> Any:
        """Return the targets of samples, collated, each in the view that is asked for. No image is decoded."""
        pipeline = Pipeline(steps)
        pairs = zip(samples, views, strict=True)
        return self.collate(
            [target_after(sample, partial(_drawn, pipeline, view, sample.target)) for sample, view in pairs]
        )

    def measured(self, name: str) -> Sequence[Sample]:
        """Return the samples of a set with targets as predictions are compared with them: masks in their own sizes."""
        samples = self.samples[name]
        if not any(hasattr(sample.target, "measured") for sample in samples):
            return samples
        return [replace(sample, target=sample.target.measured) for sample in samples]

    def evaluation(self, name: str) -> Generator[Batch, None, None]:
        """Yield the batches of a set in its own order, prepared."""
        return self._batches(self.measured(name), self.plan.prepare, _no_randomness, self._again(name))

    def _again(self, name: str) -> bool:
        return self.decoded is not None and name in self.decoded.sets

    def _batches(
        self,
        samples: Sequence[Sample],
        steps: Sequence[Component],
        randomness: Callable[[Sample], np.random.Generator],
        again: bool,
    ) -> Generator[Batch, None, None]:
        lead = fixed_lead(steps)
        rest = steps[len(lead) :]
        return batches(
            samples,
            range(len(samples)),
            self.plan.batch,
            Pipeline(rest),
            randomness if rest else _no_randomness,  # a generator takes as long as a kept image
            self.workers,
            drop_last=False,
            collate=self.collate,
            open_image=opening(lead, self.decoded, again),
        )

    def inputs(self, images: np.ndarray[Any, Any], context: Any) -> Any:
        """Turn uint8 images (N, H, W, 3) into normalized float32 input (N, 3, H, W)."""
        return to_input(images, self.plan.mean, self.plan.std, context)


def to_input(images: np.ndarray[Any, Any], mean: tuple[float, ...], std: tuple[float, ...], context: Any) -> Any:
    """Turn uint8 images (N, H, W, 3) into float32 (N, 3, H, W): (value / 255 - mean) / std."""
    scaled = nd.image.to_tensor(array(images, ctx=context, dtype="uint8"))
    return nd.image.normalize(scaled, mean=mean, std=std)


def _drawn(pipeline: Pipeline, view: View, target: Any, size: Size) -> tuple[Change, ...]:
    return pipeline.draw(size, chosen(view), target)


_FIXED = np.random.Generator(np.random.PCG64(0))


def _no_randomness(_: Sample) -> np.random.Generator:
    return _FIXED
