"""What a stage can say: optimizers, schedules, losses, clipping, stop rules, and the layers of a head.

Rows only; how each is built stands in the module of the same concern (`runtime/optimizers.py`, …), under the
same name. Nothing here imports MXNet or NumPy.
"""

from __future__ import annotations

from recipe_lang.vocabulary import (
    Arg,
    Default,
    Duration,
    Either,
    Entry,
    ListOf,
    MetricOf,
    Number,
    Truth,
    Word,
    family,
)

_FRACTION = Number(0, 1)
_BETA = Number(0, 1, below=True)
_POSITIVE = Number(0, above=True)


def _lr(default: float) -> Arg:
    return Arg("lr", Number(0, 100, above=True), "Learning rate at the peak of the schedule.", default)


_DECAY = (
    Arg("weight_decay", Number(0, 10), "Strength of the decay of weights towards zero.", 0.0),
    Arg("decay_norms", Truth(), "Decay biases and the scale and shift of norms as well.", False),
)
_MOMENTUM = Arg("momentum", _BETA, "Share of the last update that is kept.", 0.9)
_MOMENTS = (
    Arg("beta1", _BETA, "Decay of the mean of gradients.", 0.9),
    Arg("beta2", _BETA, "Decay of the mean of squared gradients.", 0.999),
    Arg("epsilon", _POSITIVE, "Added to the root of the second moment.", 1e-8),
)

OPTIMIZER = family(
    "optimizer",
    "an optimizer",
    Entry(
        "sgd",
        "Stochastic gradient descent with momentum: m = momentum m - lr g, w += m.",
        (_lr(0.01), _MOMENTUM, *_DECAY),
        source="mxnet.optimizer.SGD",
    ),
    Entry(
        "nag",
        "Nesterov's accelerated gradient: the gradient is taken after the momentum's step.",
        (_lr(0.01), _MOMENTUM, *_DECAY),
        source="mxnet.optimizer.NAG; Sutskever et al. 2013",
    ),
    Entry(
        "adam",
        "Adam; weight_decay is added to the gradient (L2).",
        (_lr(1e-3), *_MOMENTS, *_DECAY),
        source="Kingma and Ba, arXiv 1412.6980",
    ),
    Entry(
        "adamw",
        "Adam with decoupled weight decay: w -= lr weight_decay w beside the Adam step.",
        (_lr(1e-3), *_MOMENTS, Arg("weight_decay", Number(0, 10), _DECAY[0].doc, 0.01), _DECAY[1]),
        source="Loshchilov and Hutter, arXiv 1711.05101",
    ),
    Entry(
        "rmsprop",
        "The gradient divided by a running root mean square of itself.",
        (
            _lr(1e-3),
            Arg("rho", _BETA, "Decay of the mean of squared gradients.", 0.9),
            Arg("momentum", _BETA, "Share of the last update that is kept.", 0.0),
            Arg("epsilon", _POSITIVE, "Added inside the root.", 1e-8),
            Arg("centered", Truth(), "Subtract the square of the gradients' mean.", False),
            *_DECAY,
        ),
        source="mxnet.optimizer.RMSProp; Graves, arXiv 1308.0850",
    ),
)

_WARMUP = Arg(
    "warmup",
    Duration(whole=False, zero=True),
    "Length of the linear rise from 0, inside the stage.",
    Default("0 epochs"),
)
_FINAL = Arg("final", _FRACTION, "Rate at the end, as a fraction of the peak.", 0.0)


def _factor(default: float, doc: str) -> Arg:
    return Arg("factor", Number(0, 1, above=True), doc, default)


SCHEDULE = family(
    "schedule",
    "a schedule",
    Entry("constant", "The peak rate throughout.", (_WARMUP,), positional=0),
    Entry(
        "step",
        "The rate times `factor` each time `every` has passed.",
        (
            Arg("every", Duration(), "Length between two drops.", Default("10 epochs")),
            _factor(0.1, "What a drop multiplies the rate by."),
            _WARMUP,
        ),
        source="mxnet.lr_scheduler.FactorScheduler",
    ),
    Entry(
        "multistep",
        "The rate times `factor` at each of the given places of the stage.",
        (
            Arg("at", ListOf(Duration()), "Places of the drops, rising."),
            _factor(0.1, "What a drop multiplies the rate by."),
            _WARMUP,
        ),
        source="mxnet.lr_scheduler.MultiFactorScheduler",
    ),
    Entry(
        "exponential",
        "The rate times `factor` over each epoch, smoothly.",
        (_factor(0.9, "What an epoch multiplies the rate by."), _WARMUP),
        source="torch.optim.lr_scheduler.ExponentialLR, per step",
    ),
    Entry(
        "polynomial",
        "final + (1 - final) (1 - t)^power, t from 0 to 1.",
        (Arg("power", Number(0, 10, above=True), "Exponent of the fall.", 1.0), _FINAL, _WARMUP),
        source="mxnet.lr_scheduler.PolyScheduler",
    ),
    Entry(
        "cosine",
        "final + (1 - final) (1 + cos(pi t)) / 2, t from 0 to 1.",
        (_FINAL, _WARMUP),
        source="Loshchilov and Hutter, arXiv 1608.03983",
        positional=0,
    ),
)

LOSS = family(
    "loss",
    "a loss",
    Entry(
        "cross_entropy",
        "Cross entropy of the softmax of the scores.",
        (
            Arg(
                "label_smoothing",
                Number(0, 1, below=True),
                "Share of the target that is spread evenly over all classes.",
                0.0,
            ),
        ),
        source="label smoothing: Szegedy et al., arXiv 1512.00567",
    ),
)

CLIP = family(
    "clip",
    "a way to clip gradients",
    Entry(
        "global_norm",
        "Scales all gradients together so that their Euclidean norm is at most `norm`.",
        (Arg("norm", _POSITIVE, "Largest norm of the mean gradient."),),
        source="Pascanu et al., arXiv 1211.5063",
    ),
    Entry(
        "value",
        "Brings each element of the gradient into -limit .. limit.",
        (Arg("limit", _POSITIVE, "Largest size of an element of the mean gradient."),),
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
            Arg("patience", Duration(), "How long to wait for a better value.", Default("3 epochs")),
            Arg("min_delta", Number(0), "Least change that counts as better.", 0.0),
        ),
    ),
)

RATE_RULE = family(
    "rate rule",
    "a rule for the rates of parts",
    Entry(
        "layer_decay",
        "The head has 1; each part before it has `decay` times the scale of the part behind it.",
        (Arg("decay", Number(0, 1, above=True), "Scale from one part to the one before it."),),
        source="Clark et al. 2020 (ELECTRA), per block",
    ),
)

LAYER = family(
    "layer",
    "a layer",
    Entry("global_avg_pool", "Mean over height and width."),
    Entry("global_max_pool", "Maximum over height and width."),
    Entry("flatten", "All axes but the batch as one."),
    Entry(
        "dropout",
        "Zeroes a share of the values in training.",
        (Arg("p", Number(0, 1, below=True), "Share that is zeroed.", 0.2),),
        source="Srivastava et al. 2014",
    ),
    Entry(
        "dense",
        "A fully connected layer with bias.",
        (
            Arg(
                "units",
                Either((Word({"classes": "The number of classes of the data."}), Number(1, 65536, whole=True))),
                "Number of outputs.",
            ),
        ),
    ),
    Entry("relu", "max(0, x)."),
    Entry("batch_norm", "Batch normalization.", source="Ioffe and Szegedy, arXiv 1502.03167"),
)
