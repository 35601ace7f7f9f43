"""The vocabulary of `.ftr` recipes: every name, its arguments, types, ranges, defaults, documentation.

Plain tables, read by the checker, the documentation and the compiler. Importing it loads neither MXNet nor
NumPy.
"""

from __future__ import annotations

from recipe_lang.check.vocabulary import MetricWord, Vocabulary
from runtime.tasks.catalog import METRICS, TASKS
from runtime.tasks.protocol import PARTS
from runtime.vocabulary import data, training
from runtime.vocabulary import models as bases
from runtime.vocabulary.advice.catalog import ADVICE, LATER
from runtime.vocabulary.aliases import HABITS, RENAMINGS
from runtime.vocabulary.fields import BLOCKS, FIELDS
from runtime.vocabulary.rules import CLAIM_RULES, RULES
from runtime.vocabulary.tasks import only_of

__all__ = ["VOCABULARY"]

VOCABULARY = Vocabulary(
    version=1,
    fields=FIELDS,
    blocks=BLOCKS,
    families={
        family.name: family
        for family in (
            bases.BASE,
            bases.WEIGHTS,
            bases.TRAINED_WEIGHTS,
            data.SOURCE,
            data.SPLIT,
            data.TILING,
            data.SAMPLING,
            data.THRESHOLD,
            data.CALIBRATION,
            data.PREPARE,
            data.AUGMENT,
            training.LAYER,
            training.LOSS,
            training.OPTIMIZER,
            training.SCHEDULE,
            training.CLIP,
            training.AVERAGE,
            training.STOP,
            training.RECOVERY,
            training.RATE_RULE,
        )
    },
    metrics={
        name: MetricWord(metric.doc, only_of(*(task for task in TASKS.values() if name in task.metrics)))
        for name, metric in METRICS.items()
    },
    sets=("valid", "test", *PARTS),
    parts=bases.parts_of,
    rules=(*RULES, *ADVICE),
    later=LATER,
    claim_rules=CLAIM_RULES,
    habits=HABITS,
    renamings=RENAMINGS,
)
