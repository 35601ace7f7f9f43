"""What the programs of `bench/frozen.py` are given, and how they tell what they do. Standard library only.

In: a job as a JSON file. Out: `metrics.jsonl` in the job's folder, a line when a stage starts, when the validation set
was measured after an epoch, and when a stage is over. `ftr run` writes such lines too, so one clock, that of the
process that waits for them, measures all programs alike.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Stage:
    """So many epochs of Adam at a constant rate. The first `frozen` arrays of the network do not train."""

    epochs: int
    lr: float
    frozen: int


@dataclass(frozen=True, slots=True)
class Job:
    """A training run.

    `train` and `valid` are folders with a subfolder for each class; `arrays` is a file of NumPy's with the parameters
    and statistics of the whole network, keyed by their place in the order of definition. `mean` and `std` are those of
    values from 0 to 1. `crop` says whether training images are cropped and mirrored at random, `seed`
    what the order of the images is drawn from.
    """

    net: str
    train: str
    valid: str
    arrays: str
    out: str
    classes: int
    size: int
    batch: int
    threads: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: bool
    seed: int
    stages: tuple[Stage, ...]


def write_job(path: Path, job: Job) -> None:
    """Write a job as JSON."""
    path.write_text(json.dumps(asdict(job), indent=2), encoding="utf-8")


def read_job(path: str) -> Job:
    """Read what `write_job` wrote."""
    fields = json.loads(Path(path).read_text(encoding="utf-8"))
    stages = tuple(Stage(**stage) for stage in fields.pop("stages"))
    return Job(**fields, stages=stages)


def note(job: Job, event: str, **values: Any) -> None:
    """Add a line to the job's record."""
    with (Path(job.out) / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **values}) + "\n")
