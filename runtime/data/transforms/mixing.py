"""The steps that mix the images of a batch in pairs: mixup and cutmix. Targets are mixed as the images are.

Images are paired with themselves in a random order, with one share for all pairs of a batch, as in the papers; pixels
are rounded to 8 bits. `runtime/data/transforms/mixed.py` chooses the step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.data.targets import CLASS, LABELS, NUMBERS
from runtime.data.transforms.row import Args, Transform

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Images = npt.NDArray[np.uint8]  # (N, H, W, 3)


class _Mix(NamedTuple):
    """How a batch is mixed: the images, the order of the others, the share of the first."""

    images: Images
    order: npt.NDArray[np.int64]
    share: float


def _mixup(args: Args, images: Images, rng: np.random.Generator) -> _Mix:
    """Blend each image with another one; the share is of the beta distribution of `alpha`, `alpha`."""
    import numpy as np

    order, share = rng.permutation(len(images)), float(rng.beta(args["alpha"], args["alpha"]))
    blended = share * images.astype(np.float32) + (1 - share) * images[order]
    return _Mix(np.round(blended).astype(np.uint8), order, share)


def _cutmix(args: Args, images: Images, rng: np.random.Generator) -> _Mix:
    """Put a part of another image over each; its sides are sqrt(1 - share) of the image's, before the edges cut it."""
    order, share = rng.permutation(len(images)), float(rng.beta(args["alpha"], args["alpha"]))
    height, width = images.shape[1:3]
    half = math.sqrt(1 - share) / 2
    y, x = int(rng.integers(height)), int(rng.integers(width))
    top, bottom = max(0, y - int(half * height)), min(height, y + int(half * height))
    left, right = max(0, x - int(half * width)), min(width, x + int(half * width))
    pasted = images.copy()
    pasted[:, top:bottom, left:right] = images[order, top:bottom, left:right]
    return _Mix(pasted, order, 1 - (bottom - top) * (right - left) / (height * width))


def _alpha(default: float) -> Arg:
    return Arg("alpha", Number(0, 100, above=True), "Both parameters of the beta distribution of the share.", default)


_P = Arg("p", Number(0, 1), "Probability, for each batch.", 1.0)

MIXUP = Transform(
    Entry(
        "mixup",
        "Blends the images of a batch in pairs, and their targets alike.",
        (_alpha(0.2), _P),
        source="Zhang et al., arXiv 1710.09412; torchvision MixUp",
        formula="s the share, of Beta(alpha, alpha), a and b two images of a batch\n"
        "image = s a + (1 - s) b\nloss = s loss(target of a) + (1 - s) loss(target of b)",
        examples=("augment = [random_resized_crop, flip, mixup]", "augment = [flip, mixup(alpha = 0.4, p = 0.5)]"),
    ),
    mix=_mixup,
    at_any_size=True,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not args["p"],
    example="mixup",
    targets=(CLASS, LABELS, NUMBERS),
)

CUTMIX = Transform(
    Entry(
        "cutmix",
        "Puts a part of another image of the batch over each; targets are mixed by area.",
        (_alpha(1.0), _P),
        source="Yun et al., arXiv 1905.04899; torchvision CutMix",
        formula="s 1 less the area of the part, a fraction of the image\n"
        "loss = s loss(target of the image) + (1 - s) loss(target of the part's image)",
        examples=("augment = [flip, cutmix]", "augment = [flip, mixup(p = 0.5), cutmix(alpha = 0.5, p = 1)]"),
    ),
    mix=_cutmix,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not args["p"],
    example="cutmix",
    targets=(CLASS, LABELS, NUMBERS),
)

MIXING = (MIXUP, CUTMIX)
