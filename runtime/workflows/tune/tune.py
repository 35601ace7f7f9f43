"""A prepared recipe to an open study, and what is to be run for it.

`begin` hashes the images, opens the storage, and returns a `Search`: the study with what runs its trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipe_lang.output.identity import resolved_hash
from runtime.runs.lock.facts import contents
from runtime.system.signals import StopSignal
from runtime.tasks.catalog import TASKS
from runtime.training.events import Observer
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, image_hashes, validate_images
from runtime.workflows.tune.objectives import Objective, objectives
from runtime.workflows.tune.samplers import PRUNERS, SAMPLERS, check_choice
from runtime.workflows.tune.space import refuse_other_losses, search_space
from runtime.workflows.tune.storage import open_storage
from runtime.workflows.tune.study import Definition, Study, open_study
from runtime.workflows.tune.trials import Trials


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says of a study: its metrics, none for the recipe's own, what draws and ends trials."""

    metrics: Sequence[str] = ()
    sampler: str = "tpe"
    pruner: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """An open study with what it searches by, and what runs its trials."""

    study: Study
    objectives: tuple[Objective, ...]
    trials: Trials


def check_choices(prepared: Prepared, choices: Choices) -> None:
    """Refuse what cannot be searched, before anything is written.

    Raises:
        RecipeError: there is nothing to search, or not by these metrics, or not by this sampler.
    """
    space = search_space(prepared.recipe)
    found = objectives(choices.metrics, prepared.plan)
    if any(each.name == "loss" for each in found):
        refuse_other_losses(prepared.recipe, space)
    check_choice(choices.sampler, choices.pruner, [each.name for each in found])


def begin(
    prepared: Prepared,
    settings: RunSettings,
    choices: Choices,
    where: str,
    name: str,
    signal: StopSignal,
    observers: Sequence[Observer] = (),
) -> Search:
    """Open the study of a recipe in a storage, a new one or that of this name; `observers` hear of its images.

    Raises:
        RecipeError: there is nothing to search, an image cannot be read, or the storage cannot be used or has another
            study of this name.
        Interrupted: it is to end.
    """
    space, found = search_space(prepared.recipe), objectives(choices.metrics, prepared.plan)
    pruner = check_choice(choices.sampler, choices.pruner, [each.name for each in found])
    storage = open_storage(where)
    context = RunContext(settings, observers, signal=signal)
    validated, hashes = validate_images(prepared, context), image_hashes(prepared, context)
    images = contents(prepared.listings, hashes, TASKS[prepared.plan.task])["data"]["fingerprint"]
    definition = Definition(
        recipe=resolved_hash(prepared.recipe, VOCABULARY),
        images=str(images),
        space={each.name: each.plain() for each in space},
        settings=prepared.given.settings,
        metrics=tuple(each.name for each in found),
        directions=tuple(each.direction for each in found),
        sampler=choices.sampler,
        sampler_settings=SAMPLERS[choices.sampler].settings,
        pruner=pruner,
        pruner_settings=PRUNERS[pruner].settings,
        seed=choices.seed,
        epochs=sum(stage.epochs for stage in prepared.plan.stages),
    )
    study = open_study(storage, where, name, definition, space)
    return Search(study, found, Trials(prepared, settings, signal=signal, images=validated))
