"""The steps that change single pixels by fixed rules, blur, sharpen, or hide a part.

Definitions are those of torchvision's Pillow back end (`torchvision.transforms.v2`) unless a docstring says otherwise:
most are Pillow's `ImageOps`. Each is applied with probability `p`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Entry, Number, RangeOf, Word
from runtime.data.transforms.changes import Change, Recolor, enhanced
from runtime.data.transforms.row import Args, Draw, Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

_MEAN = (124, 116, 104)  # of ImageNet's colours


def _half(p: float = 0.5) -> Arg:
    return Arg("p", Number(0, 1), "Probability.", p)


def posterized(bits: int) -> Recolor:
    """Return the change that keeps so many bits of each channel; with none, the image is black."""
    return _by_value([value & ~(0xFF >> bits) for value in range(256)])


def solarized(threshold: float) -> Recolor:
    """Return the change that inverts all values from a threshold on."""
    return _by_value([value if value < threshold else 255 - value for value in range(256)])


def _by_value(table: list[int]) -> Recolor:
    return Recolor(lambda image: image.point(table * len(image.getbands())))


def _operation(name: str) -> Recolor:
    from PIL import ImageOps

    return Recolor(getattr(ImageOps, name))


def inverted() -> Recolor:
    """Return the change to the negative."""
    return _operation("invert")


def equalized() -> Recolor:
    """Return the change that makes the histogram of each channel even."""
    return _operation("equalize")


def autocontrasted() -> Recolor:
    """Return the change that stretches each channel to the whole range."""
    return _operation("autocontrast")


def _grey() -> Recolor:
    return Recolor(lambda image: image.convert("L").convert(image.mode))


def _with(change: Callable[[Args], Change]) -> Draw:
    def draw(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
        if rng.random() < args["p"]:
            yield change(args)

    return draw


def _blur(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Blur by Pillow's GaussianBlur, three box filters in a row, its standard deviation uniform in `sigma`."""
    from PIL import ImageFilter

    if rng.random() < args["p"]:
        kernel = ImageFilter.GaussianBlur(rng.uniform(*args["sigma"]))
        yield Recolor(lambda image: image.filter(kernel))


def _erasing(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Hide a part whose area and aspect ratio are drawn as in Zhong et al.; after ten that do not fit, none.

    `mean` is the mean colour of ImageNet, where the paper has the data's. Boxes and masks stay as they are.
    """
    if rng.random() >= args["p"]:
        return
    low, high = (math.log(each) for each in args["ratio"])
    for _ in range(10):
        area = size.pixels * rng.uniform(*args["scale"])
        ratio = math.exp(rng.uniform(low, high))  # height over width
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < height < size.height and 0 < width < size.width:
            top, left = int(rng.integers(size.height - height + 1)), int(rng.integers(size.width - width + 1))
            noise = rng.integers(0, 256, (height, width, 3), "uint8") if args["value"] == "random" else None
            yield _erased((left, top, left + width, top + height), args["value"], noise)
            return


def _erased(box: tuple[int, int, int, int], value: str, noise: npt.NDArray[np.uint8] | None) -> Recolor:
    def pixels(image: Image.Image) -> Image.Image:
        from PIL import Image

        if noise is not None:
            patch = Image.fromarray(noise).convert(image.mode)
        else:
            size = (box[2] - box[0], box[3] - box[1])
            patch = Image.new("RGB", size, _MEAN if value == "mean" else 0).convert(image.mode)
        changed = image.copy()
        changed.paste(patch, box)
        return changed

    return Recolor(pixels)


def _row(entry: Entry, draw: Draw, example: str = "") -> Transform:
    return Transform(
        entry,
        draw,
        augments=True,
        outcomes=None,
        is_idle=lambda args: not args["p"],
        example=example or f"{entry.name}",
    )


_RULES: Mapping[str, tuple[str, float, Callable[[], Change], str]] = {
    "grayscale": ("Takes the colours away, and keeps three channels.", 0.1, _grey, "torchvision RandomGrayscale"),
    "equalize": ("Makes the histogram of each channel even.", 0.5, equalized, "torchvision RandomEqualize"),
    "autocontrast": (
        "Stretches the values of each channel to the whole range.",
        0.5,
        autocontrasted,
        "torchvision RandomAutocontrast",
    ),
    "invert": ("Shows the negative.", 0.5, inverted, "torchvision RandomInvert"),
}

_PLAIN = tuple(
    _row(
        Entry(
            name,
            doc,
            (_half(p),),
            source=source,
            examples=(f"augment = [{name}, flip]", f"augment = [{name}(p = 0.2)]"),
        ),
        _with(lambda args, change=change: change()),  # type: ignore[misc]
    )
    for name, (doc, p, change, source) in _RULES.items()
)

FILTERS = (
    _row(
        Entry(
            "blur",
            "Blurs by a Gaussian of random standard deviation.",
            (
                Arg(
                    "sigma", RangeOf(Number(0, 100, above=True)), "Range of standard deviations in pixels.", (0.1, 2.0)
                ),
                _half(),
            ),
            source="SimCLR: Chen et al., arXiv 2002.05709; Pillow GaussianBlur",
            examples=("augment = [blur, flip]", "augment = [blur(sigma = 0.5 .. 1.5, p = 0.2)]"),
        ),
        _blur,
    ),
    _row(
        Entry(
            "sharpness",
            "Sharpens by a factor; below 1 it softens.",
            (Arg("factor", Number(0, 100), "1 changes nothing.", 2.0), _half()),
            source="torchvision RandomAdjustSharpness",
            examples=("augment = [sharpness(2)]", "augment = [sharpness(factor = 0.5, p = 0.3)]"),
        ),
        _with(lambda args: enhanced("Sharpness", args["factor"])),
        "sharpness(2)",
    ),
    _row(
        Entry(
            "posterize",
            "Keeps only the highest bits of each channel.",
            (Arg("bits", Number(1, 8, whole=True), "Bits for each channel.", 4), _half()),
            source="torchvision RandomPosterize",
            examples=("augment = [posterize(4)]", "augment = [posterize(bits = 5, p = 0.2)]"),
        ),
        _with(lambda args: posterized(args["bits"])),
        "posterize(4)",
    ),
    _row(
        Entry(
            "solarize",
            "Inverts values from a threshold on.",
            (Arg("threshold", Number(0, 256), "From 0, all, to 256, none.", 128), _half()),
            source="torchvision RandomSolarize",
            examples=("augment = [solarize(128)]", "augment = [solarize(threshold = 192, p = 0.2)]"),
        ),
        _with(lambda args: solarized(args["threshold"])),
        "solarize(128)",
    ),
    *_PLAIN,
    _row(
        Entry(
            "erasing",
            "Hides a random part of the image.",
            (
                _half(),
                Arg("scale", RangeOf(Number(0, 1, above=True)), "Range of fractions of the area.", (0.02, 0.33)),
                Arg("ratio", RangeOf(Number(0, 10, above=True)), "Aspect ratios, height / width.", (0.3, 3.3)),
                Arg(
                    "value",
                    Word(
                        {"mean": "The mean colour of ImageNet.", "black": "Black.", "random": "Noise, for each pixel."}
                    ),
                    "What it shows instead.",
                    "mean",
                ),
            ),
            source="Zhong et al., arXiv 1708.04896; torchvision RandomErasing",
            examples=(
                "augment = [random_resized_crop, flip, erasing(0.25)]",
                "augment = [erasing(p = 1, scale = 0.1 .. 0.2, ratio = 0.5 .. 2.0, value = random)]",
            ),
        ),
        _erasing,
        "erasing(0.25)",
    ),
)
