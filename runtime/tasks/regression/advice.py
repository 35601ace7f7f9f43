"""Advice on numbers (W748): that only the data shows."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.data.problems import quoted
from runtime.plan.types import Plan
from runtime.tasks.regression.targets import NumberFacts

_APART = 10  # largest standard deviation to smallest, from which on the mean of errors is that of one target
_IN_UNITS = ("mae", "rmse")  # metrics in the units of the data; losses are of standardized targets


MixedScales = Kind(
    "W748",
    "mixed scales",
    reason="""MAE and RMSE of several targets are the mean over these, each in its own units.

    Where one varies far more than another, the mean says nothing of the smaller one. Losses are not concerned: the
    network learns standardized targets.""",
    source="docs/language.md: metrics of several targets",
    fields="metric largest smallest",  # each a target's name and its standard deviation
    message=lambda p: (
        f"`{p.metric}` is a mean over targets of very different scale: {quoted(p.largest[0])} has a standard deviation"
        f" of {p.largest[1]:.3g} and {quoted(p.smallest[0])} of {p.smallest[1]:.3g}"
    ),
    help=lambda p: (
        f"write `{p.metric.partition('.')[0]}.r2`, which has no units, or give the columns in units of like size"
    ),
)


def mixed_scales(recipe: CheckedRecipe, plan: Plan, facts: NumberFacts) -> Iterator[Problem]:
    """Advise on metrics in the units of the data, over targets that vary in very different ones."""
    ranked = sorted(zip(facts.target_std, facts.targets, strict=True))
    (low, least), (high, most) = ranked[0], ranked[-1]
    if high < _APART * low:
        return
    stages = zip(plan.stages, recipe.all("stage"), strict=True)
    monitors = dict.fromkeys((stage.monitor, block.span_of("monitor")) for stage, block in stages)
    for metric, span in [*monitors, *((claim.metric, claim.span) for claim in plan.claims)]:
        if metric is not None and metric.name in _IN_UNITS:
            yield MixedScales(span=span, metric=str(metric), largest=(most, high), smallest=(least, low))
