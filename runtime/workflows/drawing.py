"""Pictures with what a network says of them: `ftr predict --draw FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtime.data.images import open_rgb
from runtime.system.best_effort import attempt
from runtime.tasks.protocol import Prediction, Task

_LEAST, _MOST = 384, 1600  # px, between which the longer side of a picture is brought


def draw_predictions(task: Task, predictions: Sequence[Prediction], folder: Path) -> list[str]:
    """Draw predictions into a folder, as JPEG; return in a line for each why others were not drawn.

    Images that could not be read are left out. A picture is called as its image; a number tells namesakes apart.
    """
    reason = attempt(lambda: folder.mkdir(parents=True, exist_ok=True))
    if reason:
        return [f"{folder}: {reason}"]
    failed, taken = [], set()
    for each in predictions:
        if each.error:
            continue
        stem, count = Path(each.image).stem, 1
        name = stem
        while name.lower() in taken:  # some file systems tell no case
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.lower())
        path = folder / f"{name}.jpg"
        if reason := attempt(lambda each=each, path=path: _draw(task, each, path)):  # type: ignore[misc]
            failed.append(f"{path}: {reason}")
    return failed


def _draw(task: Task, prediction: Prediction, path: Path) -> None:
    picture = open_rgb(Path(prediction.image))
    longer = max(picture.size)
    factor = min(_MOST, max(_LEAST, longer)) / longer
    if factor != 1:
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = picture.resize((width, height))
    task.draw(picture, prediction)
    picture.save(path, quality=90)
