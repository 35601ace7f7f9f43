"""A look at whether weights are where they belong: norms know what they were trained on.

In goes a base with weights from another framework and some photos; out come, for each norm, how far the mean of what
it gets lies from its running mean, in running standard deviations. Layers that meet by name and shape may still be the
wrong ones, which shows here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.backend.mx import autograd, nd, nn
from runtime.models.problems import NormsDisagree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recipe_lang.problem import Problem
    from runtime.models.base import Base

MOST = 1.2
"""Standard deviations. Photos give 0.5, digits of 64 pixels 1.06; of two norms swapped, 1.31 is the least."""


def norm_gaps(base: Base, images: Any) -> Mapping[str, float]:
    """Return for each norm of a base the mean distance of its channels' means from the running means.

    Args:
        images: an NDArray of shape (images, 3, height, width), normalized.
    """
    gaps: dict[str, float] = {}
    hooks = [norm.register_forward_pre_hook(_keeping(gaps, name)) for name, norm in norms(base)]
    try:
        with autograd.predict_mode():
            for _, block in base.parts:
                images = block(images)
        nd.waitall()
    finally:
        for hook in hooks:
            hook.detach()
    return gaps


def norm_advice(base: Base, images: Any, path: str) -> tuple[Problem, ...]:
    """Return a warning where a norm of a base, whose weights are a file's, disagrees with what it gets."""
    gaps = norm_gaps(base, images)
    layer = max(gaps, key=gaps.__getitem__, default="")
    if not layer or gaps[layer] <= MOST:
        return ()
    return (NormsDisagree(layer=f"base.{layer}", gap=gaps[layer], images=len(images), path=path),)


def _keeping(gaps: dict[str, float], name: str) -> Any:
    def keep(norm: Any, inputs: Any) -> None:
        found = inputs[0].mean(axis=(0, 2, 3)).asnumpy()
        mean, variance = norm.running_mean.data().asnumpy(), norm.running_var.data().asnumpy()
        gaps[name] = float(np.mean(np.abs(found - mean) / np.sqrt(variance + norm._kwargs["eps"])))

    return keep


def norms(base: Base) -> list[tuple[str, Any]]:
    """Return the norms of a base that keep statistics, with their names."""
    return [each for part, block in base.parts for each in _inside(block, part)]


def _inside(block: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(block, nn.BatchNorm):
        return [(path, block)]
    return [each for name, child in block._children.items() for each in _inside(child, f"{path}.{name}")]
