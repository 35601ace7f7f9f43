"""What `result.json` says: from a plan and the record of its run to plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recipe_lang.check.checked import Metric
from runtime.plan.types import Plan
from runtime.runs.record import Record
from runtime.tasks.catalog import USUAL
from runtime.tasks.protocol import PARTS


def claims_of(plan: Plan, reports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each claim with the value that was reached and whether it holds; None where it is over several seeds."""
    compare = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    found = []
    for claim in plan.claims:
        value = _reached(reports, claim.metric)
        holds = None if claim.seeds else compare[claim.operator](value, claim.number)
        found.append({"claim": str(claim), "value": value, "holds": holds})
    return found


def _reached(reports: Mapping[str, Any], metric: Metric) -> float:
    """Return the value of a metric on a set, or on a part of the test set; NaN where no image is left of that."""
    if metric.set in PARTS:
        return float(reports["test"].parts.get(metric.set, {}).get(metric.name, math.nan))
    return float(reports[metric.set].values[metric.name])


def result_of(
    plan: Plan,
    record: Record,
    status: str,
    weights: str | None,
    weights_from: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the content of `result.json`, but for the time and the versions.

    `status` is `finished`, `interrupted` or `failed`; `weights` says which ones `model.params` holds, `weights_from`
    of which stage and epoch they are.
    """
    best = [event for event in record.evaluations if event.is_best]
    result: dict[str, Any] = {
        "recipe": plan.name,
        "hash": plan.hash,
        "status": status,
        "weights": weights,
        "weights_from": weights_from,
        "seed": plan.seed,
        "params": dict(plan.params),
        **({} if plan.task == USUAL.name else {"task": plan.task}),
        **plan.data.target.in_result(),
        "images": {name: plan.data.whole_images(name) for name in plan.data.target.counts},
        "stages": record.stages,
        "best": None,
    }
    if best:
        last = best[-1]
        result["best"] = {"stage": last.stage + 1, "epoch": last.epoch, "step": last.step, **last.values}
    for name, report in record.reports.items():
        result[name] = {**report.values, **report.in_result()}
    result["expect"] = claims_of(plan, record.reports) if status == "finished" else None
    return result
