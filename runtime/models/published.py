"""Where public checkpoints of the zoos' networks are, whose own hosted files are gone: names only, nothing is fetched here.

The rows are written by `python bench/published_weights.py`, from what the installed torchvision and timm say. A file's
name ends in the first eight digits of its SHA-256. Those of `_GLUON` are GluonCV's own weights, converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Published:
    """A public checkpoint: the address of its file, or a repository of the Hugging Face hub; and its licence."""

    licence: str
    url: str = ""
    repository: str = ""

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        """The first digits of its SHA-256."""
        return self.file.rpartition(".")[0].rpartition("-")[2]


_GLUON: Final = (
    "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1",
    "Apache-2.0",
    """
        resnet18_v1b gluon_resnet18_v1b-0757602b.pth
        resnet34_v1b gluon_resnet34_v1b-c6d82d59.pth
        resnet50_v1b gluon_resnet50_v1b-0ebe02e2.pth
        resnet101_v1b gluon_resnet101_v1b-3b017079.pth
        resnet152_v1b gluon_resnet152_v1b-c1edb0dd.pth
        resnet50_v1c gluon_resnet50_v1c-48092f55.pth
        resnet50_v1d gluon_resnet50_v1d-818a1b1b.pth
        resnet50_v1s gluon_resnet50_v1s-1762acc0.pth
        resnet101_v1c gluon_resnet101_v1c-1f26822a.pth
        resnet101_v1d gluon_resnet101_v1d-0f9c8644.pth
        resnet101_v1s gluon_resnet101_v1s-60fe0cc1.pth
        resnet152_v1c gluon_resnet152_v1c-a3bb0b98.pth
        resnet152_v1d gluon_resnet152_v1d-bd354e12.pth
        resnet152_v1s gluon_resnet152_v1s-dcc41b81.pth
        resnext50_32x4d gluon_resnext50_32x4d-e6a097c1.pth
        resnext101_32x4d gluon_resnext101_32x4d-b253c8c4.pth
        resnext101_64x4d gluon_resnext101_64x4d-f9a8e184.pth
        se_resnext50_32x4d gluon_seresnext50_32x4d-90cf2d6e.pth
        se_resnext101_32x4d gluon_seresnext101_32x4d-cf52900d.pth
        se_resnext101_64x4d gluon_seresnext101_64x4d-f9926f93.pth
        senet_154 gluon_senet154-70a1a3c0.pth
    """,
)
_TORCHVISION: Final = (
    "https://download.pytorch.org/models",
    "BSD-3-Clause",
    """
        vgg11 vgg11-8a719046.pth
        vgg13 vgg13-19584684.pth
        vgg16 vgg16-397923af.pth
        vgg19 vgg19-dcbb9e9d.pth
        vgg11_bn vgg11_bn-6002323d.pth
        vgg13_bn vgg13_bn-abd245e5.pth
        vgg16_bn vgg16_bn-6c64b313.pth
        vgg19_bn vgg19_bn-c79401a0.pth
        alexnet alexnet-owt-7be5be79.pth
        densenet121 densenet121-a639ec97.pth
        densenet161 densenet161-8d451a50.pth
        densenet169 densenet169-b2777c0a.pth
        densenet201 densenet201-c1103571.pth
        squeezenet1.0 squeezenet1_0-b66bff10.pth
        squeezenet1.1 squeezenet1_1-b8a52dc0.pth
        googlenet googlenet-1378be20.pth
        mobilenetv2_1.0 mobilenet_v2-b0353104.pth
        mobilenetv3_large mobilenet_v3_large-8738ca79.pth
        mobilenetv3_small mobilenet_v3_small-047dcff4.pth
    """,
)
_HUB: Final = """
    resnest14 timm/resnest14d.gluon_in1k
    resnest26 timm/resnest26d.gluon_in1k
    resnest50 timm/resnest50d.in1k
    resnest101 timm/resnest101e.in1k
    resnest200 timm/resnest200e.in1k
    resnest269 timm/resnest269e.in1k
    inceptionv3 timm/inception_v3.gluon_in1k
"""


def _rows() -> Iterator[tuple[str, Published]]:
    for place, licence, rows in (_GLUON, _TORCHVISION):
        for name, file in map(str.split, rows.strip().splitlines()):
            yield name, Published(licence, url=f"{place}/{file}")
    for name, repository in map(str.split, _HUB.strip().splitlines()):
        yield name, Published("Apache-2.0", repository=repository)


PUBLISHED: Final[Mapping[str, Published]] = dict(_rows())
"""By the zoo's name of the network; both zoos have the same network where both have the name."""
