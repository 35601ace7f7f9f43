"""A trained model as an ONNX graph: preprocessing, network, answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.export.answers import FLOAT, UINT8, answers
from runtime.export.graph import OnnxGraph
from runtime.export.network import translate
from runtime.export.preprocessing import preprocess
from runtime.export.problems import ExtraMissing
from runtime.export.symbol import network
from runtime.models.network import Model
from runtime.plan.types import DataPlan
from runtime.system.installation import install_command, own_version
from runtime.tasks.answers import Served
from runtime.tasks.protocol import Task


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


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A graph: the content of its file, what comes out, and the names of the nodes that are the network's."""

    content: bytes
    taken: Mapping[str, Any]
    network: frozenset[str]

    def changed(self, change: Callable[[Any, frozenset[str]], Any]) -> OnnxFile:
        """Return the graph that a function of an `onnx.ModelProto` and the network's nodes makes of this one."""
        import onnx

        model = change(onnx.load_from_string(self.content), self.network)
        return replace(self, content=model.SerializeToString())


def onnx_file(model: Model, task: Task, data: DataPlan, described: Mapping[str, Any], *, raw: bool) -> OnnxFile:
    """Return a model as a graph of ONNX.

    Its input is `image`, uint8 (batch, height, width, 3), images of one size as they were decoded; with `raw` it is
    `data`, float32 (batch, 3, height, width), prepared and normalized. Its output is what the task serves. What
    `described` holds becomes its metadata, as JSON under `ftr`.

    Raises:
        UntranslatableError: an operator or a step has no translation.
    """
    from onnx import helper

    served: list[Served] = []

    def serve(symbol: Any) -> tuple[Any, Mapping[str, Any]]:
        served.append(task.served(symbol, data.target))
        return served[0].symbol, served[0].arrays

    made = network(model, serve)
    graph = OnnxGraph()
    prepared = None
    if raw:
        given = helper.make_tensor_value_info("data", FLOAT, ["batch", 3, *data.size])
        entry = "data"
    else:
        given = helper.make_tensor_value_info("image", UINT8, ["batch", "height", "width", 3])
        prepared = preprocess(graph, "image", data.prepare, data.mean, data.std)
        entry = prepared.name
    begin = len(graph.nodes)
    output, shape = translate(graph, made, entry, data.size)
    inside = frozenset(node.name for node in graph.nodes[begin:])
    found = answers(graph, output, shape, served[0].form, data.size, prepared)
    graph.add("Identity", found.name, name=served[0].name)
    taken = helper.make_tensor_value_info(served[0].name, found.dtype, found.sides)
    metadata = {"ftr": json.dumps(described, ensure_ascii=False), "names": json.dumps(data.target.names)}
    content = graph.model([given], [taken], metadata, f"ftr {own_version()}").SerializeToString()
    says = {"name": served[0].name, "content": served[0].says, "dtype": _DTYPES[found.dtype], "shape": [*found.sides]}
    return OnnxFile(content, says, inside)


_DTYPES = {FLOAT: "float32", UINT8: "uint8"}
