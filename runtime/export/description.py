"""What stands in the JSON beside an exported model: what goes in, what comes out, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.plan.types import DataPlan, as_json
from runtime.system.installation import own_version
from runtime.tasks.protocol import Task


def image_input() -> dict[str, Any]:
    """Describe the input of a graph that prepares images itself."""
    return {
        "name": "image",
        "dtype": "uint8",
        "shape": ["batch", "height", "width", 3],
        "content": "images of any one size, RGB, upright; resizing, cropping and normalization happen inside",
    }


def tensor_input(data: DataPlan) -> dict[str, Any]:
    """Describe the input of a network alone, and how an image becomes one."""
    return {
        "name": "data",
        "dtype": "float32",
        "shape": ["batch", 3, *data.size],
        "content": "images prepared by these steps, RGB, (value / 255 - mean) / std",
        "prepare": as_json(tuple({"name": step.name, **step.args} for step in data.prepare)),
        "mean": list(data.mean),
        "std": list(data.std),
    }


def _averaged(data: DataPlan) -> dict[str, Any]:
    """Say that `ftr predict` takes the mean of several views, and an export sees one."""
    if data.tta is None:
        return {}
    return {"tta": as_json(tuple({"name": step.name, **step.args} for step in data.tta))}


def described(
    task: Task, data: DataPlan, form: str, given: Mapping[str, Any], taken: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the description of a model in a format, of its input and its output; `result` is that of its run.

    Where images are cut into tiles, the input is one of these, and has their side and overlap.
    """
    tiles = {} if data.tiles is None else {"tiles": {"side": data.tiles.side, "overlap": data.tiles.overlap}}
    return {
        "format": form,
        "task": task.name,
        "input": {**given, **tiles},
        "output": {**taken, "names": list(data.target.names), **task.decisions(data.target), **_averaged(data)},
        "run": {name: result.get(name) for name in ("recipe", "hash", "weights_from")},
        "ftr": own_version(),
    }
