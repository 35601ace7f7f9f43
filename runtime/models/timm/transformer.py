"""Layers that transformers and ConvNeXt share, on tokens: the last axis holds the channels. Names are timm's.

Where a factor or an order can be moved from the tokens to the weights it is: the weights are smaller, and of a network
that only predicts it is done once (`predicting_graph` in `runtime/backend/fast_graph.py`).
"""

from __future__ import annotations

from typing import Any

from runtime.backend.mx import gluon, mx, nn

_EPSILON = 1e-6


def layer_norm(channels: int) -> Any:
    """Return a LayerNorm over the last axis."""
    return nn.LayerNorm(axis=-1, epsilon=_EPSILON, in_channels=channels)


class Linear(gluon.HybridBlock):  # type: ignore[misc]
    """A dense layer over the last axis, whose outputs may be scaled; `convolves` gives its weight the shape of a 1 x 1
    convolution's."""

    def __init__(self, channels_in: int, channels: int, convolves: bool = False) -> None:
        super().__init__()
        self._channels_in, self._channels = channels_in, channels
        with self.name_scope():
            shape = (channels, channels_in, 1, 1) if convolves else (channels, channels_in)
            self.weight = self.params.get("weight", shape=shape)
            self.bias = self.params.get("bias", shape=(channels,), init="zeros")

    def hybrid_forward(self, F: Any, x: Any, scale: Any = None, *, weight: Any, bias: Any) -> Any:  # noqa: N803
        """Return (…, channels), times `scale` (channels); Gluon calls this."""
        weight = F.reshape(weight, shape=(0, -1))
        if scale is not None:  # as a product of two vectors: the gradient of a broadcast is slow
            scales = F.dot(F.reshape(scale, shape=(-1, 1)), F.ones(shape=(1, self._channels_in)))
            weight, bias = weight * scales, bias * scale
        return F.FullyConnected(x, weight, bias, num_hidden=self._channels, flatten=False)


class ShiftedLinear(Linear):
    """A dense layer over the last axis of what is shifted first: the shift's part is the same for all tokens."""

    def hybrid_forward(self, F: Any, x: Any, shift: Any, **own: Any) -> Any:  # type: ignore[override]  # noqa: N803
        """Return (…, channels) of `x` (…, channels_in) plus `shift` (channels_in); Gluon calls this."""
        own["bias"] = own["bias"] + F.dot(F.reshape(own["weight"], shape=(0, -1)), shift)
        return super().hybrid_forward(F, x, **own)


class Mlp(gluon.HybridBlock):  # type: ignore[misc]
    """`fc1`, GELU, a norm of the response if there is to be one, and `fc2`, whose outputs may be scaled."""

    def __init__(self, channels: int, wide: int, convolves: bool = False, responds: bool = False) -> None:
        super().__init__()
        with self.name_scope():
            self.fc1 = Linear(channels, wide, convolves)
            self.grn = ResponseNorm(wide) if responds else None
            self.fc2 = (ShiftedLinear if responds else Linear)(wide, channels, convolves)

    def hybrid_forward(self, F: Any, x: Any, *scale: Any) -> Any:  # noqa: N803
        """Return what is of the input's shape; Gluon calls this."""
        x = F.LeakyReLU(self.fc1(x), act_type="gelu")
        return self.fc2(x, *scale) if self.grn is None else self.fc2(*self.grn(x))


class ResponseNorm(gluon.HybridBlock):  # type: ignore[misc]
    """Global response normalization (Woo et al., arXiv 2301.00808) of maps (batch, height, width, channels).

    Sums over the cells, and what is the same for all of them, are products of matrices: MXNet's own sum over other axes
    than the last took half the time of the whole network.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        with self.name_scope():
            self.gamma = self.params.get("gamma", shape=(channels,), init="zeros")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:  # noqa: N803
        """Return the scaled map, and the shift that is to be added to each cell; Gluon calls this."""
        cells = F.reshape(x, shape=(0, -3, 0))
        ones = F.ones_like(F.slice_axis(cells, axis=-1, begin=0, end=1))
        size = F.sqrt(F.batch_dot(ones, F.square(cells), transpose_a=True))
        size = F.broadcast_div(size, F.mean(size, axis=-1, keepdims=True) + _EPSILON)
        scale = F.broadcast_mul(size, F.reshape(gamma, shape=(1, 1, -1))) + 1
        return F.reshape_like(cells * F.batch_dot(ones, scale), x), beta


class Scale(gluon.HybridBlock):  # type: ignore[misc]
    """A factor for each channel, timm's `gamma` of a layer: gives the factors, for the layer before it to take."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(channels,), init=mx.init.Constant(start))

    def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:  # noqa: ARG002, N803
        """Return the factors; Gluon calls this."""
        return scale


class Attention(gluon.HybridBlock):  # type: ignore[misc]
    """Self-attention with several heads: `qkv`, then `proj`, whose outputs may be scaled.

    The operators want tokens before images, and query, key and value of a head side by side; timm's `qkv` gives all
    queries first.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        with self.name_scope():
            self.qkv = _Interleaved(channels, heads)
            self.proj = Linear(channels, channels)

    def hybrid_forward(self, F: Any, x: Any, *scale: Any) -> Any:  # noqa: N803
        """Return (batch, tokens, channels); Gluon calls this."""
        qkv = self.qkv(F.transpose(x, axes=(1, 0, 2)))
        weights = F.softmax(F.contrib.interleaved_matmul_selfatt_qk(qkv, heads=self._heads), axis=-1)
        x = F.contrib.interleaved_matmul_selfatt_valatt(qkv, weights, heads=self._heads)
        return F.transpose(self.proj(x, *scale), axes=(1, 0, 2))


class _Interleaved(gluon.HybridBlock):  # type: ignore[misc]
    """A dense layer to queries, keys and values, with weights in timm's order and outputs by head."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self._channels, self._heads = channels, heads
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(3 * channels, channels))
            self.bias = self.params.get("bias", shape=(3 * channels,), init="zeros")

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:  # noqa: N803
        """Return (…, heads x 3 x channels of a head); Gluon calls this."""
        weight, bias = (
            F.reshape(F.transpose(F.reshape(each, shape=(3, self._heads, -1)), axes=(1, 0, 2)), shape=shape)
            for each, shape in ((weight, (-1, self._channels)), (bias, (-1,)))
        )
        return F.FullyConnected(x, weight, bias, num_hidden=3 * self._channels, flatten=False)
