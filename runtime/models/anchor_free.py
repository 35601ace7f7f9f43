"""A head that finds objects without anchor boxes, over three maps of a base.

In go maps of strides 8, 16 and 32, (batch, channels, h, w); out comes one array, float32 (batch, points, classes + 4):
for each cell of each map, the finest first and row by row, the score of every class before the sigmoid, and a box
(x0, y0, x1, y1) in pixels of the input.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runtime.backend.mx import mx, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STRIDES = (8, 16, 32)
_RARE = math.log(99)  # a network that knows nothing gives each class at each point 1%


class AnchorFree(nn.HybridBlock):  # type: ignore[misc]
    """A small feature pyramid, and a tower for classes and one for boxes that all its maps share.

    What the towers make of the maps is laid side by side before their norms, which so have one set of statistics, in
    training as in prediction.

    Args:
        maps: channels of the maps, the finest first.
        channels: those of the pyramid and the towers.
        outputs: how many classes there are.
    """

    def __init__(self, maps: Sequence[int], channels: int, outputs: int) -> None:
        super().__init__(prefix="head_")
        self._channels = channels
        with self.name_scope():
            self.lateral = _sequence(_across(each, channels) for each in maps)
            self.smooth = _sequence(_sequence([_depthwise(channels), _across(channels, channels)]) for _ in maps)
            self.towers = _sequence(_sequence([_depthwise(channels), _across(channels, channels)]) for _ in range(2))
            self.scores = nn.Conv2D(
                outputs,
                1,
                in_channels=channels,
                weight_initializer=mx.init.Normal(0.01),
                bias_initializer=mx.init.Constant(-_RARE),
            )
            self.sides = nn.Conv2D(
                4,
                1,
                in_channels=channels,
                weight_initializer=mx.init.Normal(0.01),
                bias_initializer=mx.init.Constant(1),
            )
            self.scales = self.params.get("scales", shape=(len(maps),), init=mx.init.Constant(1))

    def hybrid_forward(self, F: Any, *maps: Any, scales: Any) -> Any:  # noqa: N803
        """Return scores and boxes of all points; Gluon calls this."""
        found = [block(each) for block, each in zip(self.lateral, maps, strict=True)]
        for place in range(len(found) - 2, -1, -1):
            found[place] = found[place] + _doubled(F, found[place + 1], self._channels)
        found = [block(each) for block, each in zip(self.smooth, found, strict=True)]
        classes, boxes = (_along(F, tower, found) for tower in self.towers)
        cells = [_cells(F, each) for each in maps]
        factors = [F.broadcast_add(_row(F, each), _factor(F, scales, place)) for place, each in enumerate(cells)]
        sides = F.Activation(F.broadcast_mul(self.sides(boxes), F.concat(*factors, dim=3)), "softrelu")
        points = [_points(F, each, stride) for each, stride in zip(cells, STRIDES, strict=True)]
        # Spread over the batch before they are multiplied: of `broadcast_mul` the gradient sums up for constants, too.
        middles, strides = (F.broadcast_like(F.concat(*each, dim=3), sides) for each in zip(*points, strict=True))
        reach = strides * sides  # in this order: the other is what `scales_channels` looks for
        corners = middles + F.concat(-_half(F, reach, 0), _half(F, reach, 2), dim=1)
        return F.concat(self.scores(classes), corners, dim=1).reshape((0, 0, -1)).transpose((0, 2, 1))


def _depthwise(channels: int) -> Any:
    return nn.Conv2D(channels, 3, padding=1, groups=channels, use_bias=False, in_channels=channels)


def _across(channels_in: int, channels: int) -> Any:
    """Return a convolution across channels, BatchNorm and ReLU."""
    return _sequence(
        [
            nn.Conv2D(channels, 1, use_bias=False, in_channels=channels_in),
            nn.BatchNorm(in_channels=channels, epsilon=1e-3, momentum=0.9),
            nn.Activation("relu"),
        ]
    )


def _sequence(blocks: Iterable[Any]) -> Any:
    found = nn.HybridSequential()
    found.add(*blocks)
    return found


def _row(F: Any, x: Any) -> Any:  # noqa: N803
    """Return the cells of a map in one row: (batch, channels, 1, h w)."""
    return x.reshape((0, 0, 1, -1))


def _along(F: Any, tower: Any, maps: Sequence[Any]) -> Any:  # noqa: N803
    """Return what a tower makes of maps: the depthwise convolution of each, then all cells in one row."""
    depthwise, across = tower
    return across(F.concat(*(_row(F, depthwise(each)) for each in maps), dim=3))


def _factor(F: Any, scales: Any, place: int) -> Any:  # noqa: N803
    return F.slice_axis(scales, axis=0, begin=place, end=place + 1).reshape((1, 1, 1, 1))


def _half(F: Any, sides: Any, begin: int) -> Any:  # noqa: N803
    return F.slice_axis(sides, axis=1, begin=begin, end=begin + 2)


def _doubled(F: Any, x: Any, channels: int) -> Any:  # noqa: N803
    """Return a map of twice the size, each cell four times: MXNet's UpSampling leaves the layout of convolutions."""
    ones = F.broadcast_to(F.arange(1, 2).reshape((1, 1, 1, 1)), (channels, 1, 2, 2))
    options = {"kernel": (2, 2), "stride": (2, 2), "num_filter": channels, "num_group": channels, "no_bias": True}
    return F.Deconvolution(x, ones, **options)


def _cells(F: Any, x: Any) -> Any:  # noqa: N803
    """Return zeros for the cells of a map: (1, 1, h, w)."""
    return F.zeros_like(F.slice_axis(F.slice_axis(x, axis=1, begin=0, end=1), axis=0, begin=0, end=1))


def _points(F: Any, zeros: Any, stride: int) -> tuple[Any, Any]:  # noqa: N803
    """Return the middles of a map's cells in pixels, (1, 4, 1, h w): x, y, x, y; and twice the stride for each."""
    across = (F.contrib.arange_like(zeros, axis=3).reshape((1, 1, 1, -1)) + 0.5) * stride
    down = (F.contrib.arange_like(zeros, axis=2).reshape((1, 1, -1, 1)) + 0.5) * stride
    middle = F.concat(F.broadcast_add(zeros, across), F.broadcast_add(zeros, down), dim=1)
    return _row(F, F.concat(middle, middle, dim=1)), _row(F, zeros + 2 * stride)
