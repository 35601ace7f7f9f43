"""What can be wrong with the numbers of sets (E518, E519)."""

from __future__ import annotations

from recipe_lang.problem import Kind

OtherTargets = Kind(
    "E518",
    "other targets",
    reason="All sets have the numbers of training, in its order: one column each.",
    fields="set_name names training count",
    message="the {set_name} set has {count:counted target}, and training {training:quoted and}",
    help="name as many columns, in the order of training",
)

ConstantTarget = Kind(
    "E519",
    "constant target",
    reason="""Nothing can be learned of a number that is the same for all training images.

    Nor of numbers so large, or so close together, that they have no standard deviation.""",
    fields="name value images",
    message="target `{name:printable}` does not vary: it is {value:.6g} for all {images:,} training images",
    help="name another column",
)
