"""The fields and blocks of a recipe. Rows only."""

from __future__ import annotations

from recipe_lang.vocabulary import (
    Arg,
    BlockType,
    CallOf,
    Default,
    Duration,
    Either,
    ListOf,
    MapOf,
    MetricOf,
    NothingType,
    Number,
    Select,
    Text,
    Word,
    table,
)

_NONE = NothingType()
_COUNT = Number(1, 1e9, whole=True, unit="images", unit_optional=True)
_AUGMENT = Either((_NONE, ListOf(CallOf(("augment", "prepare")), least=0)))


def _shared(where: str) -> Word:
    return Word({"shared": f"That of the {where}."})


FIELDS = table(
    Arg("name", Text(), "Name of the recipe; run folders are called after it.", None, identity=False),
    Arg("about", Text(), "What it is for, in a sentence.", None, identity=False),
    Arg(
        "task",
        Word({"classification": "One class for each image."}),
        "What the model learns to do.",
        "classification",
    ),
    Arg("seed", Number(0, 2**53 - 1, whole=True), "Where all randomness derives from.", 0),
    Arg(
        "base",
        CallOf(("base",)),
        "The network to start from.",
        Default('packaged("efficientnet_lite0")'),
    ),
    Arg(
        "head",
        ListOf(CallOf(("layer",))),
        "The new layers behind the base; the zoo's own pooling comes first unless one is written.",
        Default("[dense(classes)]"),
    ),
    Arg("loss", CallOf(("loss",)), "What training makes small.", Default("cross_entropy")),
)

DATA = BlockType(
    "data",
    "The images and how they are prepared.",
    table(
        Arg("train", CallOf(("source",)), "The images to train on."),
        Arg(
            "valid",
            CallOf(("source", "split")),
            "The images that choose between models.",
            Default("holdout(20%)"),
        ),
        Arg("test", Either((_NONE, CallOf(("source", "split")))), "The images of the final report.", None),
        Arg(
            "take",
            Either((_NONE, _COUNT)),
            "Use only so many images of `train`, of each class alike.",
            None,
        ),
        Arg(
            "size",
            Either((_NONE, Number(8, 4096, whole=True, unit="px"))),
            "Side of the square images that the network sees; the base's own by default.",
            None,
        ),
        Arg(
            "prepare",
            Either((_NONE, ListOf(CallOf(("prepare",))))),
            "Fixed steps for all images; by default the shorter side to `size`, then the centre.",
            None,
        ),
        Arg("augment", _AUGMENT, "Random steps for training images.", None),
        Arg("batch", _COUNT, "Images in a step.", 32),
        Arg(
            "on_error",
            Word({"stop": "Name them and stop.", "skip": "Name them and go on without them."}),
            "What to do about images that cannot be read.",
            "stop",
        ),
    ),
    required=True,
)

STAGE = BlockType(
    "stage",
    "One step of the training: what trains, for how long, and how.",
    table(
        Arg("train", Select(), "The parts that train; all others are frozen."),
        Arg("for", Duration(), "How long, such as `3 epochs` or `500 steps`."),
        Arg("optimizer", CallOf(("optimizer",)), "How gradients become new weights.", Default("adam")),
        Arg("schedule", CallOf(("schedule",)), "How the rate moves.", Default("cosine")),
        Arg(
            "lr_scale",
            Either((_NONE, MapOf(Select(), Number(0, 1000, above=True)), CallOf(("rate rule",)))),
            "What the rate is multiplied by, part by part; 1 where nothing is said.",
            None,
        ),
        Arg(
            "norm",
            Word(
                {
                    "train": "Normalize by the batch and move the statistics.",
                    "frozen": "Keep the statistics, scales and shifts as they are.",
                }
            ),
            "What the norms of trained parts do.",
            "train",
        ),
        Arg("clip", Either((_NONE, CallOf(("clip",)))), "How gradients are kept small.", None),
        Arg("l1", Number(0, 10), "Strength of the L1 penalty on weights.", 0.0),
        Arg("loss", Either((_shared("recipe"), CallOf(("loss",)))), "A loss for this stage only.", "shared"),
        Arg(
            "augment",
            Either((_shared("data block"), *_AUGMENT.options)),
            "Augmentation for this stage only.",
            "shared",
        ),
        Arg("stop", Either((_NONE, CallOf(("stop",)))), "When to end before the time.", None),
        Arg(
            "monitor",
            Either((_NONE, MetricOf(("valid",)))),
            "The metric that says which weights are best; that of `stop` by default.",
            None,
        ),
        Arg(
            "keep",
            Either((_NONE, Word({"best": "The best by the monitor.", "last": "The last."}))),
            "Which weights go to the next stage; the best where something is monitored.",
            None,
        ),
    ),
    titled=True,
    repeated=True,
    required=True,
)

DEFAULTS = BlockType("defaults", "Fields that all stages share.", defaults_for="stage")
EXPECT = BlockType("expect", "What the recipe claims to reach.", claims=True)

BLOCKS = {block.name: block for block in (DATA, DEFAULTS, STAGE, EXPECT)}
