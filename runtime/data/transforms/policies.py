"""The steps that choose at random among many others: RandAugment, TrivialAugment, AutoAugment, AugMix.

Operations, magnitudes and draws are torchvision's (`torchvision.transforms.autoaugment`), with bilinear resampling.
A magnitude is one of evenly spaced values from the first to the last of an operation; where it is signed, its sign is
drawn. Shifts are fractions of a side, but pixels in TrivialAugment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.data.targets import CLASS, LABELS, NUMBERS, TargetKind
from runtime.data.transforms.changes import Change, Points, changed, enhanced
from runtime.data.transforms.filters import autocontrasted, equalized, inverted, posterized, solarized
from runtime.data.transforms.row import Args, Draw, Transform
from runtime.data.transforms.warps import sheared, shifted, turned
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Operation: TypeAlias = Callable[[float, Size], Change]

OPERATIONS: Mapping[str, Operation] = {
    "shear_x": lambda amount, size: sheared(amount, 0.0),
    "shear_y": lambda amount, size: sheared(0.0, amount),
    "translate_x": lambda amount, size: shifted(int(amount), 0),
    "translate_y": lambda amount, size: shifted(0, int(amount)),
    "rotate": turned,
    "brightness": lambda amount, size: enhanced("Brightness", 1 + amount),
    "color": lambda amount, size: enhanced("Color", 1 + amount),
    "contrast": lambda amount, size: enhanced("Contrast", 1 + amount),
    "sharpness": lambda amount, size: enhanced("Sharpness", 1 + amount),
    "posterize": lambda amount, size: posterized(round(amount)),
    "solarize": lambda amount, size: solarized(amount),
    "autocontrast": lambda amount, size: autocontrasted(),
    "equalize": lambda amount, size: equalized(),
    "invert": lambda amount, size: inverted(),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """The magnitudes of an operation, from `first` to `last`; signed, in whole numbers, or as a fraction of a side."""

    first: float = 0.0
    last: float = 0.0
    signed: bool = False
    whole: bool = False
    of_side: bool = False

    def at(self, name: str, fraction: float, size: Size) -> float:
        """Return the magnitude at a fraction of the way from first to last."""
        if self.whole:
            return self.first - round(fraction * (self.first - self.last))
        side = size.width if name.endswith("_x") else size.height
        return (self.first + fraction * (self.last - self.first)) * (side if self.of_side else 1)


Space: TypeAlias = Mapping[str, Scale]


def _space(enhance: float, shear: float, shift: Scale, turn: float, bits: tuple[int, int]) -> dict[str, Scale]:
    """Return the operations that all policies have, in torchvision's order."""
    enhancements = dict.fromkeys(("brightness", "color", "contrast", "sharpness"), Scale(0, enhance, signed=True))
    return {
        "shear_x": Scale(0, shear, signed=True),
        "shear_y": Scale(0, shear, signed=True),
        "translate_x": shift,
        "translate_y": shift,
        "rotate": Scale(0, turn, signed=True),
        **enhancements,
        "posterize": Scale(*bits, whole=True),
        "solarize": Scale(255, 0),
        "autocontrast": Scale(),
        "equalize": Scale(),
    }


_SHIFT = Scale(0, 150 / 331, signed=True, of_side=True)
RAND_AUGMENT_SPACE: Space = {"identity": Scale(), **_space(0.9, 0.3, _SHIFT, 30, (8, 4))}
TRIVIAL_AUGMENT_SPACE: Space = {
    "identity": Scale(),
    **_space(0.99, 0.99, Scale(0, 32, signed=True), 135, (8, 2)),
}
AUTO_AUGMENT_SPACE: Space = {**_space(0.9, 0.3, _SHIFT, 30, (8, 4)), "invert": Scale()}
AUG_MIX_SPACE: Space = _space(0.9, 0.3, Scale(0, 1 / 3, signed=True, of_side=True), 30, (4, 0))

# The policy that was found on ImageNet: pairs of (operation, probability, magnitude of 0 to 9).
IMAGENET_POLICY: Sequence[tuple[tuple[str, float, int], tuple[str, float, int]]] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("color", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)


def _applied(space: Space, name: str, fraction: float, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    scale = space[name]
    amount = scale.at(name, fraction, size)
    if scale.signed and rng.integers(2):
        amount = -amount
    if name != "identity":
        yield OPERATIONS[name](amount, size)


def _chosen(space: Space, rng: np.random.Generator) -> str:
    return tuple(space)[int(rng.integers(len(space)))]


def _rand_augment(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Apply `ops` operations, each drawn evenly, at one magnitude of 0 to 30."""
    for _ in range(args["ops"]):
        yield from _applied(RAND_AUGMENT_SPACE, _chosen(RAND_AUGMENT_SPACE, rng), args["magnitude"] / 30, size, rng)


def _trivial_augment(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Apply one operation that is drawn evenly, at a magnitude that is drawn evenly."""
    name = _chosen(TRIVIAL_AUGMENT_SPACE, rng)
    yield from _applied(TRIVIAL_AUGMENT_SPACE, name, int(rng.integers(31)) / 30, size, rng)


def _auto_augment(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Apply the two operations of one of the 25 parts of the policy, each with its probability."""
    for name, p, magnitude in IMAGENET_POLICY[int(rng.integers(len(IMAGENET_POLICY)))]:
        if rng.random() < p:
            yield from _applied(AUTO_AUGMENT_SPACE, name, magnitude / 9, size, rng)


def _aug_mix(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Mix the image with the ends of `width` chains of one to three operations each.

    Weights are of a Dirichlet distribution, that of the image itself of a beta distribution, both with parameter
    `alpha`. The loss that the paper adds (Jensen-Shannon) is not part of it.
    """
    kept = rng.beta(args["alpha"], args["alpha"])
    weights = (1 - kept) * rng.dirichlet([args["alpha"]] * args["width"])
    chains = []
    for _ in range(args["width"]):
        chain: list[Change] = []
        for _ in range(int(rng.integers(1, 4))):
            fraction = int(rng.integers(args["severity"])) / 9
            chain += _applied(AUG_MIX_SPACE, _chosen(AUG_MIX_SPACE, rng), fraction, size, rng)
        chains.append(tuple(chain))
    yield Mixture(kept, tuple(weights.tolist()), tuple(chains))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Mixes an image with what chains of changes make of it, by weights; nothing moves in whole."""

    kept: float
    weights: tuple[float, ...]
    chains: tuple[tuple[Change, ...], ...]

    def size(self, before: Size) -> Size:  # noqa: D102
        return before

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        import numpy as np
        from PIL import Image

        mixed = self.kept * np.asarray(image, np.float64)
        for weight, chain in zip(self.weights, self.chains, strict=True):
            mixed += weight * np.asarray(changed(image, chain), np.float64)
        return Image.fromarray(np.clip(np.round(mixed), 0, 255).astype(np.uint8))

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        return points

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: ARG002, D102
        return labels


def _row(entry: Entry, draw: Draw, targets: tuple[TargetKind, ...] = ()) -> Transform:
    return Transform(entry, draw, augments=True, outcomes=None, example=entry.name, targets=targets)


POLICIES = (
    _row(
        Entry(
            "rand_augment",
            "Applies a few operations drawn from fourteen, all at one magnitude.",
            (
                Arg("ops", Number(1, 14, whole=True), "Operations for each image.", 2),
                Arg("magnitude", Number(0, 30, whole=True), "From 0, none, to 30.", 9),
            ),
            source="RandAugment: Cubuk et al., arXiv 1909.13719; torchvision RandAugment",
            examples=(
                "augment = [random_resized_crop, flip, rand_augment]",
                "augment = [rand_augment(ops = 1, magnitude = 15), flip]",
            ),
        ),
        _rand_augment,
    ),
    _row(
        Entry(
            "trivial_augment",
            "Applies one operation drawn from fourteen, at a random magnitude; nothing to tune.",
            source="TrivialAugment: Müller and Hutter, arXiv 2103.10158; torchvision TrivialAugmentWide",
            examples=("augment = [random_resized_crop, flip, trivial_augment]",),
        ),
        _trivial_augment,
    ),
    _row(
        Entry(
            "auto_augment",
            "Applies one of 25 pairs of operations, as a search on ImageNet found them.",
            source="AutoAugment: Cubuk et al., arXiv 1805.09501; torchvision AutoAugment",
            examples=("augment = [random_resized_crop, flip, auto_augment]",),
        ),
        _auto_augment,
    ),
    _row(
        Entry(
            "aug_mix",
            "Mixes the image with the results of a few chains of operations.",
            (
                Arg("severity", Number(1, 10, whole=True), "Largest magnitude, from 1 to 10.", 3),
                Arg("width", Number(1, 10, whole=True), "Chains.", 3),
                Arg("alpha", Number(0, 100, above=True), "Parameter of the distributions of weights.", 1.0),
            ),
            source="AugMix: Hendrycks et al., arXiv 1912.02781; torchvision AugMix",
            examples=(
                "augment = [random_resized_crop, flip, aug_mix]",
                "augment = [aug_mix(severity = 2, width = 2, alpha = 0.5)]",
            ),
        ),
        _aug_mix,
        (CLASS, LABELS, NUMBERS),
    ),
)
