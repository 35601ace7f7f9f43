"""Which files are images that can be read here, told by what is in them where their name does not tell.

In go files and the endings of their names; out comes whether a file is an image, and of one that is not what it may be.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from runtime.data.sources.skipped import ending_of

# Pillow warns about odd metadata and about more than 89 million pixels; neither concerns a user whose image
# reads well, and a line on the terminal would tear the progress display. (Errors are errors all the same.)
warnings.filterwarnings("ignore", module=r"PIL\.")

# Only plain picture formats: Pillow would hand PostScript to Ghostscript, for example.
_WANTED = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
Image.init()
FORMATS = tuple(name for name in _WANTED if name in Image.OPEN)
HEIF = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_START = 16  # bytes that Pillow tells a format by

IMAGE_ENDINGS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif"),
    )
)
"""Endings of files that are taken for images without a look inside."""

_CONVERT = "convert it to JPEG or PNG"
# Many raw files are TIFF: Pillow would open the small preview in them.
_RAW = (".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw")
_REASONS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), f"HEIC: {_CONVERT}"),
    **dict.fromkeys(_RAW, f"camera raw: {_CONVERT}"),
    **dict.fromkeys((".jxl", ".jxr", ".psd", ".tga", ".ico", ".pcx", ".dds", ".exr", ".hdr", ".svg", ".eps"), _CONVERT),
    **dict.fromkeys((".dcm", ".dicom", ".nii", ".fits", ".fit", ".qoi", ".sgi", ".ras", ".wmf", ".emf"), _CONVERT),
}
# Of these there may be one for each image; to open them all would take as long as to list the images takes.
_NO_IMAGES = frozenset(
    (
        *(".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".htm", ".xmp", ".ini"),
        *(".py", ".ipynb", ".log", ".db", ".npy", ".npz", ".pkl", ".mat", ".h5", ".zip", ".gz", ".tar", ".mp4", ".mov"),
    )
)


def why_no_image(path: Path) -> str | None:
    """Return None for a regular file that is an image; else why it is not read, empty where it is no image at all.

    An ending of an image suffices. Of another file the first bytes decide, and where they are those of an image,
    whether it can be opened.
    """
    ending = ending_of(path.name)
    if ending in IMAGE_ENDINGS:
        return None
    if ending in _RAW or ending in _NO_IMAGES:
        return _REASONS.get(ending, "")
    why = _why_no_content(path)
    return why if why is None else why or _REASONS.get(ending, "")


def starts_as_image(path: Path) -> bool:
    """Whether a file begins as an image does that can be read here; whether it is whole is another matter."""
    try:
        return is_image_start(_start(path))
    except OSError:
        return False


def _start(path: Path) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(_START)


def is_image_start(start: bytes) -> bool:
    """Whether bytes, of which the first 16 suffice, begin as an image does that can be read here."""
    if start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n")):  # most are, and Pillow takes ten times as long
        return True
    return any(accepts(start) is True for name in FORMATS if (accepts := Image.OPEN[name][1]))


def _why_no_content(path: Path) -> str | None:
    try:
        start = _start(path)
    except OSError as fault:
        return fault.strerror or str(fault)
    if start[4:12] in HEIF:
        return _REASONS[".heic"]
    if not is_image_start(start):
        return ""
    try:
        with Image.open(path, formats=FORMATS):
            return None
    except Exception:  # a text may begin with BM or P1
        return "" if start.startswith((b"BM", b"P")) else "damaged"
