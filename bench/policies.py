"""Searched augmentation: `python bench/policies.py --write docs/policies.md`.

On the recipes of the digits and of the solar cells, with seeds 1 to 3: the recipe as it is, with RandAugment as it is
by default, with the policy that density matching finds, as population-based training (PBT) of rates and RandAugment's
strength leaves it, and, at the cost of that, as the best on validation of as many members that are drawn alike and do
not exchange anything. Validation chooses; the test images are measured once, by an ordinary run of what was chosen.

What was measured stands in WORK/policies.jsonl, searches go on in WORK where they were ended: the same command goes on.
With `--budget` no way begins after so many minutes, and a search is interrupted then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (1, 2, 3)
MEMBERS = 5
RATE = "param rate = 1 in log(0.2 .. 5)"
STRENGTH = "param strength = 9 in 0 .. 30"


@dataclass(frozen=True, slots=True)
class Subject:
    """A recipe: its file, the metric that is shown, its own augmentation, and its stages with their optimizers."""

    file: str
    metric: str
    augment: tuple[str, ...]
    stages: dict[str, str]


SUBJECTS = {
    "digits": Subject(
        "digits.ftr", "accuracy", (), {"head": "adam(lr = 5e-3 * $rate)", "last block": "adam(lr = 5e-4 * $rate)"}
    ),
    "solar cells": Subject(
        "solar-cells.ftr",
        "balanced_accuracy",
        ("flip(horizontal)", "flip(vertical)"),
        {"head": "adam(lr = 5e-3 * $rate)", "top blocks": "adamw(lr = 3e-4 * $rate)"},
    ),
}


def recipe(folder: Path, name: str, seed: int, steps: tuple[str, ...] = (), searched: bool = False) -> Path:
    """Write a subject's recipe with a seed, further steps of augmentation and, to be searched, its parameters."""
    subject = SUBJECTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "recipes" / subject.file, folder / "parent.ftr")
    lines = ["ftr 1", 'extends "parent.ftr"', f"seed = {seed}", *((RATE, STRENGTH) if searched else ())]
    augment = [*subject.augment, *steps, *(("rand_augment(magnitude = $strength)",) if searched else ())]
    lines += [f"data {{ augment = [{', '.join(augment)}] }}"] if augment else []
    if searched:
        lines += [f'stage "{title}" {{ optimizer = {optimizer} }}' for title, optimizer in subject.stages.items()]
    path = folder / "recipe.ftr"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def context(until: float) -> Any:
    """Return where a search runs, and until when."""
    from runtime.training.settings import RunSettings
    from runtime.workflows.run import RunContext

    return RunContext(RunSettings(), asked=lambda: time.monotonic() > until)


def trained(path: Path, metric: str, settings: tuple[str, ...] = ()) -> dict[str, float]:
    """Run a recipe in a folder that is thrown away; return its metric on validation and test, and the seconds."""
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    out, began = path.parent / "run", time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    _, result = run(prepare(path, settings), RunSettings(), out)
    shutil.rmtree(out)
    if result["status"] != "finished":
        raise KeyboardInterrupt
    return {name: result[name][metric] for name in ("valid", "test")} | {"seconds": time.monotonic() - began}


def plain(folder: Path, name: str, seed: int, until: float) -> dict[str, Any]:  # noqa: ARG001
    """Train the recipe as it is."""
    return trained(recipe(folder, name, seed), SUBJECTS[name].metric)


def rand_augment(folder: Path, name: str, seed: int, until: float) -> dict[str, Any]:  # noqa: ARG001
    """Train it with RandAugment."""
    return trained(recipe(folder, name, seed, ("rand_augment",)), SUBJECTS[name].metric)


def policy(folder: Path, name: str, seed: int, until: float) -> dict[str, Any]:
    """Search a policy, and train the recipe with it, or as it is where none was better."""
    from runtime.workflows.preparation import prepare
    from runtime.workflows.tune.policy import PolicySettings, search_policy

    path = recipe(folder, name, seed)
    found = search_policy(prepare(path), context(until), folder / "search", PolicySettings())
    chosen = found.candidates[found.best]
    figures = trained(recipe(folder / "best", name, seed, chosen.steps), SUBJECTS[name].metric)
    said = f"{chosen.strength}: {', '.join(chosen.steps)}" if chosen.steps else "none better than the recipe's own"
    return {**figures, "seconds": found.seconds + figures["seconds"], "found": said, "measured": found.measured}


def population(folder: Path, name: str, seed: int, until: float) -> dict[str, Any]:
    """Train a population, and the recipe that comes out of it."""
    from runtime.workflows.preparation import prepare
    from runtime.workflows.tune.pbt import PopulationSettings, train_recipe_population

    path = recipe(folder, name, seed, searched=True)
    found = train_recipe_population(prepare(path), context(until), folder / "search", PopulationSettings(MEMBERS, 1))
    best = folder / "best.ftr"
    best.write_text(found.recipe("recipe.ftr"), encoding="utf-8")
    figures = trained(best, SUBJECTS[name].metric)
    said = "; ".join(f"{each['rate']:.3g}, {each['strength']}" for each in found.history)
    return {**figures, "seconds": found.seconds, "found": f"rate, strength of each epoch: {said}"}


def draws(folder: Path, name: str, seed: int, until: float) -> dict[str, Any]:
    """Train as many members that exchange nothing; keep the best on validation."""
    from runtime.workflows.tune.population import Axis, beginning

    path, axes = (
        recipe(folder, name, seed, searched=True),
        {"rate": Axis(0.2, 5, log=True), "strength": Axis(0, 30, whole=True)},
    )
    record, found = folder / "draws.json", []
    if record.exists():
        found = json.loads(record.read_text("utf-8"))
    for values in beginning(axes, {"rate": 1.0, "strength": 9}, MEMBERS, seed)[len(found) :]:
        if time.monotonic() > until:
            raise KeyboardInterrupt
        settings = tuple(f"{key} = {value}" for key, value in values.items())
        found.append({**trained(path, SUBJECTS[name].metric, settings), "found": ", ".join(settings)})
        record.write_text(json.dumps(found), encoding="utf-8")
    best = max(found, key=lambda each: each["valid"])
    return {**best, "seconds": sum(each["seconds"] for each in found)}


WAYS: dict[str, Callable[[Path, str, int, float], dict[str, Any]]] = {
    "the recipe": plain,
    "`rand_augment`": rand_augment,
    "policy": policy,
    "PBT": population,
    "draws": draws,
}


def read(record: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return what was measured so far."""
    lines = record.read_text("utf-8").splitlines() if record.exists() else []
    entries = [json.loads(line) for line in lines]
    return {(each["subject"], each["way"], each["seed"]): each for each in entries}


def measure(work: Path, budget_s: float, subjects: list[str]) -> bool:
    """Measure what is missing until the budget is spent; say whether nothing is."""
    from runtime.training.stage import Interrupted

    until, record = time.monotonic() + budget_s, work / "policies.jsonl"
    for seed in SEEDS:
        for name in subjects:
            for way, run in WAYS.items():
                if (name, way, seed) in read(record):
                    continue
                if time.monotonic() > until:
                    return False
                folder = work / f"{name}-{way.strip('`')}-{seed}".replace(" ", "-")
                try:
                    figures = run(folder, name, seed, until)
                except (Interrupted, KeyboardInterrupt):
                    return False
                with record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"subject": name, "way": way, "seed": seed, **figures}) + "\n")
                shutil.rmtree(folder, ignore_errors=True)
                print(f"{name:12} {way:15} seed {seed}  {json.dumps(figures, ensure_ascii=False)}", flush=True)
    return True


def page(found: dict[tuple[str, str, int], dict[str, Any]]) -> str:
    """Return the page: for each subject the ways with their means, differences from the recipe, and cost."""
    lines = [HEAD]
    for name, subject in SUBJECTS.items():
        rows = {way: [found[name, way, seed] for seed in SEEDS if (name, way, seed) in found] for way in WAYS}
        if not any(rows.values()):
            continue
        lines += ["", f"## {name[0].upper()}{name[1:]}", ""]
        lines += [
            f"| way | seeds | valid {subject.metric.replace('_', ' ')} | test | beside the recipe, by seed | cost |"
        ]
        lines += ["|---|---|---|---|---|---|"]
        for way, each in rows.items():
            if not each:
                continue
            own = {one["seed"]: one for one in rows["the recipe"]}
            pairs = [(one["test"] - own[one["seed"]]["test"]) for one in each if one["seed"] in own]
            spread = f" ± {stdev([one['test'] for one in each]):.3f}" if len(each) > 1 else ""
            beside = ", ".join(f"{100 * pair:+.1f}" for pair in pairs) if way != "the recipe" else ""
            cost = mean(one["seconds"] for one in each)
            valid, test = (mean(one[key] for one in each) for key in ("valid", "test"))
            lines.append(f"| {way} | {len(each)} | {valid:.3f} | {test:.3f}{spread} | {beside} | {cost:,.0f} s |")
        lines += [""]
        for way in ("policy", "PBT", "draws"):
            lines += [f"- {way}, seed {one['seed']}: {one['found']}" for one in rows[way]]
    return "\n".join(lines) + "\n"


HEAD = """# Searched augmentation and rates

What `ftr tune --policy` and `ftr tune --sampler pbt` gain on two recipes, and what they cost. A policy is found on the
training images by density matching and confirmed on validation; PBT changes the learning rates (a factor of 0.2 to 5)
and the strength of `rand_augment` (0 to 30) after every epoch, five members; `draws` are five members drawn alike
that exchange nothing, the best on validation kept. `valid` is what chose; `test` was measured once for each row and
seed, by an ordinary run. Differences are in points, seed by seed; cost is the time of the whole search on two cores of
a machine that other programs used too. Made by `python bench/policies.py --write docs/policies.md`."""


def main() -> None:
    """Measure what is missing, and write the page of what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="MINUTES", help="end in time")
    parser.add_argument("--work", type=Path, default=Path("build/policies"), help="where the record and searches lie")
    parser.add_argument("--subject", action="append", choices=list(SUBJECTS), help="these only")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page as well")
    args = parser.parse_args()
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("FTR_CACHE", str(work / "cache"))
    whole = measure(work, 60 * args.budget, args.subject or list(SUBJECTS))
    if args.write:
        left = "" if whole else "\nSome rows are not measured yet: the same command goes on.\n"
        args.write.write_text(page(read(work / "policies.jsonl")) + left, encoding="utf-8")
    print("all are measured" if whole else "some are left: run the same command again")


if __name__ == "__main__":
    main()
