"""The zoos' parameters by their names in the files of torchvision and timm.

In goes a network of a zoo; out come its parameters under the names that PyTorch's network has for them. Names, not
places, are what a file and a network have in common: `.safetensors` files keep no order. `PAIRS` has the networks that
are the same in both frameworks (`bench/torch_pairs.py` compares them), each with its rules of naming. A network that
is not there is refused rather than guessed: it may have equal shapes and still be another one, as Gluon's resnet50_v1,
whose blocks stride elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runtime.models.base import Normalization

Block = Any

_MINUS_ONE: Final = ((0.5,) * 3, (0.5,) * 3)


@dataclass(frozen=True, slots=True)
class Pair:
    """The networks of PyTorch whose files fit a network of a zoo, and how many arrays these have, less counters.

    `rules` are lines of a layer's path in Gluon and in PyTorch; `{s}` is a number, `{s-3}` one that is less by three,
    `{s/2}` half of it, `{n}` a convolution (0) or its norm (1). A path without a rule is the same in both.
    `from_minus_one`: torchvision's weights for it expect values from -1 to 1.
    """

    arrays: int
    networks: tuple[str, ...]  # "torchvision/resnet18"
    rules: str = ""
    from_minus_one: bool = False


_RESNEST = "layer{s}.{b}.conv2.bn  layer{s}.{b}.conv2.bn0"


def _residual(first: int) -> str:
    """Return the rules of residual blocks, the first of which are in `features.<first>`."""
    blocks, layers = "features.{s}.{b}.", f"layer{{s-{first - 1}}}.{{b}}."
    names = "body.0 conv1|body.1 bn1|body.3 conv2|body.4 bn2|body.6 conv3|body.7 bn3|se.0 se.fc1|se.2 se.fc2"
    pairs = [name.split() for name in f"{names}|downsample.{{d}} downsample.{{d}}".split("|")]
    return "\n".join([*(f"{blocks}{gluon} {layers}{torch}" for gluon, torch in pairs), "output fc"])


_RESNEXT = _residual(4) + "\nfeatures.0 conv1\nfeatures.1 bn1"
_SENET = _residual(10) + "".join(f"\nfeatures.{n} conv1.{n}" for n in (0, 1, 3, 4, 6)) + "\nfeatures.7 bn1"


def _dense(first: int, second: int, torch: tuple[int, int] = (0, 3)) -> str:
    """Return the rules of VGG's and AlexNet's dense layers."""
    return f"features.{first} classifier.{torch[0]}\nfeatures.{second} classifier.{torch[1]}\noutput classifier.6"


_ALEXNET = _dense(9, 11, (1, 4)) + "".join(f"\nfeatures.{a} features.{b}" for a, b in ((2, 3), (4, 6), (5, 8), (6, 10)))
_DENSENET = """
features.0 features.conv0
features.1 features.norm0
features.{s}.{b}.1.0 features.denseblock{s/2-1}.denselayer{b+1}.norm1
features.{s}.{b}.1.2 features.denseblock{s/2-1}.denselayer{b+1}.conv1
features.{s}.{b}.1.3 features.denseblock{s/2-1}.denselayer{b+1}.norm2
features.{s}.{b}.1.5 features.denseblock{s/2-1}.denselayer{b+1}.conv2
features.{s}.0 features.transition{s/2-1}.norm
features.{s}.2 features.transition{s/2-1}.conv
features.11 features.norm5
output classifier
"""
_SQUEEZENET = """
features.{s}.0.0 features.{s}.squeeze
features.{s}.1.0.0 features.{s}.expand1x1
features.{s}.1.1.0 features.{s}.expand3x3
output.0 classifier.1
"""
_MOBILENETV2 = """
features.0 features.0.0
features.1 features.0.1
features.3.out.0 features.1.conv.0.0
features.3.out.1 features.1.conv.0.1
features.3.out.3 features.1.conv.1
features.3.out.4 features.1.conv.2
features.{s}.out.0 features.{s-2}.conv.0.0
features.{s}.out.1 features.{s-2}.conv.0.1
features.{s}.out.3 features.{s-2}.conv.1.0
features.{s}.out.4 features.{s-2}.conv.1.1
features.{s}.out.6 features.{s-2}.conv.2
features.{s}.out.7 features.{s-2}.conv.3
features.20 features.18.0
features.21 features.18.1
output.0 classifier.1
"""
_GOOGLENET = (
    "\n".join(
        f"inception{block}.{gluon}.{{n}} inception{block}.{torch}.{{n}}"
        for block in ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
        for gluon, torch in (
            ("0.0", "branch1"),
            *((f"{b}.{c}", f"branch{b + 1}.{c}") for b in (1, 2) for c in (0, 1)),
            ("3.1", "branch4.1"),
        )
    )
    + "".join(f"\nconv{number}.{{n}} conv{number}.{{n}}" for number in (1, 2, 3))
    + "\noutput fc"
)


def _mobilenetv3(squeezed: Collection[int], last: int) -> str:
    """Return the rules of MobileNetV3: its blocks are `features.3` to `features.<last - 1>`."""
    lines = ["features.0 features.0.0", "features.1 features.0.1"]
    for block in range(3, last):
        names = ["expand"] * (block > 3) + ["conv1"] + ["se"] * (block in squeezed) + ["conv2"]
        for place, name in enumerate(names):
            torch = f"features.{block - 2}.block.{place}"
            if name == "se":
                lines += [f"features.{block}.se.conv{n} {torch}.fc{n}" for n in (1, 2)]
            else:
                lines += [f"features.{block}.{name}.{each} {torch}.{n}" for n, each in enumerate(("conv", "bn"))]
    torch = f"features.{last - 2}"
    lines += [f"features.{last} {torch}.0", f"features.{last + 1} {torch}.1"]
    return "\n".join([*lines, f"features.{last + 4} classifier.0", "output.0 classifier.3"])


def _inceptionv3() -> str:
    a = "0.0 branch1x1|1.0 branch5x5_1|1.1 branch5x5_2|2.0 branch3x3dbl_1|2.1 branch3x3dbl_2|2.2 branch3x3dbl_3"
    b = "0.0 branch3x3|1.0 branch3x3dbl_1|1.1 branch3x3dbl_2|1.2 branch3x3dbl_3"
    c = "|".join(
        [
            "0.0 branch1x1",
            *(f"1.{n} branch7x7_{n + 1}" for n in range(3)),
            *(f"2.{n} branch7x7dbl_{n + 1}" for n in range(5)),
        ]
    )
    d = "|".join(["0.0 branch3x3_1", "0.1 branch3x3_2", *(f"1.{n} branch7x7x3_{n + 1}" for n in range(4))])
    e = (
        "0.0 branch1x1|1.0.0 branch3x3_1|1.1.0.0 branch3x3_2a|1.1.1.0 branch3x3_2b"
        "|2.0.0 branch3x3dbl_1|2.0.1 branch3x3dbl_2|2.1.0.0 branch3x3dbl_3a|2.1.1.0 branch3x3dbl_3b"
    )
    stem = "0 Conv2d_1a_3x3|1 Conv2d_2a_3x3|2 Conv2d_2b_3x3|4 Conv2d_3b_1x1|5 Conv2d_4a_3x3"
    lines = [(f"features.{place}", name) for place, name in map(str.split, stem.split("|"))]
    blocks = zip(
        ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"],
        (a, a, a, b, c, c, c, c, d, e, e),
        strict=True,
    )
    for number, (block, branches) in enumerate(blocks, start=7):
        pool = "" if branches in (b, d) else "|3.1 branch_pool"
        pairs = (pair.split() for pair in (branches + pool).split("|"))
        lines += [(f"features.{number}.{place}", f"Mixed_{block}.{name}") for place, name in pairs]
    return "\n".join([*(f"{gluon}.{{n}} {torch}.{{n}}" for gluon, torch in lines), "output fc"])


_VGGS = {  # where the dense layers begin, and how many arrays there are
    **{"vgg11": (21, 22), "vgg13": (25, 26), "vgg16": (31, 32), "vgg19": (37, 38)},
    **{"vgg11_bn": (29, 54), "vgg13_bn": (35, 66), "vgg16_bn": (44, 84), "vgg19_bn": (53, 102)},
}


def _both(name: str) -> tuple[str, ...]:
    return f"torchvision/{name}", f"timm/{name}"


_RESNETS = {18: 102, 34: 182, 50: 267, 101: 522, 152: 777}
_SE_RESNEXTS = {"50_32x4d": 331, "101_32x4d": 654, "101_64x4d": 654}
_RESNESTS = {"14d": 129, "26d": 221, "50d": 405, "101e": 796, "200e": 1555}
_DENSENETS = {"densenet121": 606, "densenet161": 806, "densenet169": 846, "densenet201": 1006}

PAIRS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        **{f"resnet{n}_v1b": Pair(arrays, _both(f"resnet{n}")) for n, arrays in _RESNETS.items()},
        **{
            f"resnet{n}_v1{stem}": Pair(_RESNETS[n] + 10, (f"timm/resnet{n}{stem}",))
            for n in (50, 101, 152)
            for stem in "cds"
        },
        **{f"resnest{n[:-1]}": Pair(arrays, (f"timm/resnest{n}",), _RESNEST) for n, arrays in _RESNESTS.items()},
        "resnext50_32x4d": Pair(267, _both("resnext50_32x4d"), _RESNEXT),
        "resnext101_32x4d": Pair(522, ("timm/resnext101_32x4d",), _RESNEXT),
        "resnext101_64x4d": Pair(522, _both("resnext101_64x4d"), _RESNEXT),
        **{f"se_resnext{n}": Pair(arrays, (f"timm/seresnext{n}",), _RESNEXT) for n, arrays in _SE_RESNEXTS.items()},
        "senet_154": Pair(987, ("timm/senet154",), _SENET),
        **{
            name: Pair(arrays, (f"torchvision/{name}",), _dense(first, first + 2))
            for name, (first, arrays) in _VGGS.items()
        },
        "alexnet": Pair(16, ("torchvision/alexnet",), _ALEXNET),
        **{name: Pair(arrays, _both(name), _DENSENET) for name, arrays in _DENSENETS.items()},
        **{f"squeezenet1.{n}": Pair(52, (f"torchvision/squeezenet1_{n}",), _SQUEEZENET) for n in (0, 1)},
        "inceptionv3": Pair(472, _both("inception_v3"), _inceptionv3(), from_minus_one=True),
        "googlenet": Pair(287, ("torchvision/googlenet",), _GOOGLENET, from_minus_one=True),
        "mobilenetv2_1.0": Pair(262, ("torchvision/mobilenet_v2",), _MOBILENETV2),
        "mobilenetv3_large": Pair(
            266, ("torchvision/mobilenet_v3_large",), _mobilenetv3((6, 7, 8, 13, 14, 15, 16, 17), 18)
        ),
        "mobilenetv3_small": Pair(210, ("torchvision/mobilenet_v3_small",), _mobilenetv3((3, *range(6, 14)), 14)),
    }
)
"""By the names of `ZOOS`; both zoos have the same network where both have the name."""


def normalization_in_torch(name: str, ours: Normalization) -> Normalization:
    """Return the mean and the standard deviation that PyTorch's weights for a network expect, by ours for it."""
    pair = PAIRS.get(name)
    return _MINUS_ONE if pair is not None and pair.from_minus_one else ours


def torch_names(net: Block, name: str) -> Mapping[str, Any]:
    """Return the parameters of a network of `PAIRS` by their names in PyTorch's files."""
    rules = list(_rules(PAIRS[name].rules))
    found = {}
    for gluon, parameter in net._collect_params_with_prefix().items():
        path, _, leaf = gluon.rpartition(".")
        if path.startswith("head."):
            continue  # googlenet registers its classifier twice
        torch = next((_fill(target, match) for rule, target in rules if (match := rule.fullmatch(path))), path)
        found[f"{torch}.{ {'gamma': 'weight', 'beta': 'bias'}.get(leaf, leaf) }"] = parameter
    return found


_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def as_named_now(name: str) -> str:
    """Return a name as torchvision writes it today: its published DenseNets are older."""
    return _OLD_DENSENET.sub(r"\1\2.", name)


def _rules(text: str) -> Iterator[tuple[re.Pattern[str], str]]:
    for line in filter(None, text.splitlines()):
        gluon, torch = line.split()
        yield re.compile(re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(gluon))), torch


def _fill(target: str, match: re.Match[str]) -> str:
    def value(place: re.Match[str]) -> str:
        number = int(match[place[1]])
        if place[1] == "n":
            return ("conv", "bn")[number]
        return str(number // int(place[2] or 1) + int(place[3] or 0))

    return re.sub(r"\{(\w)(?:/(\d))?([+-]\d+)?\}", value, target)
