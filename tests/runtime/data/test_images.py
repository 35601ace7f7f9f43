"""Reading pixels: formats, modes, depths, transparency, orientation."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded import encoded, photo, png
from PIL import Image, features

from runtime.data.images import (
    USUAL,
    ImageError,
    Reading,
    Traits,
    find_broken,
    open_rgb,
    open_small,
)
from runtime.data.listing import Sample

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _pair(mode: str, left: Any, right: Any, palette: Sequence[int] = ()) -> Image.Image:
    image = Image.new(mode, (2, 1))
    if palette:
        image.putpalette(palette)
    image.putpixel((0, 0), left)
    image.putpixel((1, 0), right)
    return image


def _palette() -> Image.Image:
    return _pair("P", 0, 1, [*RED, *BLUE])


def _blocks() -> Image.Image:
    image = Image.new("RGBA", (32, 16), (*BLUE, 255))
    image.paste((*RED, 0), (0, 0, 16, 16))
    return image


def _premultiplied() -> bytes:
    """A TIFF whose colours are multiplied by its alpha (ExtraSamples 1), as some programs write it."""
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 2), (273, 4, 8), (277, 3, 4), (278, 3, 1)]
    tags += [(279, 4, 8), (338, 3, 1)]
    bits = 16 + 2 + 12 * len(tags) + 4
    rows = [(tag, kind, 4 if tag == 258 else 1, bits if tag == 258 else value) for tag, kind, value in tags]
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *row) for row in rows) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 16) + bytes((0, 0, 0, 0, *BLUE, 255)) + table + struct.pack("<4H", 8, 8, 8, 8)


def _read(tmp_path: Path, content: bytes, name: str = "image.bin", reading: Reading = USUAL) -> np.ndarray:
    path = tmp_path / name
    path.write_bytes(content)
    image = open_rgb(path, reading)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_colour_is_exact(tmp_path: Path, kind: str) -> None:
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(_read(tmp_path, encoded(photo(), kind, **options)), np.asarray(photo()))


def test_jpeg_is_near(tmp_path: Path) -> None:
    pixels = _read(tmp_path, encoded(photo(), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - np.asarray(photo())).mean() < 3


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    pixels = _read(tmp_path, encoded(Image.fromarray(grey), "PNG"))
    assert np.array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 128, 257, 386, 25_700, 32_768, 65_535]], np.uint16)
    pixels = _read(tmp_path, encoded(Image.fromarray(values), kind))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 2, 100, 128, 255]


def test_big_endian_16_bit_tiff(tmp_path: Path) -> None:
    values = np.array([[0, 25_700], [51_400, 65_535]], ">u2")
    tags = [(256, 3, 2), (257, 3, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 3, 2), (279, 4, 8)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    table = struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    pixels = _read(tmp_path, b"MM\0*" + struct.pack(">I", 16) + values.tobytes() + table)
    assert pixels[..., 0].tolist() == [[0, 100], [200, 255]]


def test_16_bit_colour_png(tmp_path: Path) -> None:
    row = b"\0" + np.array([65_535, 32_768, 256], ">u2").tobytes()
    assert _read(tmp_path, png(1, 1, 16, 2, row)).tolist() == [[[255, 128, 1]]]


# Two pixels each: the left one is transparent and hides a colour; the right one is BLUE, or black where all is grey.
HIDDEN = {
    "RGBA": encoded(_pair("RGBA", (*RED, 0), (*BLUE, 255)), "PNG"),
    "LA": encoded(_pair("LA", (90, 0), (0, 255)), "PNG"),
    "one colour of a palette": encoded(_palette(), "PNG", transparency=0),
    "palette with alpha": encoded(_palette(), "PNG", transparency=b"\0\xff"),
    "palette and alpha": encoded(_pair("PA", (0, 0), (1, 255), [*RED, *BLUE]), "TIFF"),
    "GIF": encoded(_palette(), "GIF", transparency=0),
    "premultiplied": _premultiplied(),
    "grey key": encoded(_pair("L", 90, 0), "PNG", transparency=90),
    "RGB key": encoded(_pair("RGB", RED, BLUE), "PNG", transparency=RED),
    "1-bit key": png(2, 1, 1, 0, b"\0\x80", key=b"\0\1"),
    "2-bit key": png(2, 1, 2, 0, b"\0\x40", key=b"\0\1"),
    "4-bit key": png(2, 1, 4, 0, b"\0\x50", key=b"\0\5"),
    "16-bit key": png(2, 1, 16, 0, b"\0\x12\x34\0\0", key=b"\x12\x34"),
    "16-bit RGB key": png(2, 1, 16, 2, b"\0\xff\xff\0\0\0\0\0\0\0\0\xff\xff", key=b"\xff\xff\0\0\0\0"),
    "16-bit LA": png(2, 1, 16, 4, b"\0\x5a\x5a\0\0\0\0\xff\xff"),
    "16-bit RGBA": png(2, 1, 16, 6, b"\0\xff\xff\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"),
}


if features.check("webp"):
    HIDDEN["WebP"] = encoded(_pair("RGBA", (*RED, 0), (*BLUE, 255)), "WEBP", lossless=True)


if features.check("avif"):
    HIDDEN["AVIF"] = encoded(_blocks(), "AVIF", quality=100)


@pytest.mark.parametrize("kind", HIDDEN)
def test_transparency_is_laid_over_white_unless_a_recipe_says_otherwise(tmp_path: Path, kind: str) -> None:
    over = {ground: _read(tmp_path, HIDDEN[kind], reading=Reading(ground)) for ground in ("white", "black", None)}
    assert (over["white"][0, 0] == 255).all()
    assert (over["black"][0, 0] == 0).all()
    assert np.array_equal(over["white"], _read(tmp_path, HIDDEN[kind]))
    assert over[None].shape == over["white"].shape
    if kind not in ("premultiplied", "WebP", "AVIF"):  # whose hidden colours need not be there
        assert not np.array_equal(over[None][0, 0], over["black"][0, 0])
    right = np.array([pixels[0, -1] for pixels in over.values()], int)
    assert min(np.abs(right - colour).max() for colour in (BLUE, (0, 0, 0))) <= 4


def test_half_transparency_is_half_of_the_ground(tmp_path: Path) -> None:
    content = encoded(Image.new("RGBA", (1, 1), (100, 0, 200, 102)), "PNG")
    assert _read(tmp_path, content).tolist() == [[[193, 153, 233]]]
    assert _read(tmp_path, content, reading=Reading("black")).tolist() == [[[40, 0, 80]]]


@pytest.mark.parametrize(
    ("content", "traits"),
    [
        (encoded(Image.new("RGBA", (2, 2), (*RED, 255)), "PNG"), Traits(transparent=False)),
        (encoded(Image.new("RGBA", (2, 2), (*RED, 254)), "PNG"), Traits(transparent=True)),
        (encoded(Image.new("L", (2, 2), 7), "PNG", transparency=8), Traits(transparent=False)),
        (encoded(Image.new("L", (2, 2), 7), "PNG", transparency=7), Traits(transparent=True)),
        (encoded(Image.fromarray(np.array([[0, 4095]], np.uint16)), "PNG"), Traits(peak=4095)),
        (png(1, 1, 16, 2, b"\0\x0f\xf0\0\0\0\0"), Traits(peak=4095)),
        (encoded(photo(), "JPEG"), Traits()),
    ],
)
def test_what_has_to_be_decided_is_seen_without_reading_pixels_as_rgb(
    tmp_path: Path, content: bytes, traits: Traits
) -> None:
    (tmp_path / "image").write_bytes(content)
    seen: list[tuple[Sample, Traits]] = []
    assert find_broken([Sample("image", 0, tmp_path / "image")], 1, seen=seen.append) == []
    assert [each for _, each in seen] == [traits]
    assert open_small(tmp_path / "image", 8)[1].traits == traits


def test_levels_say_which_value_of_16_bits_is_white(tmp_path: Path) -> None:
    values = np.array([[0, 8, 2048, 4095, 60_000]], np.uint16)
    grey = encoded(Image.fromarray(values), "PNG")
    reading = Reading(levels=4095)
    assert _read(tmp_path, grey)[0, :, 0].tolist() == [0, 0, 8, 16, 233]
    assert _read(tmp_path, grey, reading=reading)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    colour = png(1, 1, 16, 2, b"\0" + np.array([4095, 2048, 256], ">u2").tobytes())  # Pillow keeps 8 bits of each
    assert _read(tmp_path, colour).tolist() == [[[15, 8, 1]]]
    assert _read(tmp_path, colour, reading=reading).tolist() == [[[240, 128, 16]]]
    eight = encoded(photo(), "PNG")
    assert np.array_equal(_read(tmp_path, eight, reading=reading), _read(tmp_path, eight))


def test_a_file_that_says_12_bits_is_read_so(tmp_path: Path) -> None:
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 1)]
    tags += [(279, 4, 3)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    table = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    content = b"II*\0" + struct.pack("<I", 12) + b"\xff\xf8\x00\0" + table
    assert _read(tmp_path, content)[0, :, 0].tolist() == [255, 128]


def test_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert _read(tmp_path, encoded(image, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_cyan_is_cyan(tmp_path: Path, kind: str) -> None:
    # Pillow writes CMYK JPEG files as Adobe does, with all values inverted.
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    pixels = _read(tmp_path, encoded(cyan, kind)).astype(int)
    assert np.abs(pixels - (0, 255, 255)).max() < 6


def test_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (_read(tmp_path, content) == RED).all()


# Each orientation of a picture whose top left quarter is red, its top right blue, the rest black.
def _quarters() -> Image.Image:
    image = Image.new("RGB", (32, 16))
    image.paste(RED, (0, 0, 16, 8))
    image.paste(BLUE, (16, 0, 32, 8))
    return image


# What a camera stores for each orientation so that the picture shows upright.
STORED = {
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    image = _quarters()
    for turn in STORED[orientation]:
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    pixels = _read(tmp_path, encoded(image, kind, exif=exif, **options)).astype(int)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels - np.asarray(_quarters())).mean() < 2


def test_damaged_exif_does_not_hide_the_picture(tmp_path: Path) -> None:
    content = encoded(photo(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff garbage")
    assert _read(tmp_path, content).shape == (64, 96, 3)


def test_arrays_need_no_file() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(open_rgb(grey), np.repeat(grey[..., None], 3, axis=2))
    colour = np.asarray(photo())
    assert np.array_equal(open_rgb(colour), colour)


@pytest.mark.parametrize("array", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros(3, np.uint8)])
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="not a uint8 picture"):
        open_rgb(array)
