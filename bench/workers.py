"""Train a recipe with 1, 2 and 3 workers of each engine, also on machines apart, and through deaths; compare the bits.

    python bench/workers.py                          # prints the table
    python bench/workers.py --write docs/machines.md # puts it there, between the marks

The machines are network namespaces of this one, which takes root; without it their rows are left out, and said to be.
Seconds are those of the training, from `metrics.jsonl`; on the cores of one machine they show what an engine costs, not
what it gains.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from engine_processes import MPIEXEC, free_port  # noqa: E402
from machines import Machine, machines  # noqa: E402

RECIPE = """\
ftr 1
name = "workers"
seed = 1
data {
  train = digits
  valid = holdout(15%)
  test  = holdout(25%)
  size  = 32px
  batch = 48
}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "head" {
  train     = head
  for       = 2 epochs
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  shards    = 6
}
stage "blocks" {
  train     = base.block2 .. head
  for       = 3 epochs
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  norm      = frozen
  shards    = 6
}
"""
BEGIN, END = "<!-- measured by bench/workers.py -->", "<!-- end of what was measured -->"
LONGEST_S = 300
FTR = (sys.executable, "-m", "runtime", "run")


@dataclass
class Group:
    """The processes of a run, by name."""

    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, name: str, *command: object) -> None:
        """Start one."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.processes[name] = subprocess.Popen([str(word) for word in command], text=True, env=environment, **streams)

    def ended(self) -> tuple[dict[str, int], str]:
        """Wait for all; return their exit codes, and what they said."""
        said = [process.communicate(timeout=LONGEST_S)[0] for process in self.processes.values()]
        return {name: process.returncode for name, process in self.processes.items()}, "\n".join(said)

    def kill(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            process.kill()


@contextmanager
def group() -> Iterator[Group]:
    """Have a group that leaves no process behind."""
    found = Group()
    try:
        yield found
    finally:
        found.kill()


def alone(found: Group, words: Sequence[object]) -> None:
    """Start one process."""
    found.start("run", *FTR, *words)


def mpi(workers: int, places: Sequence[Machine] = ()) -> Callable[[Group, Sequence[object]], None]:
    """Return what starts workers under MPI, by turns on some machines."""

    def start(found: Group, words: Sequence[object]) -> None:
        where: list[object] = []
        before: list[str] = []
        if places:
            cases = " ".join(f"{place.address}) on={place.namespace};;" for place in places)
            shell = Path(tempfile.mkdtemp()) / "shell"
            shell.write_text(
                f'#!/bin/sh\n[ "$1" = -x ] && shift\ncase "$1" in {cases} esac\nshift\n'
                'exec ip netns exec "$on" sh -c "$*"\n'
            )
            shell.chmod(0o700)
            hosts = ",".join(place.address for place in places)
            where = ["-launcher", "ssh", "-launcher-exec", shell, "-localhost", places[0].address, "-hosts", hosts]
            before = places[0].command()
        found.start("mpiexec", *before, MPIEXEC, *where, "-n", workers, *FTR, *words, "--engine", "mpi")

    return start


def kvstore(workers: int, places: Sequence[Machine] = ()) -> Callable[[Group, Sequence[object]], None]:
    """Return what starts workers of a parameter server, by turns on some machines."""

    def start(found: Group, words: Sequence[object]) -> None:
        host = places[0].address if places else "127.0.0.1"
        engine = ("--engine", "kvstore", "--root", f"{host}:{free_port()}", "--size", workers)
        roles = [("scheduler", ()), ("server", ()), *(("worker", ("--rank", rank)) for rank in range(workers))]
        for role, rank in roles:
            place = places[rank[1] % len(places)] if places and rank else places[0] if places else None
            before = place.command() if place else []
            found.start(" ".join(map(str, (role, *rank[1:]))), *before, *FTR, *words, *engine, "--role", role, *rank)

    return start


def digest(run: Path) -> str:
    """Return the beginning of the SHA-256 sum of a run's weights."""
    return hashlib.sha256((run / "model.params").read_bytes()).hexdigest()[:12]


def seconds(run: Path) -> float:
    """Return how long a run took in all."""
    return float(json.loads((run / "result.json").read_text())["wall_s"])


def trained(place: Path, name: str, start: Callable[[Group, Sequence[object]], None]) -> tuple[str, float]:
    """Train; return the digest and the seconds."""
    run = place / name.replace(" ", "-").replace(",", "")
    with group() as found:
        start(found, [place / "workers.ftr", "--out", run, "--quiet"])
        codes, said = found.ended()
    if any(codes.values()):
        raise SystemExit(f"{name}: {codes}\n{said}")
    return digest(run), seconds(run)


def died(
    run: Path,
    start: Callable[[Group, Sequence[object]], None],
    death: Callable[[Group], object],
) -> tuple[float, str]:
    """Train until there is a checkpoint within the second stage, let a worker die; return the seconds to the end."""
    recipe = run.parent / "workers.ftr"
    with group() as found:
        start(found, [recipe, "--out", run, "--quiet", "--checkpoint", "20 steps"])
        until = time.monotonic() + LONGEST_S
        while not is_well_under_way(run):
            if time.monotonic() > until or all(each.poll() is not None for each in found.processes.values()):
                raise SystemExit(f"it did not come to a checkpoint:\n{found.ended()[1]}")
            time.sleep(0.05)
        began = time.monotonic()
        death(found)
        _, said = found.ended()
    return time.monotonic() - began, said


def is_well_under_way(run: Path) -> bool:
    """Whether there is a checkpoint of the second stage."""
    for path in sorted((run / "checkpoints").glob("[0-9]*.json"), reverse=True)[:1]:
        try:
            state = json.loads(path.read_text())["state"]
        except (OSError, ValueError):
            return False
        return state["stage"] == 1 and state["step"] >= 20
    return False


def training_process(parent: int) -> int:
    """Return the process in which a run trains, a child of the one that was started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return training_process(int(children[0])) if children else parent


def killed(name: str) -> Callable[[Group], object]:
    """Return what kills a process."""
    return lambda found: os.kill(training_process(found.processes[name].pid), 9)


def rows(place: Path) -> Iterator[tuple[str, str, float]]:
    """Yield what was done, the digest and the seconds."""
    yield "one process", *trained(place, "one process", alone)
    for count in (1, 2, 3):
        yield f"MPI, {count}", *trained(place, f"MPI, {count}", mpi(count))
    for count in (1, 2, 3):
        yield f"kvstore, {count}", *trained(place, f"kvstore, {count}", kvstore(count))
    with ExitStack() as stack:
        try:
            apart = stack.enter_context(machines(3))
        except OSError as error:
            print(f"left out, no network namespaces here: {error}", file=sys.stderr)
            return
        for count in (2, 3):
            yield f"MPI, {count} machines", *trained(place, f"MPI, {count} machines", mpi(count, apart[:count]))
            name = f"kvstore, {count} machines"
            yield name, *trained(place, name, kvstore(count, apart[:count]))


def deaths(place: Path) -> Iterator[tuple[str, float, str]]:
    """Yield what happened to 2 workers, the seconds until all had ended, and the digest after another count resumed."""
    resumed = {"in one process": alone, "with MPI, 3": mpi(3), "with kvstore, 3": kvstore(3)}

    def row(
        name: str, start: Callable[..., None], death: Callable[[Group], object], how: str
    ) -> tuple[str, float, str]:
        run = place / name.replace(" ", "-").replace(",", "").replace(":", "")
        took, _ = died(run, start, death)
        with group() as found:
            resumed[how](found, [place / "workers.ftr", "--resume", run, "--quiet"])
            codes, said = found.ended()
        if any(codes.values()):
            raise SystemExit(f"{name}, resumed {how}: {codes}\n{said}")
        return f"{name}, resumed {how}", took, digest(run)

    yield row("kvstore, worker 1 killed", kvstore(2), killed("worker 1"), "with kvstore, 3")
    yield row("kvstore, server killed", kvstore(2), killed("server"), "in one process")
    yield row("kvstore, scheduler killed", kvstore(2), killed("scheduler"), "with MPI, 3")
    yield row(
        "MPI, a worker killed", mpi(2), lambda found: os.kill(one_of(found.processes["mpiexec"].pid), 9), "with MPI, 3"
    )
    with ExitStack() as stack:
        try:
            apart = stack.enter_context(machines(2))
        except OSError:
            return
        yield row("kvstore, link cut", kvstore(2, apart), lambda found: apart[1].cut(), "in one process")
    with machines(2) as apart:
        yield row("MPI, link cut", mpi(2, apart), lambda found: apart[1].cut(), "with kvstore, 3")


def one_of(launcher: int) -> int:
    """Return the training process of the last worker below a launcher of MPI."""
    proxy = int(Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()[0])
    return training_process(int(Path(f"/proc/{proxy}/task/{proxy}/children").read_text().split()[-1]))


def page(place: Path) -> str:
    """Measure; return the section."""
    (place / "workers.ftr").write_text(RECIPE)
    lines = [BEGIN, "", f"`python bench/workers.py`, on {os.cpu_count()} cores ({platform.machine()}):", ""]
    lines += ["| engine, workers | weights | whole run |", "|---|---|---|"]
    digests = set()
    for name, weights, took in rows(place):
        digests.add(weights)
        lines.append(f"| {name} | `{weights}` | {took:.1f} s |")
        print(lines[-1], flush=True)
    lines += ["", "| what died, and how it went on | ended everywhere after | weights |", "|---|---|---|"]
    for name, took, weights in deaths(place):
        digests.add(weights)
        lines.append(f"| {name} | {took:.1f} s | `{weights}` |")
        print(lines[-1], flush=True)
    verdict = "All weights are the same, bit for bit." if len(digests) == 1 else f"{len(digests)} different weights!"
    print(verdict)
    return "\n".join([*lines, "", verdict, "", END])


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args()
    if MPIEXEC is None:
        sys.exit("there is no mpiexec: install the extra `mpich`")
    with tempfile.TemporaryDirectory() as place:
        section = page(Path(place))
    if args.write:
        text = args.write.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        args.write.write_text(before + section + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
