"""All rules of advice on the text of a recipe."""

from __future__ import annotations

from runtime.vocabulary.advice import data, rates, regularization, stages

ADVICE = (*rates.RULES, *stages.RULES, *regularization.RULES, *data.RULES)
