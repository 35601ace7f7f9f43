"""How rows depend on the task of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recipe_lang.check.vocabulary import Condition
from runtime.data.targets import TargetKind
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import Task


def by_task(default: Callable[[Task], Any]) -> dict[Condition, Any]:
    """Return the defaults of the other tasks, for `Arg.by`."""
    return {("task", task.name): default(task) for task in TASKS.values() if task is not USUAL}


def learning(*kinds: TargetKind) -> frozenset[Condition]:
    """Return the condition of a name that is for targets of some kinds, or without any for all, for `Entry.only`."""
    return only_of(*(task for task in TASKS.values() if not kinds or task.target in kinds))


def only_of(*tasks: Task) -> frozenset[Condition]:
    """Return the condition of a name that only some tasks have, for `Entry.only`."""
    return frozenset(("task", task.name) for task in tasks) if len(tasks) < len(TASKS) else frozenset()
