"""Whether the fast graph trains faster than the plain blocks: every family of the zoos. `python bench/fast_graph.py`.

For each network, side, and part that trains (everything, or the last block with the head), at each level of
instructions that this processor has, two processes, one with `runtime/backend/fast_graph.py` and one without, take
steps in turn: the same values, one thread. A figure is the least CPU time of a step, and the peak memory of the
process. Results are appended to WORK; what is there is not measured again: stop it and start it again at will.
`--write FILE` makes a page of all that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.sweep_bases import chosen  # noqa: E402
from runtime.models.catalog import BASES  # noqa: E402
from runtime.system.cpu import instructions  # noqa: E402

SIDES = (128, 224)
PARTS = ("everything", "top block")
LEVELS = {"avx2": "AVX2", "avx512_core": "AVX512_CORE"}  # and what `DNNL_MAX_CPU_ISA` calls them
LARGER = (("packaged", "efficientnet_lite0"), ("gluoncv", "mobilenetv2_1.0"), ("gluoncv", "resnet50_v1b"))
Case = dict[str, Any]


def cases(levels: list[str], only: str, sides: list[int], batch: int) -> Iterator[Case]:
    """Yield what is to be measured."""
    zoo_nets = [(zoo, name) for zoo, name in chosen("", smallest_per_family=True) if zoo == "gluoncv"]
    nets = [(zoo, name) for zoo, name in (*LARGER, *zoo_nets) if only in f"{zoo}:{name}"]
    for side in sides:
        for part in PARTS:
            for zoo, name in nets:
                if BASES[zoo][name].accepts(side):
                    for level in levels:
                        yield {"zoo": zoo, "net": name, "side": side, "trains": part, "level": level, "batch": batch}


def take_steps(case: Case, kind: str) -> None:
    """Take a step of one kind of graph for each line of the input; print its CPU time, and at the end the peak."""
    import numpy as np

    from runtime.backend.blocks import LossBlock, sequence
    from runtime.backend.fast_graph import fast_graph
    from runtime.backend.freezing import prepare_stage
    from runtime.backend.joined import one_by_one
    from runtime.backend.mx import autograd, mx, nd
    from runtime.models.heads import head_block
    from runtime.models.network import build_model, start_weights, units
    from runtime.plan.size import Size
    from runtime.plan.types import Component
    from runtime.tasks.classification.losses import cross_entropy

    base = Component(case["zoo"], {"name": case["net"], "weights": None})
    model = build_model(
        base,
        [Component("dense", {"units": "classes"})],
        Size.square(case["side"]),
        partial(head_block, outputs={"classes": 10}),
    )
    start_weights(model, base, 1, mx.cpu())
    first = 0 if case["trains"] == "everything" else len(model.parts) - 2
    parts = list(model.parts.items())
    prepare_stage(parts[:first], [])
    prepare_stage(parts[first:], list(model.parameters.values()))
    shape = (case["batch"], 3, case["side"], case["side"])
    values = nd.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    for unit in units(model)[:first]:
        values = unit(values)
    net = sequence(units(model)[first:])
    net = fast_graph(net, [values.shape], mx.cpu()) if kind == "fast" else one_by_one(net)
    criterion, labels = LossBlock(cross_entropy({"label_smoothing": 0.0})), nd.array(np.arange(case["batch"]) % 10)
    for _ in sys.stdin:
        began = time.process_time()
        with autograd.record():
            loss = criterion(net(values), labels)
        loss.backward()
        nd.waitall()
        print(time.process_time() - began, flush=True)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    print(int(line.split()[1]) / 1e3, type(net).__name__ == "SymbolBlock", flush=True)


def measure(case: Case, steps: int) -> dict[str, Any]:
    """Return the least CPU time of a step (s) and the peak memory (MB) of both kinds, their steps taken in turn."""
    environment = {**os.environ, "DNNL_MAX_CPU_ISA": LEVELS[case["level"]], "OMP_NUM_THREADS": "1"}
    workers = {
        kind: subprocess.Popen(
            [sys.executable, __file__, "--steps-of", json.dumps(case), kind],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for kind in ("plain", "fast")
    }
    times: dict[str, list[float]] = {kind: [] for kind in workers}
    try:
        for _ in range(1 + steps):
            for kind, worker in workers.items():
                assert worker.stdin
                assert worker.stdout
                worker.stdin.write("\n")
                worker.stdin.flush()
                times[kind].append(float(worker.stdout.readline()))
        ends = {kind: worker.communicate()[0].split() for kind, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
    figures = {f"{kind}_s": min(taken[1:]) for kind, taken in times.items()}
    memory = {f"{kind}_mb": float(end[0]) for kind, end in ends.items()}
    return {**figures, **memory, "rewritten": ends["fast"][1] == "True"}


def page(results: list[dict[str, Any]], command: str) -> str:
    """Return the results as a Markdown page."""
    levels = [level for level in LEVELS if any(result["level"] == level for result in results)]
    batches = sorted({result["batch"] for result in results})
    lines = [
        "# The fast graph against the plain blocks",
        "",
        f"Written by `{command}`,",
        "which says how it is measured, and can be stopped and started again.",
        f"CPU ms of a training step (forward, loss, backward) with one thread, batch {', '.join(map(str, batches))},",
        "random weights: the least of a few steps, taken in turn by two processes. The ratio is fast / plain: below 1,",
        "the fast graph is faster. Memory is that of the whole process. *plain*: no rule pays there, or the gradients",
        "were not those of the blocks, so that the fast graph is the blocks: what differs is chance. So are other",
        "differences of 5%, wherever the machine was busy with other things.",
        "",
        "Measured at one level of instructions, " + levels[0] + "."
        if len(levels) == 1
        else "Measured at the levels " + ", ".join(levels) + ".",
        "",
    ]
    for part in PARTS:
        for level in levels:
            rows = [result for result in results if (result["trains"], result["level"]) == (part, level)]
            if rows:
                lines += [f"## {part.capitalize()} trains, {level}", "", _HEADER, _RULE, *map(_row, rows), ""]
    return "\n".join(lines)


_HEADER = "| network | side | plain (ms) | fast (ms) | ratio | plain (MB) | fast (MB) | ratio | |"
_RULE = "|---|---|---|---|---|---|---|---|---|"


def _row(result: dict[str, Any]) -> str:
    plain, fast, less, more = (result[key] for key in ("plain_s", "fast_s", "plain_mb", "fast_mb"))
    times = f"{1e3 * plain:.0f} | {1e3 * fast:.0f} | {fast / plain:.2f}"
    memory = f"{less:.0f} | {more:.0f} | {more / less:.2f}"
    return f"| {result['net']} | {result['side']} | {times} | {memory} | {'' if result['rewritten'] else '*plain*'} |"


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def main() -> int:
    """Measure what is not there yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="Only networks whose zoo:name holds it.")
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="Begin nothing new after so many minutes.")
    parser.add_argument("--work", type=Path, default=Path("runs/fast_graph.jsonl"))
    parser.add_argument("--write", type=Path, help="Write a Markdown page.")
    parser.add_argument("--steps-of", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps_of:
        take_steps(json.loads(given.steps_of[0]), given.steps_of[1])
        return 0
    here = instructions()
    levels = list(LEVELS)[: list(LEVELS).index(here) + 1] if here in LEVELS else []
    if len(levels) < len(LEVELS):
        print(f"this processor has {here or 'no instructions of x86'}: measured at {', '.join(levels) or 'no level'}")
    given.work.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for case in cases(levels, given.only, given.sides, given.batch):
        if any(case.items() <= result.items() for result in _results(given.work)):
            continue
        if time.monotonic() - began > 60 * given.minutes:
            print("the time is over; the same command goes on", flush=True)
            break
        found = {**case, **measure(case, given.steps)}
        with given.work.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        print(_row(found), case["trains"], case["level"], flush=True)
    if given.write:
        command = f"python bench/fast_graph.py --batch {given.batch} --steps {given.steps} --write {given.write}"
        given.write.write_text(page(_results(given.work), command), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
