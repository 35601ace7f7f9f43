"""What only the network shows about a recipe (E419, E552, W771)."""

from __future__ import annotations

from recipe_lang.problem import Kind

OneSizeOnly = Kind(
    "E419",
    "one size only",
    reason="""The layers of some networks are made for images of one size, or pad them by it: a network that trains on
    another size than it is measured at must be the same for both. Position embeddings and enlarged maps never are. Of
    networks that pad as TensorFlow does, sizes in steps of 32px are.""",
    fields="base size own",
    message="{base} has other layers for images of {own} than for {size}, at which it is measured",
    help="take a size that is a multiple of 32px, as the data's, where the base allows it, or leave this `size` out",
)

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

HeadCannotBeKept = Kind(
    "E548",
    "head cannot be kept",
    reason="""`head = kept` starts the head from the classifier in the file: one dense layer behind the base's own
    pooling, with an output for each class. The recipe's head must be that layer, with as many outputs.""",
    fields="path reason",
    message="the classifier in {path} cannot be the head: {reason}",
    help="leave `head = kept` out: the head then starts from random weights",
)

ClassesUnnamed = Kind(
    "W777",
    "classes of a kept head not named",
    reason="""A file of weights has numbers, not names: its first output answers for the class that its maker had first.
    Here, classes are in the order in which the recipe's data lists them. Where the two orders differ, the head that is
    kept answers with wrong names, until it is trained again.""",
    source="https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html",
    fields="path count first last",
    message="{path} does not name its {count} classes: they are taken to be `{first}` to `{last}`, in the order here",
    help="compare that order with that of the weights' maker",
)
