"""The optimizers: what a recipe may say of each, how it is built, and what else must be known about it.

`OPTIMIZERS` has a row for each, and a row is all that there is of one: the vocabulary, the advice and the estimates of
memory read it too, so that nothing here imports MXNet or NumPy before something is built. `trainer` takes the
parameters that a stage trains, each with its part's fraction of the rate, and an optimizer's name and arguments; out
comes a `gluon.Trainer` whose rate the loop sets before each step. A training step is

    backward -> add_l1 -> one of the clips -> trainer.step(batch)

on gradients that are sums over the batch, as `backward` of a per-image loss leaves them; `trainer.step`
divides by `batch`. Nothing here waits for a result, so the engine keeps running ahead of Python.

All weight decay but that of `adamw`, `lion`, `adabelief` and `lamb` is L2: `weight_decay * w` is added to the mean
gradient after the clip, as in MXNet and PyTorch. Biases and the scale and shift of norms are neither decayed nor pulled
by L1 unless `decay_norms` is set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Truth
from runtime.training.adaptive import ADAPTIVE
from runtime.training.gradients import is_weight
from runtime.training.optimizer import (
    BETA,
    BOTH_MOMENTS,
    LETTERS,
    MOMENTS,
    POSITIVE,
    Args,
    Optimizer,
    decay_args,
    lr_arg,
    momentum_arg,
)

if TYPE_CHECKING:
    from runtime.training.update_rule import Update


def trainer(params: Sequence[tuple[Any, float]], name: str, args: Args) -> Any:
    """Return a `gluon.Trainer` with a fresh optimizer over `params`: pairs of Parameter and rate scale.

    `args` are `lr` (the peak), `weight_decay`, `decay_norms` and the row's own arguments (`OPTIMIZERS`).
    `trainer.set_learning_rate(lr)` sets the rate before each step; each parameter's rate is that times its
    scale, its decay `weight_decay` or 0.

    The scale and the exemption from decay are written into `lr_mult` and `wd_mult` of every Parameter
    given. Each stage's trainer writes them anew, so that nothing is left over from the stage before.

    Raises KeyError for an unknown name or a missing argument.
    """
    from runtime.backend.mx import gluon

    for param, scale in params:
        param.lr_mult = scale
        param.wd_mult = 1.0 if args["decay_norms"] or is_weight(param) else 0.0
    optimizer = OPTIMIZERS[name].build(args, {"learning_rate": args["lr"], "wd": args["weight_decay"]})
    return gluon.Trainer([param for param, _ in params], optimizer, kvstore=None)


# --- sgd -------------------------------------------------------------------------------------


def _sgd(args: Args, common: Args) -> Any:
    from runtime.backend.mx import mx

    # MXNet's: m = momentum * m - lr * g; w += m (PyTorch keeps lr outside of m).
    return mx.optimizer.SGD(momentum=args["momentum"], **common)


SGD = Optimizer(
    Entry(
        "sgd",
        "Stochastic gradient descent with momentum; weight_decay is added to the gradient (L2).",
        (lr_arg(0.01), momentum_arg(0.9), *decay_args()),
        source="mxnet.optimizer.SGD",
        formula=f"{LETTERS} + weight_decay w\nm = momentum m - lr g\nw = w + m",
        examples=("optimizer = sgd(lr = 0.01, momentum = 0.9, weight_decay = 1e-4)",),
    ),
    _sgd,
    arrays=lambda args: 1 if args["momentum"] else 0,
    highest_lr=(0.05, 0.01),
)


# --- nag -------------------------------------------------------------------------------------


def _nag(args: Args, common: Args) -> Any:
    from runtime.training.update_rule import UpdateRule

    return UpdateRule(_nag_update, 1, {"momentum": args["momentum"]}, **common)


def _nag_update(at: Update, w: Any, grad: Any, m: Any, *, momentum: float) -> None:
    """Update with the rate inside the momentum, as in MXNet's `sgd`.

    With g the mean gradient plus decay: `m = momentum * m - lr * g`, then `w += momentum * m - lr * g`. At
    a constant rate that is PyTorch's `SGD(nesterov=True)`. MXNet's own class lets the kernel write the new
    weight over the old one before it reads the old one again for m: the decay in m is then that of either,
    and two equal runs differ in their last bits. So the result goes to another array first.
    """
    from runtime.backend.mx import nd

    moved = nd.nag_mom_update(w, grad, m, lr=at.lr, wd=at.decay, momentum=momentum, rescale_grad=at.scale)
    moved.copyto(w)


NAG = Optimizer(
    Entry(
        "nag",
        "Nesterov's accelerated gradient: the gradient is taken after the momentum's step.",
        (lr_arg(0.01), momentum_arg(0.9), *decay_args()),
        source="mxnet.optimizer.NAG; Sutskever et al. 2013",
        formula=f"{LETTERS} + weight_decay w\nm = momentum m - lr g\nw = w + momentum m - lr g",
        examples=("optimizer = nag(lr = 0.01, momentum = 0.9)",),
    ),
    _nag,
    arrays=lambda args: 1,
    highest_lr=(0.05, 0.01),
)


# --- adam ------------------------------------------------------------------------------------


def _adam(args: Args, common: Args) -> Any:
    from runtime.backend.mx import mx

    # The faster form that the paper's section 2 ends with: epsilon is added to the root of the uncorrected second
    # moment.
    return mx.optimizer.Adam(lazy_update=False, **_moments(args), **common)


def _moments(args: Args) -> Args:
    return {name: args[name] for name in ("beta1", "beta2", "epsilon")}


ADAM = Optimizer(
    Entry(
        "adam",
        "Adam; weight_decay is added to the gradient (L2).",
        (lr_arg(1e-3), *MOMENTS, *decay_args()),
        source="Kingma and Ba, arXiv 1412.6980, the form that ends its section 2",
        formula=f"{LETTERS} + weight_decay w, t the step from 1\n{BOTH_MOMENTS}\n"
        "w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)",
        examples=(
            "optimizer = adam(lr = 1e-3)",
            "optimizer = adam(lr = 1e-3, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-6)",
        ),
    ),
    _adam,
    arrays=lambda args: 2,
    highest_lr=(1e-3, 1e-3),
    decoupled="adamw",
)


# --- adamw -----------------------------------------------------------------------------------


def _adamw(args: Args, common: Args) -> Any:
    from runtime.training.update_rule import UpdateRule

    return UpdateRule(_adamw_update, 2, _moments(args), **common)


def _adamw_update(at: Update, w: Any, grad: Any, m: Any, v: Any, *, beta1: float, beta2: float, epsilon: float) -> None:
    """Update as in PyTorch: `w -= lr * decay * w`, then `w -= lr * m / (sqrt(v) + epsilon)`, both moments unbiased.

    MXNet's kernel for both, which no optimizer of its own uses, takes longer than its Adam and a product.
    """
    from runtime.backend.mx import nd

    unbias1, unbias2 = 1 - beta1**at.number, math.sqrt(1 - beta2**at.number)
    if at.decay:
        w *= 1 - at.lr * at.decay
    nd.adam_update(
        *(w, grad, m, v),
        out=w,
        lr=at.lr * unbias2 / unbias1,
        beta1=beta1,
        beta2=beta2,
        # The kernel's v is not corrected: scaled by the same root, epsilon means what the paper says.
        epsilon=epsilon * unbias2,
        rescale_grad=at.scale,
        lazy_update=False,
    )


ADAMW = Optimizer(
    Entry(
        "adamw",
        "Adam with decoupled weight decay: the weights shrink beside the Adam step, not through the gradient.",
        (lr_arg(1e-3), *MOMENTS, *decay_args(0.01)),
        source="Loshchilov and Hutter, arXiv 1711.05101; torch.optim.AdamW",
        formula=f"{LETTERS}, t the step from 1\n{BOTH_MOMENTS}\n"
        "w = w - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w)",
        examples=(
            "optimizer = adamw(lr = 3e-4, weight_decay = 0.05)",
            "optimizer = adamw(lr = 3e-4, weight_decay = 0.05, decay_norms = true)",
        ),
    ),
    _adamw,
    arrays=lambda args: 2,
    highest_lr=(1e-3, 1e-3),
)


# --- rmsprop ---------------------------------------------------------------------------------


def _rmsprop(args: Args, common: Args) -> Any:
    from runtime.backend.mx import mx
    from runtime.training.update_rule import UpdateRule

    rho, momentum, epsilon = args["rho"], args["momentum"], args["epsilon"]
    if momentum and not args["centered"]:
        return UpdateRule(_rmsprop_update, 2, {"rho": rho, "momentum": momentum, "epsilon": epsilon}, **common)
    return mx.optimizer.RMSProp(gamma1=rho, gamma2=momentum, epsilon=epsilon, centered=args["centered"], **common)


def _rmsprop_update(
    at: Update, w: Any, grad: Any, n: Any, m: Any, *, rho: float, momentum: float, epsilon: float
) -> None:
    """Update with momentum but not centered, which MXNet's class silently runs without the momentum.

    With g the mean gradient plus decay: `n = rho * n + (1 - rho) * g^2`, then
    `m = momentum * m - lr * g / sqrt(n + epsilon)` and `w += m`, as in TensorFlow and in MXNet's centered
    form (Graves, arXiv 1308.0850, equations 38 to 45) without the mean.
    """
    gradient = grad * at.scale + w * at.decay
    n *= rho
    n += (1 - rho) * gradient**2
    m *= momentum
    m -= at.lr * gradient / (n + epsilon).sqrt()
    w += m


def _rmsprop_arrays(args: Args) -> int:
    return 3 if args["centered"] else 2 if args["momentum"] else 1


RMSPROP = Optimizer(
    Entry(
        "rmsprop",
        "The gradient divided by a running root mean square of itself.",
        (
            lr_arg(1e-3),
            Arg("rho", BETA, "Decay of the mean of squared gradients.", 0.9),
            momentum_arg(0.0),
            Arg("epsilon", POSITIVE, "Added inside the root.", 1e-8),
            Arg("centered", Truth(), "Subtract the square of the gradients' mean.", False),
            *decay_args(),
        ),
        source="mxnet.optimizer.RMSProp; Graves, arXiv 1308.0850",
        formula=f"{LETTERS} + weight_decay w\nn = rho n + (1 - rho) g^2\n"
        "a = rho a + (1 - rho) g where centered, else 0\n"
        "m = momentum m - lr g / sqrt(n - a^2 + epsilon)\nw = w + m",
        examples=(
            "optimizer = rmsprop(lr = 1e-4, momentum = 0.9)",
            "optimizer = rmsprop(lr = 1e-4, rho = 0.95, epsilon = 1e-6, centered = true)",
        ),
    ),
    _rmsprop,
    arrays=_rmsprop_arrays,
    highest_lr=(1e-3, 1e-3),
)

OPTIMIZERS: dict[str, Optimizer] = {row.entry.name: row for row in (SGD, NAG, ADAM, ADAMW, RMSPROP, *ADAPTIVE)}
"""The optimizers by name, in the order in which they are shown."""
