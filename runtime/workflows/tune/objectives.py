"""What a study searches by: metrics of the validation images, and what an answer costs.

`objectives` takes the names that the command line gives, or none for the metric that the recipe itself goes by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.backend.mx import nd
from runtime.plan.types import Plan
from runtime.tasks.catalog import TASKS
from runtime.training.stage import Session, whole_net
from runtime.workflows.tune.problems import UnknownObjective
from runtime.workflows.tune.study import Direction

_TIMES = 5  # of which the median counts


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be large or small. `cost` measures it on a trained network; None for a metric of validation."""

    name: str
    higher_is_better: bool
    cost: Callable[[Session], float] | None = None

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        return self.name if self.cost else f"valid.{self.name}"

    def text(self, value: float) -> str:
        """Return a value as it is shown: a large count whole, all else with four digits."""
        return f"{value:,.0f}" if abs(value) >= 10_000 and value == int(value) else f"{value:.4g}"

    @property
    def direction(self) -> Direction:
        """Which way is better, as Optuna has it."""
        return "maximize" if self.higher_is_better else "minimize"


def _parameters(session: Session) -> float:
    known = [each for part in session.model.facts().parts.values() for each in part]
    return float(sum(each.size for each in known if each.kind != "statistic"))


def _seconds_per_image(session: Session) -> float:
    """Time the whole network on a batch of validation images: the median of a few times."""
    with closing(session.sets.evaluation("valid")) as batches:
        images = session.sets.inputs(next(batches).images, session.context)
    net = whole_net(session.model)
    times = []
    for _ in range(1 + _TIMES):  # the first makes it ready
        nd.waitall()
        began = time.perf_counter()
        net(images).wait_to_read()
        times.append(time.perf_counter() - began)
    return median(times[1:]) / len(images)


COSTS: Mapping[str, Objective] = {
    "parameters": Objective("parameters", higher_is_better=False, cost=_parameters),
    "seconds_per_image": Objective("seconds_per_image", higher_is_better=False, cost=_seconds_per_image),
}
"""What an answer costs; the second is measured, and so differs from one time to the next."""


def objectives(names: Sequence[str], plan: Plan) -> tuple[Objective, ...]:
    """Return what a study of a plan searches by.

    Raises:
        RecipeError: there is no such metric, or it is one of the test images.
    """
    metrics = TASKS[plan.task].metrics
    monitor = plan.stages[-1].monitor
    found = []
    for name in names or (monitor.name if monitor else "loss",):
        short = name.removeprefix("valid.")
        if short in metrics:
            found.append(Objective(short, metrics[short].higher_is_better))
        elif name in COSTS:
            found.append(COSTS[name])
        else:
            options = (*metrics, *COSTS)
            is_test, near = name.startswith("test."), suggest(short.removeprefix("test."), options)
            if is_test and near:
                near = f"choose by the validation images: `--metric {near}`"
            raise RecipeError(UnknownObjective(name=name, options=options, suggestion=near, is_test=is_test))
    return tuple(dict.fromkeys(found))
