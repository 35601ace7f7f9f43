"""How long training takes: ftr, a hand-written Gluon loop, and PyTorch. `python bench/frozen.py`.

Three programs do the same: same image files, start weights, batch, epochs, optimizer, cores, last part of an epoch
dropped, the validation set measured after each epoch. ftr is `python -m runtime run RECIPE`, whole; the others are
`bench/frozen_gluon.py` and `bench/frozen_torch.py`. They run one after the other, in another order each time, each in a
process of its own. A fourth, `fused`, measures how fast images pass the frozen part alone: nobody can be faster.

Results are appended to WORK/results.jsonl, and what is there already is not measured again: stop it and start it again
at will. `--write docs/speed.md` makes a page and docs/speed.png of them.

PyTorch needs an environment of its own (GluonCV cannot be imported beside it without tricks):

    python -m venv /somewhere; /somewhere/bin/pip install torch torchvision
    python bench/frozen.py --torch-python /somewhere/bin/python --write docs/speed.md

Without `--torch-python` only the two others run. All nets and cases take many hours; a small part:

    python bench/frozen.py --nets efficientnet_lite0 --cases head --images 200 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from frozen_job import read_job, write_job
from frozen_page import write_page

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(__file__).resolve().parent
POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Net:
    """A network: its side in pixels, its last block, and what a recipe calls it."""

    size: int
    last: str
    base: str


ZOO = 'gluoncv("{name}", weights = gluon_params("{weights}"))'
NETS = {
    "efficientnet_lite0": Net(128, "block7", 'packaged("{name}")'),
    "mobilenetv2_1.0": Net(128, "block7", ZOO),
    "resnet18_v1b": Net(224, "block4", ZOO),
    "resnet50_v1b": Net(224, "block4", ZOO),
}

HEAD = ("head", 5, "1e-3")
LAST = ("base.{last} .. head", 5, "3e-4")
CASES = {
    "head": ([HEAD], ""),
    "last block": ([LAST], ""),
    "two stages": ([HEAD, LAST], ""),
    "everything": ([("all", 1, "3e-4")], ""),
    "head, random crops": ([HEAD], "  augment = [random_resized_crop(scale = 0.4 .. 1.0), flip(horizontal)]\n"),
}
PROGRAMS = ("ftr", "gluon", "torch", "fused")


def recipe(net: str, case: str, data: Path, weights: Path) -> str:
    """Return a case as a recipe."""
    facts, (stages, augment) = NETS[net], CASES[case]
    text = (
        'ftr 1\n\nname = "bench"\nseed = 1\n\n'
        f'data {{\n  train   = folder("{data}/train")\n  valid   = folder("{data}/valid")\n'
        f"  size    = {facts.size}px\n{augment}  batch   = 32\n}}\n\n"
        f"base = {facts.base.format(name=net, weights=weights)}\nhead = [dense(classes)]\n"
    )
    for number, (train, epochs, lr) in enumerate(stages, start=1):
        text += f'\nstage "{number}" {{\n  train     = {train.format(last=facts.last)}\n  for       = {epochs} epochs\n'
        text += f"  optimizer = adam(lr = {lr})\n}}\n"
    return text


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are and what all runs share."""

    work: Path
    torch_python: str | None
    images: int
    threads: int

    def call(self, *arguments: str) -> str:
        """Run an action of `frozen_start.py`; return what it printed."""
        command = [sys.executable, str(BENCH / "frozen_start.py"), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self, data: str, net: str, case: str) -> Path:
        """Make what a case starts from, if it is not there; return its folder, with `recipe.ftr` and `job.json`."""
        images = self.work / "data" / f"{data}-{self.images}"
        if not images.exists():
            self.call("images", data, str(self.images), str(images))
        weights = self.work / "weights" / f"{net}-{data}-{self.images}.params"
        if "weights" in NETS[net].base and not weights.exists():
            weights.parent.mkdir(exist_ok=True)
            self.call("weights", net, str(images), str(weights))
        folder = self.work / "starts" / f"{data}-{self.images}-{net}-{case}".replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.ftr").write_text(recipe(net, case, images, weights), encoding="utf-8")
        self.call("job", str(folder / "recipe.ftr"), net, str(images), str(folder), str(self.threads))
        return folder

    def command(self, program: str, start: Path, out: Path) -> list[str]:
        """Return a program's command line."""
        if program == "ftr":
            options = ["--out", str(out), "--quiet", "--threads", str(self.threads)]
            return [sys.executable, "-m", "runtime", "run", str(start / "recipe.ftr"), *options]
        out.mkdir()
        write_job(out / "job.json", replace(read_job(str(start / "job.json")), out=str(out)))
        python = self.torch_python if program == "torch" else sys.executable
        return [str(python), str(BENCH / f"frozen_{program}.py"), str(out / "job.json")]

    def measure(self, program: str, start: Path) -> dict[str, Any]:
        """Run a program once; return its figures."""
        if program == "fused":
            figures: dict[str, Any] = json.loads(self.call("fused", str(start / "recipe.ftr")))
            return figures
        out = start / f"{program}-{time.time_ns()}"
        log, cache = Path(f"{out}.log"), Path(f"{out}.cache")
        # An empty cache each time: what an earlier run has kept is no work saved within a run.
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "FTR_CACHE": str(cache)}
        command = self.command(program, start, out)
        busy, begin = busy_s(), time.perf_counter()
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
            events, status, usage = follow(process.pid, out / "metrics.jsonl", begin)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{program} failed with {process.returncode}:\n{log.read_text()[-3000:]}")
        for folder in (out, cache):  # networks are large, and only the times are wanted
            shutil.rmtree(folder, ignore_errors=True)
        own = usage.ru_utime + usage.ru_stime
        others = max(0.0, busy_s() - busy - own) / wall / (os.cpu_count() or 1)
        used = {"cpu_s": own, "others": others, "memory_mb": usage.ru_maxrss / 1024}
        return {"wall_s": wall, **used, **figures_of(events)}


def busy_s() -> float:
    """Return the seconds that all processors together have worked since the start of the system; 0 off Linux."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return 0.0
    user, nice, system, _, _, *others = map(int, counts.read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def follow(pid: int, record: Path, begin: float) -> tuple[list[tuple[float, dict[str, Any]]], int, Any]:
    """Wait for a process; return the lines of its record with the time when each appeared, its status and its usage."""
    events: list[tuple[float, dict[str, Any]]] = []
    read, rest = 0, ""
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if record.exists() and record.stat().st_size > read:
            with record.open(encoding="utf-8") as file:
                file.seek(read)
                text = file.read()
            now, read = time.perf_counter() - begin, read + len(text.encode())
            *lines, rest = (rest + text).split("\n")
            events += [(now, json.loads(line)) for line in lines]
        if done:
            return events, status, usage
        time.sleep(POLL_S)


def figures_of(events: Sequence[tuple[float, dict[str, Any]]]) -> dict[str, Any]:
    """Return the times of stages and epochs, in seconds, and the last accuracy on the validation set."""
    stages: list[list[float]] = []
    epochs, accuracy = [], 0.0
    for now, event in events:
        match event["event"]:
            case "stage_started":
                stages.append([now])
            case "evaluated":
                stages[-1].append(now)
                epochs.append(now - stages[-1][-2])
                accuracy = event["accuracy"]
    later = [b - a for ends in stages for a, b in zip(ends[1:], ends[2:], strict=False)]
    return {
        "before_s": stages[0][0],
        "training_s": stages[-1][-1] - stages[0][0],  # with what a program does between two stages
        "stages_s": [ends[-1] - ends[0] for ends in stages],
        "epochs_s": epochs,
        "later_epoch_s": statistics.median(later) if later else None,
        "accuracy": accuracy,
    }


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return all results that are there."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def run_all(bench: Bench, wanted: Sequence[tuple[int, str, str, str]]) -> None:
    """Measure what is wanted and not there yet: pairs of repeat, data, net and case."""
    results = bench.work / "results.jsonl"
    programs = [name for name in PROGRAMS if name != "torch" or bench.torch_python]
    for number, (repeat, data, net, case) in enumerate(wanted):
        turn = number % len(programs)
        start = None
        for program in programs[turn:] + programs[:turn]:
            key = {"data": data, "net": net, "case": case, "repeat": repeat, "program": program}
            key |= {"images": bench.images, "threads": bench.threads}
            if any(key.items() <= result.items() for result in read_results(results)):
                continue
            start = start or bench.start(data, net, case)
            figures = bench.measure(program, start)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**key, **figures}) + "\n")
            shown = f"{figures['wall_s']:.1f} s" if "wall_s" in figures else f"{figures['images_per_s']:.0f} images/s"
            print(f"{data} {net}, {case}, {program}: {shown}", flush=True)


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=("solar", "fashion"), default=["solar", "fashion"])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=2000, help="Images of a data set, a fifth for validation.")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="All cores by default.")
    parser.add_argument("--torch-python", help="Python of an environment with torch and torchvision.")
    parser.add_argument("--work", type=Path, default=Path("runs/frozen"), help="Folder of images, runs and results.")
    parser.add_argument("--write", type=Path, help="Write a Markdown page, and a plot beside it.")
    given = parser.parse_args()
    work = given.work.resolve()
    (work / "data").mkdir(parents=True, exist_ok=True)
    bench = Bench(work, given.torch_python, given.images, given.threads)
    run_all(bench, list(product(range(given.repeats), given.data, given.nets, given.cases)))
    if given.write:
        chosen = {"images": given.images, "threads": given.threads}
        found = [result for result in read_results(work / "results.jsonl") if chosen.items() <= result.items()]
        write_page(given.write, found, given.torch_python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
