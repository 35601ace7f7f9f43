"""Advice on averages of the weights: those that never move (W759), and those of one epoch (W779)."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.plan.types import Component, Plan, StagePlan
from runtime.training.averages import AVERAGES

NeverMoves = Kind(
    "W759",
    "never moves",
    reason="""The slow weights of `lookahead` move after each `k` steps, and they are what a stage hands on.

    In a stage of fewer steps they never move: it hands on what it began with.""",
    source="Zhang et al. 2019, arXiv 1907.08610, algorithm 1",
    fields="k steps",
    message="the slow weights move after each {k} steps, and the stage has {steps}: it hands on what it began with",
    help="give a smaller `k`, or train for longer",
)

AveragesNothing = Kind(
    "W779",
    "averages nothing",
    reason="""`swa` is the mean of the weights at the ends of the epochs that end after `start`. With one such epoch it
    is that epoch's weights, with none it never begins, and the stage hands on what it would without an average.

    By default it begins at 75% of the stage, so that two epochs end behind it from 5 epochs on.""",
    source="Izmailov et al. 2018, arXiv 1803.05407, algorithm 1; docs/language.md: averages",
    fields="name moments",
    message=lambda p: (
        f"`{p.name}` averages nothing: "
        + ("it takes in weights only once" if p.moments else "it never begins in this stage")
    ),
    help="train for longer, or begin earlier: `swa(start = 25%)`",
)


def average_advice(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    """Yield advice on the averages of a plan."""
    for block, stage in zip(recipe.all("stage"), plan.stages, strict=True):
        rule, span = stage.average, block.span_of("average")
        if rule is None:
            continue
        if AVERAGES[rule.name].leads:
            if rule.args["k"] > stage.steps:
                yield NeverMoves(span=span, k=rule.args["k"], steps=stage.steps)
        elif (moments := _moments(rule, stage)) < 2:
            yield AveragesNothing(span=span, name=rule.name, moments=moments)


def _moments(rule: Component, stage: StagePlan) -> int:
    """Return of how many steps an average holds the weights at the end of its stage."""
    taken = 0
    for step in range(1, stage.steps + 1):
        share = AVERAGES[rule.name].share(rule.args, step, stage.steps_per_epoch)
        taken = 1 if share == 1 else taken + bool(share)
    return taken
