"""What only the network shows about a recipe (E552)."""

from __future__ import annotations

from recipe_lang.problem import Kind

HeadDoesNotFit = Kind(
    "E552",
    "head does not fit",
    reason="Each layer of the head takes the output of the layer before it.",
    fields="layer",
    message="`{layer}` needs feature maps, but gets a vector for each image",
    help="leave it out",
)
