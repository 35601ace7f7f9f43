"""Which results of a list are not told apart from the best one: `marked(results)`.

Only where that can be said: of single runs with the same images in a set, by their accuracy; of runs with several seeds
that are the same, with the same images for each, by any metric. Other differences stay unmarked: they may be noise too.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from runtime.runs.noise import estimate, is_too_close
from runtime.runs.seeds import SETS
from runtime.tasks.catalog import METRICS

MARK = "~"
NOTES = {
    "run": "fewer than six images make the difference to the best on the same images: no test of them could show it",
    "seeds": "the 95% interval of the differences by seed to the best holds 0",
}
"""What the mark means, of a run and of runs with several seeds."""


def marked(results: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[tuple[int, str], str]:
    """Return for a position and a set, where the result is not told apart from the best, why: a key of `NOTES`.

    `metrics` are those that the list shows. A result says in `known_images` which images its sets have.
    """
    found: dict[tuple[int, str], str] = {}
    for set_name in SETS:
        alike: dict[tuple[str, tuple[int, ...], Hashable], list[int]] = {}
        for position, (result, metric) in enumerate(zip(results, metrics, strict=True)):
            images = (result.get("known_images") or {}).get(set_name)
            if images and metric in METRICS and _value(result, set_name, metric) is not None:
                alike.setdefault((metric, tuple(result.get("seeds") or ()), images), []).append(position)
        for (metric, seeds, _), positions in alike.items():
            sign = 1 if METRICS[metric].higher_is_better else -1
            best = max(positions, key=lambda at: sign * (_value(results[at], set_name, metric) or 0.0))
            for other in positions:
                if other != best and _is_noise(results[best], results[other], set_name, metric):
                    found[other, set_name] = "seeds" if seeds else "run"
    return found


def _is_noise(best: Mapping[str, Any], other: Mapping[str, Any], set_name: str, metric: str) -> bool:
    if best.get("seeds"):
        pairs = zip(best["runs"], other["runs"], strict=True)
        return estimate([one[set_name][metric] - two[set_name][metric] for one, two in pairs]).is_noise
    images = (best.get("images") or {}).get(set_name)
    one, two = (_value(each, set_name, metric) for each in (best, other))
    return metric == "accuracy" and isinstance(images, int) and is_too_close(one or 0.0, two or 0.0, images)


def _value(result: Mapping[str, Any], set_name: str, metric: str) -> float | None:
    """Return the number of a result, the mean where it is of several seeds."""
    found = (result.get(set_name) or {}).get(metric)
    found = found.get("mean") if isinstance(found, dict) else found
    return float(found) if isinstance(found, int | float) else None
