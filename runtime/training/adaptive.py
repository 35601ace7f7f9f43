"""Optimizers that adapt to the size of each weight's gradients or of each layer's weights, as plain rules.

None of them is MXNet's own: `tests/runtime/training/test_optimizers.py` has each rule in NumPy. Of MXNet's optimizers
these are left out because they are wrong, or no use, on this stack: Nadam (its momentum's schedule moves once for each
parameter instead of once a step), RMSProp with momentum alone (it leaves the momentum out), NAG (the decay in its
momentum is that of the old or of the new weight, by chance), SGLD (it draws numbers that a resumed run would not draw
again), DCASGD and Test (for asynchronous servers and for tests), FTML, Ftrl and Signum (nobody fine-tunes with them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry
from runtime.training.optimizer import (
    BETA,
    BOTH_MOMENTS,
    LETTERS,
    POSITIVE,
    Args,
    Optimizer,
    decay_args,
    lr_arg,
    momentum_arg,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.training.update_rule import Update


def _betas(beta1: float, beta2: float) -> tuple[Arg, Arg]:
    return (
        Arg("beta1", BETA, "Decay of the mean of gradients.", beta1),
        Arg("beta2", BETA, "Decay of the second mean.", beta2),
    )


def _epsilon(default: float, doc: str = "Added to the denominator.") -> Arg:
    return Arg("epsilon", POSITIVE, doc, default)


def _built(rule: Callable[..., None], count: int, names: tuple[str, ...]) -> Callable[[Args, Args], Any]:
    def build(args: Args, common: Args) -> Any:
        from runtime.training.update_rule import UpdateRule

        return UpdateRule(rule, count, {name: args[name] for name in names}, **common)

    return build


def _ratio(one: Any, other: Any) -> Any:
    """Return the ratio of the Euclidean norms of two arrays, 1 where either is 0, (1,); nothing waits for it."""
    from runtime.backend.mx import nd

    above, below = one.norm().reshape(1), other.norm().reshape(1)
    both = (above > 0) * (below > 0)
    return nd.where(both, above / (below + (1 - both)), nd.ones_like(above))


def _scaled(array: Any, factor: Any) -> Any:
    from runtime.backend.mx import nd

    return nd.broadcast_mul(array, factor.reshape((1,) * array.ndim))


# --- lion ------------------------------------------------------------------------------------


def _lion(at: Update, w: Any, grad: Any, m: Any, *, beta1: float, beta2: float) -> None:
    g = grad * at.scale
    step = (beta1 * m + (1 - beta1) * g).sign()
    m *= beta2
    m += (1 - beta2) * g
    w *= 1 - at.lr * at.decay
    w -= at.lr * step


LION = Optimizer(
    Entry(
        "lion",
        "The sign of a momentum: every weight moves by the learning rate; decoupled weight decay.",
        (lr_arg(1e-4), *_betas(0.9, 0.99), *decay_args()),
        source="Chen et al., arXiv 2302.06675, algorithm 2",
        formula=f"{LETTERS}\nc = sign(beta1 m + (1 - beta1) g)\nm = beta2 m + (1 - beta2) g\n"
        "w = w - lr (c + weight_decay w)",
        examples=("optimizer = lion(lr = 3e-5, weight_decay = 0.1)", "optimizer = lion(beta1 = 0.95, beta2 = 0.98)"),
    ),
    _built(_lion, 1, ("beta1", "beta2")),
    arrays=lambda args: 1,
    highest_lr=(1e-4, 1e-4),
)


# --- adabelief -------------------------------------------------------------------------------


def _adabelief(at: Update, w: Any, grad: Any, m: Any, s: Any, *, beta1: float, beta2: float, epsilon: float) -> None:
    g = grad * at.scale
    m *= beta1
    m += (1 - beta1) * g
    s *= beta2
    s += (1 - beta2) * (g - m) ** 2 + epsilon
    w *= 1 - at.lr * at.decay
    w -= at.lr / (1 - beta1**at.number) * m / ((s / (1 - beta2**at.number)).sqrt() + epsilon)


ADABELIEF = Optimizer(
    Entry(
        "adabelief",
        "Adam divided by how far gradients are from their mean; decoupled weight decay.",
        (lr_arg(1e-3), *_betas(0.9, 0.999), _epsilon(1e-16), *decay_args(0.01)),
        source="Zhuang et al., arXiv 2010.07468, without rectification",
        formula=f"{LETTERS}, t the step from 1\nm = beta1 m + (1 - beta1) g\n"
        "s = beta2 s + (1 - beta2) (g - m)^2 + epsilon\n"
        "w = w - lr (m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon) + weight_decay w)",
        examples=("optimizer = adabelief(lr = 3e-4)", "optimizer = adabelief(beta2 = 0.99, epsilon = 1e-12)"),
    ),
    _built(_adabelief, 2, ("beta1", "beta2", "epsilon")),
    arrays=lambda args: 2,
    highest_lr=(1e-3, 1e-3),
)


# --- adamax ----------------------------------------------------------------------------------


def _adamax(at: Update, w: Any, grad: Any, m: Any, u: Any, *, beta1: float, beta2: float, epsilon: float) -> None:
    from runtime.backend.mx import nd

    g = grad * at.scale + at.decay * w
    m *= beta1
    m += (1 - beta1) * g
    nd.broadcast_maximum(beta2 * u, g.abs() + epsilon, out=u)
    w -= at.lr / (1 - beta1**at.number) * m / u


ADAMAX = Optimizer(
    Entry(
        "adamax",
        "Adam with the largest recent gradient in place of the second moment.",
        (lr_arg(2e-3), *_betas(0.9, 0.999), _epsilon(1e-8, "Added to the size of the gradient."), *decay_args()),
        source="Kingma and Ba, arXiv 1412.6980, section 7.1; torch.optim.Adamax",
        formula=f"{LETTERS} + weight_decay w, t the step from 1\nm = beta1 m + (1 - beta1) g\n"
        "u = max(beta2 u, |g| + epsilon)\nw = w - lr / (1 - beta1^t) m / u",
        examples=("optimizer = adamax(lr = 1e-3)", "optimizer = adamax(beta1 = 0.8, beta2 = 0.99, epsilon = 1e-6)"),
    ),
    _built(_adamax, 2, ("beta1", "beta2", "epsilon")),
    arrays=lambda args: 2,
    highest_lr=(2e-3, 2e-3),
)


# --- adagrad, adadelta -----------------------------------------------------------------------


def _adagrad(at: Update, w: Any, grad: Any, total: Any, *, epsilon: float) -> None:
    g = grad * at.scale + at.decay * w
    total += g**2
    w -= at.lr * g / (total.sqrt() + epsilon)


ADAGRAD = Optimizer(
    Entry(
        "adagrad",
        "The gradient divided by the root of the sum of all its squares: learning rates that only fall.",
        (lr_arg(0.01), _epsilon(1e-10), *decay_args()),
        source="Duchi et al., JMLR 2011; torch.optim.Adagrad",
        formula=f"{LETTERS} + weight_decay w\nG = G + g^2\nw = w - lr g / (sqrt(G) + epsilon)",
        examples=("optimizer = adagrad(lr = 0.01)", "optimizer = adagrad(epsilon = 1e-8)"),
    ),
    _built(_adagrad, 1, ("epsilon",)),
    arrays=lambda args: 1,
)


def _adadelta(at: Update, w: Any, grad: Any, v: Any, d: Any, *, rho: float, epsilon: float) -> None:
    g = grad * at.scale + at.decay * w
    v *= rho
    v += (1 - rho) * g**2
    step = (d + epsilon).sqrt() / (v + epsilon).sqrt() * g
    d *= rho
    d += (1 - rho) * step**2
    w -= at.lr * step


ADADELTA = Optimizer(
    Entry(
        "adadelta",
        "The gradient scaled by recent updates over recent gradients; its learning rate is a factor, usually 1.",
        (
            lr_arg(1.0),
            Arg("rho", BETA, "Decay of both means of squares.", 0.9),
            _epsilon(1e-6, "Added inside both roots."),
            *decay_args(),
        ),
        source="Zeiler, arXiv 1212.5701; torch.optim.Adadelta",
        formula=f"{LETTERS} + weight_decay w\nv = rho v + (1 - rho) g^2\nc = sqrt(d + epsilon) / sqrt(v + epsilon) g\n"
        "d = rho d + (1 - rho) c^2\nw = w - lr c",
        examples=("optimizer = adadelta", "optimizer = adadelta(lr = 0.5, rho = 0.95, epsilon = 1e-5)"),
    ),
    _built(_adadelta, 2, ("rho", "epsilon")),
    arrays=lambda args: 2,
)


# --- lamb, lars: a rate for each layer -------------------------------------------------------


def _lamb(at: Update, w: Any, grad: Any, m: Any, v: Any, *, beta1: float, beta2: float, epsilon: float) -> None:
    g = grad * at.scale
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g**2
    step = m / (1 - beta1**at.number) / ((v / (1 - beta2**at.number)).sqrt() + epsilon) + at.decay * w
    w -= _scaled(at.lr * step, _ratio(w, step))


LAMB = Optimizer(
    Entry(
        "lamb",
        "Adam whose step has, layer by layer, the size of the layer's weights; for large batches.",
        (lr_arg(1e-3), *_betas(0.9, 0.999), _epsilon(1e-6), *decay_args(0.01)),
        source="You et al., arXiv 1904.00962, algorithm 2",
        formula=f"{LETTERS}, t the step from 1\n{BOTH_MOMENTS}\n"
        "c = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w\nw = w - lr |w| / |c| c",
        examples=("optimizer = lamb(lr = 2e-3)", "optimizer = lamb(beta1 = 0.8, beta2 = 0.99, epsilon = 1e-5)"),
    ),
    _built(_lamb, 2, ("beta1", "beta2", "epsilon")),
    arrays=lambda args: 2,
)


def _lars(at: Update, w: Any, grad: Any, m: Any, *, momentum: float, trust: float) -> None:
    g = grad * at.scale + at.decay * w
    step = at.lr * g
    if w.ndim > 1:  # biases, and scales and shifts of norms, go as in sgd
        step = _scaled(step * trust, _ratio(w, g))
    m *= momentum
    m -= step
    w += m


LARS = Optimizer(
    Entry(
        "lars",
        "Momentum with a learning rate for each layer, by the size of its weights; for large batches.",
        (
            lr_arg(1.0),
            momentum_arg(0.9),
            Arg("trust", POSITIVE, "What a layer's step is of its weights, at a learning rate of 1.", 1e-3),
            *decay_args(),
        ),
        source="You et al., arXiv 1708.03888, the decay inside of the norm as in mxnet.optimizer.LARS",
        formula=f"{LETTERS} + weight_decay w\nm = momentum m - lr trust |w| / |g| g, without trust |w| / |g| for biases"
        " and norms\nw = w + m",
        examples=("optimizer = lars(lr = 2)", "optimizer = lars(lr = 1, momentum = 0.95, trust = 2e-3)"),
    ),
    _built(_lars, 1, ("momentum", "trust")),
    arrays=lambda args: 1,
)

ADAPTIVE = (LION, ADABELIEF, ADAMAX, ADAGRAD, ADADELTA, LAMB, LARS)
