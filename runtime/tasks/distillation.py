"""Distillation: a loss of the targets, and of what a teacher says of the same image.

`with_distillation(losses, soft)` adds the row to those of a task: `soft` takes the temperature and returns a function
of (F, outputs, teacher's outputs) that gives how far the two are apart, float32 (N,). Validation has no teacher: there
the loss is that of the targets alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from recipe_lang.check.vocabulary import Arg, CallOf, Entry, Number
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.data.listing import Listing
    from runtime.plan.types import Component, TargetFacts

Args = Mapping[str, Any]
Apart: TypeAlias = "Callable[[Any, Any, Any], Any]"

DISTILLATION = Entry(
    "distillation",
    "A loss of the targets, and how far the outputs are from those of the `teacher` for the same image.",
    (
        Arg("loss", CallOf(("loss",)), "The loss of the targets, which validation measures alone."),
        Arg(
            "temperature",
            Number(0, 100, above=True),
            "What the scores of both are divided by: the higher, the more the improbable classes tell.",
            4.0,
        ),
        Arg("weight", Number(0, 1, above=True), "The teacher's part in the loss; 1 leaves the targets out.", 0.5),
    ),
    source='Hinton et al., arXiv 1503.02531; the divergence is PyTorch\'s KLDivLoss(reduction = "batchmean")',
    formula="s and t the scores of the network and of its teacher, T the temperature, w the weight; of labels, p and q"
    " are those of each label, a mean over the labels\n"
    "p = softmax(t / T), q = softmax(s / T), of labels the sigmoid\n"
    "loss = (1 - w) loss of the targets + w T ** 2 KL(p, q)\nKL(p, q) = sum of p (log p - log q)",
    examples=(
        'teacher = run("runs/big-3")\nloss = distillation',
        'teacher = run("runs/big-3")\nloss = distillation(cross_entropy(label_smoothing = 0.1), temperature = 2)',
        'teacher = pack("big.ftrpack")\nloss = distillation(loss = cross_entropy, temperature = 4, weight = 0.9)',
    ),
)


def soft_classes(temperature: float) -> Apart:
    """Return T ** 2 KL of the softmax of (N, C) scores, for each image."""

    def apart(F: Any, scores: Any, said: Any) -> Any:  # noqa: N803 - as Gluon calls it
        theirs, ours = (F.log_softmax(each / temperature, axis=-1) for each in (said, scores))
        return temperature**2 * F.sum(F.exp(theirs) * (theirs - ours), axis=-1)

    return apart


def soft_labels(temperature: float) -> Apart:
    """Return T ** 2 KL of the sigmoid of each of (N, L) scores, a mean over the labels, for each image."""

    def apart(F: Any, scores: Any, said: Any) -> Any:  # noqa: N803
        theirs, ours = said / temperature, scores / temperature
        # log of the sigmoid of x is -softplus(-x); that of 1 less it -softplus(x), which is -softplus(-x) - x
        nearer = _softplus(F, -ours) - _softplus(F, -theirs)
        each = nearer + (1 - F.sigmoid(theirs)) * (ours - theirs)
        return temperature**2 * F.mean(each, axis=-1)

    return apart


def _softplus(F: Any, scores: Any) -> Any:  # noqa: N803
    return F.Activation(scores, act_type="softrelu")


def with_distillation(losses: Sequence[Loss], soft: Callable[[float], Apart]) -> tuple[Loss, ...]:
    """Return a task's losses, and `distillation` of any of them."""
    rows = {each.entry.name: each for each in losses}

    def of_targets(args: Args) -> tuple[Loss, Args]:
        loss: Component = args["loss"]
        return rows[loss.name], loss.args

    def build(args: Args) -> Apart:
        row, own = of_targets(args)
        loss, part = row.build(own), 1 - args["weight"]
        return lambda F, outputs, targets: part * loss(F, outputs, targets)  # noqa: N803

    def taught(args: Args) -> Apart:
        apart = soft(args["temperature"])
        return lambda F, outputs, said: args["weight"] * apart(F, outputs, said)  # noqa: N803

    def measure(args: Args, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        row, own = of_targets(args)
        return row.measure(own, outputs, targets)

    def known(args: Args, facts: TargetFacts, train: Listing) -> TargetFacts:
        row, own = of_targets(args)
        return row.known(own, facts, train)

    def settled(args: Args, facts: TargetFacts) -> Args:
        row, own = of_targets(args)
        return {**args, "loss": replace(args["loss"], args=row.settled(own, facts))}

    unmeasured = ("temperature", "weight")
    row = Loss(DISTILLATION, build, measure, known=known, settled=settled, taught=taught, unmeasured=unmeasured)
    return (*losses, row)
