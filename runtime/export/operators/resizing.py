"""What makes maps larger or smaller."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Call, Row


def _upsampling(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.get("sample_type") == "nearest" and len(call.inputs) == 1, f"{call.get('sample_type')}")
    scale = float(call.get("scale"))
    return str(
        graph.add(
            "Resize",
            call.inputs[0],
            "",
            graph.constant([1.0, 1.0, scale, scale]),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    )


def _bilinear(graph: OnnxGraph, call: Call) -> str:
    corners = bool(call.get("align_corners", True))
    head = graph.add("Shape", call.inputs[0], start=0, end=2)
    sides = graph.integers(*(side or 0 for side in call.shape[2:]))
    mode = "align_corners" if corners else "half_pixel"
    sizes = graph.add("Concat", head, sides, axis=0)
    return str(graph.add("Resize", call.inputs[0], "", "", sizes, mode="linear", coordinate_transformation_mode=mode))


RESIZING: Mapping[str, Row] = {"UpSampling": _upsampling, "_contrib_BilinearResize2D": _bilinear}
