"""Open one block a stage, of every family of bases: `python bench/unfreezing.py [--all] [--only PATTERN]`.

For the smallest network of each family of the zoos and of timm (with `--all` for every network) a recipe is generated
whose first stage trains the head, and each further one a block more, the stem last, two steps each. It runs on a few
digits with random weights. Then each stage has made its two steps, the parts that it names have moved, and all below
them are what they were, bit for bit. Each network runs in a process of its own. Two minutes; the tests take three.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.models.catalog import ZOOS  # noqa: E402
from runtime.models.timm.catalog import TIMM  # noqa: E402

SOURCES = {**ZOOS, "timm": TIMM}


def recipe(source: str, name: str) -> str:
    """Return a recipe that opens the parts of a network one by one, from the head on."""
    row = SOURCES[source][name]
    data = f"train = digits\n  take = 30 images\n  size = {row.smallest}px\n  batch = 8"
    opened = ["head", *(f"base.{part} .. head" for part in reversed(row.parts))]
    stages = "".join(f'stage "{part}" {{\n  train = {part}\n  for = 2 steps\n}}\n' for part in opened)
    # Random weights: at a usual rate they would be gone after two steps.
    shared = "defaults {\n  optimizer = adam(lr = 1e-5)\n  schedule = constant\n}\n"
    return f'ftr 1\ndata {{\n  {data}\n}}\nbase = {source}("{name}", weights = none)\n{shared}{stages}'


def problems(source: str, name: str, place: Path) -> list[str]:
    """Run the recipe of a network in a folder; return what is wrong, nothing where all is well."""
    from recipe_lang.problem import RecipeError
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    path = place / "unfreezing.ftr"
    path.write_text(recipe(source, name), encoding="utf-8")
    try:
        folder, result = run(prepare(path), RunSettings(workers=0, cache=False, fuse=False), place / "run")
    except RecipeError as error:
        return [problem.message() for problem in error.problems]
    steps = [stage["steps_done"] for stage in result["stages"]]
    wrong = [] if set(steps) == {2} else [f"the stages made {steps} steps"]
    return wrong + list(_wrongly_moved(source, name, folder))


def _wrongly_moved(source: str, name: str, folder: Path) -> Iterator[str]:
    """Yield the parts that a stage opened and did not move, and those below it that moved."""
    from runtime.runs.folder import stage_weights
    from runtime.weights.params_file import read_params

    parts = [*SOURCES[source][name].parts, "head"]
    before = read_params(stage_weights(folder, 0))
    for stage in range(1, len(parts)):
        is_last = stage == len(parts) - 1
        after = read_params(folder / "model.params" if is_last else stage_weights(folder, stage))
        moved = {
            key.removeprefix("base.").partition(".")[0] for key, array in after.items() if (array != before[key]).any()
        }
        expected = set(parts[len(parts) - 1 - stage :])
        for part in sorted(moved ^ expected):
            yield f"stage {stage + 1}: {part} {'did not move' if part in expected else 'moved'}"
        before = after


def chosen(only: str, every: bool) -> list[tuple[str, str]]:
    """Return the networks that hold `only`: of each family the first, or with `every` all."""
    found = {}
    for source, rows in SOURCES.items():
        for name, row in rows.items():
            if only in f"{source}:{name}":
                found.setdefault((source, name if every else row.family), (source, name))
    return list(found.values())


def main() -> int:
    """Run what is chosen, each in its own process; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every network, not the first of each family")
    parser.add_argument("--only", metavar="PATTERN", default="", help="networks whose source:name holds this text")
    parser.add_argument("--one", nargs=2, metavar=("SOURCE", "NAME"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        with tempfile.TemporaryDirectory() as place:
            wrong = problems(*args.one, Path(place))
        print("; ".join(wrong) or "ok")
        return int(bool(wrong))
    failed = 0
    for source, name in chosen(args.only, args.all):
        began = time.monotonic()
        command = [sys.executable, __file__, "--one", source, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        last = (done.stdout.splitlines() or done.stderr.splitlines() or ["no output"])[-1]
        stages = len(SOURCES[source][name].parts) + 1
        print(f"{source:8}{name:40}{stages:3} stages {time.monotonic() - began:6.1f} s  {last}", flush=True)
        failed += done.returncode != 0
    print(f"{failed} failed" if failed else "all are well")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
