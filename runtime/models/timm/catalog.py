"""The networks of timm that a recipe can name: facts as plain data, each with public weights.

`ftr check` reads this module and never MXNet; `runtime/models/timm/network.py` builds what a row says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.models.base import Normalization

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class TimmRow:
    """What is known about a network of timm without building it.

    `family` is a module beside this one, `options` what its `build` takes. `parts` are the names of what can be frozen,
    from the input on. `native` is the side in pixels of the square images that its weights were trained on; it takes
    sides of `smallest`, `smallest + step`, … `crop` is the share of an image's shorter side that timm evaluates on.
    `repository` is where its weights are published, and `licence` is theirs.
    """

    family: str
    options: Mapping[str, Any]
    parts: tuple[str, ...]
    native: int
    repository: str
    licence: str
    smallest: int = 32
    step: int = 1
    crop: float = 0.875
    normalization: Normalization = _IMAGENET
    has_norms: bool = True  # norms with running statistics
    classes: int = 1000
    source: str = field(default="", kw_only=True)  # the paper

    def accepts(self, side: int, pretrained: bool = False) -> bool:  # noqa: ARG002 - as `ZooRow` has it
        """Whether square images of `side` pixels run forward and backward."""
        return side >= self.smallest and (side - self.smallest) % self.step == 0

    def sizes(self, pretrained: bool = False) -> str:  # noqa: ARG002
        """Say which sizes `accepts` takes."""
        return f"{self.smallest}px or more" + (f", in steps of {self.step}px" if self.step > 1 else "")


def _blocks(count: int) -> tuple[str, ...]:
    return ("stem", *(f"block{number}" for number in range(1, count + 1)))


def _regnety(number: str, widths: tuple[int, ...], depths: tuple[int, ...], group: int) -> dict[str, TimmRow]:
    name = f"regnety_{number}.pycls_in1k"
    row = TimmRow(
        "regnet",
        {"widths": widths, "depths": depths, "group": group},
        _blocks(4),
        224,
        f"timm/{name}",
        "MIT",
        source="Radosavovic et al., arXiv 2003.13678",
    )
    return {name: row}


_HALVES: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_V1: Final = "Tan and Le, arXiv 1905.11946"
_V2: Final = "Tan and Le, arXiv 2104.00298"
_V4: Final = "Qin et al., arXiv 2404.10518"


def _mobile(
    name: str,
    architecture: str,
    blocks: int,
    source: str,
    native: int = 224,
    crop: float = 0.875,
    normalization: Normalization = _IMAGENET,
    **options: Any,
) -> dict[str, TimmRow]:
    row = TimmRow(
        "mobile",
        {"architecture": architecture, **options},
        _blocks(blocks),
        native,
        f"timm/{name}",
        "Apache-2.0",
        crop=crop,
        normalization=normalization,
        source=source,
    )
    return {name: row}


_B: Final[tuple[dict[str, Any], ...]] = ({}, {"depth": 1.1}, {"width": 1.1, "depth": 1.2}, {"width": 1.2, "depth": 1.4})
"""How the networks B0 to B3 are wider and deeper."""

_APACHE: Final = "Apache-2.0"
_NOT_COMMERCIAL: Final = "CC-BY-NC-4.0"


def _convnext(
    name: str,
    tags: str,
    widths: tuple[int, ...],
    depths: tuple[int, ...],
    *,
    convolves: bool = False,
    responds: bool = False,
    crops: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, TimmRow]:
    options = {"widths": widths, "depths": depths, "convolves": convolves, "responds": responds}
    paper = "Woo et al., arXiv 2301.00808" if responds else "Liu et al., arXiv 2201.03545"
    return {
        f"{name}.{tag}": TimmRow(
            "convnext",
            options,
            (*_blocks(4), "norm"),
            224,
            f"timm/{name}.{tag}",
            _NOT_COMMERCIAL if responds else _APACHE,
            crop=crops.get(tag, 0.875),
            has_norms=False,
            source=paper,
        )
        for tag in tags.split()
    }


def _vit(
    name: str,
    tags: str,
    channels: int,
    source: str,
    *,
    patch: int = 16,
    native: int = 224,
    licence: str = _APACHE,
    crop: float = 0.9,
    normalization: Normalization = _IMAGENET,
    classes: int = 1000,
    scales: bool = False,
) -> dict[str, TimmRow]:
    options = {"patch": patch, "channels": channels, "heads": channels // 64, "depth": 12, "scales": scales}
    return {
        f"{name}.{tag}": TimmRow(
            "vit",
            options,
            (*_blocks(12), "norm"),
            native,
            f"timm/{name}.{tag}",
            licence,
            smallest=-(-32 // patch) * patch,
            step=patch,
            crop=crop,
            normalization=normalization,
            has_norms=False,
            classes=classes,
            source=source,
        )
        for tag in tags.split()
    }


_CONVNEXT: Final = {
    **_convnext("convnext_atto", "d2_in1k", (40, 80, 160, 320), (2, 2, 6, 2), convolves=True),
    **_convnext("convnext_femto", "d1_in1k", (48, 96, 192, 384), (2, 2, 6, 2), convolves=True),
    **_convnext("convnext_pico", "d1_in1k", (64, 128, 256, 512), (2, 2, 6, 2), convolves=True),
    **_convnext(
        "convnext_nano",
        "in12k_ft_in1k d1h_in1k",
        (80, 160, 320, 640),
        (2, 2, 8, 2),
        convolves=True,
        crops={"in12k_ft_in1k": 0.95, "d1h_in1k": 0.95},
    ),
    **_convnext(
        "convnext_tiny",
        "fb_in1k fb_in22k_ft_in1k in12k_ft_in1k",
        (96, 192, 384, 768),
        (3, 3, 9, 3),
        crops={"in12k_ft_in1k": 0.95},
    ),
    **_convnext(
        "convnext_small",
        "fb_in1k fb_in22k_ft_in1k in12k_ft_in1k",
        (96, 192, 384, 768),
        (3, 3, 27, 3),
        crops={"in12k_ft_in1k": 0.95},
    ),
    **_convnext("convnextv2_atto", "fcmae_ft_in1k", (40, 80, 160, 320), (2, 2, 6, 2), convolves=True, responds=True),
    **_convnext("convnextv2_femto", "fcmae_ft_in1k", (48, 96, 192, 384), (2, 2, 6, 2), convolves=True, responds=True),
    **_convnext("convnextv2_pico", "fcmae_ft_in1k", (64, 128, 256, 512), (2, 2, 6, 2), convolves=True, responds=True),
    **_convnext(
        "convnextv2_nano",
        "fcmae_ft_in22k_in1k fcmae_ft_in1k",
        (80, 160, 320, 640),
        (2, 2, 8, 2),
        convolves=True,
        responds=True,
    ),
    **_convnext(
        "convnextv2_tiny", "fcmae_ft_in22k_in1k fcmae_ft_in1k", (96, 192, 384, 768), (3, 3, 9, 3), responds=True
    ),
}

_DOSOVITSKIY: Final = "Dosovitskiy et al., arXiv 2010.11929; Steiner et al., arXiv 2106.10270"
_CARON: Final = "Caron et al., arXiv 2104.14294"
_TOUVRON: Final = "Touvron et al., arXiv 2012.12877"
_OQUAB: Final = "Oquab et al., arXiv 2304.07193"
_AUGREG: Final = "augreg_in21k_ft_in1k"

_VIT: Final = {
    **_vit("vit_tiny_patch16_224", _AUGREG, 192, _DOSOVITSKIY, normalization=_HALVES),
    **_vit("vit_small_patch16_224", f"{_AUGREG} augreg_in1k", 384, _DOSOVITSKIY, normalization=_HALVES),
    **_vit("vit_small_patch16_224", "augreg_in21k", 384, _DOSOVITSKIY, normalization=_HALVES, classes=21843),
    **_vit("vit_small_patch16_224", "dino", 384, _CARON, classes=0),
    **_vit("vit_base_patch16_224", f"{_AUGREG} augreg2_in21k_ft_in1k", 768, _DOSOVITSKIY, normalization=_HALVES),
    **_vit("vit_base_patch16_224", "augreg_in21k", 768, _DOSOVITSKIY, normalization=_HALVES, classes=21843),
    **_vit("vit_base_patch16_224", "dino", 768, _CARON, classes=0),
    **_vit("vit_base_patch16_224", "mae", 768, "He et al., arXiv 2111.06377", licence=_NOT_COMMERCIAL, classes=0),
    **_vit("deit_tiny_patch16_224", "fb_in1k", 192, _TOUVRON),
    **_vit("deit_small_patch16_224", "fb_in1k", 384, _TOUVRON),
    **_vit("deit_base_patch16_224", "fb_in1k", 768, _TOUVRON),
    **_vit("vit_small_patch14_dinov2", "lvd142m", 384, _OQUAB, patch=14, native=518, crop=1.0, classes=0, scales=True),
    **_vit("vit_base_patch14_dinov2", "lvd142m", 768, _OQUAB, patch=14, native=518, crop=1.0, classes=0, scales=True),
}


TIMM: Final[Mapping[str, TimmRow]] = {
    **_regnety("004", (48, 104, 208, 440), (1, 3, 6, 6), 8),
    **_regnety("008", (64, 128, 320, 768), (1, 3, 8, 2), 16),
    **_regnety("016", (48, 120, 336, 888), (2, 6, 17, 2), 24),
    **_regnety("032", (72, 216, 576, 1512), (2, 5, 13, 1), 24),
    **_mobile("efficientnet_b0.ra_in1k", "efficientnet", 7, _V1, **_B[0]),
    **_mobile("efficientnet_b1.ft_in1k", "efficientnet", 7, _V1, **_B[1]),
    **_mobile("efficientnet_b2.ra_in1k", "efficientnet", 7, _V1, 256, **_B[2]),
    **_mobile("efficientnet_b3.ra2_in1k", "efficientnet", 7, _V1, 288, **_B[3]),
    **_mobile("tf_efficientnet_b0.ns_jft_in1k", "efficientnet", 7, _V1, tensorflow=True, **_B[0]),
    **_mobile("tf_efficientnet_b1.ns_jft_in1k", "efficientnet", 7, _V1, 240, 0.882, tensorflow=True, **_B[1]),
    **_mobile("tf_efficientnet_b2.ns_jft_in1k", "efficientnet", 7, _V1, 260, 0.89, tensorflow=True, **_B[2]),
    **_mobile("tf_efficientnet_b3.ns_jft_in1k", "efficientnet", 7, _V1, 300, 0.904, tensorflow=True, **_B[3]),
    **_mobile("tf_efficientnetv2_b0.in1k", "efficientnetv2_base", 6, _V2, 192, tensorflow=True, **_B[0]),
    **_mobile("tf_efficientnetv2_b1.in1k", "efficientnetv2_base", 6, _V2, 192, 0.882, tensorflow=True, **_B[1]),
    **_mobile("tf_efficientnetv2_b2.in1k", "efficientnetv2_base", 6, _V2, 208, 0.89, tensorflow=True, **_B[2]),
    **_mobile("tf_efficientnetv2_b3.in1k", "efficientnetv2_base", 6, _V2, 240, 0.904, tensorflow=True, **_B[3]),
    **_mobile("tf_efficientnetv2_s.in21k_ft_in1k", "efficientnetv2_small", 6, _V2, 300, 1.0, _HALVES, tensorflow=True),
    **_mobile("efficientnetv2_rw_s.ra2_in1k", "efficientnetv2_rw", 6, _V2, 288, 1.0),
    **_mobile("efficientnetv2_rw_t.ra2_in1k", "efficientnetv2_small", 6, _V2, 224, 1.0, width=0.8, depth=0.9),
    **_mobile("mobilenetv3_large_100.ra_in1k", "mobilenetv3_large", 7, "Howard et al., arXiv 1905.02244"),
    **_mobile("mobilenetv4_conv_small.e2400_r224_in1k", "mobilenetv4_conv_small", 5, _V4),
    **_mobile("mobilenetv4_conv_medium.e500_r224_in1k", "mobilenetv4_conv_medium", 5, _V4, 224, 0.95),
    **_CONVNEXT,
    **_VIT,
}
"""The networks by timm's exact name, with the tag of their weights."""
