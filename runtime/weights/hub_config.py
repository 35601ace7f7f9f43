"""What a hub's repository says of its weights: its `config.json`, as timm writes it.

In goes a file from strangers, out comes what is used of it. The `config.json` of other libraries says nothing that is
used here; then the base's own row holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.weights.problems import BadConfig

_LARGEST = 1 << 20

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class HubConfig:
    """The network and the images that weights were trained for, as far as it is said.

    `architecture` is timm's name; `mean` and `std` are for values from 0 to 1; `side` is that of its images in pixels,
    `crop` the share of the shorter side that it was evaluated on.
    """

    architecture: str = ""
    mean: Triple | None = None
    std: Triple | None = None
    side: int | None = None
    crop: float | None = None
    interpolation: str = ""


def read_config(path: Path, place: str) -> HubConfig:
    """Read a repository's `config.json`.

    Raises:
        RecipeError: it is no JSON, or says what cannot be.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError("it is larger than a megabyte")
        whole = json.loads(text)
        if not isinstance(whole, dict):
            raise ValueError("it is no table")
        settings = whole.get("pretrained_cfg", whole)  # the oldest have no table of their own
        if not isinstance(settings, dict):
            raise ValueError("`pretrained_cfg` is no table")
        return _config(whole, settings)
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(BadConfig(place=place, reason=str(error).splitlines()[0][:120])) from None


def _config(whole: Mapping[str, Any], settings: Mapping[str, Any]) -> HubConfig:
    architecture = whole.get("architecture", settings.get("architecture", ""))
    if not isinstance(architecture, str) or len(architecture) > 100 or not architecture.isprintable():
        raise ValueError("`architecture` is no name")
    if not architecture and "pretrained_cfg" not in whole:
        return HubConfig()  # not of timm
    mean, std = _triple(settings, "mean", 0.0), _triple(settings, "std", 1e-3)
    if (mean is None) != (std is None):
        raise ValueError("it has one of `mean` and `std`")
    return HubConfig(
        architecture=architecture,
        mean=mean,
        std=std,
        side=_side(settings.get("input_size")),
        crop=_number(settings, "crop_pct", 0.01, 1.5),
        interpolation=str(settings.get("interpolation", ""))[:20],
    )


def _triple(settings: Mapping[str, Any], name: str, low: float) -> Triple | None:
    match settings.get(name):
        case None:
            return None
        case [first, second, third] as found if all(
            isinstance(each, int | float) and not isinstance(each, bool) and low <= each <= 1 for each in found
        ):
            return float(first), float(second), float(third)
    raise ValueError(f"`{name}` is not three numbers from {low:g} to 1")


def _side(size: Any) -> int | None:
    match size:
        case None:
            return None
        case [3, int() as height, int() as width] if height == width and 16 <= height <= 4096:
            return height
    raise ValueError("`input_size` is not that of square RGB images")


def _number(settings: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = settings.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"`{name}` is not a number from {low:g} to {high:g}")
    return float(value)
