"""Pictures with what a network says of them: `ftr predict --draw FOLDER`.

The folder is new, empty, or one that was drawn into before: a list in it names those pictures, which are replaced.
Nothing else is ever written over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.data.images import open_rgb, upright_size
from runtime.system.best_effort import attempt
from runtime.system.fonts import font_file
from runtime.tasks.answers import Prediction
from runtime.tasks.protocol import Task

_LEAST, _MOST = 384, 1600  # px, between which the longer side of a picture is brought
_LIST = ".ftr-drawn"  # the names of the pictures, a line each


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many pictures were drawn; in a line for each, why others were not; the letters that no font here has."""

    count: int
    failed: tuple[str, ...] = ()
    letters: str = ""


def in_the_way(folder: Path) -> str:
    """Return the name of a file in a folder that no earlier `--draw` wrote there; empty where there is none."""
    if not folder.is_dir():
        return folder.name if folder.is_symlink() or folder.exists() else ""
    others = {path.name for path in folder.iterdir()} - {_LIST, *_earlier(folder)}
    return min(others, default="")


def draw_predictions(task: Task, predictions: Sequence[Prediction], folder: Path) -> Drawn:
    """Draw predictions into a folder, as JPEG, in place of those that were drawn there before.

    Images that could not be read are left out. A picture is called as its image; a number tells namesakes apart.
    """
    shown = [each for each in predictions if not each.error]
    paths = [folder / f"{name}.jpg" for name in _names(shown)]
    if reason := attempt(lambda: _prepare(folder, paths)):
        return Drawn(0, (f"{folder}: {reason}",))
    failed = []
    for each, path in zip(shown, paths, strict=True):
        if reason := attempt(lambda each=each, path=path: _draw(task, each, path)):  # type: ignore[misc]
            failed.append(f"{path}: {reason}")
    letters = sorted({char for each in shown for char in str(each.text()) if font_file(char) is None})
    return Drawn(len(shown) - len(failed), tuple(failed), "".join(letters))


def write_masks(predictions: Sequence[Any], folder: Path) -> None:
    """Write masks of predictions into a folder, as PNG at the size of each image, called as `draw_predictions` does.

    Raises:
        OSError: one cannot be written.
    """
    shown = [each for each in predictions if not each.error]
    folder.mkdir(parents=True, exist_ok=True)
    for each, name in zip(shown, _names(shown), strict=True):
        each.mask(upright_size(Path(each.image))).save(folder / f"{name}.png")


def _names(predictions: Sequence[Prediction]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for each in predictions:
        stem, count = Path(each.image).stem, 1
        name = stem
        while name.lower() in taken:  # some file systems tell no case
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.lower())
        names.append(name)
    return names


def _earlier(folder: Path) -> list[str]:
    """Return the names of the pictures that were drawn into a folder before."""
    try:
        names = (folder / _LIST).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return []
    return [name for name in names if name.endswith(".jpg") and "/" not in name]


def _prepare(folder: Path, paths: Sequence[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _earlier(folder):
        (folder / name).unlink(missing_ok=True)
    names = "".join(f"{path.name}\n" for path in paths)
    (folder / _LIST).write_text(names, encoding="utf-8", errors="surrogateescape")


def _draw(task: Task, prediction: Prediction, path: Path) -> None:
    picture = open_rgb(Path(prediction.image))
    longer = max(picture.size)
    factor = min(_MOST, max(_LEAST, longer)) / longer
    if factor != 1:
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = picture.resize((width, height))
    task.draw(picture, prediction)
    picture.save(path, quality=90)
