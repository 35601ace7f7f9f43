"""What a stage can say: optimizers, schedules, losses, clipping, stop rules, and the layers of a head.

The rows stand beside what they build, in the module of the same concern, and are only put together here. Nothing here
imports MXNet or NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from recipe_lang.check.vocabulary import Arg, CallOf, Default, Duration, Entry, MetricOf, Number, family
from runtime.models.heads import LAYERS
from runtime.plan.schedules import SCHEDULES
from runtime.plan.stage_rules import RATE_RULES, RECOVERIES, STOP_RULES
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import Task
from runtime.training.averages import AVERAGES
from runtime.training.gradients import CLIPS
from runtime.training.optimizers import OPTIMIZERS
from runtime.training.soup import GREEDY_SOUP
from runtime.vocabulary.tasks import by_task, learning, only_of


def _monitoring(entry: Entry) -> Entry:
    """Return a row whose metric is by default the one that the task is judged by."""
    by = by_task(lambda task: Default(f"valid.{task.monitor}"))
    args = (
        replace(arg, default=Default(f"valid.{USUAL.monitor}"), by=by) if isinstance(arg.type, MetricOf) else arg
        for arg in entry.args
    )
    return replace(entry, args=tuple(args))


def _losses() -> Iterator[Entry]:
    """Yield the losses, each for the tasks that have it; one of a loss has by default that of the task."""
    having: dict[str, list[Task]] = {}
    rows = {}
    for task in TASKS.values():
        for loss in task.losses:
            having.setdefault(loss.entry.name, []).append(task)
            rows[loss.entry.name] = loss.entry
    for name, entry in rows.items():
        by = {("task", task.name): Default(task.loss) for task in having[name] if task is not USUAL}
        usual = Default(USUAL.loss)
        args = (replace(arg, default=usual, by=by) if arg.type == CallOf(("loss",)) else arg for arg in entry.args)
        yield replace(entry, args=tuple(args), only=only_of(*having[name]))


OPTIMIZER = family("optimizer", "an optimizer", *(row.entry for row in OPTIMIZERS.values()))
_FOLLOWED = (
    Arg(
        "for",
        Duration(share=True),
        "Of schedules that `then` joins, how long this one lasts; the last has the rest of the stage.",
        None,
        since="0.2",
    ),
    Arg(
        "peak",
        Number(0, 1, above=True),
        "Of schedules that `then` joins, this one's peak, as a fraction of the optimizer's `lr`.",
        1.0,
        since="0.2",
    ),
)


def _followed(entry: Entry) -> Entry:
    """Return a schedule's row with what it may say where another one follows it."""
    needed = [arg.name for arg in entry.args if arg.must_be_written]
    shown = () if needed else (f"for = 10 epochs\nschedule = {entry.name}(for = 50%, peak = 20%) then cosine",)
    return replace(entry, args=(*entry.args, *_FOLLOWED), examples=(*entry.examples, *shown))


SCHEDULE = family(
    "schedule", "a schedule", *(row.entry if row.judge else _followed(row.entry) for row in SCHEDULES.values())
)
LOSS = family("loss", "a loss", *_losses())
LAYER = family(
    "layer",
    "a layer",
    *(replace(row.entry, only=learning(*filter(None, [row.gives]))) for row in LAYERS.values()),
)
CLIP = family("clip", "a way to clip gradients", *(row.entry for row in CLIPS.values()))
AVERAGE = family("average", "an average of the weights", *(row.entry for row in AVERAGES.values()))
SOUP = family("soup", "a choice of weights", GREEDY_SOUP)
STOP = family("stop", "a stop rule", *(_monitoring(row.entry) for row in STOP_RULES.values()))
RECOVERY = family("recovery", "a way to continue after the loss diverges", *(row.entry for row in RECOVERIES.values()))
RATE_RULE = family("rate rule", "a rule for the learning rates of parts", *(row.entry for row in RATE_RULES.values()))
