"""Files that are no images: hostile, damaged, cut off; and finding them."""

from __future__ import annotations

import random
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded import encoded, photo, png
from PIL import Image

from runtime.data.images import (
    ImageError,
    find_broken,
    look_inside,
    open_rgb,
)
from runtime.data.listing import Sample
from runtime.workflows.data_check.thumbnails import thumbnail_of


def _bomb() -> bytes:
    return png(60_000, 60_000, 8, 2, b"\0" * 100)


def _bad_checksum() -> bytes:
    content = bytearray(encoded(photo(), "PNG"))
    content[60] ^= 0xFF
    return bytes(content)


HOSTILE = {
    "empty.jpg": (b"", "empty"),
    "page.jpg": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "zeros.png": (bytes(4096), "only zero bytes"),
    "text.png": (b"hello", "not an image"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
    "half.jpg": (encoded(photo(), "JPEG")[:1500], "truncated"),
    "progressive.jpg": (encoded(photo(), "JPEG", progressive=True)[:-300], "truncated"),
    "last-bytes.jpg": (encoded(photo(), "JPEG")[:-40], "truncated"),
    "header.jpg": (encoded(photo(), "JPEG")[:30], ""),
    "half.png": (encoded(photo(), "PNG")[:-2000], "truncated"),
    "checksum.png": (_bad_checksum(), ""),
    "half.gif": (encoded(photo(), "GIF")[:-1000], ""),
    "half.bmp": (encoded(photo(), "BMP")[:-1000], "truncated"),
    "half.tif": (encoded(photo(), "TIFF")[:-5000], ""),
    "bomb.png": (_bomb(), "million pixels"),
    "float.tif": (encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "mode F"),
    "deep.tif": (encoded(Image.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"), "32-bit"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("höstile 'files'")
    for name, (content, _) in HOSTILE.items():
        (place / name).write_bytes(content)
    return place


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(hostile: Path, name: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_rgb(hostile / name)
    assert HOSTILE[name][1] in str(caught.value)
    assert str(hostile) not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        open_rgb(tmp_path / "gone.jpg")
    with pytest.raises(ImageError):
        open_rgb(tmp_path)


@pytest.mark.parametrize("threads", [1, 3])
def test_find_broken_finds_exactly_what_open_rgb_refuses(hostile: Path, tmp_path: Path, threads: int) -> None:
    (tmp_path / "good.jpg").write_bytes(encoded(photo(), "JPEG"))
    (tmp_path / "cmyk.jpg").write_bytes(encoded(photo().convert("CMYK"), "JPEG"))
    paths = [tmp_path / "good.jpg", *(hostile / name for name in HOSTILE), tmp_path / "cmyk.jpg"]
    samples = [Sample(path.name, 0, path) for path in paths]
    samples.append(Sample("row", 0, np.zeros((4, 4), np.uint8)))
    calls: list[tuple[int, int]] = []
    broken = find_broken(samples, threads, lambda done, total: calls.append((done, total)))
    assert [name for name, _ in broken] == list(HOSTILE)
    assert all(HOSTILE[name][1] in reason for name, reason in broken)
    assert calls == [(done, len(samples)) for done in range(1, len(samples) + 1)]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _with(content: bytes, places: Sequence[int]) -> bytes:
    """Flip bits in some places, the last ones counted from the end."""
    damaged = bytearray(content)
    for place in places:
        damaged[place] ^= 0xFF
    return bytes(damaged)


_PNG = encoded(photo(), "PNG")
_FRAMES: dict[str, Any] = {"save_all": True, "append_images": [photo().transpose(Image.Transpose.ROTATE_180)]}

SOURCES = {
    "png": _PNG,
    "png-exif": encoded(photo(), "PNG", exif=_turned()),
    "png-exif-behind": _PNG[:-12] + _chunk(b"eXIf", _turned().tobytes()[6:]) + _PNG[-12:],
    "png-palette": encoded(photo().quantize(16), "PNG"),
    "png-16": encoded(Image.fromarray(np.arange(6144, dtype=np.uint16).reshape(64, 96) * 9), "PNG"),
    "apng": encoded(photo(), "PNG", **_FRAMES),
    "jpg": encoded(photo(400, 300), "JPEG", exif=_turned()),
    "progressive": encoded(photo(400, 300), "JPEG", progressive=True),
    "mpo": encoded(photo(), "MPO", **_FRAMES),
    "gif": encoded(photo(), "GIF"),
    "gif-moving": encoded(photo(), "GIF", **_FRAMES),
    "bmp": encoded(photo(), "BMP"),
    "tif": encoded(photo(), "TIFF", exif=_turned()),
    "tif-pages": encoded(photo(), "TIFF", save_all=True, append_images=[photo()]),
    "ppm": encoded(photo(), "PPM"),
    "webp-moving": encoded(photo(), "WEBP", save_all=True, append_images=[photo().rotate(90)]),
    "webp": encoded(photo(), "WEBP"),
    "jp2": encoded(photo(), "JPEG2000"),
}


def _damages(content: bytes) -> Iterator[bytes]:
    rng = random.Random(len(content))
    yield content
    yield content[:-12] + (40).to_bytes(4, "big") + b"tEXtdate:crea"  # a download that ends in a text behind the pixels
    for part in (0.02, 0.3, 0.7, 0.98):
        yield content[: int(part * len(content))]
    for count in (1, 1, 1, 3, 3):
        yield _with(content, [rng.randrange(8, len(content)) for _ in range(count)])
    cut = rng.randrange(8, len(content))
    yield content[:cut] + content[cut + 9 :]


@pytest.mark.parametrize("name", SOURCES)
def test_all_ways_of_reading_refuse_the_same_files(tmp_path: Path, name: str) -> None:
    """`run` checks by `find_broken`, `data check` by `thumbnail_of`, `new` by `look_inside`, and `open_rgb` trains."""
    path, said = tmp_path / "image", set()
    for content in _damages(SOURCES[name]):
        path.write_bytes(content)
        try:
            fault = ""
            open_rgb(path)
        except ImageError as error:
            fault = str(error)
        (*_, found) = ("", *(reason for _, reason in find_broken([Sample("1", 0, path)], 1)))
        inside = look_inside(path)
        seen = [fault, found, thumbnail_of(path).fault, inside if isinstance(inside, str) else ""]
        assert len({bool(each) for each in seen}) == 1, (seen, content)
        said.add(bool(fault))
    assert said == {False, True}


@pytest.mark.parametrize("name", SOURCES)
def test_files_of_several_pictures_are_told_and_only_those(tmp_path: Path, name: str) -> None:
    (tmp_path / "image").write_bytes(SOURCES[name])
    look = thumbnail_of(tmp_path / "image")
    assert (look.fault, look.several) == ("", name in ("apng", "mpo", "gif-moving", "tif-pages", "webp-moving"))
    assert look.turned == (name in ("png-exif", "png-exif-behind", "jpg", "tif"))


def test_find_broken_finds_every_cut_of_a_jpeg(tmp_path: Path) -> None:
    for progressive in (False, True):
        content = encoded(photo(200, 150), "JPEG", progressive=progressive)
        for cut in (1, 2, 5, 50, 500, len(content) // 2):
            (tmp_path / f"{progressive}-{cut}.jpg").write_bytes(content[:-cut])
    samples = [Sample(path.name, 0, path) for path in sorted(tmp_path.iterdir())]
    assert [name for name, _ in find_broken(samples, 2)] == [sample.id for sample in samples]


def _seconds(work: Callable[[], object]) -> float:
    """Return the processor's time for the quickest of three calls, which other programs disturb least."""
    times = []
    for _ in range(3):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def test_find_broken_is_faster_than_decoding(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(encoded(photo(1600, 1200), "JPEG", quality=90))
    samples = [Sample(str(number), 0, path) for number in range(8)]
    whole = _seconds(lambda: [open_rgb(path) for _ in samples])
    assert _seconds(lambda: find_broken(samples, 1)) < whole / 1.4  # a third, on a quiet machine


def test_find_broken_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(photo(), "JPEG"))
    samples = [Sample(str(number), 0, tmp_path / "a.jpg") for number in range(5000)]
    stop = threading.Event()
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if done == 10:
            stop.set()

    assert find_broken(samples, 2, progress, stop.is_set) == []
    assert seen[-1] == 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("images")]
