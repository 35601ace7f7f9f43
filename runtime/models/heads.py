"""The layers of a head: rows, and how each is built. Gluon is imported where a block is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Either, Entry, NothingType, Number, Word
from runtime.data.targets import BOXES, MASK, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.plan.types import Component, Plan


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its row, and what makes Gluon blocks of the recipe's arguments.

    `pools` is whether it takes maps of features, so that it stands in place of the pooling of the zoo. One that takes
    several maps says with `finest` from which stride on: it is the whole head, and `build` gets the channels of its
    maps as `maps`, the finest first; the coarsest has a stride of 32 pixels; and as `own` what makes the base's own
    head, where it has one. `outputs` is the argument with the number
    of outputs, of a layer that can end a head; `gives` is the kind of targets that they are for, if they are for one.
    """

    entry: Entry
    build: Callable[[Mapping[str, Any]], list[Any]]
    pools: bool = False
    finest: Callable[[Mapping[str, Any]], int] | None = None
    outputs: str = ""
    gives: TargetKind | None = None


def _nn() -> Any:
    from runtime.backend.mx import nn

    return nn


def _fpn(args: Mapping[str, Any]) -> Any:
    from runtime.models.pyramid import FeaturePyramid

    return FeaturePyramid(args["maps"], args["channels"], args["outputs"])


def _fcn(args: Mapping[str, Any]) -> Any:
    from runtime.models.pyramid import FullyConvolutional

    return FullyConvolutional(args["maps"], args["outputs"])


def _anchor_free(args: Mapping[str, Any]) -> Any:
    from runtime.models.anchor_free import AnchorFree

    return AnchorFree(args["maps"], args["channels"], args["outputs"])


def _centernet(args: Mapping[str, Any]) -> Any:
    from runtime.models.center_net import CenterNet

    return CenterNet(args["maps"], args["channels"], args["outputs"], _finest(args))


def _gem(args: Mapping[str, Any]) -> Any:
    from runtime.models.pooling import GeneralizedMean

    return GeneralizedMean(args["p"])


def _avg_max() -> Any:
    from runtime.models.pooling import AverageAndMaximum

    return AverageAndMaximum()


def _cosine(args: Mapping[str, Any]) -> Any:
    from runtime.models.cosine import CosineClassifier

    return CosineClassifier(args["units"], args["scale"])


def _dense(args: Mapping[str, Any]) -> Any:
    from runtime.backend.mx import mx

    starts = {"zeros": lambda: mx.init.Constant(0.0), "normal": lambda: mx.init.Normal(0.01), "he": mx.init.MSRAPrelu}
    start = starts.get(args.get("init", "glorot"))
    return _nn().Dense(args["units"], use_bias=args.get("bias", "") is not None, weight_initializer=start and start())


def _mlp(args: Mapping[str, Any]) -> list[Any]:
    nn = _nn()
    return [nn.Dense(args["hidden"]), nn.Activation("relu"), nn.Dropout(args["dropout"]), nn.Dense(args["units"])]


def _finest(args: Mapping[str, Any]) -> int:
    return int(args["finest"].removeprefix("stride"))


OWN_HEAD = "own"
_COUNTS = {
    "classes": "The number of classes in the data.",
    "targets": "The number of targets in the data.",
    "labels": "The number of labels in the data.",
}
_STRIDES = {f"stride{cells}": f"A cell for {cells} x {cells} pixels." for cells in (2, 4, 8, 16)}
_UNITS = Arg("units", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of outputs.")
MEANS = "class_means"
_STARTS = {
    "glorot": "Uniform, by the number of inputs and outputs: Glorot and Bengio 2010.",
    "he": "Normal, by the number of inputs, for a layer before `relu`: arXiv 1502.01852.",
    "normal": "Normal with a standard deviation of 0.01.",
    "zeros": "All 0: every class begins as likely as the others.",
    MEANS: "Of the last layer: what makes it a nearest-mean classifier of the frozen features before the first step.",
}
_LAYERS = (
    Layer(
        Entry(
            "global_avg_pool",
            "Mean over height and width.",
            examples=("head = [global_avg_pool, dense(classes)]",),
        ),
        lambda args: [_nn().GlobalAvgPool2D(), _nn().Flatten()],
        pools=True,
    ),
    Layer(
        Entry(
            "global_max_pool",
            "Maximum over height and width.",
            examples=("head = [global_max_pool, dense(classes)]",),
        ),
        lambda args: [_nn().GlobalMaxPool2D(), _nn().Flatten()],
        pools=True,
    ),
    Layer(
        Entry(
            "gem",
            "Generalized mean over height and width: 1 is the mean, a large `p` nears the maximum; `p` is trained.",
            (Arg("p", Number(1, 100), "Exponent that training begins with.", 3.0),),
            source="Radenovic et al., arXiv 1711.02512",
            formula="(mean of max(x, 1e-6)^p)^(1/p)",
            examples=("head = [gem, dense(classes)]", "head = [gem(p = 4), dense(classes)]"),
        ),
        lambda args: [_gem(args)],
        pools=True,
    ),
    Layer(
        Entry(
            "global_avg_max_pool",
            "Mean and maximum over height and width, one behind the other: twice as many features.",
            source="fastai.layers.AdaptiveConcatPool2d; timm's `catavgmax`",
            examples=("head = [global_avg_max_pool, dense(classes)]",),
        ),
        lambda args: [_avg_max()],
        pools=True,
    ),
    Layer(
        Entry(
            "flatten",
            "Flattens all axes but the batch.",
            examples=("head = [flatten, dense(classes)]",),
        ),
        lambda args: [_nn().Flatten()],
    ),
    Layer(
        Entry(
            "dropout",
            "Zeroes a fraction of the values in training and divides the others by 1 - p.",
            (Arg("p", Number(0, 1, below=True), "Fraction that is zeroed.", 0.2),),
            source="Srivastava et al. 2014",
            examples=("head = [dropout(0.5), dense(classes)]", "head = [dropout(p = 0.5), dense(classes)]"),
        ),
        lambda args: [_nn().Dropout(args["p"])],
    ),
    Layer(
        Entry(
            "dense",
            "A fully connected layer.",
            (
                _UNITS,
                Arg(
                    "bias",
                    Either(
                        (
                            NothingType(),
                            Word(
                                {
                                    "zero": "Trained, from 0 on.",
                                    "priors": "Trained, from the logarithm of each class's share of what the first"
                                    " stage sees in an epoch on: the network begins with these probabilities.",
                                }
                            ),
                        )
                    ),
                    "The bias of each output; none for no bias.",
                    "zero",
                    since="0.2",
                ),
                Arg("init", Word(_STARTS), "What its weights begin with.", "glorot", since="0.2"),
            ),
            source="bias of priors: Lin et al., arXiv 1708.02002, section 3.3; class means: Mensink et al. 2013, and"
            " Snell et al., arXiv 1703.05175, equation 8",
            formula="of class means, m the mean of a class's features x, s the mean of |x|^2 over all training images\n"
            "weights = 10 m / s, bias = -5 |m|^2 / s: the nearest mean has the highest score",
            examples=(
                "head = [dense(classes, bias = priors)]",
                "head = [dense(256), relu, dense(classes)]",
                "head = [dense(units = classes, bias = zero)]",
                "head = [dense(256, init = he), relu, dense(classes, init = zeros)]",
                "head = [dense(classes, init = glorot)]",
                "head = [dense(classes, init = class_means)]",
                "head = [bn_neck, dense(classes, bias = none, init = normal)]",
                "task = regression\nhead = [dense(targets)]",
                "task = multi_label\nhead = [dense(labels)]",
            ),
        ),
        lambda args: [_dense(args)],
        outputs="units",
    ),
    Layer(
        Entry(
            "mlp",
            "Two fully connected layers, with `relu` and dropout between them.",
            (
                _UNITS,
                Arg("hidden", Number(1, 65536, whole=True), "Number of outputs of the first.", 512),
                Arg("dropout", Number(0, 1, below=True), "Fraction that is zeroed between them.", 0.0),
            ),
            examples=(
                "head = [mlp(classes)]",
                "head = [mlp(units = classes, hidden = 256, dropout = 0.2)]",
            ),
        ),
        _mlp,
        outputs="units",
    ),
    Layer(
        Entry(
            "cosine_classifier",
            "The cosine of the features with the weights of each output, times a trained scale; without bias.",
            (
                _UNITS,
                Arg("scale", Number(0, 1000, above=True), "Scale that training begins with.", 10.0),
                Arg(
                    "init",
                    Word({name: _STARTS[name] for name in ("glorot", MEANS)}),
                    "What its weights begin with.",
                    "glorot",
                    since="0.2",
                ),
            ),
            source="Gidaris and Komodakis, arXiv 1804.09458; class means: weight imprinting, Qi et al.,"
            " arXiv 1712.07136",
            formula="scale * (x . w) / (|x| |w|)",
            examples=(
                "head = [cosine_classifier(classes)]",
                "head = [cosine_classifier(units = classes, scale = 20)]",
                "head = [cosine_classifier(classes, init = class_means)]",
            ),
        ),
        lambda args: [_cosine(args)],
        outputs="units",
    ),
    Layer(
        Entry(
            "fpn",
            "A feature pyramid over the maps of strides 32 to `finest`; scores of each class at the finest.",
            (
                Arg("outputs", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of outputs.", "classes"),
                Arg("channels", Number(1, 4096, whole=True), "Width of the pyramid.", 64),
                Arg(
                    "finest",
                    Word({f"stride{n}": f"One cell for {n} x {n} pixels." for n in (2, 4, 8, 16)}),
                    "Map at which it ends.",
                    "stride8",
                ),
            ),
            source="Lin et al., arXiv 1612.03144; sums of Kirillov et al., arXiv 1901.02446",
            examples=(
                "task = segmentation\nhead = [fpn(finest = stride8)]",
                "task = segmentation\nhead = [fpn(channels = 32, finest = stride4)]",
                "task = segmentation\nhead = [fpn(channels = 128, finest = stride16)]",
                "task = segmentation\nhead = [fpn(outputs = classes, channels = 24, finest = stride2)]",
            ),
        ),
        lambda args: [_fpn(args)],
        finest=_finest,
        outputs="outputs",
        gives=MASK,
    ),
    Layer(
        Entry(
            "fcn",
            "Scores of each class at the maps of strides 32 to `finest`, each added to the next finer ones: FCN-8s.",
            (
                Arg("outputs", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of outputs.", "classes"),
                Arg(
                    "finest",
                    Word({f"stride{n}": f"One cell for {n} x {n} pixels: FCN-{n}s." for n in (8, 16, 32)}),
                    "Map at which it ends.",
                    "stride8",
                ),
            ),
            source="Long et al., arXiv 1411.4038",
            examples=(
                "task = segmentation\nhead = [fcn]",
                "task = segmentation\nhead = [fcn(outputs = classes, finest = stride16)]",
                "task = segmentation\nhead = [fcn(finest = stride32)]",
                "task = segmentation\nhead = [fcn(finest = stride8)]",
            ),
        ),
        lambda args: [_fcn(args)],
        finest=lambda args: int(args["finest"].removeprefix("stride")),
        outputs="outputs",
        gives=MASK,
    ),
    Layer(
        Entry(
            "anchor_free",
            "Scores and a box at each cell of the maps of strides 8, 16 and 32, behind a small feature pyramid.",
            (
                Arg("outputs", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of classes.", "classes"),
                Arg("channels", Number(8, 1024, whole=True), "Width of the pyramid and the towers.", 64),
            ),
            source="FCOS: Tian et al., arXiv 1904.01355; trained as in ATSS, arXiv 1912.02424",
            examples=(
                "task = detection\nhead = [anchor_free]",
                "task = detection\nhead = [anchor_free(outputs = classes, channels = 96)]",
            ),
        ),
        lambda args: [_anchor_free(args)],
        finest=lambda args: 8,
        outputs="outputs",
        gives=BOXES,
    ),
    Layer(
        Entry(
            "centernet",
            "A score of each class and a box at each cell of the finest map, behind a small feature pyramid.",
            (
                Arg("outputs", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of classes.", "classes"),
                Arg("channels", Number(8, 1024, whole=True), "Width of the pyramid and behind it.", 64),
                Arg(
                    "finest",
                    Word({f"stride{n}": f"One cell for {n} x {n} pixels." for n in (4, 8)}),
                    "Map whose cells hold the centres.",
                    "stride4",
                ),
            ),
            source="Objects as Points: Zhou et al., arXiv 1904.07850",
            examples=(
                "task = detection\nhead = [centernet]\nloss = center_focal",
                "task = detection\nhead = [centernet(outputs = classes, channels = 96, finest = stride8)]"
                "\nloss = center_focal",
            ),
        ),
        lambda args: [_centernet(args)],
        finest=_finest,
        outputs="outputs",
        gives=BOXES,
    ),
    Layer(
        Entry(
            OWN_HEAD,
            "The head of a network of GluonCV for another task than classification; its last layer is new.",
            (Arg("outputs", Either((Word(_COUNTS), Number(1, 65536, whole=True))), "Number of classes.", "classes"),),
            source="https://cv.gluon.ai/model_zoo/index.html",
            examples=(
                'task = segmentation\nbase = gluoncv("fastscnn_citys", weights = none)\nhead = [own]',
                'task = segmentation\nbase = gluoncv("fcn_resnet50_voc", weights = none)\nhead = [own(classes)]',
            ),
        ),
        lambda args: [args["own"](args["outputs"])],
        finest=lambda args: 32,
        outputs="outputs",
    ),
    Layer(
        Entry("relu", "max(0, x).", examples=("head = [dense(256), relu, dense(classes)]",)),
        lambda args: [_nn().Activation("relu")],
    ),
    Layer(
        Entry(
            "batch_norm",
            "Batch normalization.",
            source="Ioffe and Szegedy, arXiv 1502.03167",
            examples=("head = [dense(256), batch_norm, relu, dense(classes)]",),
        ),
        lambda args: [_nn().BatchNorm()],
    ),
    Layer(
        Entry(
            "bn_neck",
            "Batch normalization without a shift, before a classifier without a bias.",
            source="Luo et al., arXiv 1903.07071",
            examples=("head = [bn_neck, dense(classes, bias = none)]",),
        ),
        lambda args: [_nn().BatchNorm(center=False)],
    ),
)

LAYERS: Mapping[str, Layer] = {layer.entry.name: layer for layer in _LAYERS}


def starts_from_means(base: Component, last: Component) -> bool:
    """Whether the last layer begins as a nearest-mean classifier, or outputs for new classes do.

    A head that is kept does not, nor do new outputs of `dense`: their scale is not that of what was trained.
    """
    kept = getattr(base.args.get("weights"), "args", {}).get("head", "new")
    is_new = kept == "new" or (kept == "extended" and last.name == "cosine_classifier")
    return is_new and last.args.get("init") == MEANS


def output_bias(plan: Plan) -> tuple[float, ...]:
    """Return the biases that the last layer begins with; none where they are 0."""
    if plan.head[-1].args.get("bias") != "priors":
        return ()
    counts, sampling = plan.data.target.counts["train"], plan.stages[0].sampling
    shares = sampling.shares if sampling is not None else [count / sum(counts) for count in counts]
    return tuple(math.log(max(share, _RAREST)) for share in shares)


_RAREST = 1e-6


def head_block(base: Any, layers: Sequence[Component], outputs: Mapping[str, int]) -> Any:
    """Return the layers of a head as one block behind a base, with its pooling unless a layer pools.

    `outputs` are the numbers that words stand for: `dense(classes)`. A layer over several maps is the whole head.
    """
    if LAYERS[layers[0].name].finest:
        args = {name: outputs.get(value, value) for name, value in layers[0].args.items()}
        own = None if base.own is None else base.own.build
        (block,) = LAYERS[layers[0].name].build({**args, "maps": base.maps, "own": own})
        return block
    head = _nn().HybridSequential(prefix="head_")
    if not LAYERS[layers[0].name].pools:
        head.add(base.tail)
    elif base.cells is not None:
        head.add(base.cells)
    for layer in layers:
        head.add(*LAYERS[layer.name].build({name: outputs.get(value, value) for name, value in layer.args.items()}))
    return head
