"""What no single value shows: fields that contradict each other (E4). Each rule looks at a whole checked recipe."""

from __future__ import annotations

from runtime.vocabulary.rules import extension, heads, images, sources, training

RULES = (*heads.RULES, *extension.RULES, *sources.RULES, *images.RULES, *training.RULES)
CLAIM_RULES = training.CLAIM_RULES
