"""What only the network shows about a recipe (E552, W771)."""

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

NormsDisagree = Kind(
    "W771",
    "norms disagree",
    reason="""A norm keeps the mean and the variance of what it got in training. On photos like those, what it gets now
    has nearly the same mean: at most half a standard deviation off where the weights are in the right place. Small
    images and those of another kind come to one; two layers of equal shape that are swapped give more.""",
    source="measured: bench/norm_gaps.py",
    fields="layer gap images path",
    message=(
        "`{layer}` gets what its statistics do not expect: its mean over {images} training images is {gap:.2f} standard"
        " deviations off"
    ),
    help="see whether `{path}` belongs to this base; `ftr weights inspect` names the bases that it fits",
)
