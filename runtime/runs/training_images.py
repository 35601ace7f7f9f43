"""Which images a run was made from, so that nobody measures it on them unawares: `images.json` of the run folder.

In go the hashes of the content of the training and validation images; out comes how many of other images are among
them, under whatever names. The file holds 64 bits of each hash, sorted, and neither names nor pixels: whoever has an
image can ask whether it was there, and learns nothing of others. That is still more than whoever gets a model should
know of its data, so no pack takes the file along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import counted
from runtime.data.content_hashes import content_hashes
from runtime.data.listing import Sample
from runtime.runs.folder import read_json, write_text
from runtime.runs.pack.signature import is_pack
from runtime.system.cache.disk import FeatureCache
from runtime.training.problems import ImagesNotKnown, ImagesSeen

IMAGES = "images.json"
_SETS = ("train", "valid")
_BYTES = 8  # of a hash: among a million images a wrong match has odds of 1 to 10**13


@dataclass(frozen=True, slots=True)
class ImageOverlap:
    """How many of `images` a run trained on, and how many more it validated on."""

    images: int
    train: int
    valid: int

    def __str__(self) -> str:
        train, valid = ("was" if count == 1 else "were" for count in (self.train, self.valid))
        return (
            f"{self.train or 'none'} of these {counted(self.images, 'image')} {train} trained on, "
            f"{self.valid or 'none'} {valid} in the run's validation set"
        )


def write_image_hashes(folder: Path, hashes: Mapping[str, Sequence[bytes | None]]) -> None:
    """Write which images a run is made from, from the hashes of each set.

    Raises:
        OSError: it cannot be written.
    """
    content = {name: sorted({_short(each) for each in hashes.get(name, ()) if each}) for name in _SETS}
    write_text(folder / IMAGES, json.dumps(content) + "\n")


def seen(run: Path, samples: Sequence[Sample], threads: int, cache: FeatureCache | None) -> ImageOverlap | Problem:
    """Return how many images a run has seen, or that its folder, or its pack, does not say it."""
    try:
        known = _read(run)
    except RecipeError:
        return ImagesNotKnown(path=str(run), is_pack=is_pack(run))
    found = [_short(each) for each in content_hashes(samples, threads, cache) if each]
    train, valid = known["train"], known["valid"] - known["train"]
    return ImageOverlap(len(samples), sum(each in train for each in found), sum(each in valid for each in found))


def told(found: ImageOverlap | Problem | None) -> str:
    """Return what is to be said of images in one line; empty where the run has seen none of them."""
    if isinstance(found, Problem):
        return found.message()
    return str(found) if found is not None and (found.train or found.valid) else ""


def refuse_overlap(run: Path, found: ImageOverlap | Problem) -> None:
    """Refuse images unless none of them is known to a run.

    Raises:
        RecipeError: some are, or nobody can tell.
    """
    if isinstance(found, Problem):
        raise RecipeError(found)
    if told(found):
        raise RecipeError(ImagesSeen(path=str(run), seen=str(found)))


def _read(run: Path) -> dict[str, frozenset[str]]:
    """Read the file of a run folder; raise `RecipeError` where it is not there, or something else."""
    content = read_json(run, IMAGES)
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in _SETS):
        raise RecipeError(ImagesNotKnown(path=str(run)))
    return {name: frozenset(map(str, content[name])) for name in _SETS}


def _short(content: bytes) -> str:
    return content[:_BYTES].hex()
