"""What no single value shows: fields that contradict each other (E4). Each rule looks at a whole checked recipe."""

from __future__ import annotations

from runtime.vocabulary.rules import distillation, extension, heads, images, sources, splits, switches, training

RULES = (
    *heads.RULES,
    *extension.RULES,
    *sources.RULES,
    *splits.RULES,
    *images.RULES,
    *training.RULES,
    *switches.RULES,
    *distillation.RULES,
)
CLAIM_RULES = training.CLAIM_RULES
