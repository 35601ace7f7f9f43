"""What shards cost in one process, and gain in two: `python bench/shards.py [--runs 3] [--write FILE]`.

The second stage of `recipes/solar-cells.ftr`:

* `step`: a step of one process with `shards = 4` beside one without, in turn, for 1 and 2 threads: the median of the
  ratios of neighbours;
* `stage`: the stage of a run, from its start to its end, with one process of two threads, one of one thread with
  `shards = 2`, and `--engine local` of two such: the least of RUNS, in turn, and the digest of the weights, which is
  the same for the last two.

Features are kept from a first run in a cache of its own. It takes a few minutes, and needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

RECIPE = ROOT / "recipes" / "solar-cells.ftr"
PAIRS = 12  # of steps
STAGES = {
    "one process, two threads": (1, ("--threads", "2")),
    "one process, shards = 2": (2, ()),
    "two processes, shards = 2": (2, ("--engine", "local")),
}


def recipe_of(shards: int, folder: Path) -> Path:
    """Return a copy of the recipe with so many shards in its second stage."""
    line = f"\n  shards    = {shards}" if shards > 1 else ""
    text = re.sub(r"(train *= base\.block6 \.\. head)", rf"\1{line}", RECIPE.read_text(encoding="utf-8"))
    path = folder / f"solar-{shards}.ftr"
    path.write_text(text, encoding="utf-8")
    return path


def steps(threads: int) -> dict[str, float]:
    """Return the milliseconds of a step without shards and with 4, and their ratio."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from runtime.backend.mx import nd

    with tempfile.TemporaryDirectory() as folder:
        made = [_step(recipe_of(shards, Path(folder))) for shards in (1, 4)]
    found: list[list[float]] = []
    for number in range(PAIRS + 1):
        found.append([])
        for step, parts in made:
            began = time.perf_counter()
            for _ in range(3):
                step(parts, 10)
            nd.waitall()
            found[number].append((time.perf_counter() - began) / 3)
    plain, sharded = zip(*found[1:], strict=True)
    ratio = statistics.median(b / a for a, b in zip(plain, sharded, strict=True))
    return {"plain_ms": 1e3 * min(plain), "sharded_ms": 1e3 * min(sharded), "ratio": ratio}


def _step(recipe: Path) -> tuple[Any, Any]:
    """Return what makes a step of the second stage, and the batches of one."""
    from functools import partial

    import mxnet as mx

    from runtime.data.sets import Sets
    from runtime.models.heads import output_bias
    from runtime.models.network import start_weights
    from runtime.tasks.catalog import TASKS
    from runtime.training.stage import Session, stage_net, training_step
    from runtime.workflows.preparation import prepare

    prepared = prepare(recipe)
    plan = prepared.plan
    start_weights(prepared.model, plan.base, plan.seed, mx.cpu(), output_bias(plan))
    task = TASKS[plan.task]
    samples = {name: listing.samples[:64] for name, listing in prepared.listings.items()}
    sets = Sets(plan.data, plan.seed, samples, 0, partial(task.collate, facts=plan.data.target))
    session = Session(plan, task, prepared.model, sets, mx.cpu())
    net = stage_net(session, plan.stages[1], session.features())
    for _ in net.inputs.fill_training(0):
        pass
    return training_step(session, plan.stages[1], net), next(net.inputs.training(0))


def stage(shards: int, options: tuple[str, ...], cache: str) -> tuple[float, str]:
    """Run the recipe; return the seconds of its second stage, and the digest of the weights."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["run", str(recipe_of(shards, Path(folder))), "--out", str(out), "--quiet", *options]
        environment = {**os.environ, "FTR_CACHE": cache, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", *words], env=environment, stdout=subprocess.DEVNULL, cwd=ROOT
        )
        began = ended = 0.0
        while process.poll() is None:
            time.sleep(0.02)
            events = _events(out / "metrics.jsonl")
            now = time.monotonic()
            if not began and any(event["stage"] == 2 for event in events):
                began = now
            if not ended and any(event["event"] == "stage_finished" and event["stage"] == 2 for event in events):
                ended = now
        return ended - began, sha256((out / "model.params").read_bytes()).hexdigest()[:16]


def _events(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.steps:
        print(json.dumps(steps(given.steps)))
        return
    print("| step, threads | plain | shards = 4 | ratio |\n|---|---|---|---|")
    for threads in (1, 2):
        words = [sys.executable, __file__, "--steps", str(threads)]
        found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(f"| {threads} | {found['plain_ms']:.0f} ms | {found['sharded_ms']:.0f} ms | {found['ratio']:.3f} |")
    with tempfile.TemporaryDirectory() as cache:
        times: dict[str, list[tuple[float, str]]] = {name: [] for name in STAGES}
        for _ in range(given.runs + 1):  # the first time fills the cache
            for name, (shards, more) in STAGES.items():
                times[name].append(stage(shards, more, cache))
                print(f"{name}: {times[name][-1]}", file=sys.stderr, flush=True)
    print("\n| stage | seconds | times as fast | weights |\n|---|---|---|---|")
    first = min(seconds for seconds, _ in next(iter(times.values()))[1:])
    for name, found in times.items():
        least, digests = min(seconds for seconds, _ in found[1:]), {digest for _, digest in found}
        print(f"| {name} | {least:.1f} | {first / least:.2f} | {', '.join(sorted(digests))} |")


if __name__ == "__main__":
    main()
