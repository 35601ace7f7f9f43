"""Frozen features in 32, 16 and 8 bits on this stack: `python bench/precision.py`, a minute.

EfficientNet-Lite0 with its weights takes 32 of the digits of scikit-learn at 128 pixels, with its layers joined as a
run joins them: in float32, in bfloat16 as MXNet's AMP converts the network, and in int8 with ranges taken from the
same images. Out come images per second, the best of five passes, and how far the features are from those of float32:
the root of the mean square of the differences, over that of the features. A form that fails says how.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from norm_gaps import inputs  # noqa: E402

from runtime.backend.mx import mx, nd, nn  # noqa: E402
from runtime.models import efficientnet_lite  # noqa: E402
from runtime.plan.size import Size  # noqa: E402

BATCH, SIDE = 32, 128
Network = tuple[Any, dict[str, Any], dict[str, Any]]  # symbol, arguments, auxiliary states


def network(images: Any) -> Network:
    """Return the default base with its weights as a graph."""
    base = efficientnet_lite.build("efficientnet_lite0", Size.square(SIDE))
    efficientnet_lite.load_packaged("efficientnet_lite0", base)
    net = nn.HybridSequential()
    net.add(*(block for _, block in base.parts), nn.GlobalAvgPool2D())
    net.hybridize()
    net(images)
    with tempfile.TemporaryDirectory() as place:
        net.export(f"{place}/net")
        found: Network = mx.model.load_checkpoint(f"{place}/net", 0)
    return found


def joined(form: Network, backend: str = "MKLDNN") -> Network:
    symbol, args, states = form
    return symbol.get_backend_symbol(backend), args, states


def bfloat16(form: Network) -> Network:
    from mxnet.contrib import amp

    symbol, args, states = form  # it casts the arrays in the dictionaries that it is given
    found: Network = amp.convert_model(symbol, {**args}, {**states}, target_dtype="bfloat16", cast_optional_params=True)
    return joined(found)


def int8(form: Network, images: Any) -> Network:
    from mxnet.contrib.quantization import quantize_model

    symbol, args, states = joined(form)
    found: Network = quantize_model(
        symbol,
        args,
        states,
        label_names=None,
        ctx=mx.cpu(),
        calib_mode="naive",
        calib_data=mx.io.NDArrayIter(images, batch_size=BATCH),
        num_calib_examples=BATCH,
        quantized_dtype="auto",
        quantize_mode="smart",
    )
    return joined(found, "MKLDNN_QUANTIZE")


def measured(form: Network, images: Any) -> tuple[float, Any]:
    """Return images per second, and the features."""
    symbol, args, states = form
    bound = symbol.bind(mx.cpu(), args={"data": images, **args}, aux_states=states, grad_req="null")
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        bound.forward(is_train=False)
        features = bound.outputs[0].astype("float32").asnumpy()
        seconds.append(time.perf_counter() - began)
    return len(images) / min(seconds[1:]), features


def main() -> None:
    """Print a line for each form."""
    images = nd.array(inputs(load_digits().images[:BATCH] * 255 / 16, SIDE))
    form = network(images)
    expected: Any = None
    for name, make in (
        ("float32", lambda: joined(form)),
        ("bfloat16", lambda: bfloat16(form)),
        ("int8", lambda: int8(form, images)),
    ):
        try:
            speed, features = measured(make(), images)
        except (mx.MXNetError, RuntimeError, ValueError, KeyError) as error:
            print(f"{name:9} fails: {' '.join(str(error).split())[:200]}", flush=True)
            continue
        expected = features if expected is None else expected
        apart = np.sqrt(np.mean((features - expected) ** 2) / np.mean(expected**2))
        print(f"{name:9} {speed:6.0f} images/s  {100 * apart:.2f}% off", flush=True)


if __name__ == "__main__":
    main()
