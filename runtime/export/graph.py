"""An ONNX graph while it is built: nodes with numbered names, initializers, values known by name.

Operators are those of opset 18, the first whose `Resize` shrinks without aliasing, so that the file does not depend on
the version of the installed `onnx`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OPSET = 18
IR_VERSION = 8  # what ONNX 1.13, which brought that opset, wrote: older runtimes refuse newer ones
Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class OnnxGraph:
    """Nodes in order, and the arrays that they take by name."""

    nodes: list[Any] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)

    def add(self, operator: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        """Add a node; return the name of its output, or of several a list. `name` is that of the only output."""
        from onnx import helper

        number = self._numbers[operator]
        self._numbers[operator] += 1
        node = f"{operator}_{number}"
        given = [name or node] if outputs == 1 else [f"{node}_{each}" for each in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), given, name=node, **attributes))
        return given[0] if outputs == 1 else given

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Return the name of a constant array."""
        array = np.asarray(value, dtype)
        known = (name for name, each in self.arrays.items() if name.startswith("constant_") and _same(each, array))
        name = next(known, f"constant_{len(self.arrays)}")
        self.arrays[name] = array
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a vector of whole numbers, as shapes and axes are."""
        return self.constant(values, np.int64)

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any], metadata: Mapping[str, str], producer: str) -> Any:
        """Return the whole as an ONNX model, checked. Inputs and outputs are `onnx.ValueInfoProto`."""
        from onnx import checker, helper, numpy_helper

        used = {name for node in self.nodes for name in node.input}
        arrays = [numpy_helper.from_array(each, name) for name, each in self.arrays.items() if name in used]
        graph = helper.make_graph(self.nodes, "model", list(inputs), list(outputs), arrays)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=producer)
        helper.set_model_props(model, dict(metadata))
        checker.check_model(model)
        return model


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
