"""The backbone in a file of a GluonCV detector, segmenter or pose network: the arrays of a classifier's layers.

In go the arrays of such a file and the parameters that a classifier has, without its last layer; out come those arrays
under the classifier's names. The networks hold a classifier's layers in its own order, below names of their own: a
layer is known by its position, the last word of its name and its shape, and all of them have to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from recipe_lang.problem import Kind

OnlyBackbone = Kind(
    "W782",
    "only a backbone",
    reason="""The file is that of a detector, a segmenter or a pose network of GluonCV. Its backbone is the base; a
    classifier has no place for what such a network has beyond it.""",
    source="https://cv.gluon.ai/model_zoo/index.html",
    fields="path kept total",
    message="of {path} the backbone is taken: {kept} of its {total} arrays",
    help="nothing needs doing where that is meant; a comment `# allow: W782` says so",
)

Arrays = Mapping[str, Any]

_PLACES: tuple[tuple[str, ...], ...] = (
    ("",),  # fcn, psp, deeplab: the classifier's names as they are
    ("stages.",),  # yolo3
    ("features.", "top_features."),  # faster_rcnn, mask_rcnn: the last stage stands apart
    ("base_network.base_network.",),  # center_net
    ("resnet.",),  # simple_pose
)
"""What stands before the names of the backbone's parameters, in the order of the layers."""


def backbone(arrays: Arrays, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Return the arrays of a classifier's layers by its own names; None where the file has them nowhere.

    `wanted` has the shapes of its parameters by structural name, in the order of its layers; 0 is any length.
    """
    if all(name in arrays for name in wanted):
        return {name: arrays[name] for name in wanted}
    for prefixes in _PLACES[1:]:
        found = [item for prefix in prefixes for item in arrays.items() if item[0].startswith(prefix)]
        if taken := _in_order(found, wanted):
            return taken
    return None


def _in_order(found: Iterable[tuple[str, Any]], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Return the first arrays under the names that are wanted, where kind and shape of each are right."""
    taken: dict[str, Any] = {}
    rest = iter(found)
    for name, shape in wanted.items():
        theirs, array = next(rest, ("", None))
        if array is None or _kind(theirs) != _kind(name) or not _fits(array.shape, shape):
            return None
        taken[name] = array
    return taken


def _kind(name: str) -> str:
    return re.split(r"[._]", name.replace("running_", "running"))[-1]


def _fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    return len(have) == len(want) and all(b in (0, -1, a) for a, b in zip(have, want, strict=True))
