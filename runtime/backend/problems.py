"""What can be wrong with the machine that a run is to run on (E602)."""

from __future__ import annotations

from recipe_lang.problem import Kind

NoSuchDevice = Kind(
    "E602",
    "no such device",
    reason="The device that was asked for is not there.",
    fields="device reason",
    message="cannot run on `{device}`: {reason}",
    help=lambda p: "did you mean `--device gpu`?" if p.device.startswith("cuda") else "use `--device cpu`",
)
