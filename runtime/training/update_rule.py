"""MXNet's optimizer around an update that is a plain function of a parameter, its gradient and its arrays of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runtime.backend.mx import mx, nd


class Update(NamedTuple):
    """An update of one parameter: its rate and decay, what makes the summed gradient the mean, its number from 1."""

    lr: float
    decay: float
    scale: float
    number: int


# MXNet gives type Any to everything, its classes included.
class UpdateRule(mx.optimizer.Optimizer):  # type: ignore[misc]
    """Calls `rule(update, weight, gradient, *arrays, **own)`, which changes weight and arrays in place.

    The arrays, `count` of them, begin as zeros of the weight's shape and dtype.
    """

    def __init__(self, rule: Callable[..., None], count: int, own: Mapping[str, float], **common: Any) -> None:
        super().__init__(**common)
        self._rule = rule
        self._arrays = count
        self._own = own

    def create_state(self, index: int, weight: Any) -> tuple[Any, ...]:
        """Return a parameter's arrays; MXNet calls this."""
        return tuple(nd.zeros_like(weight) for _ in range(self._arrays))

    def update(self, index: int, weight: Any, grad: Any, state: tuple[Any, ...]) -> None:
        """Update `weight` and `state` in place from the summed gradient; MXNet calls this."""
        self._update_count(index)
        numbers = (self._get_lr(index), self._get_wd(index), self.rescale_grad, self._index_update_count[index])
        self._rule(Update(*numbers), weight, grad, *state, **self._own)
