"""A base says which feature maps it has; a head over several of them gets what the plain blocks give there."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench.sweep_bases import chosen
from runtime.backend.freezing import prepare_stage
from runtime.backend.mx import autograd, gluon, mx, nd, nn
from runtime.features.features import Features
from runtime.features.prefix import Pixels, Prefix
from runtime.features.store import Key
from runtime.models import efficientnet_lite, zoo
from runtime.models.base import Base
from runtime.models.catalog import ZOOS
from runtime.models.chain import Chain
from runtime.models.heads import head_block
from runtime.models.network import Model, build_model, start_weights
from runtime.models.taps import Tap, tapped, taps
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.system.cache.disk import FeatureCache

Array = npt.NDArray[np.float32]

SIDE, BATCH = 64, 4
KEYS: list[Key] = [("train", str(number), ()) for number in range(6)]
CASES = {
    ("packaged", "efficientnet_lite0"): ("block3", "block5", "block7.0"),
    ("gluoncv", "resnet18_v1b"): ("block2", "block3", "block4"),
    ("gluoncv", "mobilenet0.25"): ("block1", "block2.5", "block2.8", "block3"),
}
NETWORKS = [
    pytest.param(*case, id=case[0][1], marks=[pytest.mark.long] * (case[0][1] == "resnet18_v1b"))
    for case in CASES.items()
]


class Pyramid(gluon.HybridBlock):  # type: ignore[misc]
    """A head over several maps: each to 8 channels and pooled, then one layer over all."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.sides = nn.HybridSequential()
        for _ in range(maps):
            self.sides.add(nn.Conv2D(8, 1))
        self.last = nn.Dense(3)

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        pooled = [F.mean(side(each), axis=(2, 3)) for side, each in zip(self.sides, maps, strict=True)]
        return self.last(F.concat(*pooled, dim=1))


def model_of(name: tuple[str, str]) -> Model:
    base = Component(name[0], {"name": name[1], "weights": None})
    layers = [Component("dense", {"units": "classes"})]
    model = build_model(base, layers, Size.square(SIDE), partial(head_block, outputs={"classes": 3}))
    start_weights(model, base, 1, mx.cpu())
    return model


def pyramid(base: Base, names: Sequence[str]) -> Chain:
    head = Pyramid(len(names))
    head.initialize(mx.init.Xavier())
    chain = tapped(base, names, head)
    mx.random.seed(1)
    chain.net(0, len(chain.blocks))(nd.zeros((1, 3, SIDE, SIDE)))  # the head's shapes
    return chain


def noise(count: int = 6) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def to_input(images: Pixels) -> Any:
    return nd.array(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)


def plain_maps(base: Base, names: Sequence[str], values: Any) -> dict[str, Array]:
    """Return what the layers give at taps, run one by one."""
    found = {}
    for part, block in base.parts:
        for number, layer in enumerate(block):
            values = layer(values)
            found[f"{part}.{number}"] = values.asnumpy()
        found[part] = values.asnumpy()
    return {name: found[name] for name in names}


def filled(features: Features, cut: int, later: Sequence[int] = ()) -> list[Array]:
    """Return what a prefix keeps of six images of noise, each array."""
    return taken(features.prefix(cut, later, len(KEYS)))


def taken(prefix: Prefix) -> list[Array]:
    def images(keys: Sequence[Key]) -> Generator[Pixels, None, None]:
        for first in range(0, len(keys), BATCH):
            chunk = [int(name) for _, name, _ in keys[first : first + BATCH]]
            yield noise()[chunk + chunk[-1:] * (BATCH - len(chunk))]

    for _ in prefix.fill(KEYS, images, lambda key: key[1].encode().rjust(16)):
        pass
    first, rest = prefix.take(KEYS[:BATCH]), prefix.take(KEYS[BATCH:])
    return [np.concatenate([a.asnumpy(), b.asnumpy()[:2]]) for a, b in zip(first, rest, strict=True)]


def features_over(chain: Chain, cache: FeatureCache | None = None, **settings: Any) -> Features:
    return Features(chain, BATCH, Size.square(SIDE), mx.cpu(), to_input, cache=cache, **settings)


# --- names -----------------------------------------------------------------------------------


def test_taps_of_the_default_base() -> None:
    found = taps(efficientnet_lite.build("efficientnet_lite0", Size.square(224)), Size.square(224))
    assert found["block3"] == Tap("block3", 8, 40)
    assert found["block5"] == Tap("block5", 16, 112)
    assert found["block7.0"] == Tap("block7.0", 32, 320)
    assert found["block7"] == Tap("block7", 32, 1280)


@pytest.mark.parametrize(("source", "name"), chosen("", smallest_per_family=True))
def test_every_family_says_its_taps(source: str, name: str) -> None:
    row = ZOOS[source][name]
    base = zoo.split(zoo.build(source, name), source, name)
    found = taps(base, Size.square(row.native))
    strides = [found[part].stride for part, _ in base.parts if part in found]
    assert len(strides) >= len(base.parts) - 1  # the last may give a vector
    assert strides == sorted(strides)
    assert max(strides) <= 32
    assert {tap.stride.bit_count() for tap in found.values()} == {1}


@pytest.mark.parametrize("names", [("block9",), ("block7.5",), ("block5", "block3"), ("block7.0", "block7.0")])
def test_what_is_no_tap_is_refused(names: Sequence[str]) -> None:
    base = efficientnet_lite.build("efficientnet_lite0", Size.square(224))
    with pytest.raises(ValueError, match="block"):
        tapped(base, names, nn.Flatten())


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "names"), NETWORKS)
def test_a_prefix_gives_what_the_plain_blocks_give_at_each_tap(name: tuple[str, str], names: Sequence[str]) -> None:
    model = model_of(name)
    chain = pyramid(model.base, names)
    cut, early = chain.taps[-1], chain.taps[0] + 1  # a later stage trains what lies behind the first tap
    expected = plain_maps(model.base, names, to_input(noise()))
    layer_by_layer, fused = features_over(chain, fuse=False), features_over(chain)
    for features, bound in ((layer_by_layer, 1e-5), (fused, 1e-3)):
        found = filled(features, cut, [early])
        assert [each.shape for each in found] == [each.shape for each in expected.values()]
        for one, other in zip(found, expected.values(), strict=True):
            np.testing.assert_allclose(one, other, rtol=bound, atol=bound * np.abs(other).max())


@pytest.mark.parametrize(("name", "names"), NETWORKS)
def test_maps_from_the_cache_have_the_same_bits(name: tuple[str, str], names: Sequence[str], tmp_path: Path) -> None:
    chain = pyramid(model_of(name).base, names)
    cut, early = chain.taps[-1], chain.taps[0] + 1
    expected = filled(features_over(chain), cut, [early])
    cache = FeatureCache(tmp_path / "cache")
    for _ in range(2):
        features = features_over(chain, cache)
        for one, other in zip(filled(features, cut, [early]), expected, strict=True):
            np.testing.assert_array_equal(one, other)
        features.close()
    # From the disk nothing runs, and where only the earlier level is there, the rest starts from it.
    features = features_over(chain, cache)
    never: Any = None
    prefix = features.prefix(cut, [early], len(KEYS))
    assert [level.end for level in prefix.levels] == [early, cut]
    stopped = replace(prefix, levels=tuple(replace(level, run=never) for level in prefix.levels))
    for one, other in zip(taken(stopped), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    features.close()
    prefix = features_over(chain).prefix(cut, [early], len(KEYS))
    lower, upper = prefix.levels
    taken(replace(prefix, levels=(lower,)))
    for one, other in zip(taken(replace(prefix, levels=(replace(lower, run=never), upper))), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("behind", [0, 1], ids=["the head alone", "the blocks behind the first tap too"])
@pytest.mark.parametrize(("name", "names"), NETWORKS)
def test_what_trains_behind_several_maps_gets_the_plain_gradients(
    name: tuple[str, str], names: Sequence[str], behind: int
) -> None:
    model = model_of(name)
    chain = pyramid(model.base, names)
    cut = chain.taps[0] + 1 if behind else chain.taps[-1]
    prepare_stage([(str(place), block) for place, block in enumerate(chain.blocks[:cut])], [])
    rest = [(str(place), block) for place, block in enumerate(chain.blocks)][cut:]
    prepare_stage(rest, [p for _, block in rest for p in block.collect_params().values()], norm_frozen=True)
    features = features_over(chain)
    values = features.prefix(cut, [], len(KEYS))(noise(BATCH))
    parameters = [p for _, block in rest for p in block.collect_params().values() if p.grad_req != "null"]
    outputs, gradients = one_step(features.training(cut), values, parameters)
    plain = chain.net(cut, len(chain.blocks))
    expected, wanted = one_step(plain, values, parameters)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert np.linalg.norm(gradients - wanted) <= 2e-2 * np.linalg.norm(wanted)
    np.testing.assert_allclose(features.predicting(cut)(*values).asnumpy(), expected, rtol=1e-3, atol=1e-3)


def test_one_tap_is_the_plain_network() -> None:
    """Bits, levels and rows of a head over the last map alone are those of a chain without taps."""
    model = model_of(("packaged", "efficientnet_lite0"))
    chain = pyramid(model.base, ["block6"])
    plain = Chain(chain.blocks)
    for cut, later in ((len(chain.blocks) - 1, [3]), (3, [])):
        one, other = features_over(chain), features_over(plain)
        for mine, its in zip(filled(one, cut, later), filled(other, cut, later), strict=True):
            np.testing.assert_array_equal(mine, its)
        values = one.prefix(cut, [], len(KEYS))(noise(BATCH))
        assert len(values) == 1
        for make in (Features.training, Features.predicting):
            np.testing.assert_array_equal(make(one, cut)(*values).asnumpy(), make(other, cut)(*values).asnumpy())


def one_step(net: Any, values: Sequence[Any], parameters: Sequence[Any]) -> tuple[Array, Array]:
    with autograd.record():
        outputs = net(*values)
        loss = (outputs * nd.array(np.random.default_rng(1).normal(size=outputs.shape))).sum()
    loss.backward()
    nd.waitall()
    return outputs.asnumpy(), np.concatenate([p.grad().asnumpy().ravel() for p in parameters])
