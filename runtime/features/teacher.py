"""A network that teaches: what it says of the images that another one trains on.

In go the images as the network in training sees them, at the teacher's size where these views can be made so, else
resized; out come its outputs for the classes of the recipe. All of it is a frozen prefix: it predicts, no gradient
passes it, its norms take their statistics, and what it says of an image is kept as frozen features are, where images
have few views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from runtime.backend.mx import array, nd
from runtime.data.sample_weights import WeightedTargets
from runtime.data.sets import to_input
from runtime.data.transforms.changes import Resize, changed
from runtime.data.transforms.mixed import MixedTargets
from runtime.data.transforms.views import at_size
from runtime.features.features import Features
from runtime.features.prefix import Pixels, Prefix
from runtime.features.store import Key
from runtime.models.network import Model
from runtime.plan.size import Size
from runtime.plan.types import Component, DataPlan, TeacherPlan
from runtime.system.cache.disk import FeatureCache


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A trained network, and what a plan says of it."""

    model: Model
    plan: TeacherPlan


@dataclass(frozen=True, slots=True, eq=False)
class TaughtTargets:
    """The targets of a batch, and what the teacher says of the same images: an NDArray (N, outputs)."""

    targets: np.ndarray[Any, Any] | WeightedTargets | MixedTargets
    said: Any

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True, eq=False)
class TeacherOutputs:
    """Gives what a teacher says; `outputs` are those of its own that count, an NDArray of positions or None for all.

    `steps` show it a training image: the stage's own, or the same views at its own size where there are such.
    """

    prefix: Prefix
    outputs: Any
    steps: Sequence[Component]

    def live(self, images: Pixels) -> Any:
        """Return what it says of a full batch of uint8 images (N, H, W, 3); nothing is kept."""
        return self._chosen(*self.prefix(images))

    def kept(self, keys: Sequence[Key]) -> Any:
        """Return what is kept of images in views."""
        return self._chosen(*self.prefix.take(keys, len(keys)))

    def _chosen(self, said: Any) -> Any:
        return said if self.outputs is None else nd.take(said, self.outputs, axis=1)


def teacher_features(
    teacher: Teacher, data: DataPlan, context: Any, *, fuse: bool, keep: bool, cache: FeatureCache | None
) -> Features:
    """Return what runs a teacher on the images of a plan, and keeps what it says of them."""
    plan = teacher.plan
    for parameter in teacher.model.parameters.values():
        parameter.reset_ctx(context)
    return Features(
        teacher.model.chain,
        data.batch,
        plan.size,
        context,
        lambda images: to_input(resized(images, plan.size), plan.mean, plan.std, context),
        fuse=fuse,
        keep=keep,
        cache=cache,
        identity={"mean": plan.mean, "std": plan.std},
        about={"base": plan.base},
    )


def teacher_outputs(
    features: Features, plan: TeacherPlan, steps: Sequence[Component], size: Size, rows: int
) -> TeacherOutputs:
    """Return what gives a teacher's outputs to a stage, whose steps make training images of a size.

    `rows` is how many images and views it can ask for.
    """
    prefix = features.prefix(len(features.chain.blocks), (), rows)
    outputs = None if plan.outputs is None else array(np.array(plan.outputs), ctx=features.context)
    return TeacherOutputs(prefix, outputs, at_size(steps, size, plan.size) or steps)


def resized(images: Pixels, size: Size) -> Pixels:
    """Return uint8 images (N, H, W, 3) at another size, as preparation resizes them."""
    if images.shape[1:3] == tuple(size):
        return images
    to = (Resize(size),)
    return np.stack([np.asarray(changed(Image.fromarray(each), to)) for each in images])
