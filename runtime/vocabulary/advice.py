"""Advice that the text of a recipe gives: seldom wise (W710 to W730, W780), or without its weights (W750).

One class for each kind. Its docstring is the reason, `source` where the reason comes from; both are printed by
`ftr explain CODE`. When each is given stands in `advice_rules`.
"""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem

_LENGTHS = "docs/language.md: how lengths are counted"
_VERSIONS = "docs/language.md: versions of images"
_KERAS = "the Keras guide to transfer learning and fine-tuning"


# --- rates -----------------------------------------------------------------------------------


def _below(share: float) -> str:
    """Return the highest of 0.5, 0.1, 0.05, … that is below a share of 1 or less."""
    return next(f"{scale:g}" for power in range(1, 20) for scale in (5 * 10**-power, 10**-power) if scale < share)


LearningRateTooHigh = Kind(
    "W710",
    "learning rate too high",
    reason="""Pretrained weights are near a good place already: a learning rate that is right from scratch destroys
    them.

    Frozen norm layers tolerate less, since they cannot adapt. What is new can still learn fast: `lr_scale` lowers
    the learning rate of the pretrained parts alone.""",
    source=f"{_KERAS}; measured: solar cells, the whole base with adam: accuracy .87 at 3e-5, .83 at 2e-4;"
    " digits, blocks 5 to 7 with frozen norms: .94 at 3e-4, .66 at 1e-3, .10 at 3e-3, and .10 with sgd at 0.01",
    fields="part rate optimizer limit selector norms_frozen",  # selector: of all pretrained parts that train
    message="the pretrained `{part}` trains with a learning rate of {rate:.3g}",
    label="{limit:g} is high for {optimizer}{norms_frozen:if  with frozen norms}",
    help=lambda p: (
        f"lower `lr`, or that of the pretrained parts: `lr_scale = {{ {p.selector} = {_below(p.limit / p.rate)} }}`"
    ),
)

HeadSlower = Kind(
    "W711",
    "head slower",
    reason="""The head starts from scratch and has the furthest to go, the pretrained parts the least.

    Learning rates that fall from the head to the input are the rule for fine-tuning.""",
    source="Howard and Ruder 2018 (ULMFiT), arXiv 1801.06146, section 3.2",
    fields="head part scale",
    message="the new head has a lower learning rate (times {head:g}) than `{part}` (times {scale:g})",
    help="leave the head at 1, and scale the parts of the base down",
)

FreshHeadWithBase = Kind(
    "W712",
    "fresh head with base",
    reason="""A new head is random, and its first gradients distort pretrained features before it has learned anything.

    Train the head alone first; or begin slowly, with a warm-up or with a lower learning rate for the base.""",
    source="Kumar et al. 2022, arXiv 2202.10054",
    fields="parts selector",
    message="the new head trains together with {parts} pretrained parts from the first step on",
    help=(
        "put a stage with `train = head` before it,\n"
        "or start slowly: `schedule = cosine(warmup = …)`, or `lr_scale = {{ {selector} = 0.1 }}`"
    ),
)


def _hardly_trains_message(p: Problem) -> str:
    parts = f"`{p.parts[0]}` hardly trains" if len(p.parts) == 1 else f"`{p.parts[0]}` to `{p.parts[-1]}` hardly train"
    return f"{parts}: the learning rate is scaled by {p.scale:.1g}"


HardlyTrains = Kind(
    "W713",
    "hardly trains",
    reason="""A part whose learning rate is a thousandth of the head's stays about as it is, and still costs its
    backward pass.

    A frozen prefix costs none: with a head alone, a step takes about a third of the time of a full one.""",
    source="measured: resnet18_v2, 128px, two cores: 104 images/s in full, 312 for the head",
    fields="parts scale",
    message=_hardly_trains_message,
    help="leave them out of `train`, or raise their learning rate",
)


# --- the course of a stage -------------------------------------------------------------------


LongWarmup = Kind(
    "W714",
    "long warmup",
    reason="""Warm-up is a short start: 5 of 90 epochs where it was introduced for images.

    A longer one leaves most of the stage below the learning rate that was asked for.""",
    source="Goyal et al. 2017, arXiv 1706.02677, section 2.2",
    fields="warmup length length_span",
    message="the warm-up of {warmup} is more than half of the stage of {length}",
    help="a tenth of the stage is plenty",
    related={"length_span": "the stage's length"},
)

NeverDrops = Kind(
    "W715",
    "never drops",
    reason="""A `step` schedule lowers the learning rate each time `every` has passed since the warm-up.

    When that is not shorter than the stage, the learning rate is constant.""",
    source=_LENGTHS,
    fields="every length length_span",
    message="the learning rate never drops: the stage of {length} is over before {every} have passed",
    help="give a shorter `every`, or write `schedule = constant`",
    related={"length_span": "the stage's length"},
)

NeverStops = Kind(
    "W716",
    "never stops",
    reason="""Early stopping waits for `patience` without a better value.

    When that is not shorter than the stage, the stage is over first and nothing stops.""",
    source=_LENGTHS,
    fields="patience length length_span",
    message="this never stops the stage: the patience of {patience} is not shorter than {length}",
    help="give a shorter `patience`; if only the best weights are wanted, `monitor` is enough",
    related={"length_span": "the stage's length"},
)

SameStage = Kind(
    "W717",
    "same stage",
    reason="""Two consecutive stages that differ only in length add nothing new, and the second one's optimizer starts
    fresh.

    Where a warm restart is meant, as in SGDR, this is right: silence it with a comment.""",
    source="docs/language.md: each stage begins with a fresh optimizer; arXiv 1608.03983 (SGDR)",
    fields="title before before_span",
    message='stage "{title}" repeats stage "{before}"',
    help="make that stage longer, or change something",
    related={"before_span": "the same"},
)

MonitorIgnored = Kind(
    "W718",
    "monitor ignored",
    reason="""`monitor` says which weights are the best; with `keep = last` these are not kept, and nothing asks for
    them.""",
    source="docs/language.md: which weights a stage hands on",
    fields="keep_span",
    message="nothing uses this metric: the last weights are kept, not the best",
    help="remove one of the two",
    related={"keep_span": "the last weights"},
)

UnmonitoredLast = Kind(
    "W780",
    "unmonitored last",
    reason="""A later stage may make the result worse, with a learning rate that is too high or too many epochs on few
    images.

    Where nothing is monitored the weights of its last epoch are the final ones all the same. With `monitor` the
    best are kept, and those that the stage began with are among them.""",
    source="docs/language.md: which weights a stage hands on; Prechelt 1998, Early Stopping - But When?",
    fields="before",
    message='the last weights of this stage are kept, even if those of stage "{before}" were better',
    help="add `monitor = valid.accuracy`, or write `keep = last` if that is meant",
)

DefaultUnused = Kind(
    "W719",
    "default unused",
    reason="A field of `defaults` holds where a stage does not write it; where all stages do, it says nothing.",
    source="docs/language.md: `defaults`",
    fields="name",
    message="this default is not used: all stages write their own `{name}`",
    help="remove it, or remove the field from the stages that mean the same",
)


# --- regularization --------------------------------------------------------------------------


NormsOfSmallBatches = Kind(
    "W720",
    "norms of small batches",
    reason="""BatchNorm estimates mean and variance from the batch; the error of a network grows as its batches shrink.

    A ResNet-50 loses a point of accuracy with 8 images, three with 4, eleven with 2. Frozen norm layers keep the
    statistics of many images.""",
    source="Wu and He 2018 (Group Normalization), arXiv 1803.08494;"
    " measured: digits, blocks 5 to 7, two epochs of batches of 4: accuracy .62 with trained norms, .95 with frozen",
    fields="batch batch_span",
    message="the base's norm layers train on batches of {batch}",
    help="write `norm = frozen` in the stage, or take 16 images or more",
    related={"batch_span": "the batch"},
)

DecayWithAdam = Kind(
    "W721",
    "decay with adam",
    reason="""In `adam`, weight decay is a term of the gradient, and Adam divides it by the gradient's size: it
    decays least the weights whose gradients are largest. `adamw` decays all alike.""",
    source="Loshchilov and Hutter 2019, arXiv 1711.05101",
    message="`adam` weakens weight decay where gradients are large",
    help="write `adamw`; its decay is multiplied by the learning rate, so larger values are usual, such as 0.01",
)

StrongSmoothing = Kind(
    "W722",
    "strong smoothing",
    reason="""Label smoothing takes a fraction from the true class and spreads it over all; 0.1 is usual.

    With much more, there is little left to learn from.""",
    source="Szegedy et al. 2016, arXiv 1512.00567, section 7; Mueller et al. 2019, arXiv 1906.02629",
    fields="share",
    message="this label smoothing spreads {share:.0%} of the target over all classes",
    help="0.1 is usual",
)

StrongDropout = Kind(
    "W723",
    "strong dropout",
    reason="""Dropout works best where 20% to 60% of the values are zeroed; beyond, too little of the network is left to
    fit.

    Some libraries give the fraction that is kept: here, `p` is the fraction that is zeroed.""",
    source="Srivastava et al. 2014, JMLR 15, section 7.3",
    fields="share",
    message="this dropout zeroes {share:.0%} of the values",
    help=lambda p: f"`p` is what is zeroed; to keep {p.share:.0%}, write `dropout({1 - p.share:.3g})`",
)


# --- data, base and claims -------------------------------------------------------------------


def _random_frozen_message(p: Problem) -> str:
    shown = f"`{p.parts[0]}`" if len(p.parts) == 1 else f"`{p.parts[0]}` and {len(p.parts) - 1} more"
    return f"no stage trains {shown}, and the weights are random"


RandomFrozen = Kind(
    "W724",
    "random frozen",
    reason="With `weights = none` the base is random; what no stage trains stays so; the rest must make do with noise.",
    source="Yosinski et al. 2014, arXiv 1411.1792, section 4.3",
    fields="parts",
    message=_random_frozen_message,
    help="start from pretrained weights, or train all parts",
)

FlippedDigits = Kind(
    "W725",
    "flipped digits",
    reason="""Nobody writes mirrored digits: a flip trains on shapes that never occur, some of them like another digit.

    On the digits of scikit-learn both flips together cost 7 points of accuracy in two epochs; the horizontal one
    alone made no difference that could be measured, so it is of no use there either.""",
    source="Shorten and Khoshgoftaar 2019, Journal of Big Data 6:60, on flipping; measured",
    fields="direction train_span",
    message="a {direction} flip shows these digits as nobody writes them",
    help="leave it out; a `random_crop` with some padding moves them instead",
    related={"train_span": "the digits"},
)

SameImages = Kind(
    "W726",
    "same images",
    reason="Images that were trained on, or that chose between models, cannot say how good the model is on new ones.",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="set_name other other_span",
    message="`{set_name}` has the images of `{other}`",
    help="name other images, or hold some out: `{set_name} = holdout(20%)`",
    related={"other_span": "the same source"},
)

ClaimOnChosen = Kind(
    "W727",
    "claim on chosen",
    reason="""The best of many values on one set is too good by chance: a set that chose the weights flatters them.

    The test set chooses nothing; claim what it shows.""",
    source="Cawley and Talbot 2010, JMLR 11, pages 2079 to 2107",
    fields="metric title choice_span",
    message='`{metric}` is claimed on the set that chose the weights of stage "{title}"',
    help="claim `test.…`, with `test = holdout(20%)` where there is no test set",
    related={"choice_span": "chosen here"},
)

TestUnclaimed = Kind(
    "W728",
    "test unclaimed",
    reason="""Where there is a test set, it is the one to make claims on: it took no part in any choice, by hand or
    by rule.""",
    source="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2",
    fields="metric name",
    message="`{metric}` is claimed on the validation set, and nothing on the test set",
    help="claim `test.{name}`",
)


# --- versions of images ----------------------------------------------------------------------


ViewsUnused = Kind(
    "W729",
    "views unused",
    reason="""`views` fixes a few versions of an image where the augmentation could make more.

    Where nothing is random, or flips make no more than so many, frozen features are computed once anyway.""",
    source=_VERSIONS,
    fields="views outcomes augment_span",
    message=lambda p: (
        f"`views = {p.views}` has no effect: "
        + ("nothing is random" if p.outcomes == 1 else f"the augmentation has {p.outcomes} outcomes")
    ),
    help="leave it out",
    related={"augment_span": "the augmentation"},
)

ViewsNeverRepeat = Kind(
    "W730",
    "views never repeat",
    reason="""Each epoch takes the next version of an image.

    With more versions than epochs none is seen a second time: nothing is gained, and the last ones are never made.""",
    source=_VERSIONS,
    fields="views length length_span",
    message="none of the {views} versions of an image is seen twice in {length}",
    help="take fewer, or write `views = none`",
    related={"length_span": "the stage's length"},
)


# --- weights -----------------------------------------------------------------------------------


WeightsNotCached = Kind(
    "W750",
    "weights not cached",
    reason="""The zoos' hosted weights are reported gone: what the zoo's cache does not hold can seldom be downloaded.

    `ftr plan` and `ftr run` ask the host before anything else, and refuse where it has no such file.""",
    source="https://github.com/dmlc/gluon-cv/issues/1778",
    fields="zoo name folder",
    message='the `imagenet` weights of {zoo}("{name}") are not in {folder}, and the hosted ones may be gone',
    help=(
        'if you have the file, write `weights = gluon_params("file.params")`\n'
        'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
    ),
)


# --- augmentations ---------------------------------------------------------------------------


IdleAugmentation = Kind(
    "W796",
    "idle augmentation",
    reason="An augmentation whose strengths are all 0 leaves each image as it is; the plan goes without it.",
    source="docs/language.md: data",
    fields="name example",
    message="`{name}` changes nothing: all its strengths are 0",
    help="leave it out, or write a strength, such as `{example}`",
)
