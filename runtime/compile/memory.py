"""How much memory a run will take at its peak, and which batch would fit into less: arithmetic, nothing is run.

In go a network and a plan; out comes a `MemoryEstimate`. A stage that trains holds what its layers give, and
the gradients of that; a frozen part holds what two layers give. The factors are measured (`bench/memory.py`): estimates
lay between 0.8 and 1.7 of what runs took. How large images are before they have their size is not known here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from runtime.backend.mx import mx
from runtime.data import decoded
from runtime.data.decoded import read_again
from runtime.features.inputs import kept_rows, teacher_rows
from runtime.features.store import MEMORY_BYTES
from runtime.models.network import Model, frozen_units
from runtime.plan.size import Size
from runtime.plan.types import Plan, StagePlan
from runtime.system.memory import resident
from runtime.training.optimizers import OPTIMIZERS

_FLOAT = 4
_LATER = 100_000_000  # what is loaded later, threads, what the allocators hold back
_COPIES = 6  # of all weights: as they are, as layers are joined, with and without the layout of a kernel
_TRAINED_COPIES = 2  # of those that train, more: gradients, the best, and what the optimizer keeps
_HELD = 2.7  # in training, of what a layer gives: itself, its gradient, a part of both in another layout
_HELD_OF_RELU6 = 5.0  # two operators and a mask; a ReLU behind a norm is one operator with it
_FROZEN = 2.0  # in prediction, of the largest that a layer gives
_PIXEL = 3 * (_FLOAT + 1 + 2)  # bytes: as numbers, in a batch, in two batches ahead
_KEPT_PIXEL = 4 * (256 / 224) ** 2  # bytes of a decoded image, for each pixel of the network's input


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The bytes that a run takes beside its batches, and for each image of a batch, in each of its processes here."""

    fixed: int
    per_image: int
    processes: int = 1

    def of(self, batch: int) -> int:
        """Return the bytes of a run with a batch."""
        return self.processes * (self.fixed + self.per_image * batch)

    def fitting(self, batch: int, most: int | None) -> int:
        """Return the largest power of two below `batch` whose run takes at most so many bytes; 0 where none does."""
        sizes = (2**power for power in reversed(range(batch.bit_length())))
        return next((size for size in sizes if size < batch and (most is None or self.of(size) <= most)), 0)


def estimate_memory(model: Model, plan: Plan, teacher: Model | None = None) -> MemoryEstimate:
    """Return the need of the stage that needs most, of what is kept of the images, and of a teacher."""
    phases = [phase for stage in plan.stages for _, phase in stage.phases()]
    sizes = {size: _outputs(model, size or model.size) for size in (None, *(phase.size for phase in phases))}
    largest = max(each for each, _ in sizes.values())
    needs = [_stage_need(model, plan, phase, largest, sizes[phase.size][1]) for phase in phases]
    images = sum(plan.data.images(name) for name in read_again(plan))
    kept = min(decoded.MEMORY_BYTES, int(_KEPT_PIXEL * images * model.size.pixels))
    beside = MemoryEstimate(0, 0) if teacher is None else _teacher_need(teacher, plan)
    return MemoryEstimate(
        resident() + _LATER + kept + beside.fixed + max(need.fixed for need in needs),
        beside.per_image + max(need.per_image for need in needs),
    )


def _teacher_need(teacher: Model, plan: Plan) -> MemoryEstimate:
    """Return the need of a network that predicts, and of what is kept of its outputs."""
    largest, _ = _outputs(teacher, teacher.size)
    numbers = sum(math.prod(parameter.shape) for parameter in teacher.parameters.values())
    rows = _FLOAT * len(plan.data.target.names) * teacher_rows(plan)
    return MemoryEstimate(
        fixed=_FLOAT * _COPIES * numbers + min(rows, MEMORY_BYTES),
        per_image=int(_FLOAT * _FROZEN * largest + _PIXEL * teacher.size.pixels),
    )


def _stage_need(model: Model, plan: Plan, stage: StagePlan, largest: int, held: list[float]) -> MemoryEstimate:
    numbers = sum(part.numbers for part in stage.parts)
    kept = sum(kept_rows(plan, size) for size in {None, stage.size})
    rows = _FLOAT * stage.features * kept if stage.cut else 0
    trained = sum(held[frozen_units(model, stage.cut) :])
    copies = _TRAINED_COPIES + OPTIMIZERS[stage.optimizer.name].arrays(stage.optimizer.args)
    copies += sum(map(bool, (stage.average, stage.l2_sp, stage.sam, max(stage.accumulate, stage.shards) > 1)))
    copies += stage.soup
    return MemoryEstimate(
        fixed=_FLOAT * (_COPIES * numbers + copies * stage.trained) + (rows if rows <= MEMORY_BYTES else 0),
        per_image=int(_FLOAT * max(trained, _FROZEN * largest) + _PIXEL * (stage.size or model.size).pixels),
    )


def _outputs(model: Model, size: Size) -> tuple[int, list[float]]:
    """Return how many numbers the largest layer gives for an image of a size, and what each unit holds in training."""
    outputs = model.chain.outputs(mx.sym.var("data"))[1:]
    ends, whole = [each.list_outputs()[-1] for each in outputs], outputs[-1]
    inner = whole.get_internals()
    _, shapes, _ = inner.infer_shape(data=(2, 3, *size))
    names = inner.list_outputs()
    given = {*whole.list_arguments(), *whole.list_auxiliary_states()}
    sizes = [0 if name in given else math.prod(shape[1:]) for name, shape in zip(names, shapes, strict=True)]
    factors = _factors(json.loads(whole.tojson())["nodes"])
    held = [factors.get(name, _HELD) * size for name, size in zip(names, sizes, strict=True)]
    indices = [0, *(names.index(end) + 1 for end in ends)]
    return max(sizes), [sum(held[begin:end]) for begin, end in pairwise(indices)]


def _factors(nodes: list[dict[str, Any]]) -> dict[str, float]:
    """Return what is held of the outputs of other layers than most, by name."""
    found = {}
    for node in nodes:
        if node["op"] == "clip":
            found[f"{node['name']}_output"] = _HELD_OF_RELU6
        elif node["op"] == "Activation" and nodes[node["inputs"][0][0]]["op"] == "BatchNorm":
            found[f"{node['name']}_output"] = 0.0
    return found
