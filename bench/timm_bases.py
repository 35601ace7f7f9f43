"""The networks of timm beside timm's own: their difference, and how fast both are.

    python bench/timm_bases.py --torch-python PYTHON [--write docs/timm-bases.md] [--only PART] [--speed PART …]

PYTHON is one that has torch and timm. The difference is that of all class scores (features, where there is no
classifier), over the largest, of one image at two sizes, from the same random weights: the first of each architecture
of the catalog, by what `tests/fixtures/make_timm_outputs.py` recorded. The speed is measured for the networks whose
names have a part of `--speed`: two processes, ours and PyTorch's, take turns on the same cores, each with a network of
its own of 224 px. *Frozen* are features as a stage computes them, layers joined here, `inference_mode` there; *trained*
is a step without the optimizer's: forward, loss, backward. PyTorch runs channels first and channels last, and its
better figure counts. A figure is the least wall time of a few turns. Where the time of *frozen* goes, by operator, is
shown of the networks whose names have a part of `--profile`, with each operator issued by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/runtime/models/timm")]

SIDE, TURNS, PROFILE = 224, 4, "profile"
LEAST_SHARE = 0.01  # of the time, of an operator that a profile shows
SPEED = ("vit_small_patch16_224.augreg_in21k_ft", "convnext_tiny.fb_in1k", "convnext_atto", "convnextv2_atto")


def differences(only: str) -> list[tuple[str, str, float]]:
    """Return name, side and difference of each network that was recorded."""
    from test_exact import CASES, difference

    return [(name, side, difference(name, int(side))) for name, side in CASES if only in name]


def turn(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def ours(name: str, batch: int) -> Mapping[str, Callable[[], object]]:
    """Return what takes a batch through our network, by the column of its figure."""
    from runtime.backend.blocks import sequence
    from runtime.backend.fast_graph import fast_graph
    from runtime.backend.joined import joined
    from runtime.backend.mx import autograd, gluon, mx, nd
    from runtime.models.heads import head_block
    from runtime.models.network import build_model, start_weights, units
    from runtime.plan.size import Size
    from runtime.plan.types import Component

    base = Component("timm", {"name": name, "weights": None})
    head = [Component("dense", {"units": "classes"})]
    model = build_model(base, head, Size.square(SIDE), partial(head_block, outputs={"classes": 10}))
    start_weights(model, base, 1, mx.cpu())
    shape = (batch, 3, SIDE, SIDE)
    images, labels = nd.random.normal(shape=shape), nd.array([number % 10 for number in range(batch)])
    frozen = joined(sequence(units(model)[:-1]), [shape], mx.cpu())
    trained = fast_graph(sequence(units(model)), [shape], mx.cpu())
    loss = gluon.loss.SoftmaxCELoss()

    def step() -> None:
        with autograd.record():
            value = loss(trained(images), labels)
        value.backward()
        nd.waitall()

    return {"frozen": lambda: frozen(images).wait_to_read(), "trained": step}


def theirs(name: str, batch: int) -> Mapping[str, Callable[[], object]]:
    """The same of timm."""
    import timm
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    found: dict[str, Callable[[], object]] = {}
    options = {"img_size": SIDE} if "patch14" in name else {}
    for layout in (torch.contiguous_format, torch.channels_last):
        net = timm.create_model(name, num_classes=10, **options).to(memory_format=layout)
        images = torch.randn(batch, 3, SIDE, SIDE).to(memory_format=layout)
        labels = torch.arange(batch) % 10

        def features(net: Any = net, images: Any = images) -> None:
            with torch.inference_mode():
                net.eval().forward_head(net.forward_features(images), pre_logits=True)

        def step(net: Any = net, images: Any = images, labels: Any = labels) -> None:
            torch.nn.functional.cross_entropy(net.train()(images), labels).backward()

        last = " last" if layout == torch.channels_last else ""
        found |= {f"frozen{last}": features, f"trained{last}": step}
    return found


def profile_ours(run: Callable[[], object]) -> dict[str, float]:
    """Return the milliseconds of each operator of MXNet's in a call."""
    from runtime.backend.mx import mx, nd

    with tempfile.TemporaryDirectory() as folder:
        mx.profiler.set_config(profile_all=True, aggregate_stats=True, filename=f"{folder}/profile.json")
        mx.profiler.set_state("run")
        for _ in range(TURNS):
            run()
        nd.waitall()
        mx.profiler.set_state("stop")
        found = json.loads(mx.profiler.dumps(format="json"))["Time"]["operator"]
    return {name: row["Total"] / TURNS for name, row in found.items() if not name.endswith(("Var", "Variable"))}


def profile_theirs(run: Callable[[], object]) -> dict[str, float]:
    """The same of PyTorch's."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(TURNS):
            run()
    return {row.key: row.self_cpu_time_total / 1e3 / TURNS for row in found.key_averages()}


def serve(side: str, name: str, batch: int) -> None:
    """Take a batch through what each line of the input names, and print its seconds; begin with the names."""
    runs = {"ours": ours, "theirs": theirs}[side](name, batch)
    for run in runs.values():
        run()
    print(json.dumps(list(runs)), flush=True)
    profile = {"ours": profile_ours, "theirs": profile_theirs}[side]
    for line in sys.stdin:
        word = line.strip()
        print(json.dumps(profile(runs["frozen"])) if word == PROFILE else turn(runs[word]), flush=True)


def speeds(name: str, batch: int, python: str) -> dict[str, float]:
    """Return images per second of both, by column."""
    processes = _processes(name, batch, python)
    least: dict[str, float] = {}
    columns = {side: json.loads(_line(process)) for side, process in processes.items()}
    for _ in range(TURNS):
        for side, process in processes.items():
            for column in columns[side]:
                assert process.stdin is not None
                print(column, file=process.stdin, flush=True)
                key = f"{side} {column.removesuffix(' last')}"
                least[key] = min(least.get(key, float("inf")), float(_line(process)))
    for process in processes.values():
        process.communicate()
    return {key: batch / seconds for key, seconds in least.items()}


def profiles(name: str, batch: int, python: str) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each operator in a batch through frozen layers, by side."""
    found = {}
    processes = _processes(name, batch, python, MXNET_EXEC_BULK_EXEC_INFERENCE="0")
    for process in processes.values():  # both have begun before one is measured
        _line(process)
    for side, process in processes.items():
        assert process.stdin is not None
        print(PROFILE, file=process.stdin, flush=True)
        found[side] = json.loads(_line(process))
        process.communicate()
    return found


def _processes(name: str, batch: int, python: str, **variables: str) -> Mapping[str, subprocess.Popen[str]]:
    threads = str(len(os.sched_getaffinity(0)))
    return {
        side: subprocess.Popen(
            [interpreter, __file__, "--serve", side, name, str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Without the number MXNet takes every second processor.
            env={**os.environ, "OMP_NUM_THREADS": threads, **variables},
        )
        for side, interpreter in (("ours", sys.executable), ("theirs", python))
    }


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def page(
    exact: list[tuple[str, str, float]],
    fast: Mapping[str, Mapping[str, float]],
    seen: Mapping[str, Mapping[str, Mapping[str, float]]],
    batch: int,
) -> str:
    """Return the tables in Markdown."""
    threads = len(os.sched_getaffinity(0))
    lines = [
        "# Networks of timm beside timm's own",
        "",
        "Written by `python bench/timm_bases.py --torch-python PYTHON --write docs/timm-bases.md`, which says how it",
        "is measured.",
        "",
        f"## Images per second: {SIDE} px, batch {batch}, {threads} threads",
        "",
        "| network | frozen | timm | ratio | trained | timm | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in fast.items():
        cells = []
        for column in ("frozen", "trained"):
            one, other = found[f"ours {column}"], found[f"theirs {column}"]
            cells += [f"{one:.1f}", f"{other:.1f}", f"{one / other:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, sides in seen.items():
        lines += ["", f"## Where the time of {name} goes, frozen", ""]
        for title, operators in zip(("here", "timm in PyTorch"), sides.values(), strict=True):
            total = sum(operators.values())
            shown = sorted(((ms, key) for key, ms in operators.items() if ms > LEAST_SHARE * total), reverse=True)
            lines.append(f"- {title}, {total:.0f} ms: " + ", ".join(f"{key} {ms:.0f}" for ms, key in shown))
    lines += ["", "## Difference", "", "| network | side | relative difference |", "|---|---|---|"]
    lines += [f"| {name} | {side} | {value:.0e} |" for name, side, value in exact]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default="")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--speed", nargs="*", default=SPEED)
    parser.add_argument("--profile", nargs="*", default=SPEED[:2])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--serve", nargs=3)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], given.serve[1], int(given.serve[2]))
        return
    from runtime.models.timm.catalog import TIMM

    def of(parts: Sequence[str], measure: Callable[[str, int, str], Any]) -> dict[str, Any]:
        names = [name for name in TIMM if given.torch_python and any(part in name for part in parts)]
        return {name: measure(name, given.batch, given.torch_python) for name in names}

    text = page(differences(given.only), of(given.speed, speeds), of(given.profile, profiles), given.batch)
    if given.write:
        given.write.write_text(text, "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
