"""Advice that only the data, the network or the machine shows (W740 to W758, W770, W785, W790 to W795, W797).

`plan_advice(recipe, plan, listings, need)`: in go a checked recipe, its plan, the listings of its sets, and how much
memory the run needs; out comes advice, less what comments suppress. No image is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, ordered
from recipe_lang.source import Span
from recipe_lang.words import gigabytes
from runtime.compile.average_advice import average_advice
from runtime.compile.image_steps import augmentation
from runtime.compile.teacher_advice import teacher_advice
from runtime.data.sources.set_names import classes_within, folders_within, sets_within
from runtime.data.sources.skipped import passed_line
from runtime.models.weights_sources import source_for
from runtime.plan.types import Plan
from runtime.system.memory import room
from runtime.tasks.catalog import task_of
from runtime.vocabulary.advice.catalog import BY_DATA

if TYPE_CHECKING:
    from runtime.compile.memory import MemoryEstimate
    from runtime.data.listing import Listing

_CHANCE = "the binomial distribution: sqrt(p (1 - p) / n)"


SmallValidation = Kind(
    "W742",
    "small validation",
    reason="""On a few images a metric varies by chance more than epochs differ, and then chance chooses the weights.

    On 50 images an accuracy of 90% has a standard error of 4 points.""",
    source=_CHANCE,
    fields="images metric",
    message=lambda p: (
        f"{p.images} validation images choose the weights: one image is {1 / p.images:.1%} of the {p.metric}"
    ),
    help="hold out more, or keep the last weights: `keep = last` and no `stop`",
)


def _dropped_batch_help(p: Problem) -> str:
    fewer = p.images // (p.images // p.batch + 1)
    return f"`batch = {fewer}` drops {p.images % fewer}"


DroppedBatch = Kind(
    "W744",
    "dropped batch",
    reason="""The last, partial batch of an epoch is dropped in training, other images each time.

    With few batches in an epoch that is a large part of it, and `3 epochs` see far fewer than three times all
    images.""",
    source="docs/language.md: batches",
    fields="images batch",
    message=lambda p: (
        f"each epoch drops {p.images % p.batch} of {p.images} training images: they do not fill a batch of {p.batch}"
    ),
    help=_dropped_batch_help,
)

FewSteps = Kind(
    "W745",
    "few steps",
    reason="A step of Adam moves a weight by the learning rate at most, or so: 20 steps hardly get a stage anywhere.",
    source="Kingma and Ba 2015, arXiv 1412.6980, section 2.1",
    fields="title steps",
    optional={"accumulate": 1},
    message='stage "{title}" has {steps} step{steps:plural |s}',
    help=lambda p: (
        "train for more epochs, or on smaller batches"
        + (f"; `accumulate = {p.accumulate}` makes one step of {p.accumulate} batches" if p.accumulate > 1 else "")
    ),
)

ManyParameters = Kind(
    "W746",
    "many parameters",
    reason="""A few hundred images cannot tell how millions of pretrained parameters should change: the model overfits.

    On 1,500 photos of solar cells a base that was trained whole reached 83% (adam, 2e-4) to 87% (3e-5), the frozen
    base with a new head 86% to 89%.""",
    source="the Keras guide to transfer learning and fine-tuning; measured: elpv, 128px, lite0",
    fields="title numbers images",
    message='stage "{title}" trains {numbers:,} pretrained parameters on {images:,} images',
    help="train the last blocks only, or the head alone",
)

SharedFiles = Kind(
    "W747",
    "shared files",
    reason="The same file in two sets: part of what the second one measures is memorization.",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="set_name other count example",
    message=(
        "{count:counted file} of `{set_name}` {count:plural is|are} in `{other}` as well, such as `{example:printable}`"
    ),
    help="take them out of one of the two",
)

ImagesPassedOver = Kind(
    "W790",
    "images ignored",
    reason="""Files among the images look like images but are not used: unsupported formats, broken links, loose files.

    A class can lose half of its images so, and nothing else would show it.""",
    source="docs/language.md: data",
    fields="line",
    message="{line}",
    help="convert, move or remove them; `ftr data check RECIPE` lists them",
)

ClassesWithin = Kind(
    "W791",
    "classes within",
    reason="""The folders that become classes have folders of the same names, so those inside may be the classes.

    `day/cat`, `day/dog`, `night/cat`, `night/dog` would train a model to tell day from night.""",
    source="docs/language.md: data",
    fields="path names first",
    message="the class folders of `{path:printable}` all have folders {names:few}: are those the classes?",
    help="if they are, write `level = 2`, or name one of the folders, such as `{path:printable}/{first:printable}`",
)

SetsWithin = Kind(
    "W792",
    "sets within",
    reason="""The classes have folders that are named like sets: `cat/train` and `cat/test`. All their images are one
    set.

    What was set aside for testing would be trained on.""",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="path names first",
    message="the classes in `{path:printable}` have folders that look like sets, and all are used: {names:few}",
    help=lambda p: (
        f"to keep them apart put the set above the class, {p.names[-1]}/{p.first} for {p.first}/{p.names[-1]},"
        " and name the folder of each set"
    ),
)

MemoryShort = Kind(
    "W770",
    "memory short",
    reason="""A run that needs more memory than there is first slows down (the system swaps), then is killed.

    The estimate is made from the shapes of the layers' outputs; most of it grows with the batch.""",
    source="measured: bench/memory.py",
    fields="needed room fits",
    optional={"processes": 1},
    message=lambda p: (
        (f"the {p.processes} processes of this run need" if p.processes > 1 else "this run needs")
        + f" about {gigabytes(p.needed)} of memory; {gigabytes(p.room)} is available"
    ),
    help=("`batch = {fits}` should fit", "make `size` smaller, train fewer parts, or cache less: `--no-cache`"),
)

CropWithoutChoice = Kind(
    "W797",
    "crop without choice",
    reason="""A random crop of images that are square and no larger than the crop is always the whole image.

    The plan then has a fixed step in its place, so that frozen features are cached as without it.""",
    source="docs/language.md: data",
    fields="name size",
    message="`{name}` always gives the whole image: the training images are square, and fill its {size}px",
    help=(
        "`random_resized_crop(scale = 0.5 .. 1.0)` cuts out parts, `random_crop(padding = 4px)` moves images; or"
        " leave it out"
    ),
)


def plan_advice(
    recipe: CheckedRecipe, plan: Plan, listings: Mapping[str, Listing], need: MemoryEstimate | None = None
) -> tuple[Problem, ...]:
    """Return what the facts advise, in reading order. Comments that suppress nothing are advised on too."""
    found = [problem for rule in (*_RULES, task_of(recipe).advice) for problem in rule(recipe, plan)]
    found += [*_shared_files(recipe, listings), *_passed_over(recipe, listings), *_within(recipe, listings)]
    found += _memory_short(recipe, plan, need) if need is not None else ()
    was_set = any(param.was_set for param in recipe.params)
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered(apply_suppressions(found, sources, lambda code: code in BY_DATA and not was_set)))


def _small_validation(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images = plan.data.whole_images("valid")
    is_used = any(stage.keep == "best" or stage.stop is not None for stage in plan.stages)
    if is_used and images < _SMALL_VALIDATION:
        task, span = task_of(recipe), recipe.block("data").span_of("valid")
        yield SmallValidation(span=span, images=images, metric=task.metrics[task.monitor].noun)


def _lost_parts(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images, batch = plan.data.images("train"), plan.data.batch
    if images >= batch and images % batch > images / 5:
        yield DroppedBatch(span=recipe.block("data").span_of("batch"), images=images, batch=batch)


def _few_steps(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        if stage.steps < _FEW_STEPS:
            yield FewSteps(span=block.span_of("for"), title=stage.title, steps=stage.steps, accumulate=stage.accumulate)


def _crops(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    told: set[Span | None] = set()
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        for (_, planned), phase in zip(stage.phases(), block.phases(), strict=True):
            written = {each.value.span or each.span: each.value.name for each in augmentation(recipe, phase) or ()}
            for step in planned.augment:
                name = written.get(step.span, step.name)
                if name != step.name and step.span not in told:
                    told.add(step.span)
                    yield CropWithoutChoice(span=step.span, name=name, size=step.args["size"])


def _many_numbers(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    images = plan.data.whole_images("train")
    if images >= task_of(recipe).few_images or not source_for(recipe["base"]).is_pretrained:
        return
    for stage, block in zip(plan.stages, recipe.all("stage"), strict=True):
        base = [part for part in stage.parts if part.name != "head"]
        trained = sum(part.trained for part in base)
        if 2 * trained > sum(part.numbers for part in base):
            yield ManyParameters(span=block.span_of("train"), title=stage.title, numbers=trained, images=images)


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
                span=data.span_of(name), set_name=name, other=other, count=len(shared), example=str(min(shared))
            )


def _passed_over(recipe: CheckedRecipe, listings: Mapping[str, Listing]) -> Iterator[Problem]:
    from runtime.data.sources.files import passed_over

    passed = passed_over(listings.values())
    if any(each.is_image for each in passed):
        yield ImagesPassedOver(span=recipe.block("data").span_of("train"), line=passed_line(passed))


def _within(recipe: CheckedRecipe, listings: Mapping[str, Listing]) -> Iterator[Problem]:
    source = recipe.block("data")["train"]
    if not isinstance(source, CallValue) or source.name != "folder":
        return
    samples = listings["train"].samples if "train" in listings else ()
    within = folders_within(sample.id for sample in samples)
    for kind, names in ((SetsWithin, sets_within(within)), (ClassesWithin, classes_within(within))):
        if names:
            path, span = str(source["path"]), recipe.block("data").span_of("train")
            yield kind(span=span, path=path, names=tuple(names), first=next(iter(within)))
            return


def _memory_short(recipe: CheckedRecipe, plan: Plan, need: MemoryEstimate) -> Iterator[Problem]:
    batch, most = plan.data.batch, room(need.processes)
    if most is not None and need.of(batch) > most:
        span, fits = recipe.block("data").span_of("batch"), need.fitting(batch, most)
        yield MemoryShort(span=span, needed=need.of(batch), room=most, fits=fits, processes=need.processes)


_SMALL_VALIDATION = 50
_FEW_STEPS = 20
_RULES: tuple[Callable[[CheckedRecipe, Plan], Iterator[Problem]], ...] = (
    _small_validation,
    _lost_parts,
    _few_steps,
    _many_numbers,
    _crops,
    average_advice,
    teacher_advice,
)
