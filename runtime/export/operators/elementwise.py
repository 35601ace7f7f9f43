"""What is done to each number."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Call, Row, passed, same


def _scalar(operator: str, reverse: bool = False) -> Row:
    def row(graph: OnnxGraph, call: Call) -> str:
        pair = (call.inputs[0], graph.constant(float(call.get("scalar"))))
        return str(graph.add(operator, *(reversed(pair) if reverse else pair)))

    return row


def _clip(graph: OnnxGraph, call: Call) -> str:
    bounds = (graph.constant(float(call.get(name))) for name in ("a_min", "a_max"))
    return str(graph.add("Clip", call.inputs[0], *bounds))


_ARITHMETIC = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}
_SCALARS = {
    "plus": "Add",
    "minus": "Sub",
    "mul": "Mul",
    "div": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
}
_UNARY = ("abs", "erf", "exp", "log", "negative", "reciprocal", "relu", "sigmoid", "sqrt", "tanh")

ELEMENTWISE: Mapping[str, Row] = {
    "_copy": passed,
    "_rdiv_scalar": _scalar("Div", reverse=True),
    "_rminus_scalar": _scalar("Sub", reverse=True),
    "clip": _clip,
    "square": lambda graph, call: str(graph.add("Mul", call.inputs[0], call.inputs[0])),
    **{f"elemwise_{name}": same(operator) for name, operator in _ARITHMETIC.items()},
    **{f"broadcast_{name}": same(operator) for name, operator in _ARITHMETIC.items()},
    **{f"_{name}_scalar": _scalar(operator) for name, operator in _SCALARS.items()},
    **{name: same({"negative": "Neg"}.get(name, name.capitalize())) for name in _UNARY},
}
