"""Damaged files by the hundred thousand: `python bench/fuzz_files.py --count 100000`.

Each kind of file of `tests/files_at_random.py` is damaged and read, in a process of its own for each batch, with a
limit to its memory, in a folder that it may write to, with nothing around it. Printed are for each kind how many were
read and refused, what went wrong, the slowest, and the most memory. What went wrong is kept below --keep, and ends the
program with 1. With `--mxnet 2000`, MXNet's own loader reads damaged `.params` too, one in each process. ftr uses it
for nothing but what the zoos download, which they compare with the sums in their code; this shows why.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from files_at_random import FORMATS, Format, one  # noqa: E402

from recipe_lang.output.render import render  # noqa: E402
from recipe_lang.problem import RecipeError  # noqa: E402

BATCH = 1_000
MEMORY = 1 << 30  # bytes that a batch may take beyond what the process has
SLOWEST = 5  # seconds
FIRST = 60  # of the first file, for which what is the same for all is made
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # packs are forced to the disk, which takes longest


class Batch(NamedTuple):
    """What became of a batch."""

    counts: Counter[str]
    slowest: float
    memory: int  # kB that the process has held at most
    failure: str = ""


def read_one(kind: Format, data: bytes, place: Path, seconds: int = SLOWEST) -> str:
    """Let one file be read; return what it counts as."""
    target = place / "target"
    target.mkdir()
    (place / "file").write_bytes(data)
    signal.alarm(seconds)
    try:
        kind.read(place / "file", target)
    except RecipeError as error:
        for problem in error.problems:
            assert render(problem)
        return "refused"
    finally:
        signal.alarm(0)
        shutil.rmtree(target)
        for left in place.glob("file*"):
            left.unlink()
    return "read"


def batch_of(kind: Format, seed: int, size: int, place: Path, out: Path) -> None:
    """Read a batch in this process, which ends with it."""
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        seeds = kind.seeds(Path(folder))
    counts: Counter[str] = Counter()
    slowest, failure = 0.0, ""
    for number in range(size):
        data = one(kind, seeds, rng)
        (place.parent / "last").write_bytes(data)  # beside the place: for a crash of the process
        start = time.perf_counter()
        try:
            counts[read_one(kind, data, place, FIRST if number == 0 else SLOWEST)] += 1
        except BaseException:
            failure = traceback.format_exc()
            break
        slowest = max(slowest, time.perf_counter() - start if number else 0.0)
    out.write_text(json.dumps((counts, slowest, failure)))


def in_a_process(kind: Format, seed: int, size: int, room: Path) -> Batch:
    """Read a batch in a process of its own; look whether it left or changed anything outside of its place."""
    place = room / "place"
    place.mkdir()
    canary = room / "canary"
    canary.write_text("as it was")
    before = sorted(os.listdir(room)), sorted(os.listdir(ROOT)), sorted(os.listdir("/tmp"))
    child = os.fork()
    if child == 0:
        try:
            os.chdir(place)
            batch_of(kind, seed, size, place, room.parent / f"{room.name}.json")
        finally:
            os._exit(0)
    _, status, usage = os.wait4(child, 0)
    out = room.parent / f"{room.name}.json"
    if status or not out.exists():
        return Batch(Counter(), 0.0, usage.ru_maxrss, f"the process ended with {status}, seed {seed}")
    counts, slowest, failure = json.loads(out.read_text())
    out.unlink()
    after = sorted({*os.listdir(room)} - {"last"}), sorted(os.listdir(ROOT)), sorted(os.listdir("/tmp"))
    left = os.listdir(place)
    if not failure and (left or canary.read_text() != "as it was" or before[:2] != after[:2]):
        failure = f"something was written outside: {left} {after[:2]}"
    strange = {name for name in {*after[2]} - {*before[2]} if "evil" in name}
    return Batch(Counter(counts), slowest, usage.ru_maxrss, failure or (f"in /tmp: {strange}" if strange else ""))


def _mxnet(path: Path, _: Path) -> object:
    from runtime.backend.mx import mx

    try:
        return {name: array.asnumpy() for name, array in dict(mx.nd.load(str(path))).items()}
    except (mx.base.MXNetError, ValueError, TypeError, UnicodeDecodeError):
        return None


def run(name: str, kind: Format, count: int, size: int, arguments: Any) -> int:
    """Read damaged files of a kind; print a line, and return how many batches went wrong."""
    start = time.perf_counter()
    total, slowest, memory, wrong = Counter[str](), 0.0, 0, 0
    for number in range(-(-count // size)):
        with tempfile.TemporaryDirectory(prefix="ftr-fuzz-", dir=IN_MEMORY) as folder:
            room = Path(folder, "room")
            room.mkdir()
            batch = in_a_process(kind, arguments.seed * 1_000_000 + number, size, room)
            total += batch.counts
            slowest, memory = max(slowest, batch.slowest), max(memory, batch.memory)
            if batch.failure:
                wrong += 1
                if wrong <= arguments.show:
                    print(batch.failure, file=sys.stderr)
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(room / "last", arguments.keep / f"{name}-{number}")
    kinds = ", ".join(f"{word} {total[word]:,}" for word in ("read", "refused"))
    print(
        f"{name}: {count:,} files in {time.perf_counter() - start:.0f} s; {kinds}; batches that failed: {wrong}; "
        f"slowest {slowest:.3f} s; memory {memory / 1000:.0f} MB",
        flush=True,
    )
    return wrong


def main() -> int:
    """Read them all."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--mxnet", type=int, default=0, metavar="COUNT")
    arguments.add_argument("--kind", choices=list(FORMATS), action="append")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--keep", type=Path, default=Path("fuzzed"))
    arguments.add_argument("--show", type=int, default=3)
    given = arguments.parse_args()
    kinds = given.kind or list(FORMATS)
    each = -(-given.count // len(kinds))
    wrong = sum(run(name, FORMATS[name], each, min(BATCH, each), given) for name in kinds)
    if given.mxnet:
        import runtime.backend.mx  # noqa: F401 - here, or each of the processes would take three seconds for it

        run("mxnet's loader", Format(FORMATS["params"].seeds, _mxnet), given.mxnet, 1, given)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
