"""What only the data or the network shows about a recipe (E612, E55x)."""

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
    reason="""The warm-up is shorter than its stage: otherwise the learning rate never reaches its peak.

    An epoch has as many steps as there are full batches of training images; few images make short stages.""",
    fields="steps stage_steps",
    message="the warm-up comes to {steps} steps, the stage has {stage_steps}",
    help="write a share of the stage, `warmup = 10%`, or train for longer",
)

ClaimOfNothing = Kind(
    "E612",
    "claim of nothing",
    reason="A claim on the classes that an earlier run knew, or on the others, needs test images of these.",
    fields="claim part",
    message="the test set has no image of {part} classes, and `{claim}` says nothing",
    help="add some to the test set, or leave the claim out",
)
