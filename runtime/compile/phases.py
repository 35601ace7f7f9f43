"""The phases of a stage: what it begins with, and what its switches change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import floor

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Quantity
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Span
from runtime.compile.components import component
from runtime.compile.image_steps import phase_steps
from runtime.compile.schedules import StageSteps
from runtime.data.sampling import sampling_shares
from runtime.data.transforms.row import Sides
from runtime.data.transforms.views import view_count
from runtime.plan.types import Component, DataPlan, SamplingPlan, Switch, TargetFacts
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import loss_of
from runtime.vocabulary.rules.images import phase_size
from runtime.vocabulary.rules.switches import SwitchMisplaced


def stage_phases(
    recipe: CheckedRecipe,
    stage: CheckedBlock,
    data: DataPlan,
    sides: Sides | None,
    steps: StageSteps,
    problems: list[Problem],
) -> list[Switch]:
    """Return what a stage begins with, and its switches; those out of order are added to `problems`."""
    found = [_phase(recipe, phase, data, sides, steps) for phase in stage.phases()]
    for before, switch in pairwise(found):
        if not before.epochs < switch.epochs < steps.epochs:
            reason = f"this switch is at the end of epoch {switch.epochs} of {steps.epochs}"
            if before.epochs >= switch.epochs:
                reason += f" is not behind epoch {before.epochs}"
            hint = "write another share or epoch, or a longer stage"
            problems.append(SwitchMisplaced(span=switch.span, reason=reason, hint=hint))
    return found


def _phase(
    recipe: CheckedRecipe, phase: CheckedBlock, data: DataPlan, sides: Sides | None, steps: StageSteps
) -> Switch:
    size = phase_size(recipe, phase)
    augment = phase_steps(recipe, phase, data.prepare, data.size, sides)
    begins: Quantity = phase.begins.value if phase.begins else Quantity(0, "epochs")
    views = recipe.block("data")["views"] if phase["views"] == "shared" else phase["views"]
    return Switch(
        epochs=floor(steps.of(begins) / steps.per_epoch + 0.5),
        loss=stage_loss(recipe, phase, data.target),
        augment=augment,
        views=min((count for count in (views, view_count(augment)) if count is not None), default=None),
        sampling=stage_sampling(recipe, phase, data.target),
        size=None if size == data.size else size,
        span=phase.head_span,
    )


def stage_loss(recipe: CheckedRecipe, stage: CheckedBlock, target: TargetFacts) -> Component:
    """Return the loss of a stage, with what its arguments leave to the targets of training."""
    loss = written_loss(recipe, stage)
    with _at(loss.span):
        return replace(loss, args=loss_of(task_of(recipe), loss).settled(loss.args, target))


def stage_sampling(recipe: CheckedRecipe, stage: CheckedBlock, target: TargetFacts) -> SamplingPlan | None:
    """Return how a stage draws its training images; None where an epoch shows each once."""
    block = recipe.block("data") if stage["sampling"] == "shared" else stage
    if block["sampling"] is None:
        return None
    rule = component(block.fields["sampling"])
    with _at(rule.span):
        return SamplingPlan(rule.name, sampling_shares(rule.name, rule.args, target.names, target.counts["train"]))


@contextmanager
def _at(span: Span | None) -> Iterator[None]:
    """Place the problems that are raised inside."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError([problem.replace(span=span) for problem in error.problems]) from error


def written_loss(recipe: CheckedRecipe, stage: CheckedBlock) -> Component:
    """Return the loss of a stage as the recipe has it: its own, or that of all stages."""
    return component(recipe.fields["loss"] if stage["loss"] == "shared" else stage.fields["loss"])
