"""The steps that change colours.

Definitions are those of torchvision's Pillow back end (`torchvision.transforms.v2`) unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Either, Entry, NothingType, Number
from runtime.data.transforms.changes import Change, Enhancement, enhanced, hue_shifted, lit
from runtime.data.transforms.row import Args, Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

_STRENGTH = Number(0, 1)
_OWN_STRENGTH = Either((NothingType(), _STRENGTH))
_ENHANCEMENTS: Mapping[str, Enhancement] = {"brightness": "Brightness", "contrast": "Contrast", "saturation": "Color"}


def _strengths(args: Args) -> dict[str, float]:
    """Return the strengths of the changes, in this order; those of 0 are left out."""
    own = {name: args.get(name) for name in _ENHANCEMENTS}
    every = {name: args["amount"] if each is None else each for name, each in own.items()} | {"hue": args["hue"]}
    return {name: strength for name, strength in every.items() if strength}


def _color_jitter(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Change each by a random amount, in random order.

    For brightness, contrast and saturation the strength x gives a factor that is uniform in [max(0, 1 - x), 1 + x], 1
    changes nothing; for the hue, a shift that is uniform in [-x, x] of the colour circle.
    """
    strengths = list(_strengths(args).items())
    for place in rng.permutation(len(strengths)):
        name, strength = strengths[place]
        if name == "hue":
            yield hue_shifted(rng.uniform(-strength, strength))
        else:
            yield enhanced(_ENHANCEMENTS[name], rng.uniform(max(0.0, 1 - strength), 1 + strength))


def _lighting(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Add one colour to all pixels, along the principal components of ImageNet's colours (AlexNet's noise).

    The three amounts are normal with standard deviation `alpha` (Krizhevsky et al. 2012, section 4.1).
    """
    yield lit(rng.normal(0.0, args["alpha"], 3))


COLOR_JITTER = Transform(
    Entry(
        "color_jitter",
        "Changes brightness, contrast, saturation and hue by random amounts, in random order.",
        (
            Arg("amount", _STRENGTH, "Default for brightness, contrast and saturation.", 0.0),
            Arg("brightness", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("contrast", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("saturation", _OWN_STRENGTH, "Factor from 1 - x to 1 + x.", None),
            Arg("hue", Number(0, 0.5), "Hue shift from -x to x, as a fraction of the colour circle.", 0.0),
        ),
        source="torchvision ColorJitter",
        examples=(
            "augment = [color_jitter(0.2)]",
            "augment = [color_jitter(amount = 0.2, brightness = 0.4, hue = 0.05)]",
            "augment = [color_jitter(contrast = 0.3, saturation = 0.3)]",
        ),
    ),
    _color_jitter,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not _strengths(args),
    example="color_jitter(0.2)",
    at_any_size=True,
)

LIGHTING = Transform(
    Entry(
        "lighting",
        "Adds random amounts of the principal components of ImageNet's colours (PCA lighting).",
        (Arg("alpha", _STRENGTH, "Standard deviation of the amounts.", 0.1),),
        source="Krizhevsky et al. 2012 (AlexNet)",
        examples=("augment = [flip, lighting(0.1)]", "augment = [lighting(alpha = 0.1)]"),
    ),
    _lighting,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not args["alpha"],
    example="lighting(0.1)",
    at_any_size=True,
)
