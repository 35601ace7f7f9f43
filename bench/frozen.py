"""How long training takes: ftr, a hand-written Gluon loop, and PyTorch. `python bench/frozen.py`.

Three programs do the same: same image files, start weights, batch, epochs, optimizer, cores, last part of an epoch
dropped, the validation set measured after each epoch. ftr is `python -m runtime run RECIPE`, whole; the others are
`bench/frozen_gluon.py` and `bench/frozen_torch.py`. They run one after the other, in another order each time, each in a
process of its own. A fourth, `fused`, measures how fast images pass the frozen part alone: nobody can be faster.

`SCHEDULE` says what is measured, how often, and with how many images: about 80 minutes on two cores. The repeats have
the seeds 1, 2, 3: another new classifier, another order of the images. Results are appended to WORK/results.jsonl, and
what is there already is not measured again: stop it and start it again at will. `--write docs/speed.md` makes a page,
and docs/speed.png, of them.

PyTorch needs an environment of its own (GluonCV cannot be imported beside it without tricks):

    python -m venv /somewhere; /somewhere/bin/pip install torch torchvision
    python bench/frozen.py --torch-python /somewhere/bin/python --write docs/speed.md

Without `--torch-python` only the two others run. A small part, to see that it works:

    python bench/frozen.py --quick --nets efficientnet_lite0 --data solar
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from frozen_job import read_job, write_job
from frozen_page import write_page
from frozen_process import Events, watch

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Net:
    """A network: its side in pixels, its last block, and what a recipe calls it."""

    size: int
    last: str
    base: str


@dataclass(frozen=True, slots=True)
class Case:
    """What trains: stages (what, epochs, rate), and a line for the data block."""

    stages: tuple[tuple[str, int, str], ...]
    augment: str = ""

    @property
    def epochs(self) -> list[int]:
        """The epochs of each stage."""
        return [epochs for _, epochs, _ in self.stages]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is measured `repeats` times. `loop_epochs` are those of a stage that the loops run, where not all."""

    data: str
    net: str
    case: str
    images: int
    repeats: int
    loop_epochs: int | None = None


ZOO = 'gluoncv("{name}", weights = gluon_params("{weights}"))'
NETS = {
    "efficientnet_lite0": Net(128, "block7", 'packaged("{name}")'),
    "mobilenetv2_1.0": Net(128, "block7", ZOO),
    "resnet18_v1b": Net(224, "block4", ZOO),
    "resnet50_v1b": Net(224, "block4", ZOO),
}
CROPS = "  augment = [random_resized_crop(scale = 0.4 .. 1.0), flip(horizontal)]\n"
CASES = {
    "two stages": Case((("head", 5, "1e-3"), ("base.{last} .. head", 5, "3e-4"))),
    "everything": Case((("all", 1, "3e-4"),)),
    "random crops": Case((("head", 2, "1e-3"),), CROPS),
}
# The loops' epochs of a stage all cost the same, so that of the slow ones some are enough. Where nothing is kept, an
# image costs the same however many there are.
SCHEDULE = (
    Entry("solar", "efficientnet_lite0", "two stages", 2000, 3),
    Entry("solar", "efficientnet_lite0", "everything", 1000, 3),
    Entry("solar", "efficientnet_lite0", "random crops", 1000, 3),
    Entry("solar", "mobilenetv2_1.0", "two stages", 2000, 3, loop_epochs=2),
    Entry("solar", "mobilenetv2_1.0", "everything", 1000, 3),
    Entry("solar", "mobilenetv2_1.0", "random crops", 1000, 3),
    Entry("solar", "resnet18_v1b", "two stages", 2000, 1, loop_epochs=2),
    Entry("solar", "resnet18_v1b", "everything", 500, 1),
    Entry("solar", "resnet18_v1b", "random crops", 500, 1),
    Entry("solar", "resnet50_v1b", "two stages", 2000, 1, loop_epochs=1),
    Entry("solar", "resnet50_v1b", "everything", 500, 1),
    Entry("solar", "resnet50_v1b", "random crops", 500, 1),
    Entry("fashion", "efficientnet_lite0", "two stages", 2000, 1, loop_epochs=2),
    Entry("fashion", "mobilenetv2_1.0", "two stages", 2000, 1, loop_epochs=1),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one program."""

    entry: Entry
    seed: int
    program: str

    def key(self, threads: int) -> dict[str, Any]:
        """Return what tells the result from all others."""
        entry, of = self.entry, CASES[self.entry.case].epochs
        some = entry.loop_epochs if self.program in ("gluon", "torch") else None
        return {
            "data": entry.data,
            "net": entry.net,
            "case": entry.case,
            "images": entry.images,
            "seed": self.seed,
            "program": self.program,
            "threads": threads,
            "of": of,
            "epochs": [min(epochs, some or epochs) for epochs in of],
        }


def measurements(schedule: Sequence[Entry], with_torch: bool) -> Iterator[Measurement]:
    """Yield what is to be measured: each entry once before one comes twice, the programs in another order each time."""
    turn = 0
    for seed in range(1, max((entry.repeats for entry in schedule), default=0) + 1):
        for entry in schedule:
            if seed > entry.repeats:
                continue
            programs = ["ftr", "gluon", *(["torch"] if with_torch else [])]
            programs += ["fused"] if entry.case == "two stages" else []
            turn += 1
            for place in range(len(programs)):
                yield Measurement(entry, seed, programs[(turn + place) % len(programs)])


def recipe(entry: Entry, seed: int, data: Path, weights: Path) -> str:
    """Return a case as a recipe."""
    facts, case = NETS[entry.net], CASES[entry.case]
    text = (
        f'ftr 1\n\nname = "bench"\nseed = {seed}\n\n'
        f'data {{\n  train   = folder("{data}/train")\n  valid   = folder("{data}/valid")\n'
        f"  size    = {facts.size}px\n{case.augment}  batch   = 32\n}}\n\n"
        f"base = {facts.base.format(name=entry.net, weights=weights)}\nhead = [dense(classes)]\n"
    )
    for number, (train, epochs, lr) in enumerate(case.stages, start=1):
        text += f'\nstage "{number}" {{\n  train     = {train.format(last=facts.last)}\n  for       = {epochs} epochs\n'
        text += f"  optimizer = adam(lr = {lr})\n}}\n"
    return text


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are and what all runs share."""

    work: Path
    torch_python: str | None
    threads: int

    def call(self, *arguments: str) -> str:
        """Run an action of `frozen_start.py`; return what it printed."""
        command = [sys.executable, str(BENCH / "frozen_start.py"), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self, entry: Entry, seed: int) -> Path:
        """Make what a run starts from, if it is not there; return its folder, with `recipe.ftr` and `job.json`."""
        images = self.work / "data" / f"{entry.data}-{entry.images}"
        if not images.exists():
            images.parent.mkdir(parents=True, exist_ok=True)
            self.call("images", entry.data, str(entry.images), str(images))
        weights = self.work / "weights" / f"{entry.net}-{entry.data}-{entry.images}.params"
        if "weights" in NETS[entry.net].base and not weights.exists():
            weights.parent.mkdir(exist_ok=True)
            self.call("weights", entry.net, str(images), str(weights))
        name = f"{entry.data}-{entry.images}-{entry.net}-{entry.case}-{seed}".replace(" ", "_")
        folder, text = self.work / "starts" / name, recipe(entry, seed, images, weights)
        written = folder / "recipe.ftr"
        if not (folder / "job.json").exists() or written.read_text(encoding="utf-8") != text:
            folder.mkdir(parents=True, exist_ok=True)
            written.write_text(text, encoding="utf-8")
            self.call("job", str(written), entry.net, str(images), str(folder), str(self.threads))
        return folder

    def command(self, program: str, start: Path, epochs: Sequence[int], out: Path) -> list[str]:
        """Return a program's command line."""
        if program == "ftr":
            options = ["--out", str(out), "--quiet", "--threads", str(self.threads)]
            return [sys.executable, "-m", "runtime", "run", str(start / "recipe.ftr"), *options]
        out.mkdir()
        job = read_job(str(start / "job.json"))
        stages = tuple(replace(stage, epochs=count) for stage, count in zip(job.stages, epochs, strict=True))
        write_job(out / "job.json", replace(job, out=str(out), stages=stages))
        python = self.torch_python if program == "torch" else sys.executable
        return [str(python), str(BENCH / f"frozen_{program}.py"), str(out / "job.json")]

    def measure(self, program: str, start: Path, epochs: Sequence[int]) -> dict[str, Any]:
        """Run a program once; return its figures."""
        if program == "fused":
            figures: dict[str, Any] = json.loads(self.call("fused", str(start / "recipe.ftr")))
            return figures
        out = start / f"{program}-{time.time_ns()}"
        log, cache = Path(f"{out}.log"), Path(f"{out}.cache")
        # An empty cache each time: what an earlier run has kept is no work saved within a run.
        environment = {"OMP_NUM_THREADS": str(self.threads), "FTR_CACHE": str(cache)}
        watched = watch(self.command(program, start, epochs, out), environment, log, out / "metrics.jsonl", ROOT)
        for folder in (out, cache):  # networks are large, and only the times are wanted
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "wall_s": watched.wall_s,
            "cpu_s": watched.cpu_s,
            "others": watched.others,
            "memory_mb": watched.memory_mb,
            "own_mb": watched.own_mb,
            **figures_of(watched.events),
        }


def figures_of(events: Events) -> dict[str, Any]:
    """Return the seconds of each epoch of each stage, and the accuracy on the validation set that ends each stage.

    An epoch is measured from the end of the one before, or the start of its stage, to the end of its evaluation.
    """
    ends: list[list[float]] = []
    accuracies: list[float] = []
    for now, event in events:
        match event["event"]:
            case "stage_started":
                ends.append([now])
                accuracies.append(0.0)
            case "evaluated":
                ends[-1].append(now)
                accuracies[-1] = event["accuracy"]
    epochs = [[end - begin for begin, end in zip(times, times[1:], strict=False)] for times in ends]
    return {"before_s": ends[0][0], "stages_s": epochs, "accuracies": accuracies}


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return all results that are there."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def found(results: Sequence[dict[str, Any]], key: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of one measurement: one, or none yet."""
    return [result for result in results if key.items() <= result.items()][:1]


def run_all(bench: Bench, wanted: Sequence[Measurement], minutes: float) -> None:
    """Measure what is wanted and not there yet; begin nothing new after so many minutes."""
    path, begin = bench.work / "results.jsonl", time.monotonic()
    for number, one in enumerate(wanted, start=1):
        key = one.key(bench.threads)
        if found(read_results(path), key):
            continue
        if time.monotonic() - begin > 60 * minutes:
            print(f"{minutes:g} minutes are over; the same command goes on at {number} of {len(wanted)}", flush=True)
            return
        figures = bench.measure(one.program, bench.start(one.entry, one.seed), key["epochs"])
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**key, **figures}) + "\n")
        shown = f"{figures['wall_s']:.1f} s" if "wall_s" in figures else f"{figures['images_per_s']:.0f} images/s"
        entry = one.entry
        print(f"{number}/{len(wanted)} {entry.data} {entry.net}, {entry.case}, {one.program}: {shown}", flush=True)


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=("solar", "fashion"), default=["solar", "fashion"])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="200 images, one repeat, one epoch of the loops.")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="Begin nothing new after so many minutes.")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="All cores by default.")
    parser.add_argument("--torch-python", help="Python of an environment with torch and torchvision.")
    parser.add_argument("--work", type=Path, default=Path("runs/frozen"), help="Folder of images, runs and results.")
    parser.add_argument("--write", type=Path, help="Write a Markdown page, and a plot beside it.")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    schedule = [
        replace(entry, images=200, repeats=1, loop_epochs=1) if given.quick else entry
        for entry in SCHEDULE
        if entry.data in given.data and entry.net in given.nets and entry.case in given.cases
    ]
    wanted = list(measurements(schedule, given.torch_python is not None))
    run_all(Bench(work, given.torch_python, given.threads), wanted, given.minutes)
    if given.write:
        results = read_results(work / "results.jsonl")
        shown = [result for one in wanted for result in found(results, one.key(given.threads))]
        write_page(given.write, shown, given.torch_python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
