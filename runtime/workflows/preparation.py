"""From a recipe file to all that is known before training: read, check, list the images, build the network, compile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.syntax.problems import Unreadable
from runtime.compile.compiler import compile_plan
from runtime.compile.components import component
from runtime.compile.data_advice import plan_advice
from runtime.compile.facts import data_facts
from runtime.compile.memory import MemoryEstimate, estimate_memory
from runtime.compile.weights_advice import images_advice
from runtime.data.listing import Listing
from runtime.data.sets import list_sets, located, under_root
from runtime.data.sources.files import passed_over
from runtime.data.sources.skipped import passed_line
from runtime.features.teacher import Teacher
from runtime.models import run_weights
from runtime.models.catalog import name_of
from runtime.models.kept_head import file_head, unnamed
from runtime.models.network import Model, build_model, check_weights, refuse_other_size
from runtime.models.weights_sources import source_for
from runtime.plan.types import Plan
from runtime.runs.lineage import load_recipe, refuse_unread
from runtime.runs.recipe_files import read_recipe
from runtime.runs.seed import with_seed
from runtime.runs.teacher import teacher_of
from runtime.system.memory import room
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import head_builder
from runtime.training.problems import OutOfMemory
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.images import image_size, phase_size


@dataclass(frozen=True, slots=True)
class PrepareArguments:
    """The arguments of `prepare`, with whole paths: a run that resumes is prepared again."""

    path: Path
    settings: tuple[str, ...]
    data_root: Path | None
    outside: bool
    seed: int | None = None  # one that stands in no setting


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A recipe with all that is known before training."""

    recipe: CheckedRecipe
    listings: Mapping[str, Listing]
    model: Model
    plan: Plan
    need: MemoryEstimate
    given: PrepareArguments
    advice: tuple[Problem, ...] = ()
    teacher: Teacher | None = None

    def passed_over(self) -> str:
        """Say in a line which files among the images take no part; nothing where there are none."""
        return passed_line(passed_over(self.listings.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """How the images of the sets were chosen, in lines; none where there is nothing to be said of it."""
        return tuple(dict.fromkeys(note for listing in self.listings.values() for note in listing.notes))

    def out_of_memory(self) -> Problem:
        """Return what to say when memory is refused: with the place of the batch, and one that would fit."""
        batch = self.plan.data.batch
        fits = self.need.fitting(batch, room())
        span = self.recipe.block("data").span_of("batch")
        return OutOfMemory(span=span, batch=batch, fits=fits)


def prepare(
    path: Path,
    settings: Sequence[str] = (),
    data_root: Path | None = None,
    outside: bool = False,
    seed: int | None = None,
    earlier: Prepared | None = None,
) -> Prepared:
    """Check a recipe, find its images, build its network and compile its plan. Nothing is trained or written.

    `outside` allows parents outside of the folder of the recipe; `seed` stands in place of the recipe's. `earlier` is
    the same recipe with other settings: its text is taken from there, whatever its file says by now, and so are images,
    network and teacher where the settings do not change them.

    Raises:
        RecipeError: something about the recipe, its data or its base is wrong.
    """
    recipe, listings = listed(path, settings, data_root, outside, seed, earlier)
    facts = data_facts(listings, recipe)
    size, _ = image_size(recipe)
    base, head = component(recipe.fields["base"]), [component(layer) for layer in recipe["head"]]
    with located(base.span):
        check_weights(base)
        base, told = run_weights.settled(base, task_of(recipe).file, facts.target.as_file())
    with located(recipe.fields["teacher"].span):
        if earlier and recipe["teacher"] == earlier.recipe["teacher"] and facts.target == earlier.plan.data.target:
            teacher = earlier.teacher
        else:
            teacher = None if recipe["teacher"] is None else teacher_of(recipe, facts.target.names)
    before = earlier.plan if earlier else None
    if before and (base, tuple(head), size, facts.target) == (
        before.base,
        before.head,
        before.data.size,
        before.data.target,
    ):
        assert earlier is not None
        model = earlier.model
    else:
        model = build_model(base, head, size, head_builder(task_of(recipe), facts.target))
    plan = compile_plan(recipe, facts, model.facts(), base, teacher.plan if teacher else None)
    for own, span in {phase_size(recipe, each): each.fields["size"].span for each in recipe.phases("stage")}.items():
        with located(span):
            if own != size:
                other = build_model(base, head, own, head_builder(task_of(recipe), facts.target))
                refuse_other_size(model, other, name_of(base))
    need = estimate_memory(model, plan, teacher.model if teacher else None)
    with located(base.span):
        source_for(base).fits(base, model.base, model.whole)
        told += source_for(base).advice(base, model.base, model.whole)
        file_head(base, model.base, model.whole, model.parts["head"])
        told += unnamed(base, facts.target.as_file())
    lost = [problem.replace(span=base.span) for problem in told]
    found = (*recipe.advice, *lost, *images_advice(recipe), *plan_advice(recipe, plan, listings, need))
    given = PrepareArguments(path.absolute(), tuple(settings), data_root and data_root.absolute(), outside, seed)
    return Prepared(recipe, listings, model, plan, need, given, tuple(ordered(found)), teacher)


def listed(
    path: Path,
    settings: Sequence[str],
    data_root: Path | None,
    outside: bool,
    seed: int | None = None,
    earlier: Prepared | None = None,
) -> tuple[CheckedRecipe, dict[str, Listing]]:
    """Check a recipe and find its images, as `prepare` does.

    Raises:
        RecipeError: something about the recipe or its data is wrong.
    """
    tree = earlier.recipe.written if earlier is not None else load_recipe(read_recipe(path), outside=outside)
    if seed is not None:
        tree, settings = with_seed(tree, settings, seed)
    recipe = check(tree, VOCABULARY, settings)
    refuse_unread(recipe["base"], recipe.fields["base"].span)
    if data_root is not None:
        recipe = under_root(recipe, data_root)
    _check_paths(recipe)
    task, base = task_of(recipe), recipe.fields["base"]
    with located(base.span):
        known = run_weights.known_names(base.value, task.file)
    if earlier is not None and _lists_the_same(recipe, earlier.recipe):
        return recipe, dict(earlier.listings)
    return recipe, list_sets(recipe, task, known)


_NOT_LISTED = ("size", "augment", "views", "sampling", "threshold", "calibrate", "tta", "features")
"""Fields of `data` that say nothing of which images there are, and in which set."""


def _lists_the_same(recipe: CheckedRecipe, other: CheckedRecipe) -> bool:
    """Whether two recipes have the same images with the same targets in the same sets."""

    def said(each: CheckedRecipe) -> tuple[Any, ...]:
        fields = each.block("data").fields
        return {name: value for name, value in fields.items() if name not in _NOT_LISTED}, *(
            each.fields[name] for name in ("task", "seed", "base")
        )

    return said(recipe) == said(other)


def _check_paths(recipe: CheckedRecipe) -> None:
    """Refuse paths that `resolved.ftr`, which is UTF-8 text, cannot hold: the run could not be loaded again."""
    try:
        for value in recipe.values():
            if isinstance(value.value, Path | str):
                str(Path(value.value).absolute()).encode()
    except UnicodeEncodeError:
        reason = "the path of the recipe or of its data is not UTF-8; rename it"
        raise RecipeError(Unreadable(path=recipe.source.name, reason=reason)) from None
