"""Where a network runs: `cpu`, `gpu` or `gpu(N)` as MXNet's context."""

from __future__ import annotations

from typing import Any

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx
from runtime.backend.problems import NoSuchDevice


def device_context(device: str) -> Any:
    """Return MXNet's context for `cpu`, `gpu` or `gpu(N)`.

    Raises:
        RecipeError: there is no such device here.
    """
    kind, _, rest = device.partition("(")
    number = rest.rstrip(")") or "0"
    if kind == "cpu":
        return mx.cpu()
    if kind != "gpu" or not number.isdecimal() or len(number) > 9:
        raise RecipeError(NoSuchDevice(device=device, reason="devices are `cpu`, `gpu` and `gpu(N)`"))
    if int(number) >= mx.context.num_gpus():
        reason = f"MXNet sees {mx.context.num_gpus()} GPUs"
        raise RecipeError(NoSuchDevice(device=device, reason=reason))
    return mx.gpu(int(number))
