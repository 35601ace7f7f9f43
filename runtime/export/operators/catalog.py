"""What each operator of MXNet is in ONNX: one row each, beside what it calls.

A row takes the graph that is built and a `Call`, and returns the name of its output. Shapes are known but for the
batch, so that a `Reshape` of any kind becomes a plain one; where a call asks for something that its row does not do,
the row raises `Untranslatable` and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.export.operators.call import Row
from runtime.export.operators.elementwise import ELEMENTWISE
from runtime.export.operators.layers import LAYERS
from runtime.export.operators.products import PRODUCTS
from runtime.export.operators.resizing import RESIZING
from runtime.export.operators.shapes import SHAPES

OPERATORS: Mapping[str, Row] = {**LAYERS, **SHAPES, **RESIZING, **PRODUCTS, **ELEMENTWISE}
"""The rows by MXNet's name. `tests/runtime/export/test_operators.py` compares each with MXNet."""
