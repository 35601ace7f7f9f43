"""What a machine of a cluster does: the frozen features of a chunk of images, with the bits of the asking machine.

In go a `Job`, which all tasks of a session share, and a `Chunk`; out come rows. The process is the task's own: the
environment that rounding depends on is set before MXNet is loaded, so that nothing here imports it, or NumPy, at its
top, and a job travels as a reference that is opened behind that.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from runtime.data.listing import Embedded, Sample, Tile
from runtime.system.cpu import STEERING

if TYPE_CHECKING:
    from runtime.features.features import Features
    from runtime.plan.size import Size
    from runtime.plan.types import Component, Plan
    from runtime.training.stage import Session

READERS = 2  # threads of a task that read images


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What all tasks of a session share: the plan, the network's arrays, and what the asking machine is like.

    `id` tells it from other jobs.
    """

    id: str
    plan: Plan
    as_torch: bool
    arrays: Mapping[str, Any]
    fuse: bool
    machine: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """An image file as it travels: its bytes, and the place within the file where it was a part of one."""

    content: bytes
    part: Embedded | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Images of a set in views, behind the frozen prefix of the stage at a position; `Sent` in the place of paths."""

    position: int
    size: Size | None
    name: str
    samples: Sequence[Sample]
    steps: Sequence[Component]
    views: Sequence[Any]


Row = tuple[bytes, list[bytes]]
"""An image in a view: the key of its pixels, and what each level gave that is kept."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a machine did not do a chunk: in what it differs from the one that asks, here and there, or what failed."""

    node: str
    differences: tuple[tuple[str, str, str], ...] = ()
    reason: str = ""


_SESSIONS: dict[str, tuple[Session, Features]] = {}  # of the job that this process works for


def fetch_and_compute(steering: Mapping[str, str], references: Sequence[Any]) -> list[Row] | Refusal:
    """Compute a chunk in a process of Ray: `references` are to the job and the chunk."""
    import ray

    for name in [name for name in os.environ if name.startswith(STEERING) and name not in steering]:
        del os.environ[name]
    os.environ.update(steering)  # Ray has set OMP_NUM_THREADS to what it thinks
    job, chunk = ray.get(references)
    return compute(job, chunk)


def compute(job: Job, chunk: Chunk) -> list[Row] | Refusal:
    """Compute the rows of a chunk as a run here would, or refuse where they might have other bits."""
    there = machine()
    if there != job.machine:
        names = [name for name in {**job.machine, **there} if job.machine.get(name) != there.get(name)]
        found = tuple((name, job.machine.get(name, "-"), there.get(name, "-")) for name in names)
        return Refusal(socket.gethostname(), found)
    try:
        if job.id not in _SESSIONS:
            _SESSIONS.clear()
            _SESSIONS[job.id] = _session(job)
        return _rows(*_SESSIONS[job.id], chunk)
    except (RecipeError, OSError) as error:
        told = error.problems[0].message() if isinstance(error, RecipeError) else str(error)
        return Refusal(socket.gethostname(), reason=told)


def machine() -> dict[str, str]:
    """Return what the bits of a row depend on, of the machine that this process runs on."""
    from runtime.backend.fingerprint import kind, library_versions, thread_count
    from runtime.data.fingerprints import reading

    return {**kind(), **library_versions(), "threads": str(thread_count()), "reading of images": reading().hex()[:12]}


def _session(job: Job) -> tuple[Session, Features]:
    import numpy as np

    from runtime.backend.device import device_context
    from runtime.data.sets import Sets
    from runtime.models.network import build_model
    from runtime.tasks.catalog import TASKS
    from runtime.tasks.protocol import head_builder
    from runtime.training.stage import Session

    plan, task = job.plan, TASKS[job.plan.task]
    head = head_builder(task, plan.data.target)
    model = build_model(plan.base, plan.head, plan.data.size, head, job.as_torch)
    context = device_context("cpu")
    for parameter in model.parameters.values():
        parameter.initialize(ctx=context)
    model.load(job.arrays, "the session")
    sets = Sets(plan.data, plan.seed, {}, READERS, lambda targets: np.zeros(len(targets)))
    session = Session(plan, task, model, sets, context, fuse=job.fuse)
    return session, session.features()


def _rows(session: Session, features: Features, chunk: Chunk) -> list[Row]:
    from runtime.data.fingerprints import pixels_key
    from runtime.features.inputs import SetInputs, keys_of
    from runtime.features.store import whole_budget
    from runtime.training.stage import stage_prefix

    of_size = features if chunk.size is None else features.resized([chunk.size])[chunk.size]
    whole = stage_prefix(session, session.plan.stages[chunk.position], of_size, chunk.size)
    room = whole_budget()
    levels = tuple(
        replace(each, table=each.table and each.table.emptied(len(chunk.samples), room)) for each in whole.levels
    )
    prefix = replace(whole, levels=levels)
    keys = keys_of(chunk.name, chunk.samples, chunk.steps, chunk.views)
    seen: dict[Any, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="ftr-") as folder:
        samples = [_in_file(each, Path(folder) / str(number)) for number, each in enumerate(chunk.samples)]
        place = dict(zip(keys, samples, strict=True))

        def images(wanted: Sequence[Any]) -> Iterator[Any]:
            opened = SetInputs(session.sets, prefix).images(place, chunk.steps, wanted)
            for first, batch in zip(range(0, len(wanted), prefix.batch), opened, strict=True):
                named = zip(wanted[first : first + prefix.batch], batch, strict=False)  # the batch is padded
                seen.update((key, pixels_key(pixels)) for key, pixels in named)
                yield batch

        for _ in prefix.fill(keys, images, lambda key: None):  # type: ignore[arg-type]
            pass
    tables = [level.table for level in levels if level.table is not None]
    rows = [(seen[key], [table.content(key) for table in tables]) for key in keys]
    for table in tables:
        table.close()
    return rows


def _in_file(sample: Sample, path: Path) -> Sample:
    """Return a sample whose image lies in a file of this machine."""
    image: Any = sample.image
    if isinstance(image, Tile):
        return replace(sample, image=replace(image, whole=_in_file(image.whole, path)))
    if not isinstance(image, Sent):
        return sample
    path.write_bytes(image.content)
    part = image.part
    return replace(sample, image=path if part is None else replace(part, file=path, spans=((0, len(image.content)),)))
