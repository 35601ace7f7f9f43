"""How gradients become new weights: optimizers, weight decay, L1, clipping.

In: the parameters that a stage trains, each with its part's fraction of the rate, and an optimizer's name
and arguments. Out: a `gluon.Trainer` whose rate the loop sets before each step. A training step is

    backward -> add_l1 -> one of the clips -> trainer.step(batch)

on gradients that are sums over the batch, as `backward` of a per-image loss leaves them; `trainer.step`
divides by `batch`. Nothing here waits for a result, so the engine keeps running ahead of Python.

All weight decay but that of `adamw` is L2: `weight_decay * w` is added to the mean gradient after the
clip, as in MXNet and PyTorch. Biases and the scale and shift of norms are neither decayed nor pulled by L1
unless `decay_norms` is set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.backend.mx import gluon, mx, nd


def trainer(params: Sequence[tuple[Any, float]], name: str, args: Mapping[str, float | bool]) -> Any:
    """Return a `gluon.Trainer` with a fresh optimizer over `params`: pairs of Parameter and rate scale.

    `args` are `lr` (the peak), `weight_decay`, `decay_norms` and the row's own arguments (`OPTIMIZERS`).
    `trainer.set_learning_rate(lr)` sets the rate before each step; each parameter's rate is that times its
    scale, its decay `weight_decay` or 0.

    The scale and the exemption from decay are written into `lr_mult` and `wd_mult` of every Parameter
    given. Each stage's trainer writes them anew, so that nothing is left over from the stage before.

    Raises KeyError for an unknown name or a missing argument.
    """
    for param, scale in params:
        param.lr_mult = scale
        param.wd_mult = 1.0 if args["decay_norms"] or is_weight(param) else 0.0
    optimizer = OPTIMIZERS[name](args, {"learning_rate": args["lr"], "wd": args["weight_decay"]})
    return gluon.Trainer([param for param, _ in params], optimizer, kvstore=None)


def is_weight(param: Any) -> bool:
    """Tell whether a Parameter is a weight: not a bias, nor a scale or shift of a norm.

    Those have one axis, and every kernel and matrix has two or more.
    """
    return len(param.shape) > 1


def add_l1(params: Iterable[Any], strength: float, batch: int, *, decay_norms: bool = False) -> None:
    """Add the gradient of `strength * sum(|w|)` to the summed gradients of `params`, in place.

    This is what a penalty in the mean loss would add, 0 where a weight is exactly 0, without the cost of
    recording it. Biases and norms are left out unless `decay_norms`.
    """
    for param in params:
        if decay_norms or is_weight(param):
            gradient = param.grad()
            gradient += param.data().sign() * (strength * batch)


def clip_by_value(params: Iterable[Any], limit: float, batch: int) -> None:
    """Bring each element of the mean gradient into -limit .. limit, in place.

    Done here and not by the optimizers' own `clip_gradient`, which some apply before and some after the
    weight decay.
    """
    for param in params:
        gradient = param.grad()
        nd.clip(gradient, -limit * batch, limit * batch, out=gradient)


def clip_by_global_norm(params: Iterable[Any], max_norm: float, batch: int) -> Any:
    """Scale all gradients by one factor so that the mean gradient's norm is at most `max_norm`, in place.

    The norm is the Euclidean one over all of `params` together (Pascanu et al., arXiv 1211.5063). Returns
    the norm of the mean gradient before clipping, an NDArray of shape (1,), not waited for.
    """
    gradients = [param.grad() for param in params]
    return gluon.utils.clip_global_norm(gradients, max_norm * batch, check_isfinite=False) / batch


# MXNet gives type Any to everything, its classes included.
class AdamW(mx.optimizer.Optimizer):  # type: ignore[misc]
    """Adam with decoupled weight decay (arXiv 1711.05101), as in PyTorch.

    With bias-corrected moments m and v: `w -= lr * weight_decay * w`, then `w -= lr * m / (sqrt(v) + epsilon)`. MXNet's
    kernel for both, which no optimizer of its own uses, takes longer than its Adam and a product.
    """

    def __init__(self, *, beta1: float, beta2: float, epsilon: float, **common: Any) -> None:
        super().__init__(**common)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index: int, weight: Any) -> tuple[Any, Any]:
        """Return the moments, two zero arrays of the weight's shape and dtype."""
        return nd.zeros_like(weight), nd.zeros_like(weight)

    def update(self, index: int, weight: Any, grad: Any, state: tuple[Any, Any]) -> None:
        """Update `weight` and `state` in place from the summed gradient."""
        self._update_count(index)
        lr, decay = self._get_lr(index), self._get_wd(index)
        count = self._index_update_count[index]
        unbias1 = 1 - self.beta1**count
        unbias2 = math.sqrt(1 - self.beta2**count)
        if decay:
            weight *= 1 - lr * decay
        nd.adam_update(
            weight,
            grad,
            *state,
            out=weight,
            lr=lr * unbias2 / unbias1,
            beta1=self.beta1,
            beta2=self.beta2,
            # The kernel's v is not corrected: scaled by the same root, epsilon means what the paper says.
            epsilon=self.epsilon * unbias2,
            rescale_grad=self.rescale_grad,
            lazy_update=False,
        )


class NAG(mx.optimizer.Optimizer):  # type: ignore[misc]
    """Nesterov's accelerated gradient, the rate inside the momentum as in MXNet's `sgd`.

    With g the mean gradient plus decay: `m = momentum * m - lr * g`, then `w += momentum * m - lr * g`. At
    a constant rate that is PyTorch's `SGD(nesterov=True)`. MXNet's own class lets the kernel write the new
    weight over the old one before it reads the old one again for m: the decay in m is then that of either,
    and two equal runs differ in their last bits. So the result goes to another array first.
    """

    def __init__(self, *, momentum: float, **common: Any) -> None:
        super().__init__(**common)
        self.momentum = momentum

    def create_state(self, index: int, weight: Any) -> Any:
        """Return the momentum, a zero array of the weight's shape and dtype."""
        return nd.zeros_like(weight)

    def update(self, index: int, weight: Any, grad: Any, state: Any) -> None:
        """Update `weight` and `state` in place from the summed gradient."""
        self._update_count(index)
        moved = nd.nag_mom_update(
            weight,
            grad,
            state,
            lr=self._get_lr(index),
            wd=self._get_wd(index),
            momentum=self.momentum,
            rescale_grad=self.rescale_grad,
        )
        moved.copyto(weight)


class RMSProp(mx.optimizer.Optimizer):  # type: ignore[misc]
    """RMSProp with momentum but not centered, which MXNet's class silently runs without the momentum.

    With g the mean gradient plus decay: `n = rho * n + (1 - rho) * g^2`, then
    `m = momentum * m - lr * g / sqrt(n + epsilon)` and `w += m`, as in TensorFlow and in MXNet's centered
    form (Graves, arXiv 1308.0850, equations 38 to 45) without the mean.
    """

    def __init__(self, *, rho: float, momentum: float, epsilon: float, **common: Any) -> None:
        super().__init__(**common)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon

    def create_state(self, index: int, weight: Any) -> tuple[Any, Any]:
        """Return the mean square and the momentum, two zero arrays of the weight's shape and dtype."""
        return nd.zeros_like(weight), nd.zeros_like(weight)

    def update(self, index: int, weight: Any, grad: Any, state: tuple[Any, Any]) -> None:
        """Update `weight` and `state` in place from the summed gradient."""
        self._update_count(index)
        square, momentum = state
        gradient = grad * self.rescale_grad + weight * self._get_wd(index)
        square *= self.rho
        square += (1 - self.rho) * gradient**2
        momentum *= self.momentum
        momentum -= self._get_lr(index) * gradient / (square + self.epsilon).sqrt()
        weight += momentum


def _sgd(args: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    return mx.optimizer.SGD(momentum=args["momentum"], **common)


def _nag(args: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    return NAG(momentum=args["momentum"], **common)


def _adam(args: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    return mx.optimizer.Adam(
        beta1=args["beta1"], beta2=args["beta2"], epsilon=args["epsilon"], lazy_update=False, **common
    )


def _adamw(args: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    return AdamW(beta1=args["beta1"], beta2=args["beta2"], epsilon=args["epsilon"], **common)


def _rmsprop(args: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    rho, momentum, epsilon = args["rho"], args["momentum"], args["epsilon"]
    if momentum and not args["centered"]:
        return RMSProp(rho=rho, momentum=momentum, epsilon=epsilon, **common)
    return mx.optimizer.RMSProp(gamma1=rho, gamma2=momentum, epsilon=epsilon, centered=args["centered"], **common)


OPTIMIZERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    # momentum. MXNet's: m = momentum * m - lr * g; w += m (PyTorch keeps lr outside of m).
    "sgd": _sgd,
    # momentum.
    "nag": _nag,
    # beta1, beta2, epsilon. Adam (arXiv 1412.6980) in the faster form that its section 2 ends with:
    # epsilon is added to the root of the uncorrected second moment.
    "adam": _adam,
    # beta1, beta2, epsilon, as in PyTorch.
    "adamw": _adamw,
    # rho, momentum, epsilon (inside the root), centered.
    "rmsprop": _rmsprop,
}
"""How to build each optimizer: from its own arguments, and from what all have in common."""
