"""At which size, and with how many fixed crops, what `ftr new` writes pays: `python bench/sizes.py FOLDER…`.

Each folder has one subfolder for each class, or `train` and `valid` with such subfolders. For it `ftr new`'s recipe is
written at each of `--sizes`, with each of `--views` in place of its own (0: crops are new in each epoch), and run with
each seed, as a process of its own with an empty cache. Validation alone is looked at. Times are seconds of all
processors. What is measured already stands in WORK/sizes.jsonl; `--before` begins each command, as in
`--before "nice -n 5"`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from frozen_page import table

from runtime.workflows.new.recipe import starter
from runtime.workflows.new.scan import survey

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Point:
    """One run: the set, the side of its images in pixels, fixed crops of an image (0: none, None: as written), seed."""

    name: str
    size: int
    views: int | None
    seed: int


def recipe_of(folder: Path, point: Point, place: Path) -> str:
    """Return the recipe that `ftr new` writes for a folder, at the size, the views and the seed of a point."""
    text = starter(survey(str(folder)), place, point.size).text
    if point.views is not None:
        text = re.sub(r"\n  views .*", "", text)
    if point.views:
        text = re.sub(r"\n(  augment .*)", rf"\n\1\n  views = {point.views}", text)
    return text.replace("seed = 1\n", f"seed = {point.seed}\n")


def measured(folder: Path, point: Point, work: Path, before: Sequence[str]) -> dict[str, float]:
    """Run a point; return the metric that its recipe monitors, seconds by the clock, and of all processors."""
    place = work / "-".join(str(value) for value in asdict(point).values())
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    text = recipe_of(folder, point, place)
    (place / "made.ftr").write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FTR_CACHE": str(place / "cache")}
    command = [*before, sys.executable, "-m", "runtime", "run", "made.ftr", "--out", "run", "--quiet"]
    earlier = cpu_s()
    subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    took = cpu_s() - earlier
    result = json.loads((place / "run" / "result.json").read_text("utf-8"))
    shutil.rmtree(place)
    monitored = re.search(r"monitor += valid\.(\w+)", text)
    value = result["valid"][monitored[1] if monitored else "accuracy"]
    return {"value": value, "seconds": result["wall_s"], "cpu_s": took}


def cpu_s() -> float:
    """Return the seconds of processors that all finished children have taken: others that run meanwhile count less."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure what is missing; print a table of means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 96, 128, 160, 224])
    parser.add_argument("--views", nargs="+", type=int, default=[None])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", type=Path, default=Path("sizes"))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="Begin no run after so long.")
    parser.add_argument("--before", type=shlex.split, default=[])
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    record = args.work / "sizes.jsonl"
    lines = record.read_text("utf-8").splitlines() if record.exists() else []
    known = {Point(**entry["point"]): entry for entry in map(json.loads, lines)}
    points = [
        (folder, Point(folder.name, size, views, seed))
        for seed in args.seeds
        for size in args.sizes
        for views in args.views
        for folder in args.folders
    ]
    until = time.monotonic() + args.seconds
    for folder, point in points:
        if point not in known:
            if time.monotonic() > until:
                sys.exit("there was no time for all: run the same command again")
            found = measured(folder.resolve(), point, args.work.resolve(), args.before)
            known[point] = {"point": asdict(point), **found}
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[point]) + "\n")
    columns = [(size, views) for size in args.sizes for views in args.views]
    heads = ["set", *(f"{size}px" + ("" if views is None else f", {views} views") for size, views in columns)]
    rows = []
    for folder in args.folders:
        found = [[known[Point(folder.name, *column, seed)] for seed in args.seeds] for column in columns]
        shown = [f"{mean(e['value'] for e in each):.3f}, {mean(e['cpu_s'] for e in each):.0f} s" for each in found]
        rows.append([folder.name, *shown])
    print(table(heads, rows), end="")


if __name__ == "__main__":
    main()
