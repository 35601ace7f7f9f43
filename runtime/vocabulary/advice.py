"""Advice that the text of a recipe gives: seldom wise (W710 to W730, W780), or without its weights (W750).

One class for each kind. Its docstring is the reason, `source` where the reason comes from; both are printed by
`ftr explain CODE`. When each is given stands in `advice_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.source import Span

Places = tuple[tuple[Span, str], ...]

_LENGTHS = "docs/language.md: how lengths are counted"
_VERSIONS = "docs/language.md: versions of images"
_KERAS = "the Keras guide to transfer learning and fine-tuning"


def _also(span: Span | None, label: str) -> Places:
    return ((span, label),) if span else ()


# --- rates -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTooHigh(Problem):
    """Pretrained weights are near a good place already: a learning rate that is right from scratch destroys them.

    Frozen norm layers tolerate less, since they cannot adapt. What is new can still learn fast: `lr_scale` lowers
    the learning rate of the pretrained parts alone.
    """

    code: ClassVar[str] = "W710"
    source: ClassVar[str] = (
        f"{_KERAS}; measured: solar cells, the whole base with adam: accuracy .87 at 3e-5, .83 at 2e-4;"
        " digits, blocks 5 to 7 with frozen norms: .94 at 3e-4, .66 at 1e-3, .10 at 3e-3, and .10 with sgd at 0.01"
    )
    part: str
    rate: float
    optimizer: str
    limit: float
    selector: str  # of all pretrained parts that train
    norms_frozen: bool

    def message(self) -> str:
        return f"the pretrained `{self.part}` trains with a learning rate of {self.rate:.3g}"

    def label(self) -> str:
        return f"{self.limit:g} is high for {self.optimizer}{' with frozen norms' if self.norms_frozen else ''}"

    def help(self) -> str:
        scale = _below(self.limit / self.rate)
        return f"lower `lr`, or that of the pretrained parts: `lr_scale = {{ {self.selector} = {scale} }}`"


def _below(share: float) -> str:
    """Return the highest of 0.5, 0.1, 0.05, … that is below a share of 1 or less."""
    return next(f"{scale:g}" for power in range(1, 20) for scale in (5 * 10**-power, 10**-power) if scale < share)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSlower(Problem):
    """The head starts from scratch and has the furthest to go, the pretrained parts the least.

    Learning rates that fall from the head to the input are the rule for fine-tuning.
    """

    code: ClassVar[str] = "W711"
    source: ClassVar[str] = "Howard and Ruder 2018 (ULMFiT), arXiv 1801.06146, section 3.2"
    head: float
    part: str
    scale: float

    def message(self) -> str:
        return f"the new head has a lower learning rate (times {self.head:g}) than `{self.part}` (times {self.scale:g})"

    def help(self) -> str:
        return "leave the head at 1, and scale the parts of the base down"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshHeadWithBase(Problem):
    """A new head is random, and its first gradients distort pretrained features before it has learned anything.

    Train the head alone first; or begin slowly, with a warm-up or with a lower learning rate for the base.
    """

    code: ClassVar[str] = "W712"
    source: ClassVar[str] = "Kumar et al. 2022, arXiv 2202.10054"
    parts: int
    selector: str

    def message(self) -> str:
        return f"the new head trains together with {self.parts} pretrained parts from the first step on"

    def help(self) -> str:
        return (
            "put a stage with `train = head` before it,\n"
            f"or start slowly: `schedule = cosine(warmup = …)`, or `lr_scale = {{ {self.selector} = 0.1 }}`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HardlyTrains(Problem):
    """A part whose learning rate is a thousandth of the head's stays about as it is, and still costs its backward pass.

    A frozen prefix costs none: with a head alone, a step takes about a third of the time of a full one.
    """

    code: ClassVar[str] = "W713"
    source: ClassVar[str] = "measured: resnet18_v2, 128px, two cores: 104 images/s in full, 312 for the head"
    parts: tuple[str, ...]
    scale: float

    def message(self) -> str:
        parts = f"`{self.parts[0]}`" if len(self.parts) == 1 else f"`{self.parts[0]}` to `{self.parts[-1]}`"
        verb = "trains" if len(self.parts) == 1 else "train"
        return f"{parts} hardly {verb}: the learning rate is scaled by {self.scale:.1g}"

    def help(self) -> str:
        return "leave them out of `train`, or raise their learning rate"


# --- the course of a stage -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LongWarmup(Problem):
    """Warm-up is a short start: 5 of 90 epochs where it was introduced for images.

    A longer one leaves most of the stage below the learning rate that was asked for.
    """

    code: ClassVar[str] = "W714"
    source: ClassVar[str] = "Goyal et al. 2017, arXiv 1706.02677, section 2.2"
    warmup: str
    length: str
    length_span: Span | None

    def message(self) -> str:
        return f"the warm-up of {self.warmup} is more than half of the stage of {self.length}"

    def related(self) -> Places:
        return _also(self.length_span, "the stage's length")

    def help(self) -> str:
        return "a tenth of the stage is plenty"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverDrops(Problem):
    """A `step` schedule lowers the learning rate each time `every` has passed since the warm-up.

    When that is not shorter than the stage, the learning rate is constant.
    """

    code: ClassVar[str] = "W715"
    source: ClassVar[str] = _LENGTHS
    every: str
    length: str
    length_span: Span | None

    def message(self) -> str:
        return f"the learning rate never drops: the stage of {self.length} is over before {self.every} have passed"

    def related(self) -> Places:
        return _also(self.length_span, "the stage's length")

    def help(self) -> str:
        return "give a shorter `every`, or write `schedule = constant`"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverStops(Problem):
    """Early stopping waits for `patience` without a better value.

    When that is not shorter than the stage, the stage is over first and nothing stops.
    """

    code: ClassVar[str] = "W716"
    source: ClassVar[str] = _LENGTHS
    patience: str
    length: str
    length_span: Span | None

    def message(self) -> str:
        return f"this never stops the stage: the patience of {self.patience} is not shorter than {self.length}"

    def related(self) -> Places:
        return _also(self.length_span, "the stage's length")

    def help(self) -> str:
        return "give a shorter `patience`; if only the best weights are wanted, `monitor` is enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class SameStage(Problem):
    """Two consecutive stages that differ only in length add nothing new, and the second one's optimizer starts fresh.

    Where a warm restart is meant, as in SGDR, this is right: silence it with a comment.
    """

    code: ClassVar[str] = "W717"
    source: ClassVar[str] = "docs/language.md: each stage begins with a fresh optimizer; arXiv 1608.03983 (SGDR)"
    title: str
    before: str
    before_span: Span | None

    def message(self) -> str:
        return f'stage "{self.title}" repeats stage "{self.before}"'

    def related(self) -> Places:
        return _also(self.before_span, "the same")

    def help(self) -> str:
        return "make that stage longer, or change something"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorIgnored(Problem):
    """`monitor` says which weights are the best; with `keep = last` these are not kept, and nothing asks for them."""

    code: ClassVar[str] = "W718"
    source: ClassVar[str] = "docs/language.md: which weights a stage hands on"
    keep_span: Span | None

    def message(self) -> str:
        return "nothing uses this metric: the last weights are kept, not the best"

    def related(self) -> Places:
        return _also(self.keep_span, "the last weights")

    def help(self) -> str:
        return "remove one of the two"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmonitoredLast(Problem):
    """A later stage may make the result worse, with a learning rate that is too high or too many epochs on few images.

    Where nothing is monitored the weights of its last epoch are the final ones all the same. With `monitor` the best
    are kept, and those that the stage began with are among them.
    """

    code: ClassVar[str] = "W780"
    source: ClassVar[str] = (
        "docs/language.md: which weights a stage hands on; Prechelt 1998, Early Stopping - But When?"
    )
    before: str

    def message(self) -> str:
        return f'the last weights of this stage are kept, even if those of stage "{self.before}" were better'

    def help(self) -> str:
        return "add `monitor = valid.accuracy`, or write `keep = last` if that is meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultUnused(Problem):
    """A field of `defaults` holds where a stage does not write it; where all stages do, it says nothing."""

    code: ClassVar[str] = "W719"
    source: ClassVar[str] = "docs/language.md: `defaults`"
    name: str

    def message(self) -> str:
        return f"this default is not used: all stages write their own `{self.name}`"

    def help(self) -> str:
        return "remove it, or remove the field from the stages that mean the same"


# --- regularization --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NormsOfSmallBatches(Problem):
    """BatchNorm estimates mean and variance from the batch; the error of a network grows as its batches shrink.

    A ResNet-50 loses a point of accuracy with 8 images, three with 4, eleven with 2. Frozen norm layers keep the
    statistics of many images.
    """

    code: ClassVar[str] = "W720"
    source: ClassVar[str] = (
        "Wu and He 2018 (Group Normalization), arXiv 1803.08494;"
        " measured: digits, blocks 5 to 7, two epochs of batches of 4: accuracy .62 with trained norms, .95 with frozen"
    )
    batch: int
    batch_span: Span | None

    def message(self) -> str:
        return f"the base's norm layers train on batches of {self.batch}"

    def related(self) -> Places:
        return _also(self.batch_span, "the batch")

    def help(self) -> str:
        return "write `norm = frozen` in the stage, or take 16 images or more"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecayWithAdam(Problem):
    """In `adam`, weight decay is a term of the gradient, and Adam divides it by the gradient's size: it decays least
    the weights whose gradients are largest. `adamw` decays all alike.
    """

    code: ClassVar[str] = "W721"
    source: ClassVar[str] = "Loshchilov and Hutter 2019, arXiv 1711.05101"

    def message(self) -> str:
        return "`adam` weakens weight decay where gradients are large"

    def help(self) -> str:
        return "write `adamw`; its decay is multiplied by the learning rate, so larger values are usual, such as 0.01"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongSmoothing(Problem):
    """Label smoothing takes a fraction from the true class and spreads it over all; 0.1 is usual.

    With much more, there is little left to learn from.
    """

    code: ClassVar[str] = "W722"
    source: ClassVar[str] = "Szegedy et al. 2016, arXiv 1512.00567, section 7; Mueller et al. 2019, arXiv 1906.02629"
    share: float

    def message(self) -> str:
        return f"this label smoothing spreads {self.share:.0%} of the target over all classes"

    def help(self) -> str:
        return "0.1 is usual"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongDropout(Problem):
    """Dropout works best where 20% to 60% of the values are zeroed; beyond, too little of the network is left to fit.

    Some libraries give the fraction that is kept: here, `p` is the fraction that is zeroed.
    """

    code: ClassVar[str] = "W723"
    source: ClassVar[str] = "Srivastava et al. 2014, JMLR 15, section 7.3"
    share: float

    def message(self) -> str:
        return f"this dropout zeroes {self.share:.0%} of the values"

    def help(self) -> str:
        return f"`p` is what is zeroed; to keep {self.share:.0%}, write `dropout({1 - self.share:.3g})`"


# --- data, base and claims -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFrozen(Problem):
    """With `weights = none` the base is random; what no stage trains stays so; the rest must make do with noise."""

    code: ClassVar[str] = "W724"
    source: ClassVar[str] = "Yosinski et al. 2014, arXiv 1411.1792, section 4.3"
    parts: tuple[str, ...]

    def message(self) -> str:
        shown = f"`{self.parts[0]}`" if len(self.parts) == 1 else f"`{self.parts[0]}` and {len(self.parts) - 1} more"
        return f"no stage trains {shown}, and the weights are random"

    def help(self) -> str:
        return "start from pretrained weights, or train all parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedDigits(Problem):
    """Nobody writes mirrored digits: a flip trains on shapes that never occur, some of them like another digit.

    On the digits of scikit-learn both flips together cost 7 points of accuracy in two epochs; the horizontal one alone
    made no difference that could be measured, so it is of no use there either.
    """

    code: ClassVar[str] = "W725"
    source: ClassVar[str] = "Shorten and Khoshgoftaar 2019, Journal of Big Data 6:60, on flipping; measured"
    direction: str
    train_span: Span | None

    def message(self) -> str:
        return f"a {self.direction} flip shows these digits as nobody writes them"

    def related(self) -> Places:
        return _also(self.train_span, "the digits")

    def help(self) -> str:
        return "leave it out; a `random_crop` with some padding moves them instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class SameImages(Problem):
    """Images that were trained on, or that chose between models, cannot say how good the model is on new ones."""

    code: ClassVar[str] = "W726"
    source: ClassVar[str] = "Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2"
    set_name: str
    other: str
    other_span: Span | None

    def message(self) -> str:
        return f"`{self.set_name}` has the images of `{self.other}`"

    def related(self) -> Places:
        return _also(self.other_span, "the same source")

    def help(self) -> str:
        return f"name other images, or hold some out: `{self.set_name} = holdout(20%)`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOnChosen(Problem):
    """The best of many values on one set is too good by chance: a set that chose the weights flatters them.

    The test set chooses nothing; claim what it shows.
    """

    code: ClassVar[str] = "W727"
    source: ClassVar[str] = "Cawley and Talbot 2010, JMLR 11, pages 2079 to 2107"
    metric: str
    title: str
    choice_span: Span | None

    def message(self) -> str:
        return f'`{self.metric}` is claimed on the set that chose the weights of stage "{self.title}"'

    def related(self) -> Places:
        return _also(self.choice_span, "chosen here")

    def help(self) -> str:
        return "claim `test.…`, with `test = holdout(20%)` where there is no test set"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestUnclaimed(Problem):
    """Where there is a test set, it is the one to make claims on: it took no part in any choice, by hand or by rule."""

    code: ClassVar[str] = "W728"
    source: ClassVar[str] = "Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.2"
    metric: str
    name: str

    def message(self) -> str:
        return f"`{self.metric}` is claimed on the validation set, and nothing on the test set"

    def help(self) -> str:
        return f"claim `test.{self.name}`"


# --- versions of images ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsUnused(Problem):
    """`views` fixes a few versions of an image where the augmentation could make more.

    Where nothing is random, or flips make no more than so many, frozen features are computed once anyway.
    """

    code: ClassVar[str] = "W729"
    source: ClassVar[str] = _VERSIONS
    views: int
    outcomes: int
    augment_span: Span | None

    def message(self) -> str:
        makes = "nothing is random" if self.outcomes == 1 else f"the augmentation has {self.outcomes} outcomes"
        return f"`views = {self.views}` has no effect: {makes}"

    def related(self) -> Places:
        return _also(self.augment_span, "the augmentation")

    def help(self) -> str:
        return "leave it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsNeverRepeat(Problem):
    """Each epoch takes the next version of an image.

    With more versions than epochs none is seen a second time: nothing is gained, and the last ones are never made.
    """

    code: ClassVar[str] = "W730"
    source: ClassVar[str] = _VERSIONS
    views: int
    length: str
    length_span: Span | None

    def message(self) -> str:
        return f"none of the {self.views} versions of an image is seen twice in {self.length}"

    def related(self) -> Places:
        return _also(self.length_span, "the stage's length")

    def help(self) -> str:
        return "take fewer, or write `views = none`"


# --- weights -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsNotCached(Problem):
    """The zoos' hosted weights are reported gone: what the zoo's cache does not hold can seldom be downloaded.

    `ftr plan` and `ftr run` ask the host before anything else, and refuse where it has no such file.
    """

    code: ClassVar[str] = "W750"
    source: ClassVar[str] = "https://github.com/dmlc/gluon-cv/issues/1778"
    zoo: str
    name: str
    folder: str

    def message(self) -> str:
        weights = f'the `imagenet` weights of {self.zoo}("{self.name}")'
        return f"{weights} are not in {self.folder}, and the hosted ones may be gone"

    def help(self) -> str:
        return (
            'if you have the file, write `weights = gluon_params("file.params")`\n'
            'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
        )


# --- augmentations ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleAugmentation(Problem):
    """An augmentation whose strengths are all 0 leaves each image as it is; the plan goes without it."""

    code: ClassVar[str] = "W796"
    source: ClassVar[str] = "docs/language.md: data"
    name: str
    example: str

    def message(self) -> str:
        return f"`{self.name}` changes nothing: all its strengths are 0"

    def help(self) -> str:
        return f"leave it out, or write a strength, such as `{self.example}`"
