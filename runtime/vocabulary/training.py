"""What a stage can say: optimizers, schedules, losses, clipping, stop rules, and the layers of a head.

The rows of all but losses and layers stand beside what they build, and are only put together here. Nothing here imports
MXNet or NumPy.
"""

from __future__ import annotations

from recipe_lang.check.vocabulary import Arg, Either, Entry, Number, Word, family
from runtime.plan.schedules import SCHEDULES
from runtime.plan.stage_rules import RATE_RULES, RECOVERIES, STOP_RULES
from runtime.training.gradients import CLIPS
from runtime.training.optimizers import OPTIMIZERS

OPTIMIZER = family("optimizer", "an optimizer", *(row.entry for row in OPTIMIZERS.values()))
SCHEDULE = family("schedule", "a schedule", *(row.entry for row in SCHEDULES.values()))

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
        formula="p the softmax of the scores, C the number of classes, e the label smoothing\n"
        "loss = -sum over classes of q log p\nq = 1 - e + e / C for the true class, e / C for the others",
        examples=("loss = cross_entropy(label_smoothing = 0.1)",),
    ),
)

CLIP = family("clip", "a way to clip gradients", *(row.entry for row in CLIPS.values()))
STOP = family("stop", "a stop rule", *(row.entry for row in STOP_RULES.values()))
RECOVERY = family("recovery", "a way to go on after the loss diverged", *(row.entry for row in RECOVERIES.values()))
RATE_RULE = family("rate rule", "a rule for the rates of parts", *(row.entry for row in RATE_RULES.values()))

LAYER = family(
    "layer",
    "a layer",
    Entry(
        "global_avg_pool",
        "Mean over height and width.",
        examples=("head = [global_avg_pool, dense(classes)]",),
    ),
    Entry(
        "global_max_pool",
        "Maximum over height and width.",
        examples=("head = [global_max_pool, dense(classes)]",),
    ),
    Entry(
        "flatten",
        "All axes but the batch as one.",
        examples=("head = [flatten, dense(classes)]",),
    ),
    Entry(
        "dropout",
        "Zeroes a share of the values in training and divides the others by 1 - p.",
        (Arg("p", Number(0, 1, below=True), "Share that is zeroed.", 0.2),),
        source="Srivastava et al. 2014",
        examples=("head = [dropout(0.5), dense(classes)]", "head = [dropout(p = 0.5), dense(classes)]"),
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
        examples=("head = [dense(256), relu, dense(classes)]", "head = [dense(units = classes)]"),
    ),
    Entry("relu", "max(0, x).", examples=("head = [dense(256), relu, dense(classes)]",)),
    Entry(
        "batch_norm",
        "Batch normalization.",
        source="Ioffe and Szegedy, arXiv 1502.03167",
        examples=("head = [dense(256), batch_norm, relu, dense(classes)]",),
    ),
)
