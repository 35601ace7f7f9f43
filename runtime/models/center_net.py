"""A head that finds objects by their centres (Zhou et al., arXiv 1904.07850), over maps of a base.

In go maps (batch, channels, h, w), each half as large as the one before, the finest first; out comes one array, float32
(batch, points, classes + 4): for each cell of the finest map, row by row, the score before the sigmoid that an object
of each class has its centre there, and a box (x0, y0, x1, y1) in pixels of the input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from runtime.backend.mx import mx, nn
from runtime.models.pyramid import FeaturePyramid

_RARE = math.log(9)  # a network that knows nothing gives each class at each cell 10%, as the paper's


class CenterNet(nn.HybridBlock):  # type: ignore[misc]
    """A small feature pyramid, and behind its finest map the centres, the sizes and the places within a cell.

    Args:
        maps: channels of the maps, the finest first.
        channels: those of the pyramid and behind it.
        outputs: how many classes there are.
        stride: pixels of a cell of the finest map.
    """

    def __init__(self, maps: Sequence[int], channels: int, outputs: int, stride: int) -> None:
        super().__init__(prefix="head_")
        self._stride = stride
        with self.name_scope():
            self.pyramid = FeaturePyramid(maps, channels, None)
            self.centers = _branch(channels, outputs, -_RARE)
            self.boxes = _branch(channels, 4, 0.5)  # the middle of a cell, and about four cells

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        """Return scores and boxes of all cells; Gluon calls this."""
        features = self.pyramid(*maps)
        found = self.boxes(features)
        corner = corners(F, features)
        middle = F.broadcast_add(F.slice_axis(found, axis=1, begin=0, end=2), corner) * self._stride
        sides = F.Activation(F.slice_axis(found, axis=1, begin=2, end=4), "softrelu")
        half = sides * (_UNIT * self._stride / 2)
        rows = F.concat(self.centers(features), middle - half, middle + half, dim=1)
        return rows.reshape((0, 0, -1)).transpose((0, 2, 1))


_UNIT = 4  # cells of a side: what the branch of the sizes gives is small numbers


def _branch(channels: int, outputs: int, bias: float) -> Any:
    found = nn.HybridSequential()
    found.add(
        nn.Conv2D(channels, 3, padding=1, in_channels=channels),
        nn.Activation("relu"),
        nn.Conv2D(
            outputs,
            1,
            in_channels=channels,
            weight_initializer=mx.init.Normal(0.01),
            bias_initializer=mx.init.Constant(bias),
        ),
    )
    return found


def corners(F: Any, x: Any) -> Any:  # noqa: N803
    """Return the upper left corners of a map's cells, in cells, (1, 2, h, w): x, y."""
    zeros = F.zeros_like(F.slice_axis(F.slice_axis(x, axis=0, begin=0, end=1), axis=1, begin=0, end=1))
    across = F.contrib.arange_like(zeros, axis=3).reshape((1, 1, 1, -1))
    down = F.contrib.arange_like(zeros, axis=2).reshape((1, 1, -1, 1))
    return F.concat(F.broadcast_add(zeros, across), F.broadcast_add(zeros, down), dim=1)
