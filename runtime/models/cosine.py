"""A classifier that compares directions: (batch, features) to (batch, units)."""

from __future__ import annotations

from typing import Any

from runtime.backend.mx import gluon, mx

_LEAST = 1e-12


class CosineClassifier(gluon.HybridBlock):  # type: ignore[misc]
    """The cosine of the features with each class's weights, times a trained scale: section 3.2 of arXiv 1804.09458."""

    def __init__(self, units: int, scale: float) -> None:
        super().__init__()
        self._units = units
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(units, 0), allow_deferred_init=True)
            self.scale = self.params.get("scale", shape=(1, 1), init=mx.init.Constant(scale))

    def hybrid_forward(self, F: Any, x: Any, weight: Any, scale: Any) -> Any:  # noqa: N803
        """Return the scaled cosines; Gluon calls this."""
        x = F.Flatten(x)
        products = F.FullyConnected(x, weight, num_hidden=self._units, no_bias=True)
        ours = F.sqrt(F.sum(F.square(x), axis=1, keepdims=True) + _LEAST)
        theirs = F.sqrt(F.sum(F.square(weight), axis=1) + _LEAST)
        cosines = F.broadcast_div(F.broadcast_div(products, ours), F.reshape(theirs, (1, -1)))
        return F.broadcast_mul(cosines, scale)
