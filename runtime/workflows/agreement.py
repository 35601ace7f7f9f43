"""What rank 0 tells the other workers before they train: what the run is made from, its folder, where it resumes.

Each worker reads recipe, images and weights where it runs, so what they come to is compared first. The folder is only
rank 0's to read: a checkpoint travels.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.distribution.exchange import Exchange
from runtime.distribution.problems import WorkersDiffer, WorkersWithoutShard
from runtime.plan.types import Plan
from runtime.runs.checkpoint_archive import packed, unpacked
from runtime.runs.lock.facts import SUBJECT, SURROUNDINGS, differences
from runtime.runs.lock.file import Facts
from runtime.training.state import Checkpoint


def tell_facts(exchange: Exchange, facts: Facts) -> None:
    """Tell the others what the run is made from, and wait until all have found the same."""
    if exchange.workers > 1:
        exchange.share(json.dumps([[*key, fact] for key, fact in facts.items()]).encode())
        _wait(exchange)


def refuse_idle(exchange: Exchange, plan: Plan) -> None:
    """Refuse workers that would have no shard.

    Raises:
        RecipeError: there are such.
    """
    shards = max(stage.shards for stage in plan.stages)
    if exchange.workers > shards:
        raise RecipeError(WorkersWithoutShard(workers=exchange.workers, shards=shards))


def hear_facts(exchange: Exchange) -> Facts:
    """Return what rank 0's run is made from."""
    return {(section, name): fact for section, name, fact in json.loads(exchange.share(None))}


def compare_facts(exchange: Exchange, lead: Facts, facts: Facts, place: str) -> str:
    """Compare what this worker has with what rank 0 has; return what is to be said of machines that compute otherwise.

    Raises:
        RecipeError: it is something else.
    """
    if found := differences(lead, facts, (*SUBJECT, *SURROUNDINGS)):
        shown = tuple((each.name, each.locked, each.now) for each in found)
        raise RecipeError(WorkersDiffer(rank=exchange.rank, place=place, differences=shown))
    _wait(exchange)
    if not (found := differences(lead, facts, ("machine",))):
        return ""
    told = "; ".join(f"{each.name.removeprefix('machine.')} {each.locked} there, {each.now} here" for each in found)
    return (
        f"rank {exchange.rank} on {place} computes otherwise than rank 0, so bits may change with the workers: {told}"
    )


def _wait(exchange: Exchange) -> None:
    """Wait for all workers; one that refuses ends them instead."""
    exchange.gather({exchange.rank: np.zeros(1, np.float32)}, exchange.workers)


def tell_start(exchange: Exchange, folder: Path, checkpoint: Checkpoint | None) -> None:
    """Tell the others the run's folder, and give them the checkpoint that it resumes from.

    Raises:
        OSError: the checkpoint cannot be read.
    """
    if exchange.workers > 1:
        exchange.share(str(folder).encode())
        exchange.share(packed(folder, checkpoint) if checkpoint else b"")


def hear_start(exchange: Exchange) -> tuple[str, Checkpoint | None]:
    """Return the run's folder on rank 0's machine, and the checkpoint that the run resumes from.

    Raises:
        OSError: there is no room for the checkpoint.
        RecipeError: it is damaged.
    """
    folder, content = exchange.share(None).decode(), exchange.share(None)
    return folder, unpacked(content) if content else None
