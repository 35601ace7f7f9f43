"""Damaged recipes by the ten thousand: `python bench/fuzz.py --count 50000`.

Bytes, tokens and lines of recipes (ours, the broken ones of the tests, generated ones) are dropped, doubled, swapped
and replaced. Whatever comes out, the language answers within a second, without a traceback, with places inside the
text; what parses is the same again after formatting and after a trip through JSON. Printed are the counts, the slowest
text and the memory at the end. The first failure is written out and ends the process with 1.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import sys
import time
import traceback
from collections import Counter
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from recipes_at_random import INSERTS, damaged, generated  # noqa: E402

from recipe_lang.check.checker import check  # noqa: E402
from recipe_lang.compose.load import parse  # noqa: E402
from recipe_lang.json.recipe import recipe_json  # noqa: E402
from recipe_lang.output.fix import fix  # noqa: E402
from recipe_lang.output.formatter import format_text  # noqa: E402
from recipe_lang.output.render import as_json, render  # noqa: E402
from recipe_lang.problem import RecipeError  # noqa: E402
from recipe_lang.source import Source  # noqa: E402
from recipe_lang.syntax.nodes import Recipe  # noqa: E402
from recipe_lang.syntax.parser import decode_source  # noqa: E402
from runtime.vocabulary import VOCABULARY  # noqa: E402

SLOWEST = 1.0  # seconds
CHUNK = 250
NAMES = [
    *VOCABULARY.fields,
    *(name for family in VOCABULARY.families.values() for name in family.entries),
    *("base.block3", "head", "epochs", "px", "valid.loss", "matching", "then", "except", "in", "extends", "drop"),
]


class Outcome(NamedTuple):
    """What became of a chunk of texts."""

    counts: Counter[str]
    slowest: float
    slow_text: bytes
    memory: int  # kB, the most that the process has held


def corpus() -> list[str]:
    """Return the texts that are damaged."""
    paths = sorted([*(ROOT / "recipes").glob("*.ftr"), *(ROOT / "tests" / "broken").glob("*.ftr")])
    rng = random.Random(1)
    return [*(path.read_text(encoding="utf-8") for path in paths), *(generated(rng) for _ in range(100))]


def bytes_damaged(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to six of them changed, doubled, dropped or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[at : at + rng.randint(1, 8)]
            case 2:
                changed[at:at] = changed[at : at + rng.randint(1, 40)] * rng.randint(1, 4)
            case 3:
                changed[at:at] = rng.choice(INSERTS).encode("utf-8", "replace")
            case _:
                changed[at:at] = bytes([rng.choice(b"(){}[]=,.:;'\"#$%*/+-\n\t \\<>&|!~")])
    return bytes(changed)


def lines_damaged(text: str, others: list[str], rng: random.Random) -> str:
    """Return a text with lines dropped, doubled, moved, indented, joined or taken from another."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at : at + rng.randint(1, 3)]
            case 1:
                lines[at:at] = lines[at : at + rng.randint(1, 5)]
            case 2:
                lines.insert(rng.randrange(len(lines)), lines.pop(at))
            case 3:
                lines[at] = rng.choice(("  ", "\t", "- ", "// ", "")) + lines[at].replace(
                    " = ", rng.choice((": ", "=", " "))
                )
            case 4:
                lines[at : at + 2] = [rng.choice((" ", ", ", "; ")).join(lines[at : at + 2])]
            case _:
                lines.insert(at, rng.choice(rng.choice(others).split("\n")))
        lines = lines or [""]
    return "\n".join(lines)


def damage(texts: list[str], rng: random.Random) -> bytes:
    """Return one damaged text."""
    text = rng.choice(texts)
    match rng.randrange(4):
        case 0:
            return bytes_damaged(text.encode(), rng)
        case 1:
            return lines_damaged(text, texts, rng).encode()
        case _:
            return damaged(text, texts, rng, NAMES).encode("utf-8", "replace")


def problems(source: Source) -> tuple[str, ...] | None:
    """Check a source and everything that its problems say; return their codes, or None where it is right."""
    try:
        check(parse(source), VOCABULARY)
    except RecipeError as error:
        for problem in error.problems:
            spans = [span for span, _ in problem.related()] + [edit.span for edit in problem.edits()]
            spans += [problem.span] if problem.span else []
            assert all(0 <= span.start <= span.end <= len(span.source.text) for span in spans), problem
            assert problem.span is not None, problem
            assert render(problem), problem
            assert as_json(problem)["message"], problem
        return tuple(problem.code for problem in error.problems if problem.is_error)
    return None


def meaning(recipe: Recipe) -> str:
    """Return the nodes as text; `1 epochs` is `1 epoch`."""
    return re.sub(r"unit='(epoch|step|image)s?'", r"unit='\1'", repr(recipe.items))


def found(source: Source) -> tuple[object, ...]:
    """Return the problems of a source, for `fix`."""
    try:
        check(parse(source), VOCABULARY)
    except RecipeError as error:
        return error.problems
    return ()


def answer(data: bytes) -> list[str]:
    """Give one text to the language; return what it counts as."""
    try:
        source = decode_source(data, "recipe.ftr")
    except RecipeError:
        return ["no text"]
    recipe = parse(source)
    codes = problems(source)
    kinds = ["fine" if codes is None else "diagnosed"]
    if recipe.problems:
        kinds.append("wrong syntax")
        fix(source, found)  # type: ignore[arg-type]
        return kinds
    formatted = Source("recipe.ftr", format_text(source))
    assert meaning(parse(formatted)) == meaning(recipe), "formatting changed it"
    assert format_text(formatted) == formatted.text, "formatting twice is not formatting once"
    again = parse(Source("recipe.ftr.json", recipe_json(recipe)))
    assert (meaning(again), again.problems) == (meaning(recipe), ()), "JSON changed it"
    return [*kinds, "parsed, formatted, turned into JSON and back"]


def chunk(seed: int) -> Outcome:
    """Answer so many texts out of one seed."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    slowest, slow_text = 0.0, b""
    for _ in range(CHUNK):
        data = damage(TEXTS, rng)
        start = time.process_time()
        try:
            counts.update(answer(data))
        except Exception:
            raise AssertionError(f"{traceback.format_exc(chain=False)}\nseed {seed}, text:\n{data!r}") from None
        taken = time.process_time() - start
        if taken > slowest:
            slowest, slow_text = taken, data
    return Outcome(counts, slowest, slow_text, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


TEXTS = corpus()


def main() -> int:
    """Run all chunks and print what came of them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=50_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    start = time.perf_counter()
    counts: Counter[str] = Counter()
    worst, memory = (0.0, b""), 0
    seeds = range(given.seed * 1_000_000, given.seed * 1_000_000 + -(-given.count // CHUNK))
    with Pool(given.processes) as pool:
        for outcome in pool.imap_unordered(chunk, seeds):
            counts += outcome.counts
            worst = max(worst, (outcome.slowest, outcome.slow_text))
            memory = max(memory, outcome.memory)
    print(f"{len(seeds) * CHUNK:,} texts in {time.perf_counter() - start:.0f} s; a process held {memory / 1000:.0f} MB")
    print(", ".join(f"{name} {count:,}" for name, count in counts.most_common()))
    print(f"the slowest took {worst[0]:.3f} s ({len(worst[1]):,} bytes)")
    if worst[0] > SLOWEST:
        print(worst[1].decode("utf-8", "replace"))
    return int(worst[0] > SLOWEST)


if __name__ == "__main__":
    sys.exit(main())
