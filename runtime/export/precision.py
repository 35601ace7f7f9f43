"""Graphs of ONNX whose network counts in fewer bits, by the tools of onnxruntime.

In goes a model of 32 bits; out comes one whose convolutions and products, and what lies between them, have shorter
numbers. Preprocessing and what makes answers of the last layer stay as they are: they are cheap, and need the bits.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Precision:
    """How close a graph of a precision must be to `ftr predict` to be written.

    `share` of the images must have the same answers, numbers up to `tolerance`, on the scale of `Agreement`; without
    `share`, no answer may differ by more than `tolerance`. `inside` is the tolerance of a graph that prepares the
    images itself: its resizing rounds some pixels to the next level.
    """

    doc: str
    tolerance: float
    inside: float
    share: float | None


PRECISIONS: Mapping[str, Precision] = {
    "float32": Precision("As the network was trained.", 1e-3, 1e-2, None),
    "float16": Precision("Half as large; most processors convert it back, which takes time.", 2e-2, 2e-2, 0.98),
    "int8": Precision("A quarter as large; its ranges are measured on training images.", 0.1, 0.1, 0.98),
}
"""What `--precision` takes."""

CALIBRATION = 100
"""How many training images tell the ranges of values."""


def reduced(model: Any, precision: str, network: frozenset[str], calibration: Iterable[Array]) -> Any:
    """Return a model in a precision; `network` names the nodes of its network, `calibration` gives inputs of it."""
    return _WAYS[precision](model, _trunk(model, network), calibration)


def _trunk(model: Any, network: frozenset[str]) -> frozenset[str]:
    """Return the nodes of the network up to its last layers: those that a layer with weights takes something from."""
    found: set[str] = set()
    wanted: set[str] = set()
    for node in reversed(model.graph.node):
        if node.name in network and (node.op_type in _LAYERS or wanted.intersection(node.output)):
            found.add(node.name)
            wanted.update(node.input)
    return frozenset(found)


_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def _float16(model: Any, trunk: frozenset[str], calibration: Iterable[Array]) -> Any:  # noqa: ARG001
    from onnxruntime.transformers.float16 import convert_float_to_float16

    others = [node.name for node in model.graph.node if node.name not in trunk]
    with _quiet():
        return convert_float_to_float16(model, keep_io_types=True, node_block_list=others)


def _int8(model: Any, trunk: frozenset[str], calibration: Iterable[Array]) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(calibration)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.rest, None)
            return None if image is None else {model.graph.input[0].name: image}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, joined, made = (str(Path(folder) / f"{name}.onnx") for name in ("given", "joined", "made"))
        onnx.save(model, given)
        quant_pre_process(given, joined, skip_symbolic_shape=True)  # joins each norm with the convolution before it
        quantize_static(
            joined,
            made,
            Images(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=[*_LAYERS, *_BETWEEN],
            nodes_to_exclude=[
                node.name for node in model.graph.node if node.name not in trunk or node.op_type == "Softmax"
            ],
            extra_options={"MinimumRealRange": 1e-4},  # a channel whose weights are all zero would have no scale
        )
        return onnx.load(made)


_BETWEEN = ("Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "MaxPool", "Mul", "Relu", "Softmax")
"""Operators that have a form of eight bits, so that numbers stay short between layers; the tool has to see `Softmax`
only to pass it over."""

_WAYS: Mapping[str, Callable[[Any, frozenset[str], Iterable[Array]], Any]] = {"float16": _float16, "int8": _int8}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tools from giving advice on how to call them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
