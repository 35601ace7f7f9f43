"""The image classifiers of the two zoos: names and facts, as plain data.

In goes nothing; out come `ZOOS` (every name that works, with what a recipe's checker must know about it)
and `EXCLUDED` (the classifiers that do not work, each with the reason). Nothing is imported that takes
time: checking a recipe reads this module and never MXNet. `runtime/models/zoo.py` builds and cuts the
networks; `bench/sweep_bases.py` tests these rows.

Where the line is drawn: a zoo's name is an image classifier unless it matches `OTHER_TASK`, the marks of
detection, segmentation, pose, depth, tracking and video models.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.data.targets import BOXES, MASK, TargetKind
from runtime.models.packaged import PACKAGED, PackagedBase
from runtime.models.timm.catalog import TIMM, TimmRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.models.base import Normalization
    from runtime.plan.types import Component

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR: Final = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


@dataclass(frozen=True, slots=True)
class ZooRow:
    """What is known about a classifier of a zoo without building it.

    `family` names the row of `runtime/models/zoo.py` that cuts it; its parts are "stem" and "block1" to
    "block<blocks>". `native` is the side in pixels of the square RGB images that it is made for. It trains
    on sides of `smallest`, `smallest + step`, `smallest + 2 * step`, ... pixels; `step` 0 means that no
    other side works. Sides below 32 are not offered, though some networks run on them. `normalization` is that
    of gluoncv's training scripts. `has_dense_block` says that the last block is fully connected: pretrained
    weights then fix the size. `gives` is the kind of targets of a network that keeps its own head: what GluonCV has for
    another task than classification.
    """

    family: str
    blocks: int
    smallest: int
    native: int
    step: int
    normalization: Normalization
    has_norms: bool = True
    has_dense_block: bool = False
    gives: TargetKind | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of what can be frozen, from the input on."""
        return ("stem", *(f"block{number}" for number in range(1, self.blocks + 1)))

    def accepts(self, side: int, pretrained: bool = False) -> bool:
        """Whether square images of `side` pixels run forward and backward, from random or from pretrained weights."""
        if pretrained and self.has_dense_block:
            return side == self.native
        beyond = side - self.smallest
        return beyond >= 0 and (beyond % self.step == 0 if self.step else beyond == 0)

    def sizes(self, pretrained: bool = False) -> str:
        """Say which sizes `accepts` takes."""
        if pretrained and self.has_dense_block:
            return f"{self.native}px only"
        if self.step == 0:
            return f"{self.smallest}px only"
        return f"{self.smallest}px or more" + (f", in steps of {self.step}px" if self.step > 1 else "")


def _rows(
    names: str, family: str, blocks: int, *, smallest: int = 32, native: int = 224, step: int = 1, **more: Any
) -> dict[str, ZooRow]:
    normalization = _CIFAR if names.startswith("cifar_") else _IMAGENET  # by the images of its training
    return dict.fromkeys(names.split(), ZooRow(family, blocks, smallest, native, step, normalization, **more))


_SHARED: Final = {
    **_rows("resnet18_v1 resnet34_v1 resnet50_v1 resnet101_v1 resnet152_v1", "resnet_v1", 4),
    **_rows("resnet18_v2 resnet34_v2 resnet50_v2 resnet101_v2 resnet152_v2", "resnet_v2", 4),
    **_rows("vgg11 vgg13 vgg16 vgg19", "vgg", 5, has_norms=False, has_dense_block=True),
    **_rows("vgg11_bn vgg13_bn vgg16_bn vgg19_bn", "vgg", 5, has_dense_block=True),
    **_rows("alexnet", "alexnet", 3, smallest=63, has_norms=False, has_dense_block=True),
    **_rows("densenet121 densenet161 densenet169 densenet201", "densenet", 4),
    **_rows("squeezenet1.0 squeezenet1.1", "squeezenet", 3, has_norms=False),
    **_rows("inceptionv3", "inceptionv3", 3, smallest=75, native=299),
    **_rows("mobilenet0.25 mobilenet0.5 mobilenet0.75 mobilenet1.0", "mobilenet", 4),
    **_rows("mobilenetv2_0.25 mobilenetv2_0.5 mobilenetv2_0.75 mobilenetv2_1.0", "mobilenetv2", 7),
}

_GLUONCV_ONLY: Final = {
    **_rows("resnet18_v1b resnet34_v1b resnet50_v1b resnet101_v1b resnet152_v1b", "resnet_v1b", 4),
    **_rows("resnet50_v1c resnet101_v1c resnet152_v1c", "resnet_v1b", 4),
    **_rows("resnet50_v1d resnet101_v1d resnet152_v1d", "resnet_v1b", 4),
    **_rows("resnet50_v1e resnet101_v1e resnet152_v1e", "resnet_v1b", 4),
    **_rows("resnet50_v1s resnet101_v1s resnet152_v1s", "resnet_v1b", 4),
    **_rows("resnet18_v1b_0.89 resnet50_v1d_0.86 resnet50_v1d_0.48", "resnet_v1b_pruned", 4),
    **_rows("resnet50_v1d_0.37 resnet50_v1d_0.11", "resnet_v1b_pruned", 4),
    **_rows("resnet101_v1d_0.76 resnet101_v1d_0.73", "resnet_v1b_pruned", 4),
    **_rows("resnest14 resnest26 resnest50", "resnest", 4),
    **_rows("resnest101", "resnest", 4, native=256),
    **_rows("resnest200", "resnest", 4, native=320),
    **_rows("resnest269", "resnest", 4, native=416),
    **_rows("resnext50_32x4d resnext101_32x4d resnext101_64x4d resnext101e_64x4d", "resnext", 4),
    **_rows("se_resnext50_32x4d se_resnext101_32x4d", "resnext", 4),
    **_rows("se_resnext101_64x4d se_resnext101e_64x4d", "resnext", 4),
    **_rows("se_resnet18_v1 se_resnet34_v1 se_resnet50_v1 se_resnet101_v1 se_resnet152_v1", "resnet_v1", 4),
    **_rows("se_resnet18_v2 se_resnet34_v2 se_resnet50_v2 se_resnet101_v2 se_resnet152_v2", "resnet_v2", 4),
    **_rows("senet_154 senet_154e", "senet", 4),
    **_rows("mobilenetv3_large", "mobilenetv3_large", 6),
    **_rows("mobilenetv3_small", "mobilenetv3_small", 5),
    **_rows("shufflenet_v1 shufflenet_v2", "shufflenet", 3),
    **_rows("googlenet", "googlenet", 3),
    **_rows("darknet53", "darknet", 5),
    **_rows("xception xception71", "xception", 5, native=299),
    **_rows("dla34", "dla", 5, step=32),
    **_rows("hrnet_w18_small_v1_c hrnet_w18_small_v2_c hrnet_w18_c hrnet_w30_c", "hrnet", 5, step=32),
    **_rows("hrnet_w32_c hrnet_w40_c hrnet_w44_c hrnet_w48_c hrnet_w64_c", "hrnet", 5, step=32),
    **_rows(
        "residualattentionnet56 residualattentionnet92 residualattentionnet128 residualattentionnet164"
        " residualattentionnet200 residualattentionnet236 residualattentionnet452",
        "residualattention",
        4,
        smallest=224,
        step=0,
    ),
    **_rows(
        "cifar_residualattentionnet56 cifar_residualattentionnet92 cifar_residualattentionnet452",
        "cifar_residualattention",
        4,
        native=32,
        step=0,
    ),
    **_rows("cifar_resnet20_v1 cifar_resnet56_v1 cifar_resnet110_v1", "cifar_resnet", 3, native=32),
    **_rows("cifar_resnet20_v2 cifar_resnet56_v2 cifar_resnet110_v2", "cifar_resnet", 3, native=32),
    **_rows("cifar_wideresnet16_10 cifar_wideresnet28_10 cifar_wideresnet40_8", "cifar_resnet", 3, native=32),
    **_rows("cifar_resnext29_32x4d cifar_resnext29_16x64d", "cifar_resnet", 3, native=32),
}

ZOOS: Final[Mapping[str, Mapping[str, ZooRow]]] = MappingProxyType(
    {
        "gluoncv": MappingProxyType(_SHARED | _GLUONCV_ONLY),
        "gluon": MappingProxyType(_SHARED),
    }
)
"""The working classifiers by zoo ("gluoncv"; "gluon" is `mxnet.gluon.model_zoo.vision`) and name."""

_MASKS: Final[Mapping[str, Any]] = {"smallest": 64, "native": 480, "step": 32, "gives": MASK}
_BOXES: Final[Mapping[str, Any]] = {"smallest": 64, "native": 512, "step": 32, "gives": BOXES}

OWN: Final[Mapping[str, ZooRow]] = MappingProxyType(
    {
        **_rows("fastscnn_citys", "fastscnn", 3, **{**_MASKS, "native": 768}),
        **_rows("fcn_resnet50_voc fcn_resnet50_ade", "fcn", 4, **_MASKS),
        **_rows("fcn_resnet101_voc fcn_resnet101_ade fcn_resnet101_coco", "fcn", 4, **_MASKS),
        **_rows("psp_resnet50_ade psp_resnet101_ade psp_resnet101_citys", "psp", 4, **_MASKS),
        **_rows("psp_resnet101_voc psp_resnet101_coco", "psp", 4, **_MASKS),
        **_rows("deeplab_resnet50_ade deeplab_resnet50_citys", "deeplab", 4, **_MASKS),
        **_rows("deeplab_resnet101_ade deeplab_resnet101_citys", "deeplab", 4, **_MASKS),
        **_rows("deeplab_resnet101_voc deeplab_resnet101_coco", "deeplab", 4, **_MASKS),
        **_rows("deeplab_resnet152_voc deeplab_resnet152_coco", "deeplab", 4, **_MASKS),
        **_rows("ssd_512_mobilenet1.0_voc ssd_512_mobilenet1.0_coco", "ssd", 4, **_BOXES),
        **_rows("ssd_512_resnet50_v1_voc ssd_512_resnet50_v1_coco", "ssd", 4, **_BOXES),
        **_rows("yolo3_mobilenet0.25_voc yolo3_mobilenet0.25_coco", "yolo3", 4, **{**_BOXES, "native": 416}),
        **_rows("yolo3_mobilenet1.0_voc yolo3_mobilenet1.0_coco", "yolo3", 4, **{**_BOXES, "native": 416}),
        **_rows("yolo3_darknet53_voc yolo3_darknet53_coco", "yolo3", 5, **{**_BOXES, "native": 416}),
        **_rows("center_net_resnet18_v1b_voc center_net_resnet18_v1b_coco", "center_net", 5, **_BOXES),
        **_rows("center_net_resnet50_v1b_voc center_net_resnet50_v1b_coco", "center_net", 5, **_BOXES),
        **_rows("center_net_resnet101_v1b_voc center_net_resnet101_v1b_coco", "center_net", 5, **_BOXES),
    }
)
"""GluonCV's own networks for other tasks that are bases with their own head, `head = [own]`."""

BASES: Final[Mapping[str, Mapping[str, PackagedBase | TimmRow | ZooRow]]] = MappingProxyType(
    {"packaged": PACKAGED, "timm": TIMM, **ZOOS, "gluoncv": MappingProxyType({**ZOOS["gluoncv"], **OWN})}
)
"""All bases, by the word of a recipe for their kind and by name."""

CLASSIFIERS: Final[Mapping[str, Mapping[str, TimmRow | ZooRow]]] = MappingProxyType({"timm": TIMM, **ZOOS})
"""Those bases that files of weights of other frameworks may fit."""


def name_of(base: Component) -> str:
    """Return the name of a base's network; of one that is exported, that of its file."""
    name = base.args["name"] if "name" in base.args else base.args["file"]
    return name.name if isinstance(name, Path) else str(name)


def crop_share(base: Component) -> float:
    """Return the share of an image's shorter side that a base's weights were evaluated on, 1 where none is known."""
    row = BASES.get(base.name, {}).get(base.args.get("name", ""))
    return row.crop if isinstance(row, TimmRow) else 1.0


_INT8: Final = "its weights are 8-bit integers: it can predict, but not be trained"
# nasnet_6 and _7 fail on AVX2 too; _4 and _5 run there, but _4 is known to fail on AVX512.
_NASNET: Final = "MXNet's oneDNN operators fail on it, on some processors if not on all"
_GROUP_NORM: Final = "gluoncv's GroupNorm cannot be hybridized: it asks for its input's shape"

EXCLUDED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "gluoncv": MappingProxyType(
            dict.fromkeys(("mobilenet1.0_int8", "resnet50_v1_int8"), _INT8)
            | dict.fromkeys(("nasnet_4_1056", "nasnet_5_1538", "nasnet_6_4032", "nasnet_7_1920"), _NASNET)
            | dict.fromkeys(("resnet50_v1b_gn", "resnet101_v1b_gn"), _GROUP_NORM)
        ),
        "gluon": MappingProxyType({}),
    }
)
"""For each zoo its classifiers that are left out, with the reason as a sentence without a full stop."""

OTHER_TASK: Final = (
    r"^(ssd|yolo3|center_net|(custom_)?(faster|mask)_rcnn|doublehead_rcnn)_"  # detection
    r"|^(fcn|psp|deeplab|danet|icnet|fastscnn)_|^hrnet_.*_s$"  # segmentation
    r"|^(simple_pose|mobile_pose|alpha_pose)_|^monodepth2_|^siamrpn_"  # pose, depth, tracking
    r"|^(c3d|i3d|p3d|r2plus1d|slowfast)_"  # video
    r"|_(kinetics400|hmdb51|ucf101|sthsthv2|custom)(_int8)?$"  # video
)
"""A regular expression (`re.search`) for the names of models that are no image classifiers."""
