"""Poolings that Gluon does not have: maps of features (batch, channels, height, width) to (batch, features)."""

from __future__ import annotations

from typing import Any

from runtime.backend.mx import gluon, mx

_LEAST = 1e-6


class GeneralizedMean(gluon.HybridBlock):  # type: ignore[misc]
    """The generalized mean over height and width, with a trainable exponent: equation 3 of arXiv 1711.02512.

    Values below 1e-6 count as that. They are divided by their maximum before the power, and multiplied by it after
    the root, which changes nothing but what float32 can hold.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        with self.name_scope():
            self.p = self.params.get("p", shape=(1, 1), init=mx.init.Constant(p))

    def hybrid_forward(self, F: Any, x: Any, p: Any) -> Any:  # noqa: N803
        """Return the mean of each channel; Gluon calls this."""
        x = F.clip(x, _LEAST, 3e38)
        peak = F.max(x, axis=(2, 3), keepdims=True)
        logs = F.log(F.broadcast_div(x, peak))
        powers = F.exp(F.broadcast_mul(logs, F.reshape(p, (1, 1, 1, 1))))
        root = F.exp(F.broadcast_div(F.log(F.mean(powers, axis=(2, 3))), p))
        return root * F.max(x, axis=(2, 3))


class AverageAndMaximum(gluon.HybridBlock):  # type: ignore[misc]
    """Mean and maximum over height and width, one behind the other: twice as many features as channels."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the means of all channels, then their maxima; Gluon calls this."""
        return F.concat(F.mean(x, axis=(2, 3)), F.max(x, axis=(2, 3)), dim=1)
