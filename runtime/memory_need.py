"""How much memory a run will take at its peak, and which batch would fit into less: arithmetic, nothing is run.

In go a network and a plan; out comes a `Need`. A stage that trains holds what its layers give, once and a bit more
(gradients come and go); a frozen part holds only what its largest layers give. The factors are measured
(`bench/memory.py`); images larger than the network's size and other programs are beyond an estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from runtime.memory import resident
from runtime.model import Model, frozen_units, units
from runtime.mx import mx
from runtime.plan import Plan, StagePlan

_FLOAT = 4
_LATER = 230_000_000  # libraries that are loaded later, the allocators' slack, threads
_TRAINED = 1.6  # bytes held in training, of all outputs of the layers that train
_FROZEN = 3.0  # bytes held in prediction, of the largest output
_COPIES = 3  # of all weights: as they are, as joined layers have them, as they are written
_TRAINED_COPIES = 5  # of those that train: gradient, two of the optimizer, the best, the next best
_PIXEL = 3 * (_FLOAT + 1 + 2)  # bytes: as numbers, as a batch, two batches ahead


@dataclass(frozen=True, slots=True)
class Need:
    """The bytes that a run takes beside its batches, and for each image of a batch."""

    fixed: int
    per_image: int

    def of(self, batch: int) -> int:
        """Return the bytes of a run with a batch."""
        return self.fixed + self.per_image * batch

    def fitting(self, batch: int, most: int | None) -> int:
        """Return the largest power of two below `batch` whose run takes at most so many bytes; 0 where none does."""
        sizes = (2**power for power in reversed(range(batch.bit_length())))
        return next((size for size in sizes if size < batch and (most is None or self.of(size) <= most)), 0)


def memory_need(model: Model, plan: Plan) -> Need:
    """Return the need of the stage that needs most."""
    outputs = _outputs(model)
    needs = [_stage_need(model, stage, outputs) for stage in plan.stages]
    return Need(max(need.fixed for need in needs), max(need.per_image for need in needs))


def _stage_need(model: Model, stage: StagePlan, outputs: list[list[int]]) -> Need:
    cut = frozen_units(model, stage.cut)
    frozen = max((each for unit in outputs[:cut] for each in unit), default=0)
    trained = sum(each for unit in outputs[cut:] for each in unit)
    largest = max((each for unit in outputs for each in unit), default=0)  # an evaluation runs through all
    numbers = sum(part.numbers for part in stage.parts)
    return Need(
        fixed=resident() + _LATER + _FLOAT * (_COPIES * numbers + _TRAINED_COPIES * stage.trained),
        per_image=int(_FLOAT * (_TRAINED * trained + _FROZEN * max(frozen, largest)) + _PIXEL * model.size**2),
    )


def _outputs(model: Model) -> list[list[int]]:
    """Return how many numbers each layer of each unit gives for an image."""
    whole = mx.sym.var("data")
    ends = []
    for unit in units(model):
        whole = unit(whole)
        ends.append(whole.list_outputs()[-1])
    inner = whole.get_internals()
    _, shapes, _ = inner.infer_shape(data=(2, 3, model.size, model.size))
    given = {*whole.list_arguments(), *whole.list_auxiliary_states()}
    names = inner.list_outputs()
    sizes = [0 if name in given else math.prod(shape[1:]) for name, shape in zip(names, shapes, strict=True)]
    places = [0, *(names.index(end) + 1 for end in ends)]
    return [sizes[begin:end] for begin, end in pairwise(places)]
