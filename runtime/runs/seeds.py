"""The folder of one recipe's runs with several seeds, and what they say together.

run.json       how it began, as that of a run
seeds.json     which seeds
resolved.ftr   every value, as the first of them was run
seed-1/        the folder of a run with seed 1, and so on
summary.json   for each metric of each set the mean over the seeds, the spread and the mean's interval; the claims

The numbers follow from the folders of the runs alone: `summary_of` reads them, and nothing else does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.plan.types import as_json
from runtime.runs.folder import has_ended, read_json, write_json
from runtime.runs.noise import Estimate, estimate
from runtime.tasks.catalog import METRICS, TASKS, USUAL
from runtime.training.problems import NotARun

SEEDS, SUMMARY = "seeds.json", "summary.json"
_FORMAT = 1
_MOST = 1000
SETS = ("valid", "test")


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One of several runs that differ in their seeds: its folder, and what its `result.json` and `plan.json` say."""

    seed: int
    folder: Path
    result: Mapping[str, Any]
    claims: Sequence[Mapping[str, Any]]

    def value(self, set_name: str, metric: str) -> float | None:
        """Return a metric of a set; None where it was not measured, or is no number."""
        found = (self.result.get(set_name) or {}).get(metric)
        return float(found) if isinstance(found, int | float) else None


def is_summary(folder: Path) -> bool:
    """Whether a folder is that of several runs."""
    return os.path.isfile(folder / SEEDS)  # unlike Path.is_file, false where nobody may look


def refuse_several(path: Path) -> None:
    """Refuse the folder of several runs where one is meant.

    Raises:
        RecipeError: it is such a folder.
    """
    if is_summary(path):
        reason = f"it holds runs with several seeds: name one of them, such as {seed_folder(path, read_seeds(path)[0])}"
        raise RecipeError(NotARun(path=str(path), reason=reason))


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the folder of the run with a seed."""
    return folder / f"seed-{seed}"


def write_seeds(folder: Path, seeds: Sequence[int]) -> None:
    """Write which seeds the runs in a folder have.

    Raises:
        OSError: it cannot be written.
    """
    write_json(folder / SEEDS, {"format": _FORMAT, "seeds": list(seeds)})


def read_seeds(folder: Path) -> list[int]:
    """Return the seeds of the runs in a folder, in order.

    Raises:
        RecipeError: the file is damaged.
    """
    plain = read_json(folder, SEEDS)
    seeds = plain.get("seeds") if isinstance(plain, dict) and plain.get("format") == _FORMAT else None
    if not isinstance(seeds, list) or not 0 < len(seeds) <= _MOST or any(type(seed) is not int for seed in seeds):
        raise RecipeError(NotARun(path=str(folder), reason=f"`{SEEDS}` is of another kind or version"))
    return seeds


def finished_runs(folder: Path) -> list[SeedRun]:
    """Return the runs in a folder that have ended.

    Raises:
        RecipeError: a file is damaged.
    """
    found = ((seed, seed_folder(folder, seed)) for seed in read_seeds(folder))
    return [read_run(place, seed) for seed, place in found if has_ended(place)]


def read_run(folder: Path, seed: int | None = None) -> SeedRun:
    """Read what a run says; its seed is that of its result unless it is given.

    Raises:
        RecipeError: it has not ended, or a file is damaged.
    """
    if not has_ended(folder):
        reason = "it has not ended" if (folder / "run.json").exists() else "it is not the folder of a run"
        raise RecipeError(NotARun(path=str(folder), reason=reason))
    result, plan = read_json(folder, "result.json"), read_json(folder, "plan.json")
    claims = plan.get("claims") if isinstance(plan, dict) else None
    is_sound = isinstance(claims, list) and all(isinstance(each, dict) for each in claims)
    own = result.get("seed") if seed is None else seed
    if not is_sound or type(own) is not int or any(not isinstance(result.get(name) or {}, dict) for name in SETS):
        raise RecipeError(NotARun(path=str(folder), reason="`plan.json` or `result.json` is not that of a run"))
    assert isinstance(claims, list)
    return SeedRun(own, folder, result, claims)


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of the runs in a folder, from what they say; with fewer than two that have ended, none of it.

    Raises:
        RecipeError: a file is damaged.
    """
    runs, seeds = finished_runs(folder), read_seeds(folder)
    known = summary_of(runs) if len(runs) > 1 else {"recipe": runs[0].result.get("recipe") if runs else ""}
    return {**known, "wanted": len(seeds), "done": len(runs)}


def summary_of(runs: Sequence[SeedRun]) -> dict[str, Any]:
    """Return what two runs or more say together: the content of `summary.json`.

    Of a claim `holds` is None where it is not tested: it is over more seeds than these.
    """
    first = runs[0].result
    estimates = {name: dict(_estimates(runs, name)) for name in SETS}
    return {
        "recipe": first.get("recipe"),
        **({"task": first["task"]} if "task" in first else {}),
        "seeds": [run.seed for run in runs],
        "metric": _judged_by(first),
        "params": first.get("params"),
        "images": first.get("images"),
        "runs": [
            {
                "seed": run.seed,
                "folder": run.folder.name,
                "hash": run.result.get("hash"),
                "wall_s": run.result.get("wall_s"),
                **{name: _metrics(run, name) for name in SETS if run.result.get(name)},
            }
            for run in runs
        ],
        **{name: as_json(found) for name, found in estimates.items() if found},
        "expect": list(_claims(runs)),
        "wall_s": round(sum(run.result.get("wall_s") or 0.0 for run in runs), 2),
    }


def _judged_by(result: Mapping[str, Any]) -> str:
    """Return the metric that a run chose its weights by, else the one that its task is judged by."""
    monitored = str((result.get("weights_from") or {}).get("metric") or "").removeprefix("valid.")
    return monitored or TASKS[str(result.get("task", USUAL.name))].monitor


def _metrics(run: SeedRun, set_name: str) -> dict[str, float]:
    return {name: value for name in METRICS if (value := run.value(set_name, name)) is not None}


def _estimates(runs: Sequence[SeedRun], set_name: str) -> Iterator[tuple[str, Estimate]]:
    for metric in METRICS:
        values = [value for run in runs if (value := run.value(set_name, metric)) is not None]
        if len(values) == len(runs):
            yield metric, estimate(values)


def _claims(runs: Sequence[SeedRun]) -> Iterator[dict[str, Any]]:
    """Yield each claim of the recipe: one over seeds with the interval, one of a run by the runs that it holds in."""
    reached = [run.result.get("expect") or [] for run in runs]
    for position, claim in enumerate(runs[0].claims):
        found = [each[position] for each in reached if len(each) > position]
        seeds = claim.get("seeds") or 0
        told: dict[str, Any] = {"claim": found[0]["claim"] if found else ""}
        values = [each["value"] for each in found if isinstance(each["value"], int | float)]
        if len(values) < len(runs):
            yield {**told, "value": None, "holds": False}
            continue
        if not seeds:
            count = sum(each["holds"] is True for each in found)
            yield {**told, "value": estimate(values).mean, "holds": count == len(runs), "holds_in": count}
            continue
        mean = estimate(values)
        holds = mean.meets(claim["operator"], claim["number"]) if len(runs) >= seeds else None
        yield {**told, "value": mean.mean, "low": mean.low, "high": mean.high, "holds": holds, "over": len(runs)}
