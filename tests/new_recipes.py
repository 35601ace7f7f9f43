"""What the tests of `ftr new` share: folders and tables of images, the command, and what it wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from recipe_lang.check.checked import CheckedRecipe
from runtime.cli import app
from runtime.data.sets import list_sets
from runtime.tasks.classification.task import CLASSIFICATION

New = Callable[..., CheckedRecipe]


def photos(root: Path, counts: Mapping[str, int], size: tuple[int, int] = (40, 36), mode: str = "RGB") -> Path:
    """Write `root/<class>/<number>.png` of (width, height) pixels, each class in a colour of its own."""
    for shade, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        image = Image.new("RGB", size, (40 * shade % 256, 255 - 50 * shade % 256, 90)).convert(mode)
        for number in range(count):
            image.save(root / name / f"{number}.png")
    return root


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def call(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["new", *map(str, args)])
    return result.exit_code, result.output


def text() -> str:
    return Path("made.ftr").read_text("utf-8")


def unwrapped() -> str:
    """Return the recipe with each comment on one line."""
    return re.sub(r"\n# {5,}", " ", text())


def images(recipe: CheckedRecipe) -> dict[str, int]:
    return {name: len(listing.samples) for name, listing in list_sets(recipe, CLASSIFICATION).items()}


def augments(recipe: CheckedRecipe) -> list[str]:
    return [step.value.name for step in recipe.block("data")["augment"] or ()]


def monitors(recipe: CheckedRecipe) -> list[str]:
    return [str(stage["monitor"]) for stage in recipe.all("stage")]
