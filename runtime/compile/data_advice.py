"""Advice that only the data, the network or the machine shows (W740 to W759, W770, W785, W790 to W795, W797).

`plan_advice(recipe, plan, listings, need)`: in go a checked recipe, its plan, the listings of its sets, and how much
memory the run needs; out comes advice, less what comments excuse. No image is opened. As in
`runtime/vocabulary/advice.py`, a class's docstring is the reason, and `source` where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import excused
from recipe_lang.compose.merge import files
from recipe_lang.problem import Problem, ordered
from recipe_lang.source import Span
from runtime.compile.compiler import augmentation
from runtime.data.problems import names_of, quoted
from runtime.data.sources.set_names import classes_within, folders_within, sets_within
from runtime.data.sources.skipped import passed_line
from runtime.plan.types import Plan
from runtime.system.memory import room
from runtime.tasks.catalog import task_of
from runtime.training.problems import gigabytes

if TYPE_CHECKING:
    from runtime.compile.memory import Need
    from runtime.data.listing import Listing

_CHANCE = "the binomial distribution: sqrt(p (1 - p) / n)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallValidation(Problem):
    """On a few images a metric varies by chance more than epochs differ, and then chance chooses the weights.

    On 50 images an accuracy of 90% has a standard error of 4 points.
    """

    code: ClassVar[str] = "W742"
    source: ClassVar[str] = _CHANCE
    images: int
    metric: str

    def message(self) -> str:
        share = f"{1 / self.images:.1%} of the {self.metric}"
        return f"{self.images} validation images choose the weights: one image is {share}"

    def help(self) -> str:
        return "hold out more, or keep the last weights: `keep = last` and no `stop`"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPart(Problem):
    """The last, partial batch of an epoch is dropped in training, other images each time.

    With few batches in an epoch that is a large part of it, and `3 epochs` see far fewer than three times all images.
    """

    code: ClassVar[str] = "W744"
    source: ClassVar[str] = "docs/language.md: batches"
    images: int
    batch: int

    def message(self) -> str:
        lost = self.images % self.batch
        return f"each epoch drops {lost} of {self.images} training images: they do not fill a batch of {self.batch}"

    def help(self) -> str:
        fewer = self.images // (self.images // self.batch + 1)
        return f"`batch = {fewer}` drops {self.images % fewer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FewSteps(Problem):
    """A step of Adam moves a weight by the learning rate at most, or so: 20 steps hardly get a stage anywhere."""

    code: ClassVar[str] = "W745"
    source: ClassVar[str] = "Kingma and Ba 2015, arXiv 1412.6980, section 2.1"
    title: str
    steps: int

    def message(self) -> str:
        return f'stage "{self.title}" has {self.steps} step{"s" if self.steps > 1 else ""}'

    def help(self) -> str:
        return "train for more epochs, or on smaller batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyNumbers(Problem):
    """A few hundred images cannot tell how millions of pretrained parameters should change: the model overfits.

    On 1,500 photos of solar cells a base that was trained whole reached 83% (adam, 2e-4) to 87% (3e-5), the frozen base
    with a new head 86% to 89%.
    """

    code: ClassVar[str] = "W746"
    source: ClassVar[str] = "the Keras guide to transfer learning and fine-tuning; measured: elpv, 128px, lite0"
    title: str
    numbers: int
    images: int

    def message(self) -> str:
        return f'stage "{self.title}" trains {self.numbers:,} pretrained parameters on {self.images:,} images'

    def help(self) -> str:
        return "train the last blocks only, or the head alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFiles(Problem):
    """The same file in two sets: part of what the second one measures is memorization."""

    code: ClassVar[str] = "W747"
    source: ClassVar[str] = "Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2"
    set_name: str
    other: str
    count: int
    example: str

    def message(self) -> str:
        files = "1 file" if self.count == 1 else f"{self.count:,} files"
        verb = "is" if self.count == 1 else "are"
        return f"{files} of `{self.set_name}` {verb} in `{self.other}` as well, such as {quoted(self.example)}"

    def help(self) -> str:
        return "take them out of one of the two"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesPassedOver(Problem):
    """Files among the images look like images but are not used: unsupported formats, broken links, loose files.

    A class can lose half of its images so, and nothing else would show it.
    """

    code: ClassVar[str] = "W790"
    source: ClassVar[str] = "docs/language.md: data"
    line: str

    def message(self) -> str:
        return self.line

    def help(self) -> str:
        return "convert, move or remove them; `ftr data check RECIPE` lists them"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesWithin(Problem):
    """The folders that become classes have folders of the same names, so those inside may be the classes.

    `day/cat`, `day/dog`, `night/cat`, `night/dog` would train a model to tell day from night.
    """

    code: ClassVar[str] = "W791"
    source: ClassVar[str] = "docs/language.md: data"
    path: str
    names: tuple[str, ...]
    first: str

    def message(self) -> str:
        return (
            f"the class folders of {quoted(self.path)} all have folders {names_of(self.names)}: are those the classes?"
        )

    def help(self) -> str:
        return f"if they are, name one of the folders as the source, such as {quoted(f'{self.path}/{self.first}')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetsWithin(Problem):
    """The classes have folders that are named like sets: `cat/train` and `cat/test`. All their images are one set.

    What was set aside for testing would be trained on.
    """

    code: ClassVar[str] = "W792"
    source: ClassVar[str] = "Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2"
    path: str
    names: tuple[str, ...]
    first: str

    def message(self) -> str:
        names = names_of(self.names)
        return f"the classes in {quoted(self.path)} have folders that look like sets, and all are used: {names}"

    def help(self) -> str:
        name = self.names[-1]
        return (
            f"to keep them apart put the set above the class, {name}/{self.first} for {self.first}/{name},"
            " and name the folder of each set"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShort(Problem):
    """A run that needs more memory than there is first slows down (the system swaps), then is killed.

    The estimate is made from the shapes of the layers' outputs; most of it grows with the batch.
    """

    code: ClassVar[str] = "W770"
    source: ClassVar[str] = "measured: bench/memory.py"
    needed: int
    room: int
    fits: int

    def message(self) -> str:
        return f"this run needs about {gigabytes(self.needed)} of memory; {gigabytes(self.room)} is available"

    def help(self) -> str:
        if self.fits:
            return f"`batch = {self.fits}` should fit"
        return "make `size` smaller, train fewer parts, or cache less: `--no-cache`"


@dataclass(frozen=True, slots=True, kw_only=True)
class CropWithoutChoice(Problem):
    """A random crop of images that are square and no larger than the crop is always the whole image.

    The plan then has a fixed step in its place, so that frozen features are cached as without it.
    """

    code: ClassVar[str] = "W797"
    source: ClassVar[str] = "docs/language.md: data"
    name: str
    size: int

    def message(self) -> str:
        return f"`{self.name}` always gives the whole image: the training images are square, and fill its {self.size}px"

    def help(self) -> str:
        return (
            "`random_resized_crop(scale = 0.5 .. 1.0)` cuts out parts, `random_crop(padding = 4px)` moves images;"
            " or leave it out"
        )


def plan_advice(
    recipe: CheckedRecipe, plan: Plan, listings: Mapping[str, Listing], need: Need | None = None
) -> tuple[Problem, ...]:
    """Return what the facts advise, in reading order. Comments that excuse nothing are advised on too."""
    found = [problem for rule in (*_RULES, task_of(recipe).advice) for problem in rule(recipe, plan)]
    found += [*_shared_files(recipe, listings), *_passed_over(recipe, listings), *_within(recipe, listings)]
    found += _memory_short(recipe, plan, need) if need is not None else ()
    was_set = any(param.was_set for param in recipe.params)
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered(excused(found, sources, lambda code: code in _HERE and not was_set)))


def _small_validation(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images = plan.data.images("valid")
    is_used = any(stage.keep == "best" or stage.stop is not None for stage in plan.stages)
    if is_used and images < _SMALL_VALIDATION:
        task, place = task_of(recipe), recipe.block("data").place("valid")
        yield SmallValidation(span=place, images=images, metric=task.metrics[task.monitor].noun)


def _lost_parts(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images, batch = plan.data.images("train"), plan.data.batch
    if images >= batch and images % batch > images / 5:
        yield LostPart(span=recipe.block("data").place("batch"), images=images, batch=batch)


def _few_steps(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        if stage.steps < _FEW_STEPS:
            yield FewSteps(span=block.place("for"), title=stage.title, steps=stage.steps)


def _crops(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    told: set[Span | None] = set()
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        written = {each.value.span or each.span: each.value.name for each in augmentation(recipe, block) or ()}
        for step in stage.augment:
            name = written.get(step.place, step.name)
            if name != step.name and step.place not in told:
                told.add(step.place)
                yield CropWithoutChoice(span=step.place, name=name, size=step.args["size"])


def _many_numbers(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images = plan.data.images("train")
    if images >= _FEW_IMAGES or recipe["base"]["weights"] is None:
        return
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        base = [part for part in stage.parts if part.name != "head"]
        trained = sum(part.trained for part in base)
        if 2 * trained > sum(part.numbers for part in base):
            yield ManyNumbers(span=block.place("train"), title=stage.title, numbers=trained, images=images)


def _shared_files(recipe: CheckedRecipe, listings: Mapping[str, Listing]) -> Iterator[Problem]:
    data = recipe.block("data")
    images = {
        name: {sample.image for sample in listing.samples if isinstance(sample.image, Path)}
        for name, listing in listings.items()
    }
    for name, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        shared = images.get(name, set()) & images.get(other, set())
        if shared and data[name] != data[other]:  # where the sources are equal, the text has shown it
            yield SharedFiles(
                span=data.place(name), set_name=name, other=other, count=len(shared), example=str(min(shared))
            )


def _passed_over(recipe: CheckedRecipe, listings: Mapping[str, Listing]) -> Iterator[Problem]:
    from runtime.data.sources.files import passed_over

    passed = passed_over(listings.values())
    if any(each.is_image for each in passed):
        yield ImagesPassedOver(span=recipe.block("data").place("train"), line=passed_line(passed))


def _within(recipe: CheckedRecipe, listings: Mapping[str, Listing]) -> Iterator[Problem]:
    source = recipe.block("data")["train"]
    if not isinstance(source, CallValue) or source.name != "folder":
        return
    samples = listings["train"].samples if "train" in listings else ()
    within = folders_within(sample.id for sample in samples)
    for kind, names in ((SetsWithin, sets_within(within)), (ClassesWithin, classes_within(within))):
        if names:
            path, span = str(source["path"]), recipe.block("data").place("train")
            yield kind(span=span, path=path, names=tuple(names), first=next(iter(within)))
            return


def _memory_short(recipe: CheckedRecipe, plan: Plan, need: Need) -> Iterator[Problem]:
    batch, most = plan.data.batch, room()
    if most is not None and need.of(batch) > most:
        place, fits = recipe.block("data").place("batch"), need.fitting(batch, most)
        yield MemoryShort(span=place, needed=need.of(batch), room=most, fits=fits)


_HERE = frozenset(f"W{number}" for number in (*range(740, 760), 785, 790, 791, 792, 794, 795, 797))
_SMALL_VALIDATION = 50
_FEW_STEPS = 20
_FEW_IMAGES = 1000
_RULES: tuple[Callable[[CheckedRecipe, Plan], Iterator[Problem]], ...] = (
    _small_validation,
    _lost_parts,
    _few_steps,
    _many_numbers,
    _crops,
)
