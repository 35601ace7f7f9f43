"""Networks whose stages hand on several feature maps, as chains of blocks that hand on exactly one.

In goes a network of GluonCV (hrnet, dla); out come its layers, grouped by part. The blocks here hold the
zoo's own layers, so that they share its parameters, and give what its own `hybrid_forward` gives. One map
between parts means that whatever runs a part, freezes it or stores its output needs to know nothing of
branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.backend.mx import gluon, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

Block = Any
Value = Any  # an NDArray or a Symbol of shape (batch, channels, height, width)


def hrnet_parts(net: Block) -> list[list[Block]]:
    """Return the layers of `gluoncv.model_zoo.hrnet.HighResolutionClsNet`, grouped by part.

    The blocks are its four stages (the first has one branch, the others two, three and four) and the join
    of the branches.
    """
    relu = nn.Activation("relu")
    widths = [tuple(config[3]) for config in (net.stage2_cfg, net.stage3_cfg, net.stage4_cfg)]
    return [
        [net.conv1, net.bn1, relu, net.conv2, net.bn2, relu],
        [net.layer1],
        [_HighResolutionStage(net.transition1, net.stage2, ())],
        [_HighResolutionStage(net.transition2, net.stage3, widths[0])],
        [_HighResolutionStage(net.transition3, net.stage4, widths[1])],
        [_HighResolutionJoin(net.incre_blocks, net.downsamp_blocks, widths[2]), net.final_layer, net.avg],
    ]


def _pack(ops: Any, branches: Sequence[Value]) -> Value:
    """Join branches, each half the size of the one before, into one map, by repeating their cells."""
    grown = [
        ops.UpSampling(branch, scale=2**level, sample_type="nearest") if level else branch
        for level, branch in enumerate(branches)
    ]
    return ops.concat(*grown, dim=1)


def _unpack(ops: Any, packed: Value, widths: tuple[int, ...]) -> list[Value]:
    """Undo `_pack` for branches of these many channels, without rounding; no widths mean a single branch."""
    if not widths:
        return [packed]
    branches = []
    begin = 0
    for level, width in enumerate(widths):
        branch = ops.slice_axis(packed, axis=1, begin=begin, end=begin + width)
        step = (None, None, 2**level, 2**level)
        branches.append(ops.slice(branch, begin=(None,) * 4, end=(None,) * 4, step=step) if level else branch)
        begin += width
    return branches


class _HighResolutionStage(gluon.HybridBlock):  # type: ignore[misc]
    """A transition, which adds a branch from the lowest one, and the modules of its stage."""

    def __init__(self, transition: Block, modules: Block, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.transition = transition
        self.modules = modules
        self._widths = widths

    def hybrid_forward(self, ops: Any, x: Value) -> Value:
        """Return the stage's branches, packed, from the packed branches of the stage before."""
        old = _unpack(ops, x, self._widths)
        branches = [step(old[min(index, len(old) - 1)]) for index, step in enumerate(self.transition)]
        for module in self.modules:
            branches = module(*branches)
        return _pack(ops, branches)


class _HighResolutionJoin(gluon.HybridBlock):  # type: ignore[misc]
    """The join of the last stage's branches into the smallest of them."""

    def __init__(self, widen: Block, shrink: Block, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widen = widen
        self.shrink = shrink
        self._widths = widths

    def hybrid_forward(self, ops: Any, x: Value) -> Value:
        """Return one map of the lowest branch's size."""
        branches = _unpack(ops, x, self._widths)
        joined = self.widen[0](branches[0])
        for index, shrink in enumerate(self.shrink):
            joined = self.widen[index + 1](branches[index + 1]) + shrink(joined)
        return joined


def dla_parts(net: Block) -> list[list[Block]]:
    """Return the layers of `gluoncv.model_zoo.dla.DLA`, grouped by part; the blocks are its levels 1 to 5.

    Its classifier reads the pooled maps of all six levels.
    """
    groups: list[list[Block]] = [[net.base_layer, net.level0]]
    for number in range(1, 6):
        level = getattr(net, f"level{number}")
        groups.append([_AggregatedLevel(level, sum(net.channels[: number - 1]))])
    groups[-1].append(net.global_avg_pool)
    return groups


class _AggregatedLevel(gluon.HybridBlock):  # type: ignore[misc]
    """A level of DLA; in front of its map it hands on the averages of the maps before, spread over its
    size."""

    def __init__(self, level: Block, older: int) -> None:
        super().__init__()
        self.level = level
        self._older = older

    def hybrid_forward(self, ops: Any, x: Value) -> Value:
        """Return the averages so far and the level's map; `x` begins with `older` channels of averages."""
        before = ops.slice_axis(x, axis=1, begin=self._older, end=None)
        averages = ops.Pooling(before, global_pool=True, pool_type="avg", kernel=(1, 1))
        if self._older:
            known = ops.slice(x, begin=(None, 0, 0, 0), end=(None, self._older, 1, 1))
            averages = ops.concat(known, averages, dim=1)
        after = self.level(before)
        return ops.concat(ops.broadcast_like(averages, after, lhs_axes=(2, 3), rhs_axes=(2, 3)), after, dim=1)
