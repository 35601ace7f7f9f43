"""Joined layers give what the layers give one by one: for the smallest network of each family, cut at each part."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from bench.sweep_bases import chosen
from runtime.backend.joined import can_be_joined
from runtime.backend.mx import mx, nd
from runtime.features.features import Features
from runtime.models.catalog import ZOOS
from runtime.models.chain import Chain
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights, units
from runtime.plan.size import Size
from runtime.plan.types import Component

BATCH = 2
LARGE = ("senet_154", "residualattentionnet56")  # seconds each; `bench/sweep_bases.py` takes them
SMALLEST = [(zoo, name) for zoo, name in chosen("", smallest_per_family=True) if zoo == "gluoncv" and name not in LARGE]
WIDE = (
    *("xception", "darknet53", "inceptionv3", "densenet121", "vgg11", "resnext50_32x4d"),
    *("cifar_residualattentionnet56", "hrnet_w18_small_v1_c"),
)
"""Seconds each: `test_zoo.py` has them, and their operators are those of others."""


def outputs(blocks: Sequence[Any], size: int, pixels: Any, fuse: bool) -> list[Any]:
    """Return what comes out behind each unit, through one piece for each."""
    features = Features(Chain(blocks), BATCH, Size.square(size), mx.cpu(), lambda images: images, fuse=fuse)
    ends = list(range(1, len(blocks)))
    prefix = features.prefix(ends[-1], ends, rows=10 * BATCH)
    values, found = (pixels,), []
    for level in prefix.levels:
        values = level.run(values)
        found.append(values[0].asnumpy())
    return found


@pytest.mark.parametrize(
    ("zoo", "name"), [pytest.param(*each, marks=[pytest.mark.long] * (each[1] in WIDE)) for each in SMALLEST]
)
def test_fused_pieces_give_what_the_layers_give(zoo: str, name: str) -> None:
    row = ZOOS[zoo][name]
    size = row.native if row.native < 100 else next(side for side in (64, 96, 128, row.native) if row.accepts(side))
    base = Component(zoo, {"name": name, "weights": None})
    model = build_model(
        base, [Component("dense", {"units": "classes"})], Size.square(size), partial(head_block, outputs={"classes": 3})
    )
    start_weights(model, base, 1, mx.cpu())
    pixels = nd.array(np.random.default_rng(0).normal(size=(BATCH, 3, size, size)).astype(np.float32))
    plain = outputs(units(model), size, pixels, fuse=False)
    fused = outputs(units(model), size, pixels, fuse=True)
    for number, (one, other) in enumerate(zip(plain, fused, strict=True)):
        scale = np.abs(one).max()
        assert np.isfinite(scale)
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=2e-4 * scale, err_msg=f"unit {number}")


def test_where_mxnet_mixes_up_weights_the_layers_run_one_by_one() -> None:
    model = build_model(
        Component("gluoncv", {"name": "senet_154", "weights": None}),
        [Component("dense", {"units": "classes"})],
        Size.square(64),
        partial(head_block, outputs={"classes": 3}),
    )
    units(model)[1].initialize(mx.init.Xavier())  # the rest has a hundred million parameters, and takes no part
    second = partial(Chain(units(model)).net, 1, 2)
    assert not can_be_joined(second, [(1, 128, 16, 16)], mx.cpu())
