"""What a run's result says of the weights that its base began with: enough to build the same network anywhere.

Which file a source gives depends on the machine: a zoo's own where its cache has it, else a public checkpoint, and the
two may differ in a layer, or in what images are normalized with. So a run notes what it used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.models.base import Normalization
from runtime.models.weights_sources import base_normalization, published_file, source_for
from runtime.plan.types import Component, Plan


@dataclass(frozen=True, slots=True)
class WeightsUsed:
    """Whether a base is PyTorch's where the two frameworks differ, and what its images are normalized with.

    None leaves either to the source.
    """

    as_torch: bool | None
    normalization: Normalization | None


def weights_used(plan: Plan) -> dict[str, Any]:
    """Return what a result says of the base's weights, which are on this machine.

    Of a head that is extended it has the parent's own result, beside which the classes that both know can be seen.
    """
    source, published = source_for(plan.base), published_file(plan.base)
    reached = getattr(plan.base.args.get("weights"), "args", {}).get("reached")
    return {
        **({"reached": reached} if reached else {}),
        "weights": source.provenance(plan.base)[0],
        "licence": published.licence if published is not None else "",
        "as_torch": source.as_in_torch(plan.base),
        "mean": list(plan.data.mean),
        "std": list(plan.data.std),
    }


def recorded_weights(base: Component, result: Mapping[str, Any]) -> WeightsUsed:
    """Return what a result says, which may be a stranger's; one of before knew no public checkpoints."""
    match result.get("base"):
        case {"as_torch": bool() as as_torch, "mean": [_, _, _] as mean, "std": [_, _, _] as std}:
            if all(_is_number(each) for each in (*mean, *std)) and all(each > 0 for each in std):
                return WeightsUsed(as_torch, (tuple(mean), tuple(std)))
    if source_for(base).entry.name == "imagenet" and base.name != "timm":
        return WeightsUsed(False, base_normalization(base))
    return WeightsUsed(None, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
