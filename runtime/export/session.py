"""A graph of ONNX in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.backend.fingerprint import thread_count
from runtime.export.problems import GraphRefused

Array = np.ndarray[Any, Any]


def session(content: bytes) -> Callable[[Array], Array]:
    """Return what answers a graph's one input with its one output, on as many threads as MXNet has.

    Raises:
        RecipeError: onnxruntime refuses the graph, now or when it is to answer.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = 4
    try:
        loaded = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # its errors have no base but Exception
        raise _refused(fault) from fault
    name = loaded.get_inputs()[0].name

    def answer(given: Array) -> Array:
        try:
            return np.asarray(loaded.run(None, {name: given})[0])
        except Exception as fault:
            raise _refused(fault) from fault

    return answer


def _refused(fault: Exception) -> RecipeError:
    import onnxruntime

    reason = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
    return RecipeError(GraphRefused(version=onnxruntime.__version__, reason=reason))
