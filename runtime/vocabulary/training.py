"""What a stage can say: optimizers, schedules, losses, clipping, stop rules, and the layers of a head.

Rows only; how each is built stands in the module of the same concern (`runtime/training/optimizers.py`, …), under the
same name. Nothing here imports MXNet or NumPy.
"""

from __future__ import annotations

from recipe_lang.check.vocabulary import (
    Arg,
    Default,
    Duration,
    Entry,
    ListOf,
    MetricOf,
    Number,
    Truth,
    family,
)
from runtime.models.heads import LAYERS
from runtime.tasks.catalog import TASKS

_FRACTION = Number(0, 1)
_BETA = Number(0, 1, below=True)
_POSITIVE = Number(0, above=True)


def _lr(default: float) -> Arg:
    return Arg("lr", Number(0, 100, above=True), "Learning rate at the peak of the schedule.", default)


_DECAY = (
    Arg("weight_decay", Number(0, 10), "Strength of the decay of weights towards zero.", 0.0),
    Arg("decay_norms", Truth(), "Decay biases and the scale and shift of norms as well.", False),
)
_MOMENTUM = Arg("momentum", _BETA, "Fraction of the last update that is kept.", 0.9)
_MOMENTS = (
    Arg("beta1", _BETA, "Decay of the mean of gradients.", 0.9),
    Arg("beta2", _BETA, "Decay of the mean of squared gradients.", 0.999),
    Arg("epsilon", _POSITIVE, "Added to the root of the second moment.", 1e-8),
)

# The first line of the formulas: g is continued by those that put the weight decay into the gradient.
_LETTERS = "w a weight, g the gradient of the batch's mean loss"
_BOTH_MOMENTS = "m = beta1 m + (1 - beta1) g\nv = beta2 v + (1 - beta2) g^2"

OPTIMIZER = family(
    "optimizer",
    "an optimizer",
    Entry(
        "sgd",
        "Stochastic gradient descent with momentum; weight_decay is added to the gradient (L2).",
        (_lr(0.01), _MOMENTUM, *_DECAY),
        source="mxnet.optimizer.SGD",
        formula=f"{_LETTERS} + weight_decay w\nm = momentum m - lr g\nw = w + m",
        examples=("optimizer = sgd(lr = 0.01, momentum = 0.9, weight_decay = 1e-4)",),
    ),
    Entry(
        "nag",
        "Nesterov's accelerated gradient: the gradient is taken after the momentum's step.",
        (_lr(0.01), _MOMENTUM, *_DECAY),
        source="mxnet.optimizer.NAG; Sutskever et al. 2013",
        formula=f"{_LETTERS} + weight_decay w\nm = momentum m - lr g\nw = w + momentum m - lr g",
        examples=("optimizer = nag(lr = 0.01, momentum = 0.9)",),
    ),
    Entry(
        "adam",
        "Adam; weight_decay is added to the gradient (L2).",
        (_lr(1e-3), *_MOMENTS, *_DECAY),
        source="Kingma and Ba, arXiv 1412.6980, the form that ends its section 2",
        formula=f"{_LETTERS} + weight_decay w, t the step from 1\n{_BOTH_MOMENTS}\n"
        "w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)",
        examples=(
            "optimizer = adam(lr = 1e-3)",
            "optimizer = adam(lr = 1e-3, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-6)",
        ),
    ),
    Entry(
        "adamw",
        "Adam with decoupled weight decay: the weights shrink beside the Adam step, not through the gradient.",
        (_lr(1e-3), *_MOMENTS, Arg("weight_decay", Number(0, 10), _DECAY[0].doc, 0.01), _DECAY[1]),
        source="Loshchilov and Hutter, arXiv 1711.05101; torch.optim.AdamW",
        formula=f"{_LETTERS}, t the step from 1\n{_BOTH_MOMENTS}\n"
        "w = w - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w)",
        examples=(
            "optimizer = adamw(lr = 3e-4, weight_decay = 0.05)",
            "optimizer = adamw(lr = 3e-4, weight_decay = 0.05, decay_norms = true)",
        ),
    ),
    Entry(
        "rmsprop",
        "The gradient divided by a running root mean square of itself.",
        (
            _lr(1e-3),
            Arg("rho", _BETA, "Decay of the mean of squared gradients.", 0.9),
            Arg("momentum", _BETA, "Fraction of the last update that is kept.", 0.0),
            Arg("epsilon", _POSITIVE, "Added inside the root.", 1e-8),
            Arg("centered", Truth(), "Subtract the square of the gradients' mean.", False),
            *_DECAY,
        ),
        source="mxnet.optimizer.RMSProp; Graves, arXiv 1308.0850",
        formula=f"{_LETTERS} + weight_decay w\nn = rho n + (1 - rho) g^2\n"
        "a = rho a + (1 - rho) g where centered, else 0\n"
        "m = momentum m - lr g / sqrt(n - a^2 + epsilon)\nw = w + m",
        examples=(
            "optimizer = rmsprop(lr = 1e-4, momentum = 0.9)",
            "optimizer = rmsprop(lr = 1e-4, rho = 0.95, epsilon = 1e-6, centered = true)",
        ),
    ),
)

_WARMUP = Arg(
    "warmup",
    Duration(whole=False, zero=True, share=True),
    "Length of the linear warm-up from 0, inside the stage: of W steps, step s has s / W of the peak.",
    Default("0 epochs"),
)
_FINAL = Arg("final", _FRACTION, "Learning rate at the end, as a fraction of the peak.", 0.0)


def _factor(default: float, doc: str) -> Arg:
    return Arg("factor", Number(0, 1, above=True), doc, default)


_PLACE = "f the fraction of the peak, s the step from 0, W the steps of the warm-up"
_DONE = "t = (s - W) / (S - W)"
_DECAYING = f"{_PLACE}, S those of the stage\n{_DONE}"

SCHEDULE = family(
    "schedule",
    "a schedule",
    Entry(
        "constant",
        "The peak learning rate throughout.",
        (_WARMUP,),
        positional=0,
        examples=("schedule = constant", "schedule = constant(warmup = 100 steps)"),
    ),
    Entry(
        "step",
        "Multiplies the learning rate by `factor` each time `every` has passed.",
        (
            Arg("every", Duration(), "Length between two drops.", Default("10 epochs")),
            _factor(0.1, "What each drop multiplies the learning rate by."),
            _WARMUP,
        ),
        source="mxnet.lr_scheduler.FactorScheduler",
        formula=f"{_PLACE}\nf = factor^floor((s - W) / every)",
        examples=("schedule = step(every = 2 epochs, factor = 0.5)",),
    ),
    Entry(
        "multistep",
        "Multiplies the learning rate by `factor` at each of the given milestones of the stage.",
        (
            Arg("at", ListOf(Duration()), "The milestones, in ascending order."),
            _factor(0.1, "What each drop multiplies the learning rate by."),
            _WARMUP,
        ),
        source="mxnet.lr_scheduler.MultiFactorScheduler",
        formula="f the fraction of the peak\nf = factor^(number of the milestones that are reached)",
        examples=("for = 10 epochs\nschedule = multistep(at = [5 epochs, 8 epochs], factor = 0.1)",),
    ),
    Entry(
        "exponential",
        "Multiplies the learning rate by `factor` over each epoch, smoothly.",
        (_factor(0.9, "What each epoch multiplies the learning rate by."), _WARMUP),
        source="torch.optim.lr_scheduler.ExponentialLR, per step",
        formula=f"{_PLACE}\nf = factor^((s - W) / steps of an epoch)",
        examples=("schedule = exponential(factor = 0.8)",),
    ),
    Entry(
        "polynomial",
        "From the peak down to `final`, in a straight line where `power` is 1.",
        (Arg("power", Number(0, 10, above=True), "Exponent of the decay.", 1.0), _FINAL, _WARMUP),
        source="mxnet.lr_scheduler.PolyScheduler",
        formula=f"{_DECAYING}\nf = final + (1 - final) (1 - t)^power",
        examples=("schedule = polynomial(power = 2, final = 1%)",),
    ),
    Entry(
        "cosine",
        "From the peak down to `final` along half a cosine.",
        (_FINAL, _WARMUP),
        source="Loshchilov and Hutter, arXiv 1608.03983, one period",
        positional=0,
        formula=f"{_DECAYING}\nf = final + (1 - final) (1 + cos(pi t)) / 2",
        examples=("schedule = cosine(warmup = 1 epoch, final = 1%)", "schedule = cosine(warmup = 10%)"),
    ),
)

LOSS = family("loss", "a loss", *(loss.entry for task in TASKS.values() for loss in task.losses))
LAYER = family("layer", "a layer", *(layer.entry for layer in LAYERS.values()))

CLIP = family(
    "clip",
    "a way to clip gradients",
    Entry(
        "global_norm",
        "Scales all gradients together so that their Euclidean norm is at most `norm`.",
        (Arg("norm", _POSITIVE, "Largest norm of the mean gradient."),),
        source="Pascanu et al., arXiv 1211.5063",
        formula="g the gradients of all that trains\ng = g min(1, norm / |g|)",
        examples=("clip = global_norm(1.0)", "clip = global_norm(norm = 5)"),
    ),
    Entry(
        "value",
        "Clips each element of the gradient to -limit .. limit.",
        (Arg("limit", _POSITIVE, "Largest absolute value of an element of the mean gradient."),),
        examples=("clip = value(0.5)", "clip = value(limit = 0.5)"),
    ),
)

STOP = family(
    "stop",
    "a stop rule",
    Entry(
        "early",
        "Ends the stage when the metric has not improved for `patience`.",
        (
            Arg("metric", MetricOf(("valid",)), "The metric that must improve.", Default("valid.accuracy")),
            Arg("patience", Duration(in_epochs=True), "How long to wait for a better value.", Default("3 epochs")),
            Arg("min_delta", Number(0), "Least change that counts as better.", 0.0),
        ),
        examples=(
            "stop = early(valid.accuracy, patience = 3 epochs)",
            "stop = early(metric = valid.loss, patience = 200 steps, min_delta = 0.01)",
        ),
    ),
)

RECOVERY = family(
    "recovery",
    "a way to continue after the loss diverges",
    Entry(
        "back_off",
        "Goes back to the beginning of the epoch and continues at a lower learning rate, at most `times` times.",
        (
            Arg("factor", Number(0, 1, above=True, below=True), "What the learning rate is multiplied by.", 0.5),
            Arg("times", Number(1, 100, whole=True), "How often, before the run stops.", 3),
        ),
        formula="after n times back: learning rate = factor^n lr schedule(step)",
        examples=("on_divergence = back_off", "on_divergence = back_off(factor = 0.1, times = 1)"),
    ),
)

RATE_RULE = family(
    "rate rule",
    "a rule for the learning rates of parts",
    Entry(
        "layer_decay",
        "The head has 1; each part before it has `decay` times the scale of the part after it.",
        (Arg("decay", Number(0, 1, above=True), "Scale from one part to the one before it."),),
        source="Clark et al. 2020 (ELECTRA), per block",
        formula="k the parts from here to the head, 0 for the head itself\nscale = decay^k",
        examples=("train = base.block5 .. head\nlr_scale = layer_decay(0.7)", "lr_scale = layer_decay(decay = 0.5)"),
    ),
)
