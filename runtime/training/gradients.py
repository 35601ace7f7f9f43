"""What is done to gradients before the optimizer takes them: the L1 penalty and the clips, rows beside arithmetic.

Gradients are sums over a batch, as `backward` of a per-image loss leaves them, and all is done in place; nothing waits
for a result. The vocabulary reads the rows, so that nothing here imports MXNet or NumPy before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recipe_lang.check.vocabulary import Arg, Entry, Number


def is_weight(param: Any) -> bool:
    """Tell whether a Parameter is a weight: not a bias, nor a scale or shift of a norm.

    Those have one axis, and every kernel and matrix has two or more. A transformer's embeddings count as biases: they
    are added to what the first layer gives.
    """
    return len(param.shape) > 1 and not param.name.endswith(("cls_token", "pos_embed"))


# --- the penalty -----------------------------------------------------------------------------

L1 = Arg(
    "l1",
    Number(0, 10),
    "Strength of the L1 penalty on weights: l1 times the sum of their absolute values is added to the loss.",
    0.0,
    examples=("l1 = 1e-5",),
)


L2_SP = Arg(
    "l2_sp",
    Number(0, 10),
    "Strength of the L2 penalty towards the weights that the stage begins with: what a pretrained base knew is kept.",
    0.0,
    since="0.2",
    examples=("l2_sp = 1e-2",),
)


def add_l2_sp(params: Iterable[tuple[Any, Any]], strength: float, batch: int) -> None:
    """Add the gradient of `strength / 2 * sum((w - w0)^2)` to the summed gradients, in place.

    `params` are Parameters with the weights w0 of the stage's beginning (L2-SP, Li et al., arXiv 1802.01483, its
    alpha): those of the base, since those of a new head were random. Of a head that is extended they are those of the
    known classes: fewer rows than the Parameter has.
    """
    for param, start in params:
        gradient = param.grad()
        if start.shape == gradient.shape:
            gradient += (param.data() - start) * (strength * batch)
        else:
            rows = len(start)
            gradient[:rows] += (param.data()[:rows] - start) * (strength * batch)


def add_l1(params: Iterable[Any], strength: float, batch: int, *, decay_norms: bool = False) -> None:
    """Add the gradient of `strength * sum(|w|)` to the summed gradients of `params`, in place.

    This is what a penalty in the mean loss would add, 0 where a weight is exactly 0, without the cost of
    recording it. Biases and norms are left out unless `decay_norms`.
    """
    for param in params:
        if decay_norms or is_weight(param):
            gradient = param.grad()
            gradient += param.data().sign() * (strength * batch)


# --- sums and detours ------------------------------------------------------------------------


def add_up(params: Sequence[Any], sums: list[Any]) -> list[Any]:
    """Add the gradients of now to sums of them, one for each parameter, in place; return the sums."""
    if not sums:
        return [param.grad().copy() for param in params]
    for param, total in zip(params, sums, strict=True):
        total += param.grad()
    return sums


@contextmanager
def ascended(params: Sequence[Any], distance: float) -> Iterator[None]:
    """Move all of `params` uphill by `distance` along their gradients, for a while.

    SAM: Foret et al., arXiv 2010.01412. The direction is that of the gradients of all together, by their Euclidean
    norm. Nothing is waited for.
    """
    from runtime.backend.mx import nd

    own = [param.data().copy() for param in params]
    squares = nd.add_n(*((param.grad() ** 2).sum() for param in params))
    factor = distance / (squares.sqrt() + 1e-12)
    for param in params:
        param.set_data(param.data() + nd.broadcast_mul(param.grad(), factor.reshape((1,) * param.grad().ndim)))
    try:
        yield
    finally:
        for param, weight in zip(params, own, strict=True):
            param.set_data(weight)


# --- clips -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clip:
    """A way to clip gradients: `apply(params, batch, **args)`, the row's arguments behind the size of the batch."""

    entry: Entry
    apply: Callable[..., object]


def clip_by_global_norm(params: Iterable[Any], batch: int, *, norm: float) -> Any:
    """Scale all gradients by one factor so that the mean gradient's norm is at most `norm`, in place.

    The norm is the Euclidean one over all of `params` together (Pascanu et al., arXiv 1211.5063). Returns
    the norm of the mean gradient before clipping, an NDArray of shape (1,), not waited for.
    """
    from runtime.backend.mx import gluon

    gradients = [param.grad() for param in params]
    return gluon.utils.clip_global_norm(gradients, norm * batch, check_isfinite=False) / batch


GLOBAL_NORM = Clip(
    Entry(
        "global_norm",
        "Scales all gradients together so that their Euclidean norm is at most `norm`.",
        (Arg("norm", Number(0, above=True), "Largest norm of the mean gradient."),),
        source="Pascanu et al., arXiv 1211.5063",
        formula="g the gradients of all that trains\ng = g min(1, norm / |g|)",
        examples=("clip = global_norm(1.0)", "clip = global_norm(norm = 5)"),
    ),
    clip_by_global_norm,
)


def clip_by_value(params: Iterable[Any], batch: int, *, limit: float) -> None:
    """Bring each element of the mean gradient into -limit .. limit, in place.

    Done here and not by the optimizers' own `clip_gradient`, which some apply before and some after the
    weight decay.
    """
    from runtime.backend.mx import nd

    for param in params:
        gradient = param.grad()
        nd.clip(gradient, -limit * batch, limit * batch, out=gradient)


VALUE = Clip(
    Entry(
        "value",
        "Clips each element of the gradient to -limit .. limit.",
        (Arg("limit", Number(0, above=True), "Largest absolute value of an element of the mean gradient."),),
        examples=("clip = value(0.5)", "clip = value(limit = 0.5)"),
    ),
    clip_by_value,
)

CLIPS: dict[str, Clip] = {row.entry.name: row for row in (GLOBAL_NORM, VALUE)}
"""The clips by name, in the order in which they are shown."""
