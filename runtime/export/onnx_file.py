"""A trained model as an ONNX graph: preprocessing, network, answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.export.graph import OnnxGraph
from runtime.export.network import translate
from runtime.export.preprocessing import preprocess
from runtime.export.problems import ExtraMissing
from runtime.export.symbol import network
from runtime.models.network import Model
from runtime.plan.types import DataPlan
from runtime.system.installation import install_command, own_version
from runtime.tasks.protocol import Served, Task

FLOAT, UINT8 = 1, 2  # ONNX's numbers of types


def require_onnx() -> None:
    """Import what writing ONNX and checking it take.

    Raises:
        RecipeError: the extra is not installed.
    """
    for package in ("onnx", "onnxruntime"):
        try:
            import_module(package)
        except ImportError:
            raise RecipeError(ExtraMissing(package=package, command=install_command("onnx"))) from None


def onnx_model(
    model: Model, task: Task, data: DataPlan, described: Mapping[str, Any], *, raw: bool
) -> tuple[Any, Served]:
    """Return a model as an `onnx.ModelProto`, and what it serves.

    Its input is `image`, uint8 (batch, height, width, 3), images of one size as they were decoded; with `raw` it is
    `data`, float32 (batch, 3, height, width), prepared and normalized. Its output is what the task serves. What
    `described` holds becomes its metadata, as JSON under `ftr`.

    Raises:
        UntranslatableError: an operator or a step has no translation.
    """
    from onnx import helper

    served: list[Served] = []

    def answers(symbol: Any) -> tuple[Any, Mapping[str, Any]]:
        served.append(task.served(symbol, data.target))
        return served[0].symbol, served[0].arrays

    made = network(model, answers)
    graph = OnnxGraph()
    if raw:
        given = helper.make_tensor_value_info("data", FLOAT, ["batch", 3, *data.size])
        entry = "data"
    else:
        given = helper.make_tensor_value_info("image", UINT8, ["batch", "height", "width", 3])
        entry = preprocess(graph, "image", data.prepare, data.mean, data.std)
    output, shape = translate(graph, made, entry, data.size)
    graph.add("Identity", output, name=served[0].name)
    sides = ["batch" if side is None else side for side in shape]
    taken = helper.make_tensor_value_info(served[0].name, FLOAT, sides)
    metadata = {"ftr": json.dumps(described, ensure_ascii=False), "names": json.dumps(data.target.names)}
    return graph.model([given], [taken], metadata, f"ftr {own_version()}"), served[0]
