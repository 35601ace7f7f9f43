"""The networks of timm that a recipe can name: facts as plain data, each with public weights.

`ftr check` reads this module and never MXNet; `runtime/models/timm/network.py` builds what a row says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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


TIMM: Final[Mapping[str, TimmRow]] = {
    **_regnety("004", (48, 104, 208, 440), (1, 3, 6, 6), 8),
    **_regnety("008", (64, 128, 320, 768), (1, 3, 8, 2), 16),
    **_regnety("016", (48, 120, 336, 888), (2, 6, 17, 2), 24),
    **_regnety("032", (72, 216, 576, 1512), (2, 5, 13, 1), 24),
}
"""The networks by timm's exact name, with the tag of their weights."""
