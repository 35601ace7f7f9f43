"""Images of any kind, read as RGB.

In goes a path, a place in a file, or an array; out comes 8-bit RGB, upright, or `ImageError` with a reason that a
person can act on. What is read is decided by the file's content, never by its name.

- Images with transparency are laid over white, as pages that show them are. `convert("RGB")` in torchvision and timm
  and `cv2.imread` in GluonCV show what lies hidden below instead; `Reading` can ask for that.
- 16-bit grey is scaled to 8 bits (Pillow's own conversion would clip it to white). An animation gives its
  first frame.
- The EXIF orientation is applied. A file that ends too early is an error, never a half-grey picture.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from runtime.data.formats import FORMATS, HEIF
from runtime.data.listing import Embedded, ImageRef, Pixels, Sample, Tile
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.system.prefetch import in_order

_LONGEST = 200  # times as long as wide: at 224 px on the shorter side 10 million pixels
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)


class ImageError(ValueError):
    """An image that cannot be read; the text says why, without naming the image."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a recipe can choose about how pixels are read; a field for each step that says so.

    `flatten_alpha` is what images with transparency are laid over, `white` or `black`; None shows the colours that
    it hides. `levels` is the value of 16 bits that is white.
    """

    flatten_alpha: str | None = "white"
    levels: int = 65535

    @classmethod
    def of(cls, steps: Iterable[Component]) -> Reading:
        """Return what the steps of a plan ask for."""
        return cls(**{step.name: next(iter(step.args.values())) for step in steps if TRANSFORMS[step.name].reads})


USUAL = Reading()
"""How pixels are read where a recipe says nothing."""


def open_rgb(ref: ImageRef, reading: Reading = USUAL) -> Image.Image:
    """Read an image as an upright Pillow image of mode RGB.

    `ref` is a path, a place in a file, or a uint8 array of shape (H, W) or (H, W, 3). Raises `ImageError`.
    """
    return as_rgb(open_grey_or_rgb(ref, reading))


def open_grey_or_rgb(ref: ImageRef, reading: Reading = USUAL) -> Image.Image:
    """Read an image as `open_rgb` does, but leave a grey one in mode L: a third of the work for what resizes it."""
    if isinstance(ref, Tile):
        box = (ref.left, ref.top, ref.left + ref.size.width, ref.top + ref.size.height)
        return _whole(ref.whole.image, reading).crop(box)
    if (pixels := pixels_of(ref)) is not None:
        return Image.fromarray(_checked(pixels))
    assert isinstance(ref, Path | Embedded)
    with _loaded(ref) as (image, _):
        return _grey_or_rgb(image, reading)


def pixels_of(ref: ImageRef) -> Pixels | None:
    """Return the pixels of what is no image file, (H, W) or (H, W, 3); None of one. Raises `ImageError`."""
    if isinstance(ref, np.ndarray):
        return ref
    if not isinstance(ref, Embedded) or not ref.axes:
        return None
    try:
        stored = np.frombuffer(ref.read(), np.uint8).reshape(ref.shape)
    except OSError as fault:
        raise ImageError(fault.strerror or str(fault)) from fault
    return stored.transpose([ref.axes.index(axis) for axis in "HWC" if axis in ref.axes])


def _whole(ref: ImageRef, reading: Reading) -> Image.Image:
    """Return the image that a tile is a part of: tiles are mostly read one after another."""
    if not isinstance(ref, Path):
        return open_grey_or_rgb(ref, reading)
    try:
        return _last_files(ref, os.stat(ref).st_mtime_ns, reading)
    except OSError as fault:
        raise ImageError(fault.strerror or str(fault)) from fault


@lru_cache(2)
def _last_files(path: Path, state: int, reading: Reading) -> Image.Image:  # noqa: ARG001
    return open_grey_or_rgb(path, reading)


@dataclass(frozen=True, slots=True)
class Traits:
    """What has to be decided about an image before it is read.

    `transparent` says that a pixel is not opaque; `peak` is the largest value of 16 bits, 0 in an image of fewer.
    """

    transparent: bool = False
    peak: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of its image: its size as stored, Pillow's mode, whether EXIF turns it, its traits.

    `several` is whether the file holds more pictures than this one, its first: an animation, pages, two lenses.
    """

    size: Size
    mode: str
    turned: bool = False
    several: bool = False
    traits: Traits = Traits()


def stored_size(ref: ImageRef) -> Size:
    """Return the size as stored, from the header alone. Raises `ImageError`."""
    if isinstance(ref, Tile):
        return ref.size
    if isinstance(ref, np.ndarray):
        return Size(*ref.shape[:2])
    if isinstance(ref, Embedded) and ref.axes:
        return ref.size
    with _opened(ref) as image:
        return _size(image)


def upright_size(ref: ImageRef) -> Size:
    """Return the size of the upright image, as it is read; of most files from the header. Raises `ImageError`."""
    if isinstance(ref, Tile):
        return ref.size
    if isinstance(ref, np.ndarray):
        return Size(*ref.shape[:2])
    if isinstance(ref, Embedded) and ref.axes:
        return ref.size
    with _opened(ref) as image:
        if image.format not in ("JPEG", "WEBP"):  # others may say behind their pixels how they are turned
            image.load()
        lies = _orientation(image) in _LYING
        return Size(*reversed(_size(image))) if lies else _size(image)


def _size(image: Image.Image) -> Size:
    return Size(image.height, image.width)


def open_small(ref: ImageRef, least: int, reading: Reading = USUAL) -> tuple[Image.Image, Facts]:
    """Read an image as `open_grey_or_rgb` does, and its facts; a JPEG at the least size with sides of `least` pixels.

    Raises `ImageError`.
    """
    if isinstance(ref, np.ndarray | Tile) or (isinstance(ref, Embedded) and ref.axes):
        image = open_grey_or_rgb(ref, reading)
        return image, Facts(_size(image), image.mode)
    with _loaded(ref, least) as (image, facts):
        return _grey_or_rgb(image, reading), facts


def opened_mask(path: Path) -> Image.Image:
    """Read a mask as stored, of mode L (values, or positions in a palette) or RGB. Raises `ImageError`.

    A mask is not turned by EXIF, and one from a JPEG file, whose values are blurred, is refused.
    """
    with _opened(path) as image:
        if image.format in ("JPEG", "MPO"):
            raise ImageError(f"its mask `{path.name}` is a JPEG, which blurs values: save masks as PNG")
        image.load()
        if image.mode == "P":
            return Image.fromarray(np.asarray(image))
        if image.mode == "1":
            return Image.fromarray(np.asarray(image).astype(np.uint8))
        if image.mode.startswith("I"):
            values = np.asarray(image)
            if values.size and (values.min() < 0 or values.max() > 255):
                raise ImageError(f"its mask `{path.name}` has values beyond 255")
            return Image.fromarray(values.astype(np.uint8))
        if image.mode in ("L", "LA"):
            return image.getchannel("L") if image.mode == "LA" else image.copy()
        return image.convert("RGB")


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image of mode L or RGB in mode RGB."""
    return image if image.mode == "RGB" else image.convert("RGB")


def find_broken(
    samples: Sequence[Sample],
    threads: int,
    progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    seen: Callable[[tuple[Sample, Traits]], None] = lambda found: None,
) -> list[tuple[str, str]]:
    """Read all images once; return (sample id, reason) for each that cannot be decoded, in the given order.

    An image whose mask cannot be used is one of them.

    `seen` is told each that can, with its traits. JPEG files are read to their last byte and decoded at an eighth of
    their size, which finds the same faults several times faster; others are decoded. `progress` is called with
    (done, total) from the calling thread after each image; when `stopped` answers true, what was found so far is
    returned.
    """
    broken: list[tuple[str, str]] = []
    looks = in_order(_look_at, samples, threads, 8 * threads)
    try:
        for done, (sample, found) in enumerate(zip(samples, looks, strict=True), start=1):
            if isinstance(found, str):
                broken.append((sample.id, found))
            else:
                seen((sample, found.traits))
            if progress is not None:
                progress(done, len(samples))
            if stopped():
                break
    finally:
        looks.close()
    return broken


def _look_at(sample: Sample) -> Facts | str:
    found = look_inside(sample.image)
    if isinstance(found, Facts) and hasattr(sample.target, "fault"):
        return sample.target.fault(sample.image) or found
    return found


def look_inside(ref: ImageRef) -> Facts | str:
    """Return what an image's file says of it, or why it cannot be read, as any way of reading it would find."""
    try:
        if isinstance(ref, Tile):
            return look_inside(ref.whole.image)
        if (pixels := pixels_of(ref)) is not None:
            image = Image.fromarray(_checked(pixels))
            return Facts(_size(image), image.mode)
        assert not isinstance(ref, np.ndarray)
        with _loaded(ref, 1) as (image, facts):
            if image.mode not in _DIRECT:
                _grey_or_rgb(image, USUAL)
            return facts
    except ImageError as fault:
        return str(fault)


@contextmanager
def _loaded(ref: Path | Embedded, least: int | None = None) -> Iterator[tuple[Image.Image, Facts]]:
    """Open and decode a file, for as long as the block lasts; whatever Pillow raises becomes `ImageError`.

    All commands read files here, so that they agree on which ones are damaged: with `least` a JPEG is decoded at the
    least size with sides of that many pixels, and the facts have the image's traits and whether it is one of several.
    Nothing may ask for the EXIF data before the pixels are loaded: to find them the reader of PNG decodes the file, and
    whoever passes over a fault of theirs passes over one of the pixels.
    """
    with _opened(ref) as image:
        image.info[_STORED] = image.tile[0][3] if image.tile else None  # loading forgets it
        size, mode = _size(image), image.mode
        several = least is not None and _has_several(image, ref)
        turned = image.format == "TIFF" and _orientation(image) in _UPRIGHT  # its reader turns what it loads
        if least is not None:
            image.draft(None, (least, least))  # does nothing for formats other than JPEG
        image.load()
        turned = turned or _orientation(image) in _UPRIGHT
        yield image, Facts(size, mode, turned, several, Traits() if least is None else _traits(image))


@contextmanager
def _opened(ref: Path | Embedded) -> Iterator[ImageFile.ImageFile]:
    """Open a file for as long as the block lasts, and turn whatever Pillow raises into `ImageError`."""
    try:
        with Image.open(_content(ref), formats=FORMATS) as image:
            _check_sides(*image.size)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(_unidentified(ref)) from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageError(f"its header claims more than {most / 1e6:.0f} million pixels") from None
    except MemoryError:
        raise ImageError("it does not fit into memory") from None
    except OSError as fault:
        # Errors of the system carry a path in their text; Pillow's own are OSErrors without a number.
        raise ImageError(fault.strerror if fault.strerror else str(fault)) from fault
    except Exception as fault:  # a damaged file makes Pillow's readers raise almost anything
        raise ImageError(f"damaged ({fault})" if str(fault) else "damaged") from fault


def _has_several(image: Image.Image, ref: Path | Embedded) -> bool:
    """Whether a file that is not decoded yet holds more than one picture."""
    if image.format != "GIF":
        return bool(getattr(image, "is_animated", False))
    try:  # to know, its reader goes to the second picture, and a fault there is no matter of the first
        with Image.open(_content(ref), formats=FORMATS) as again:
            return bool(getattr(again, "is_animated", False))
    except Exception:
        return False


def _check_sides(width: int, height: int) -> None:
    """Refuse what no `resize` can take: of 20000 x 1 pixels, 224 on the shorter side would be a billion."""
    if max(width, height) > _LONGEST * min(width, height):
        raise ImageError(f"of its {width} x {height} pixels one side is more than {_LONGEST} times the other")


def _content(ref: Path | Embedded) -> Path | io.BytesIO:
    return ref if isinstance(ref, Path) else io.BytesIO(ref.read())


def _unidentified(ref: Path | Embedded) -> str:
    content = _content(ref)
    with open(content, "rb") if isinstance(content, Path) else content as file:
        start = file.read(512)
    if not start:
        return "the file is empty"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not an image"
    if start[4:12] in HEIF:
        return "it is an HEIC image: convert it to JPEG or PNG"
    if start.startswith(b"version https://git-lfs"):
        return "it is the pointer of Git LFS to an image: `git lfs pull` fetches it"
    if not start.strip(b"\0"):
        return "the file holds only zero bytes"
    return "not an image of a known format"


# Modes that Pillow converts to RGB without loss or error.
_DIRECT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def _grey_or_rgb(image: Image.Image, reading: Reading) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    flat = flatten_alpha(image, _opaque(image, reading.levels), reading.flatten_alpha)
    return flat if turn is None else flat.transpose(turn)


def _opaque(image: Image.Image, white: int) -> Image.Image:
    """Return the colours of an image alone, of mode L or RGB."""
    if image.mode.startswith("I"):
        return Image.fromarray(_from_16_bits(np.asarray(image), _TWELVE if _stored(image) == "I;12" else white))
    if image.mode in ("L", "RGB"):
        flat = image
    elif image.mode in ("LA", "La"):
        flat = image.convert("LA").convert("L")
    elif image.mode in _DIRECT:
        # A palette may hold the transparency itself, which RGBA takes up.
        flat = (image.convert("RGBA") if image.mode in ("P", "PA") else image).convert("RGB")
    else:
        raise ImageError(f"its pixels are of Pillow's mode {image.mode}: convert them to 8 or 16 bits")
    if white != USUAL.levels and _is_deep(image):
        return flat.point(_scaled(_FROM_8_BITS, white).tolist() * len(flat.getbands()))
    return flat


def flatten_alpha(image: Image.Image, colours: Image.Image, ground: str | None) -> Image.Image:
    """Lay the colours of an image, L or RGB, over `white` or `black` where it is transparent; over None keep them."""
    alpha = None if ground is None else _alpha(image)
    if ground is None or alpha is None:
        return colours
    return Image.composite(colours, Image.new(colours.mode, colours.size, ground), alpha)


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return how opaque each pixel is, from 0 to 255 in mode L; None where all are."""
    given = image.info.get("transparency")
    if image.mode in _WITH_ALPHA:
        alpha = image.getchannel(image.getbands()[-1])
    elif given is None or (image.mode != "P" and not isinstance(given, int | tuple)):
        return None
    elif image.mode == "P":
        alpha = image.convert("RGBA").getchannel("A")
    else:  # the one colour that is transparent, in the units of the file
        key = np.array(given) * _KEYS.get(_stored(image), 1)
        same = np.asarray(image) == key.astype(bool if image.mode == "1" else int)
        alpha = Image.fromarray(np.where(same.all(axis=2) if same.ndim == 3 else same, 0, 255).astype(np.uint8))
    return alpha if np.min(alpha.getextrema()) < 255 else None


def _traits(image: Image.Image) -> Traits:
    if image.mode.startswith("I") and _stored(image) != "I;12":
        peak = int(np.asarray(image).max(initial=0))
    elif _is_deep(image):  # Pillow has kept the upper half of each value
        colours = [band for name, band in zip(image.getbands(), image.split(), strict=True) if name in "RGB"]
        peak = 256 * int(max(np.max(band.getextrema()) for band in colours)) + 255
    else:
        peak = 0
    return Traits(_alpha(image) is not None, peak)


_STORED = "ftr:stored"
_KEYS = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}  # from a file's values to Pillow's
_TWELVE = 4095
_FROM_8_BITS = 257 * np.arange(256)


def _stored(image: Image.Image) -> str:
    """Return Pillow's name of how the file stores its pixels."""
    args = image.info.get(_STORED)
    name = args[0] if isinstance(args, tuple) and args else args
    return name if isinstance(name, str) else ""


def _is_deep(image: Image.Image) -> bool:
    """Whether it has colours of 16 bits, of which Pillow keeps 8."""
    return image.mode in ("RGB", "RGBA") and ";16" in _stored(image)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # metadata that cannot be read says nothing about the pixels
        return 1


def _from_16_bits(values: npt.NDArray[np.integer[Any]], white: int) -> Pixels:
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ImageError("its pixels are 32-bit integers: convert them to 8 or 16 bits")
    return _scaled(values, white)


def _scaled(values: npt.NDArray[np.integer[Any]], white: int) -> Pixels:
    """Return values of 16 bits as values of 8, of which 255 stands for `white` and all above."""
    return np.minimum((values.astype(np.uint32) * 255 + white // 2) // white, 255).astype(np.uint8)


def _checked(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ImageError(f"an array of {pixels.dtype}, shape {pixels.shape}, is not a uint8 picture")
    return pixels
