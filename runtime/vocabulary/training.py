"""What a stage can say: optimizers, schedules, losses, clipping, stop rules, and the layers of a head.

The rows stand beside what they build, in the module of the same concern, and are only put together here. Nothing here
imports MXNet or NumPy.
"""

from __future__ import annotations

from recipe_lang.check.vocabulary import family
from runtime.models.heads import LAYERS
from runtime.plan.schedules import SCHEDULES
from runtime.plan.stage_rules import RATE_RULES, RECOVERIES, STOP_RULES
from runtime.tasks.catalog import TASKS
from runtime.training.gradients import CLIPS
from runtime.training.optimizers import OPTIMIZERS

OPTIMIZER = family("optimizer", "an optimizer", *(row.entry for row in OPTIMIZERS.values()))
SCHEDULE = family("schedule", "a schedule", *(row.entry for row in SCHEDULES.values()))
LOSS = family("loss", "a loss", *(loss.entry for task in TASKS.values() for loss in task.losses))
LAYER = family("layer", "a layer", *(layer.entry for layer in LAYERS.values()))
CLIP = family("clip", "a way to clip gradients", *(row.entry for row in CLIPS.values()))
STOP = family("stop", "a stop rule", *(row.entry for row in STOP_RULES.values()))
RECOVERY = family("recovery", "a way to continue after the loss diverges", *(row.entry for row in RECOVERIES.values()))
RATE_RULE = family("rate rule", "a rule for the learning rates of parts", *(row.entry for row in RATE_RULES.values()))
