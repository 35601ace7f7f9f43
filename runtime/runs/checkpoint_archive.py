"""A checkpoint as bytes, for a worker that does not see the run folder: the files of it in an uncompressed ZIP archive.

What is taken out is read as any checkpoint is: files that are damaged or of another kind do not count.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from runtime.runs.checkpoints import FOLDER, newest
from runtime.training.state import Checkpoint


def packed(run: Path, checkpoint: Checkpoint) -> bytes:
    """Return the files of a checkpoint of a run.

    Raises:
        OSError: they cannot be read.
    """
    names = {f"{checkpoint.number:06}.json", *(file.name for file in checkpoint.files.values())}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(names):
            archive.write(run / FOLDER / name, name)
    return content.getvalue()


def unpacked(content: bytes) -> Checkpoint:
    """Return the checkpoint that `packed` has packed.

    Raises:
        OSError: there is no room for it.
        RecipeError: it is damaged.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / FOLDER
        folder.mkdir()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                (folder / Path(name).name).write_bytes(archive.read(name))
        checkpoint = newest(Path(place))
    assert checkpoint is not None
    return checkpoint
