"""A recipe of objects or masks over seeds: `python bench/detection_seeds.py RECIPE --data-root FOLDER`.

Each seed runs in a process and with a cache of its own, which begins empty. Rows are appended to WORK, a line each:
seconds, seconds of the processor, and the metrics on the test set; what is there is not run again. At the end the
median over the seeds, and the AP50 or the IoU of each class. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PARTS = ("metrics", "classes")
SHOWN = {"ap50": ("ap50", "ap", "ap75"), "iou": ("miou", "pixel_accuracy")}  # by what is shown of a class


def measure(recipe: Path, seed: int, more: list[str]) -> dict[str, Any]:
    """Run a recipe with a seed; return what it took and what came out."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / recipe.name
        text, count = re.subn(r"(?m)^seed\s*=\s*\d+", f"seed = {seed}", recipe.read_text(encoding="utf-8"))
        if count != 1:
            raise SystemExit(f"{recipe} has no line `seed = 1` at its top")
        copy.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "runtime", "run", str(copy), "--quiet", "--out", f"{folder}/run", *more]
        environment = {**os.environ, "FTR_CACHE": f"{folder}/cache", "PYTHONPATH": str(ROOT)}
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1):  # 1: a claim does not hold
            raise SystemExit(done.returncode)
        (result,) = Path(folder).glob("run*/result.json")
        found = json.loads(result.read_text(encoding="utf-8"))
        test = found.get("test") or found["valid"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    by = "iou" if "miou" in test else "ap50"
    metrics = {name: test[name] for name in SHOWN[by]}
    classes = {row["name"]: row[by] for row in test["by_class"]}
    return {"seed": seed, "seconds": seconds, "cpu": cpu, "metrics": metrics, "by": by, "classes": classes}


def line(name: str, row: dict[str, Any]) -> str:
    """Return a row as text."""
    classes = "  ".join(f"{label} {value:.3f}" for label, value in row["classes"].items())
    return f"{name:8}{row['seconds']:6.0f} s {row['cpu']:6.0f} s of the processor  " + "  ".join(
        [*(f"{each} {value:.4f}" for each, value in row["metrics"].items()), f"{row['by']} of {classes}"]
    )


def middle_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of the rows of some seeds."""
    parts = {part: {name: median(row[part][name] for row in rows) for name in rows[0][part]} for part in _PARTS}
    return {**rows[0], **parts, **{name: median(row[name] for row in rows) for name in ("seconds", "cpu")}}


def main() -> None:
    """Run the seeds that WORK lacks, and print them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("detection_seeds.jsonl"))
    parser.add_argument("--data-root", help="the folder that paths of the recipe are in")
    given = parser.parse_args()
    more = ["--data-root", given.data_root or str(given.recipe.resolve().parent)]
    rows = [json.loads(each) for each in given.work.read_text().splitlines()] if given.work.exists() else []
    for seed in range(1, given.seeds + 1):
        if seed not in {row["seed"] for row in rows}:
            rows.append(measure(given.recipe, seed, more))
            with given.work.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(line(str(seed), rows[-1]), flush=True)
    print(line("median", middle_of(rows)))


if __name__ == "__main__":
    main()
