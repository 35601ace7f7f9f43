"""What each word gains or loses beside the plain recipe: `python bench/words.py --budget 4 --write docs/words.md`.

The plain recipe trains the last block and a new head on 500 images of the solar cells, and of Fashion-MNIST, for eight
epochs, with everything else as the language has it by default. Each row of `WORDS` replaces lines of it, or adds some.
All rows run with seeds 1, 2 and 3, those that gain on a set also with 4 and 5; a seed decides which images train. A row
with several rates runs all of them with the first seed and goes on with the one that is best on validation.

What was measured stands in WORK/words.jsonl, and frozen features in WORK/cache: the same command goes on where the last
one ended. With `--budget` no run begins that may not end in so many minutes. Nothing measured here depends on what else
the machine does. The sets are measured side by side, each on its own share of the cores: two runs of one thread take
less than one after the other with two. `words_page.py` makes the page.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from words_page import page
from words_rows import MORE_SEEDS, PLAIN, SEEDS, SETS, Records, Run, Word, chosen, gains, rows, text

from recipe_lang.problem import RecipeError

DIVERGED = "E601"  # the loss became NaN or infinite


def due(data: str, records: Records) -> Run | None:
    """Return a set's next run: all rows with one seed before the next, then more seeds for those that gain."""
    words = [word for word in rows() if data in word.sets]
    for seed in SEEDS:
        for word in (Word("", (PLAIN,)), *words):
            lines = word.choices if seed == SEEDS[0] else (chosen(word, data, records) or "",)
            for run in (Run(data, each, seed) for each in lines):
                if run not in records:
                    return run
    for seed in MORE_SEEDS:
        for lines in (PLAIN, *(chosen(word, data, records) or "" for word in words)):
            run = Run(data, lines, seed)
            if run not in records and (lines == PLAIN or mean(gains(lines, data, records, seeds=SEEDS)) > 0):
                return run
    return None


def measured(run: Run) -> dict[str, float]:
    """Train a run in a folder that is thrown away; return its figures, the worst where it diverged."""
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run as train

    images, began = SETS[run.data], time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place) / "word.ftr"
        recipe.write_text(text(images, run.lines, run.seed), encoding="utf-8")
        try:
            _, result = train(prepare(recipe), RunSettings(workers=0), Path(place) / "run")
        except RecipeError as error:
            if error.problems[0].code != DIVERGED:
                raise
            return {"valid": 0.0, "test": 0.0, "ece": 1.0, "seconds": time.monotonic() - began, "diverged": 1}
    if result["status"] != "finished":
        sys.exit("interrupted: run the same command again")
    figures: Mapping[str, Mapping[str, Any]] = {name: result[name] for name in ("valid", "test")}
    return {
        **{name: figures[name][images.metric] for name in figures},
        "ece": figures["test"]["ece"],
        "seconds": time.monotonic() - began,
    }


def read(record: Path) -> dict[Run, dict[str, float]]:
    """Return what was measured so far; a last line that was cut off is dropped."""
    found = {}
    for line in record.read_text("utf-8").splitlines() if record.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[Run(**entry["run"])] = entry["found"]
    return found


def measure(data: str, cores: set[int], record: Path, budget_s: float) -> None:
    """Measure on some cores what is due of a set, until the longest run of it so far would not fit any more."""
    os.sched_setaffinity(0, cores)
    until = time.monotonic() + budget_s
    records = {run: found for run, found in read(record).items() if run.data == data}
    while run := due(data, records):
        if time.monotonic() + max((found["seconds"] for found in records.values()), default=0) > until:
            return
        records[run] = measured(run)
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": asdict(run), "found": records[run]}) + "\n")
        print(f"{run.data:8} seed {run.seed}  valid {records[run]['valid']:.3f}  {run.lines!r}", flush=True)


def main() -> None:
    """Measure what is missing, and write the page of what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="MINUTES", help="end in time")
    parser.add_argument("--work", type=Path, default=Path("words"), help="where the record and the features lie")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page as well")
    parser.add_argument("--forget", action="store_true", help="measure anew")
    args = parser.parse_args()
    if args.forget:
        shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True, exist_ok=True)
    os.environ["FTR_CACHE"] = str(args.work.resolve() / "cache")
    record = args.work / "words.jsonl"
    if record.exists() and not record.read_bytes().endswith(b"\n"):  # the last line was cut off
        with record.open("a") as file:
            file.write("\n")
    cores = sorted(os.sched_getaffinity(0))
    shares = [set(cores[place :: len(SETS)] or cores) for place in range(len(SETS))]
    processes = [
        multiprocessing.Process(target=measure, args=(data, share, record, 60 * args.budget))
        for data, share in zip(SETS, shares, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = read(record)
    if args.write:
        args.write.write_text(page(found), encoding="utf-8")
    left = any(due(data, {run: each for run, each in found.items() if run.data == data}) for data in SETS)
    print("some are left: run the same command again" if left else "all are measured")
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
