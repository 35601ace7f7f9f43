"""Networks for prediction, layer by layer or with their layers joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.fast_graph import predicting_graph
from runtime.backend.mx import mx, nd


def one_by_one(net: Any) -> Any:
    """Return a network that runs layer by layer."""
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def joined(net: Any, shapes: Sequence[tuple[int, ...]], context: Any) -> Any:
    """Return a network whose layers are joined, for prediction of inputs of these shapes (batch, channels, …).

    It copies the weights: those that train must not be in it.

    Raises:
        MXNetError: they cannot be joined.
    """
    net = predicting_graph(net, shapes, context)
    zeros = [nd.zeros(shape, ctx=context) for shape in shapes]
    net.optimize_for(*zeros, backend="MKLDNN", static_alloc=True, static_shape=True)
    return net


_JOINED_BOUND = 1e-3  # of the largest output: rounding alone is a hundred times smaller


def can_be_joined(make: Callable[[], Any], shapes: Sequence[tuple[int, ...]], context: Any) -> bool:
    """Whether a network that `make` makes gives the same with its layers joined, tried on one batch of noise.

    MXNet 1.9.1 mixes up the weights of some networks with many branches (senet, hrnet); as a rule it refuses then.
    """
    rng = np.random.default_rng(0)
    noise = [nd.array(rng.normal(size=shape).astype(np.float32), ctx=context) for shape in shapes]
    expected = _outputs(one_by_one(make()), noise)
    try:
        found = _outputs(joined(make(), shapes, context), noise)
    except mx.MXNetError:
        return False
    return all(
        bool(np.abs(one - other).max() <= _JOINED_BOUND * np.abs(other).max())
        for one, other in zip(found, expected, strict=True)
    )


def _outputs(net: Any, values: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
    found = net(*values)
    return [each.asnumpy() for each in (found if isinstance(found, list) else [found])]
