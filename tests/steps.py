"""Steps of `prepare` and `augment`, written short and applied to an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from runtime.data.transforms.catalog import TRANSFORMS, Pipeline
from runtime.data.transforms.changes import Change, changed, moved
from runtime.plan.size import Size
from runtime.plan.types import Component


def step(name: str, *given: Any, **named: Any) -> Component:
    """Return a step with the defaults of its row where nothing is given."""
    args = TRANSFORMS[name].entry.args
    return Component(name, {arg.name: arg.default for arg in args} | dict(zip([a.name for a in args], given)) | named)  # noqa: B905


class Made:
    """Steps as a function from an image and a generator to an image."""

    def __init__(self, *steps: Component) -> None:
        self.pipeline = Pipeline(steps)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        return changed(image, self.pipeline.draw(Size(image.height, image.width), rng))


def made(name: str, *given: Any, **named: Any) -> Made:
    return Made(step(name, *given, **named))


class Dot:
    """A target with a place in its image: x and y in pixels."""

    def __init__(self, x: float, y: float) -> None:
        self.place = np.array([[x, y]])

    def moved(self, size: Size, changes: Sequence[Change]) -> Dot:
        (place,), _ = moved(self.place, size, changes)
        return Dot(*place)
