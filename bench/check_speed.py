"""How long a check takes: `python bench/check_speed.py`.

Texts are made here: 10,000 lines and 300 lines, valid and with a mistake every 10 lines. Printed is processor time, the
least of a few: of parse, check and render in one process that is warm, and of the whole program `ftr check`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY

HEAD = 'ftr 1\nname = "long"\n\ndata {\n  train = digits\n  size  = 64px\n  batch = 32\n}\n'
STAGE = """
stage "{number}" {{
  train     = base.block6 .. head
  for       = 3 epochs
  optimizer = adamw(lr = 1e-3 / 2, weight_decay = 0.01)
  lr_scale  = {{ base.block6 = 0.1, base.block7 = 0.3 }}
  schedule  = cosine(warmup = 10 steps, final = 1%)  # a comment
  {last}
}}
"""
FINE = "augment   = [random_resized_crop(scale = 0.4 .. 1.0), flip(horizontal)]"
SYNTAX = "augment   = [flip(horizontal) color_jitter(0.2)]"
MEANING = "augmnet   = [flip(horizontal), color_jiter(20)]"


def text(lines: int, last: str) -> str:
    """Return a recipe of so many lines; each stage of ten lines ends with `last`."""
    stages = (lines - HEAD.count("\n")) // 9
    return HEAD + "".join(STAGE.format(number=number, last=last) for number in range(stages))


def answer(source: Source) -> int:
    """Check a text, show what is wrong with it, and return the number of problems."""
    try:
        check(parse(source), VOCABULARY)
    except RecipeError as error:
        return len([render(problem) for problem in error.problems])
    return 0


def _processor() -> float:
    """Return the processor time of this process and of those that it started and that ended, in seconds."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def best(times: int, action: Callable[[], object]) -> float:
    """Return the shortest time of a few, in seconds."""
    found = []
    for _ in range(times):
        start = _processor()
        action()
        found.append(_processor() - start)
    return min(found)


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=3)
    times = arguments.parse_args().times
    answer(Source("warm.ftr", text(100, SYNTAX)))
    for lines in (300, 10_000):
        for name, last in (("valid", FINE), ("wrong syntax", SYNTAX), ("wrong meaning", MEANING)):
            written = text(lines, last)
            count = answer(Source("long.ftr", written))
            seconds = best(times, lambda written=written: answer(Source("long.ftr", written)))
            size = f"{written.count(chr(10)):6,} lines {len(written) / 1000:5.0f} kB"
            print(f"{size}  {name:14} {count:5} problems {seconds:8.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        for name, last in (("valid", FINE), ("broken", SYNTAX)):
            path = Path(folder, f"{name}.ftr")
            path.write_text(text(20, last), encoding="utf-8")
            command = [sys.executable, "-m", "runtime", "check", str(path)]
            seconds = best(times + 2, lambda command=command: subprocess.run(command, capture_output=True, check=False))
            print(f"the program, {name:6} {seconds:44.3f} s")


if __name__ == "__main__":
    main()
