"""The fields and blocks of a recipe. Rows only."""

from __future__ import annotations

from dataclasses import replace

from recipe_lang.check.vocabulary import (
    Arg,
    BlockType,
    CallOf,
    Default,
    Duration,
    Either,
    FilePath,
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
from runtime.tasks.catalog import TASKS, USUAL
from runtime.training.gradients import L1, L2_SP
from runtime.vocabulary.tasks import by_task

_NONE = NothingType()
_COUNT = Number(1, 1e9, whole=True, unit="images", unit_optional=True)
_SIDE = Number(8, 4096, whole=True, unit="px")
_AUGMENT = Either((_NONE, ListOf(CallOf(("augment", "prepare")), least=0)))
_SAMPLING = (_NONE, CallOf(("sampling",)))
_VIEWS = Either((_NONE, Number(1, 1000, whole=True)))


def _shared(where: str) -> Word:
    return Word({"shared": f"That of the {where}."})


FIELDS = table(
    Arg(
        "name",
        Text(),
        "Name of the recipe; run folders are named after it.",
        None,
        identity=False,
        examples=('name = "flowers-resnet50"',),
    ),
    Arg(
        "about",
        Text(),
        "What it is for, in a sentence.",
        None,
        identity=False,
        examples=('about = "Head first, then the top."',),
    ),
    Arg(
        "task",
        Word({task.name: task.doc for task in TASKS.values()}),
        "What the model learns to do.",
        USUAL.name,
        examples=("task = classification",),
    ),
    Arg("seed", Number(0, 2**53 - 1, whole=True), "The seed of all randomness.", 0, examples=("seed = 7",)),
    Arg(
        "base",
        CallOf(("base",)),
        "The network to start from.",
        Default('packaged("efficientnet_lite0")'),
        examples=('base = gluoncv("resnet50_v1b")',),
    ),
    Arg(
        "head",
        ListOf(CallOf(("layer",))),
        "The new layers on top of the base; the zoo's own pooling comes first unless one is written.",
        Default(USUAL.head),
        by=by_task(lambda task: Default(task.head)),
        examples=("head = [dropout(0.2), dense(classes)]",),
    ),
    Arg(
        "loss",
        CallOf(("loss",)),
        "What training minimizes.",
        Default(USUAL.loss),
        by=by_task(lambda task: Default(task.loss)),
        examples=("loss = cross_entropy(label_smoothing = 0.1)",),
    ),
    Arg(
        "teacher",
        Either((_NONE, CallOf(("teacher",)))),
        "A trained network whose outputs `loss = distillation` learns as well.",
        None,
        since="0.2",
        examples=('teacher = run("runs/big-3")\nloss = distillation', "teacher = none"),
    ),
)

DATA = BlockType(
    "data",
    "The images and how they are prepared.",
    table(
        Arg(
            "train", CallOf(("source",)), "The images to train on.", examples=('train = folder("data/flowers/train")',)
        ),
        Arg(
            "valid",
            CallOf(("source", "split")),
            "The validation images, which choose the weights to keep.",
            Default("holdout(20%)"),
            examples=(
                "valid = holdout(15%)",
                "valid = folds(5, use = 2)",
                'valid = folder("data/flowers/valid")',
            ),
        ),
        Arg(
            "test",
            Either((_NONE, CallOf(("source", "split")))),
            "The test images, for the final report.",
            None,
            examples=("test = holdout(15%)", "test = none"),
        ),
        Arg(
            "classes",
            Either((_NONE, CallOf(("class map",)))),
            "What the classes of the sources become; by default they stay as they are.",
            None,
            since="0.2",
            examples=(
                'classes = class_map({ "cat" = ["tabby", "siamese"], "dog" = ["beagle"] })',
                'classes = class_map(drop = ["blurred"])',
            ),
        ),
        Arg(
            "take",
            Either((_NONE, _COUNT)),
            "Use only this many images of `train`, stratified by class.",
            None,
            examples=("take = 500 images",),
        ),
        Arg(
            "shots",
            Either((_NONE, _COUNT)),
            "Train on at most this many images of each class; what validates and tests stays whole.",
            None,
            since="0.2",
            examples=("shots = 16 images",),
        ),
        Arg(
            "exclude",
            Either((_NONE, FilePath())),
            "A list of images that are not used, one id per line; `ftr data check --fix` writes one.",
            None,
            identity=False,
            examples=('exclude = "flowers.exclude.txt"',),
        ),
        Arg(
            "size",
            Either((_NONE, _SIDE, ListOf(_SIDE, 2, 2))),
            "Side of the square images that the network sees, or `[height, width]`; the base's own by default.",
            None,
            examples=("size = 224px", "size = [288px, 384px]"),
        ),
        Arg(
            "tiles",
            Either((_NONE, CallOf(("tiling",)))),
            "Cuts large images into tiles, which are prepared as images are; by default they stay whole.",
            None,
            since="0.2",
            examples=("tiles = tiles(640px, overlap = 20%)", "tiles = none"),
        ),
        Arg(
            "prepare",
            Either((_NONE, ListOf(CallOf(("prepare",))))),
            "Fixed steps for all images; by default a resize, then the centre of `size`.",
            None,
            by=by_task(lambda task: Default(task.prepare) if task.prepare else None),
            examples=("prepare = [resize(256px), center_crop(224px)]",),
        ),
        Arg(
            "augment",
            _AUGMENT,
            "Random steps for training images.",
            None,
            examples=("augment = [random_resized_crop, flip(horizontal)]", "augment = none"),
        ),
        Arg(
            "views",
            _VIEWS,
            "How many random versions `augment` makes of an image; epochs take them in turn, and their frozen"
            " features are computed once. By default each epoch makes new ones.",
            None,
            examples=("augment = [random_resized_crop]\nviews = 4",),
        ),
        Arg(
            "sampling",
            Either(_SAMPLING),
            "The classes' shares of an epoch; by default it shows each image once.",
            None,
            since="0.2",
            examples=("sampling = balanced", "sampling = weighted(sqrt)"),
        ),
        Arg(
            "threshold",
            Either((_NONE, Number(0, 1), CallOf(("threshold",)))),
            "From which probability on a label is given, 0.5 by default, or the second of two classes answered.",
            None,
            since="0.2",
            examples=("threshold = best", "threshold = 0.3", "threshold = best(valid.f1)"),
        ),
        Arg(
            "calibrate",
            Either((_NONE, CallOf(("calibration",)))),
            "How validation corrects the probabilities of the trained network; it does not by default.",
            None,
            since="0.2",
            examples=("calibrate = temperature", "calibrate = none"),
        ),
        Arg(
            "tta",
            Either((_NONE, ListOf(CallOf(("augment",))))),
            "Test-time augmentation: evaluation and prediction see each image in all views that these flips make, and"
            " take the mean of its probabilities.",
            None,
            since="0.2",
            examples=("tta = [flip]", "tta = none"),
        ),
        Arg("batch", _COUNT, "Batch size: images per step.", 32, examples=("batch = 64",)),
        Arg(
            "features",
            Word(
                {
                    "full": "Unchanged, in 32 bits.",
                    "half": "Rounded to 16 bits, about three digits: half the space.",
                }
            ),
            "How frozen features are stored.",
            "full",
            examples=("features = half", "features = full"),
        ),
        Arg(
            "on_error",
            Word({"stop": "List them and stop.", "skip": "List them and continue without them."}),
            "What to do about images that cannot be read.",
            "stop",
            examples=("on_error = skip", "on_error = stop"),
        ),
    ),
    required=True,
    examples=('data {\n  train = folder("data/flowers")\n  valid = holdout(20%)\n  batch = 32\n}',),
)

STAGE = BlockType(
    "stage",
    "One stage of the training: what trains, for how long, and how.",
    table(
        Arg(
            "train",
            Select(),
            "The parts that train; all others are frozen.",
            examples=("train = head", "train = base.block3 .. head", "train = all except [base.stem, base.block1]"),
        ),
        Arg(
            "for",
            Duration(),
            "How long, such as `3 epochs` or `500 steps`.",
            examples=("for = 3 epochs", "for = 500 steps"),
        ),
        Arg(
            "optimizer",
            CallOf(("optimizer",)),
            "How gradients update the weights.",
            Default("adam"),
            examples=("optimizer = sgd(lr = 0.01, momentum = 0.9)",),
        ),
        Arg(
            "schedule",
            CallOf(("schedule",), then=True),
            "How the learning rate changes over the stage.",
            Default("cosine"),
            examples=("schedule = cosine(warmup = 1 epoch)", "schedule = constant(for = 60%) then cosine"),
        ),
        Arg(
            "lr_scale",
            Either((_NONE, MapOf(Select(), Number(0, 1000, above=True)), CallOf(("rate rule",)))),
            "What the learning rate is multiplied by, part by part; 1 by default.",
            None,
            examples=("train = base.block6 .. head\nlr_scale = { base.block6 = 0.1, base.block7 = 0.3 }",),
        ),
        Arg(
            "norm",
            Word(
                {
                    "train": "Normalize by the batch and update the running statistics.",
                    "frozen": "Keep the running statistics, scales and shifts fixed.",
                }
            ),
            "What the norm layers of trained parts do.",
            "train",
            examples=("norm = frozen", "norm = train"),
        ),
        Arg(
            "clip",
            Either((_NONE, CallOf(("clip",)))),
            "How gradients are clipped.",
            None,
            examples=("clip = global_norm(1.0)",),
        ),
        L1,
        L2_SP,
        Arg(
            "sam",
            Number(0, 10),
            "Sharpness-aware minimization: the gradient is taken where the loss is highest within this distance.",
            0.0,
            since="0.2",
            examples=("sam = 0.05",),
        ),
        Arg(
            "stochastic_depth",
            Number(0, 1, below=True),
            "The probability with which the last residual block of the base drops what it adds to an image in training;"
            " it rises linearly from 0 at the first. Blocks that are frozen drop nothing.",
            0.0,
            since="0.2",
            examples=("train = base.block6 .. head\nstochastic_depth = 10%",),
        ),
        Arg(
            "accumulate",
            Number(1, 1024, whole=True),
            "Batches of a step: their gradients are summed before the weights are updated.",
            1,
            since="0.2",
            examples=("accumulate = 4",),
        ),
        Arg(
            "shards",
            Number(1, 256, whole=True),
            "Equal parts of a batch, whose gradients are computed one by one and summed in order: so any number of"
            " processes, as `ftr run --engine local` starts them, gives the same weights. It must divide `batch`. Each"
            " process then computes with one thread, unless `--threads` says otherwise; norms that train see one part.",
            1,
            since="0.2",
            examples=("shards = 4",),
        ),
        Arg(
            "average",
            Either((_NONE, CallOf(("average",)))),
            "An average of the weights over the steps, which is validated and handed on in place of the last weights.",
            None,
            since="0.2",
            examples=("average = ema(0.999)", "average = swa(start = 75%)"),
        ),
        Arg(
            "loss",
            Either((_shared("recipe"), CallOf(("loss",)))),
            "A loss for this stage only.",
            "shared",
            examples=("loss = cross_entropy", "loss = shared"),
        ),
        Arg(
            "augment",
            Either((_shared("data block"), *_AUGMENT.options)),
            "Augmentation for this stage only.",
            "shared",
            examples=("augment = [flip(horizontal)]", "augment = shared"),
        ),
        Arg(
            "views",
            Either((_shared("data block"), *_VIEWS.options)),
            "How many random versions of an image this stage takes.",
            "shared",
            examples=("augment = [random_resized_crop]\nviews = 2", "views = none"),
        ),
        Arg(
            "sampling",
            Either((_shared("data block"), *_SAMPLING)),
            "The classes' shares of an epoch in this stage only.",
            "shared",
            since="0.2",
            examples=("sampling = balanced", "sampling = none"),
        ),
        Arg(
            "size",
            Either((_shared("data block"), _SIDE, ListOf(_SIDE, 2, 2))),
            "Size of the training images in this stage only; validation and test keep that of the data block.",
            "shared",
            since="0.2",
            examples=("size = 128px", "size = shared"),
        ),
        Arg(
            "on_divergence",
            Either((Word({"stop": "Stop the run."}), CallOf(("recovery",)))),
            "What happens when the loss becomes NaN or infinite.",
            "stop",
            examples=("on_divergence = back_off(factor = 0.5, times = 3)", "on_divergence = stop"),
        ),
        Arg(
            "stop",
            Either((_NONE, CallOf(("stop",)))),
            "Early stopping: when to end the stage early.",
            None,
            examples=("stop = early(valid.accuracy, patience = 3 epochs)",),
        ),
        Arg(
            "monitor",
            Either((_NONE, MetricOf(("valid",)))),
            "The metric that says which weights are best; that of `stop` by default.",
            None,
            examples=("monitor = valid.balanced_accuracy",),
        ),
        Arg(
            "keep",
            Either((_NONE, Word({"best": "The best by the monitor.", "last": "The last."}), CallOf(("soup",)))),
            "Which weights a stage hands on: the best where something is monitored, which may be those that it began"
            " with; else the last.",
            None,
            examples=(
                "keep = last",
                "keep = best\nmonitor = valid.accuracy",
                "monitor = valid.loss\nkeep = greedy_soup(3)",
            ),
        ),
    ),
    titled=True,
    repeated=True,
    required=True,
    examples=('stage "head" {\n  train     = head\n  for       = 3 epochs\n  optimizer = adam(lr = 1e-3)\n}',),
)

FROM = BlockType(
    "from",
    "What changes inside a stage: from the end of so many epochs on, or of a share of the stage, images are made, mixed"
    " and drawn in another way, or the loss is another one. Optimizer and schedule go on.",
    {name: STAGE.fields[name] for name in ("loss", "augment", "views", "sampling", "size")},
    begins=Duration(share=True, in_epochs=True),
    examples=(
        "for = 10 epochs\naugment = [flip, mixup]\n\nfrom 8 epochs {\n  augment = [flip]\n}",
        "for = 10 epochs\nsize = 128px\n\nfrom 50% {\n  size = shared\n}",
    ),
)

DEFAULTS = BlockType(
    "defaults",
    "Fields that all stages share.",
    defaults_for="stage",
    examples=("defaults {\n  optimizer = adamw(lr = 3e-4)\n  norm      = frozen\n}",),
)
EXPECT = BlockType(
    "expect",
    "What the recipe claims to reach; tested at the end of each run.",
    claims=True,
    examples=("expect {\n  valid.accuracy >= 90%\n}",),
)

BLOCKS = {block.name: block for block in (DATA, DEFAULTS, replace(STAGE, inside={FROM.name: FROM}), EXPECT)}
