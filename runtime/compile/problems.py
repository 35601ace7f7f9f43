"""What only the data or the network shows about a recipe (E55x)."""

from __future__ import annotations

from recipe_lang.problem import Kind

TrainsNothing = Kind(
    "E550",
    "trains nothing",
    reason="A stage trains at least one parameter; patterns and parts may match none, or only frozen norms.",
    fields="title examples",
    message='stage "{title}" trains no parameters',
    help="parameters have names such as {examples:and}",
)

TooShort = Kind(
    "E551",
    "too short",
    reason="A length that is given in epochs comes to less than one step, or the warm-up to the whole stage.",
    fields="what steps stage_steps",
    message="{what} comes to {steps} steps, the stage has {stage_steps}",
)
