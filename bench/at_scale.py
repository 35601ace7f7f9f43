"""What a run would cost on 1 to 64 machines: `python bench/at_scale.py --write docs/at-scale.md`. A minute or two.

What one machine does is measured here: steps of three kinds of stages for each share of a batch, the reading of images,
frozen features, the start of a process, and the bytes that would travel. Networks are assumed (`NETWORKS`), and so is
what machines have in common (`SERVER`): nothing here has been run on several machines. A step is simulated: each
machine draws its time from those that were measured for its share, the slowest is waited for, and then gradients are
summed. Times are those of the processor, in one thread, so that other programs on the machine do not count; they vary
less than a clock on the wall would. `--state FILE` keeps what was measured, so that the page can be written again with
other assumptions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["OMP_NUM_THREADS"] = "1"  # before MXNet is loaded: the time of the processor is then that of the work

import numpy as np  # noqa: E402
from frozen_page import processor, table  # noqa: E402

from recipe_lang.words import counted  # noqa: E402
from runtime.backend.fingerprint import thread_count  # noqa: E402
from runtime.backend.mx import nd  # noqa: E402
from runtime.features.store import KINDS, row_bytes  # noqa: E402
from runtime.training.settings import RunSettings  # noqa: E402
from runtime.training.stage import Session, stage_net, training_step  # noqa: E402
from runtime.workflows.preparation import prepare  # noqa: E402
from runtime.workflows.run import ready_session  # noqa: E402

RECIPE = """ftr 1
data {
  train   = solar_cells
  test    = holdout(30%)
  size    = 128px
  batch   = 32
  augment = [flip(horizontal)]
}
stage "head" {
  train = head
  for   = 1 epoch
}
stage "top blocks" {
  train = base.block6 .. head
  for   = 1 epoch
}
stage "everything" {
  train = all
  for   = 1 epoch
}
"""
BATCH, IMAGES = 32, 100_000  # of a step, over all machines; of an epoch
MACHINES = (1, 2, 4, 8, 16, 32, 64)
SHARES = (32, 16, 8, 4, 2, 1)  # images of a machine's step
STEPS = 2_000  # simulated
START = """
import sys, time
began = time.process_time()
from pathlib import Path
from runtime.workflows.preparation import prepare
prepare(Path(sys.argv[1]))
print(time.process_time() - began)
"""


@dataclass(frozen=True, slots=True)
class Network:
    """An assumed network: bytes a second of each link in each direction, and seconds of a message."""

    name: str
    bandwidth: float
    latency: float


NETWORKS = (
    Network("1 Gbit/s, 100 us", 0.9 * 1e9 / 8, 100e-6),
    Network("10 Gbit/s, 50 us", 0.9 * 1e10 / 8, 50e-6),
    Network("100 Gbit/s, 10 us", 0.9 * 1e11 / 8, 10e-6),
)
SERVER = NETWORKS[1].bandwidth  # of the one machine that has the images, and that asks for features

Measured = dict[str, Any]


# --- measuring -------------------------------------------------------------------------------


def measure() -> Measured:
    """Measure one machine."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "scale.ftr"
        recipe.write_text(RECIPE)
        prepared = prepare(recipe)
        settings = RunSettings(cache=False)
        found: Measured = {"stages": {}, "start_s": _start(recipe)}
        with ready_session(prepared, settings) as (session, _):
            session = replace(session, keep=True)
            found |= _images(session)
            for stage in session.plan.stages:
                found["stages"][stage.title] = _steps(session, stage)
    return {**found, "processor": processor(), "threads": thread_count(), "date": time.strftime("%Y-%m-%d")}


def _start(recipe: Path) -> float:
    command = [sys.executable, "-c", START, str(recipe)]
    root = Path(__file__).resolve().parents[1]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=root).stdout)


def _repeated(work: Callable[[], object], seconds: float) -> list[float]:
    """Return how long each time took, after three that make everything ready."""
    for _ in range(3):
        work()
    nd.waitall()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 12:
        began = time.process_time()
        work()
        nd.waitall()
        times.append(time.process_time() - began)
    return times


def _quantiles(times: Sequence[float]) -> list[float]:
    return [float(each) for each in np.quantile(times, np.linspace(0, 1, 21))]


def _images(session: Session) -> Measured:
    """Measure reading and the frozen part, each alone, per image; and what travels."""
    sets, plan = session.sets, session.plan
    features = session.features()
    head = plan.stages[0]
    net = stage_net(session, head, features)
    samples = sets.samples["train"][: 2 * BATCH]
    few = replace(sets, samples={"train": samples}, workers=0)
    reading = _repeated(lambda: sum(1 for _ in few.evaluation("train")), 0.4)
    with closing(few.evaluation("train")) as batches:
        pixels = next(batches).images
    frozen = _repeated(lambda: net.inputs.each.prefix(pixels), 0.4)
    levels = [level for level in net.inputs.each.prefix.levels if level.table is not None]
    widths = [row_bytes(features._shapes(level.end), KINDS[features.precision]) for level in levels]
    sizes = [_bytes_of(sample.image) for sample in samples]
    features.close()
    return {
        "reading_s": median(reading) / len(samples),
        "frozen_s": median(frozen) / BATCH,
        "row_bytes": sum(widths),
        "image_bytes": mean(sizes),
    }


def _bytes_of(image: Any) -> int:
    return int(image.nbytes) if hasattr(image, "nbytes") else Path(image).stat().st_size


def _steps(session: Session, stage: Any) -> Measured:
    """Measure the steps of a stage for each share of a batch, behind its frozen part."""
    times: dict[str, list[float]] = {}
    gradient = 0
    for share in SHARES:
        plan = replace(session.plan, data=replace(session.plan.data, batch=share))
        at = replace(session, plan=plan, sets=replace(session.sets, plan=plan.data))
        features = at.features()
        net = stage_net(at, stage, features)
        step = training_step(at, stage, net)
        with closing(at.sets.training(stage, 0)) as batches:
            batch = next(batches)
        print(stage.title, share, file=sys.stderr, flush=True)
        parts = [(net.inputs.each.prefix(batch.images), batch.targets)]
        times[str(share)] = _quantiles(_repeated(lambda step=step, parts=parts: step(parts, 0), 0.4))
        gradient = 4 * sum(int(np.prod(parameter.shape)) for parameter in net.trained.values())
        features.close()
    return {"times": times, "gradient": gradient, "kept": stage.cut > 0}


# --- simulating ------------------------------------------------------------------------------


def allreduce(machines: int, size: int, network: Network) -> float:
    """Return the seconds of a ring allreduce: each machine sends and receives 2 (n - 1) / n of the bytes."""
    if machines == 1:
        return 0.0
    return 2 * (machines - 1) * (size / machines / network.bandwidth + network.latency)


def in_order(machines: int, size: int, network: Network) -> float:
    """Return the seconds of a sum whose order is fixed: each machine's sum goes to all others, as an allgather."""
    return 0.0 if machines == 1 else (machines - 1) * (size / network.bandwidth + network.latency)


def times_of(stage: Measured, share: int) -> list[float]:
    """Return quantiles of the seconds of a step of so many images."""
    each = np.asarray([stage["times"][str(measured)] for measured in sorted(SHARES)])
    return [float(np.interp(share, sorted(SHARES), column)) for column in each.T]


SUMS: Mapping[str, Callable[[int, int, Network], float]] = {
    "ring allreduce": allreduce,
    "sum in a fixed order": in_order,
}


def step_time(times: Sequence[float], machines: int, reading: float, exchange: float) -> float:
    """Return the mean seconds of a step: the slowest of the machines, then the exchange; from 2,000 steps drawn."""
    drawn = np.random.default_rng(0).choice(np.asarray(times), (STEPS, machines))
    return float((drawn.max(axis=1) + reading).mean()) + exchange


def epochs(measured: Measured, title: str, network: Network, sums: Callable[..., float]) -> dict[int, float]:
    """Return the seconds of an epoch by machines. Where nothing is kept each machine reads and opens its images."""
    stage, found = measured["stages"][title], {}
    for machines in MACHINES:
        share = max(1, BATCH // machines)
        reading = 0.0
        if not stage["kept"]:
            reading = measured["reading_s"] * share / measured["threads"]
            reading = max(reading, BATCH * measured["image_bytes"] / SERVER if machines > 1 else 0.0)
        exchange = sums(machines, stage["gradient"], network)
        found[machines] = IMAGES / BATCH * step_time(times_of(stage, share), machines, reading, exchange)
    return found


def features_time(measured: Measured, machines: int) -> float:
    """Return the seconds of the frozen features of all images: a process starts, and one link feeds all machines."""
    each = measured["reading_s"] / measured["threads"] + measured["frozen_s"]
    if machines == 1:
        return IMAGES * each
    link = IMAGES * (measured["image_bytes"] + measured["row_bytes"]) / SERVER
    return float(measured["start_s"]) + max(IMAGES * each / machines, link)


def stops_paying(seconds: Mapping[int, float]) -> int:
    """Return the last number of machines whose doubling made the time at least 20% shorter."""
    best = 1
    for before, after in zip(MACHINES, MACHINES[1:], strict=False):
        if seconds[after] > 0.8 * seconds[before]:
            break
        best = after
    return best


# --- the page --------------------------------------------------------------------------------


def page(measured: Measured) -> Iterator[str]:
    """Yield the page."""
    shared = f"{SERVER * 8 / 0.9 / 1e9:.0f} Gbit/s"
    yield "# What a run costs on 1 to 64 machines, by simulation\n"
    yield (
        f"`python bench/at_scale.py --write docs/at-scale.md`, {measured['date']}: {measured['processor']}, "
        f"{counted(measured['threads'], 'thread')}. "
        f"EfficientNet-Lite0 on the solar cells, {BATCH} images a batch, 128 px.\n"
    )
    yield _ABOUT.format(shared=shared)
    yield "## What was measured\n"
    rows = [
        ("reading an image, in one thread", f"{1e3 * measured['reading_s']:.2f} ms"),
        ("frozen features of an image", f"{1e3 * measured['frozen_s']:.2f} ms"),
        ("a row of features, for all stages", f"{measured['row_bytes']:,} bytes"),
        ("an image, as it is sent", f"{measured['image_bytes']:,.0f} bytes"),
        ("the start of a process, until the network is built", f"{measured['start_s']:.1f} s"),
    ]
    rows += [
        (f'gradients of "{title}"', f"{stage['gradient'] / 1e6:,.2f} MB") for title, stage in measured["stages"].items()
    ]
    yield table(("what", "value"), rows)
    shares = [str(share) for share in SHARES]
    yield f"\nMedian of a step in ms, by the images of a machine's share of {BATCH}:\n"
    yield table(("stage", *shares), [_medians(title, each, shares) for title, each in measured["stages"].items()])
    for title, stage in measured["stages"].items():
        yield f'\n## "{title}", {"on kept features" if stage["kept"] else "from its images"}\n'
        yield f"Seconds of an epoch of {IMAGES:,} images, without its evaluation, by machines:\n"
        lines = []
        for name, sums in SUMS.items():
            for network in NETWORKS:
                found = epochs(measured, title, network, sums)
                lines.append((name, network.name, *(f"{found[n]:,.0f}" for n in MACHINES), str(stops_paying(found))))
        yield table(("gradients", "network", *map(str, MACHINES), "pays up to"), lines)
    yield from _features_page(measured, shared)
    yield "\n## What follows\n"
    yield from conclusions(measured)


_ABOUT = """**Measured** on one core, in time of the processor: the steps of three kinds of stages for each
share of a batch, the reading of images, frozen features, the start of a process, and
the bytes of gradients, rows and files.

**Assumed**: the networks of the tables, at 90% of their nominal rate; machines of one such core; all images on one
machine behind {shared}, which the others read from.

**Not tested**: any real network, more than one machine, storage that many read at once, machines of different speed,
and what on a machine makes one step longer than another but its own work.

Steps are simulated: each machine draws its time from those that were measured for its share, the slowest is waited for,
then gradients are summed; nothing of the exchange is hidden behind the backward pass. A ring allreduce sends each
machine twice the gradients whatever their number; a sum in a fixed order, which gives the same bits with any number of
machines, is taken as each machine's part sent to all others.
"""


def _medians(title: str, stage: Measured, shares: Sequence[str]) -> tuple[str, ...]:
    return title, *(f"{1e3 * median(stage['times'][share]):.1f}" for share in shares)


def _features_page(measured: Measured, shared: str) -> Iterator[str]:
    found = {machines: features_time(measured, machines) for machines in MACHINES}
    yield "\n## Frozen features\n"
    yield (
        f"Seconds for {IMAGES:,} images, sent as bytes from one machine behind {shared}, as "
        "`ftr features --engine ray` does it:\n"
    )
    seconds = ("seconds", *(f"{found[n]:,.0f}" for n in MACHINES))
    yield table(
        ("machines", *map(str, MACHINES)),
        [seconds, ("times as fast", *(f"{found[1] / found[n]:.1f}" for n in MACHINES))],
    )
    each = measured["reading_s"] / measured["threads"] + measured["frozen_s"]
    link = SERVER / (measured["image_bytes"] + measured["row_bytes"])
    yield (
        f"\nIt pays up to {stops_paying(found)} machines for so many images. One machine does {1 / each:,.0f} images/s "
        f"and the link feeds {link:,.0f}, so that it is full with {link * each:,.0f} machines. Below "
        f"{2 * measured['start_s'] / each:,.0f} images a second machine gains nothing: its process has to start.\n"
    )


def conclusions(measured: Measured) -> Iterator[str]:
    """Yield in lines up to how many machines each kind of stage pays."""
    yield '"Pays" means that doubling the machines makes the time at least 20% shorter. In the order of the networks:\n'
    for title in measured["stages"]:
        each = {
            name: ", ".join(str(stops_paying(epochs(measured, title, network, sums))) for network in NETWORKS)
            for name, sums in SUMS.items()
        }
        yield f'- "{title}" pays up to {"; ".join(f"{found} machines ({name})" for name, found in each.items())}.'


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.state and options.state.exists():
        measured = json.loads(options.state.read_text())
    else:
        measured = measure()
        if options.state:
            options.state.write_text(json.dumps(measured))
    text = "\n".join(page(measured)).rstrip() + "\n"
    if options.write:
        options.write.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
