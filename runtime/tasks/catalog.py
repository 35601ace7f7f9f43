"""The tasks by name: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime.tasks.classification.task import CLASSIFICATION
from runtime.tasks.detection.task import DETECTION
from runtime.tasks.multi_label.task import MULTI_LABEL
from runtime.tasks.protocol import Metric, Task
from runtime.tasks.regression.task import REGRESSION
from runtime.tasks.segmentation.task import SEGMENTATION

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedRecipe

TASKS: Mapping[str, Task] = {
    task.name: task for task in (CLASSIFICATION, MULTI_LABEL, REGRESSION, SEGMENTATION, DETECTION)
}

USUAL = CLASSIFICATION
"""The task of a recipe that names none."""

METRICS: Mapping[str, Metric] = {name: metric for task in TASKS.values() for name, metric in task.metrics.items()}
"""The metrics of all tasks; one that two tasks have is the same in both, but for its words."""


def task_of(recipe: CheckedRecipe) -> Task:
    """Return the task of a recipe."""
    return TASKS[recipe["task"]]
