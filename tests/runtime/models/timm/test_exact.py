"""Each network of timm gives what timm's own gives, from the same random weights and statistics of norms."""

from __future__ import annotations

import numpy as np
import pytest
from paths import TESTS
from random_weights import random_images, random_weights

from runtime.backend.mx import nd
from runtime.models.timm.catalog import TIMM
from runtime.models.timm.network import build, split, timm_names
from runtime.plan.size import Size

OUTPUTS = dict(np.load(TESTS / "fixtures" / "timm_outputs.npz"))
CASES = [tuple(key.split("/")) for key in OUTPUTS]


def _family(name: str) -> tuple[str, str]:
    return TIMM[name].family, str(TIMM[name].options.get("architecture")).partition("_")[0]


_FIRST = {_family(name): name for name in reversed(TIMM)}.values()
SMALLEST = [case for case in CASES if case[0] in _FIRST]
"""The first network of each family; `bench/timm_bases.py` compares all."""


def test_all_architectures_are_recorded() -> None:
    first = {(row.family, str(row.options)): name for name, row in reversed(TIMM.items())}
    assert {name for name, _ in CASES} == set(first.values())


@pytest.mark.parametrize(("name", "side"), SMALLEST)
def test_scores_are_those_of_timm(name: str, side: str) -> None:
    assert difference(name, int(side)) < 1e-4


def difference(name: str, side: int) -> float:
    """Return the largest difference of a score, over the largest score; of the parts one by one, and hybridized."""
    size = Size.square(side)
    net = build(name, size)
    net.initialize()
    x = nd.array(random_images(1, *size))
    net(x)
    named = timm_names(net)
    for key, values in random_weights({key: each.shape for key, each in named.items()}).items():
        named[key].set_data(nd.array(values))
    expected = OUTPUTS[f"{name}/{side}"]
    cut = split(net, name)
    value = x
    for _, part in cut.parts:
        value = part(value)
    features = cut.tail(value)
    assert features.shape == (1, cut.features)
    found = [net(x)]
    net.hybridize(static_alloc=True, static_shape=True)
    found.append(net(x))
    return max(float(np.abs(each.asnumpy()[0] - expected).max() / np.abs(expected).max()) for each in found)
