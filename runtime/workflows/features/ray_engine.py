"""Frozen features by the machines of a Ray cluster: tasks over chunks of images, whose rows come back to the cache.

A task gets the files of its images as bytes, so that no folder has to be shared, and the network's weights once for
each process. What a machine had when it died is done by another. In go a session and a `Piece`; the rows are kept
under the names that a run here gives them. Ray is imported by `cluster` alone.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.backend.fingerprint import thread_count
from runtime.data.listing import Embedded, Sample, Tile
from runtime.data.problems import UnreadableImages
from runtime.data.transforms.catalog import Pipeline
from runtime.features.inputs import keys_of, origins
from runtime.features.problems import MachinesDiffer, RayFailed, RayMissing
from runtime.features.store import Key
from runtime.models.weights_sources import source_for
from runtime.plan.types import Component
from runtime.system.cpu import STEERING
from runtime.system.installation import install_command
from runtime.training.stage import Session
from runtime.workflows.features.fill import Engine, Piece, Progress
from runtime.workflows.features.tasks import Chunk, Job, Refusal, Row, Sent, fetch_and_compute, machine

_BATCHES = 4  # of a task
_AHEAD = 2  # tasks for each place where one can run: what is sent lies in memory
_TRIES = 10  # of a task whose machine dies
_ANSWER_S = 5.0  # in which a cluster answers
_PATIENCE_S = 2.0  # until somebody who waits is asked whether it should


@contextmanager
def cluster(address: str) -> Iterator[Engine]:
    """Have the cluster at an address, `HOST:PORT`, as an engine; it is left as it was.

    Raises:
        RecipeError: Ray is not installed, or nobody answers there.
    """
    if find_spec("ray") is None:
        raise RecipeError(RayMissing(command=install_command("ray")))
    _reach(address)
    import ray

    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray has no error of its own for it: versions, tokens, time
        hint = "`ray status` there shows it; it must have this version of Ray and of Python, and its token"
        raise _failed(address, error, hint) from error
    try:
        yield _Cluster(ray, address, _places(ray, address))
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Ask whether anybody listens: Ray itself would try for a minute."""
    host, _, port = address.rpartition(":")
    try:
        if not port.isdecimal():
            raise ValueError("an address is HOST:PORT")
        socket.create_connection((host, int(port)), _ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _failed(address, error, "`ray start --head --port=6379` starts one, `ray status` shows it") from error


def _failed(address: str, error: Exception, hint: str = "") -> RecipeError:
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines() or [type(error).__name__]
    return RecipeError(RayFailed(address=address, reason=lines[-1][:200], hint=hint))


def _places(ray: Any, address: str) -> int:
    """Return how many tasks can run at once.

    Raises:
        RecipeError: none can, since each takes as many cores as it has threads.
    """
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    places = sum(each // thread_count() for each in cores)
    if not places:
        reason = f"no machine has {thread_count()} cores, as many as there are threads here"
        raise RecipeError(RayFailed(address=address, reason=reason, hint="say `--threads 1`"))
    return places


@dataclass(slots=True)
class _Cluster:
    """An engine: it sends what of a piece is not in the cache, and keeps what comes back."""

    ray: Any
    address: str
    places: int
    _job: tuple[Session, Any] | None = None

    def __call__(self, session: Session, piece: Piece) -> Progress:
        missing, samples, origin = _missing(piece)
        done, total = 0, len(missing)
        for keys, rows in self._computed(session, _chunks(session, piece, missing, samples)):
            keep(piece, keys, rows, origin)
            done += len(keys)
            yield done, total

    def _computed(
        self, session: Session, chunks: Iterator[tuple[Sequence[Key], Chunk]]
    ) -> Iterator[tuple[Sequence[Key], list[Row]]]:
        """Yield the keys and rows of chunks as they are done.

        Raises:
            RecipeError: a machine would give other bits, a task failed, or no machine is left.
        """
        if self._job is None or self._job[0] is not session:
            self._job = (session, self.ray.put(job_of(session)))
        task = self.ray.remote(fetch_and_compute).options(
            num_cpus=thread_count(), max_retries=_TRIES, scheduling_strategy="SPREAD"
        )
        steering = {name: text for name, text in os.environ.items() if name.startswith(STEERING)}
        running: dict[Any, Sequence[Key]] = {}
        try:
            for keys, chunk in chunks:
                running[task.remote(steering, [self._job[1], self.ray.put(chunk)])] = keys
                while len(running) >= _AHEAD * self.places:
                    yield self._next(running)
            while running:
                yield self._next(running)
        finally:
            for each in running:
                with suppress(Exception):
                    self.ray.cancel(each)

    def _next(self, running: dict[Any, Sequence[Key]]) -> tuple[Sequence[Key], list[Row]]:
        """Return the keys and rows of a task that is done; of none where that takes long."""
        ready, _ = self.ray.wait(list(running), num_returns=1, timeout=_PATIENCE_S)
        if not ready:
            _places(self.ray, self.address)  # else it would wait for machines that do not come back
            return (), []
        keys = running.pop(ready[0])
        try:
            found = self.ray.get(ready[0])
        except self.ray.exceptions.RayError as error:
            raise _failed(self.address, error, "ftr must be installed on each machine of the cluster") from error
        return keys, result(self.address, found)


def result(address: str, found: list[Row] | Refusal) -> list[Row]:
    """Return the rows of a task.

    Raises:
        RecipeError: its machine has refused it.
    """
    if not isinstance(found, Refusal):
        return found
    if found.differences:
        raise RecipeError(MachinesDiffer(node=found.node, differences=found.differences))
    raise RecipeError(RayFailed(address=address, reason=f"{found.node}: {found.reason}"))


def job_of(session: Session) -> Job:
    """Return what the tasks of a session share."""
    plan = session.plan
    as_torch = source_for(plan.base).as_in_torch(plan.base)
    return Job(secrets.token_hex(8), plan, as_torch, session.model.arrays(), session.fuse, machine())


def _missing(piece: Piece) -> tuple[list[Key], Mapping[Key, Sample], Callable[[Key], bytes | None]]:
    """Return which images and views of a piece the cache does not have, the samples, and what names them."""
    name, samples, steps, views = piece.wanted
    keys = keys_of(name, samples, steps, views)
    sample_of = dict(zip(keys, samples, strict=True))
    origin = origins(sample_of, steps)
    cached = piece.inputs.prefix.levels[-1].cached

    def known(key: Key) -> bool:
        found = origin(key)
        return found is not None and cached is not None and cached.load(found) is not None

    return [key for key in sample_of if not known(key)], sample_of, origin


def _chunks(
    session: Session, piece: Piece, keys: Sequence[Key], samples: Mapping[Key, Sample]
) -> Iterator[tuple[Sequence[Key], Chunk]]:
    """Yield the chunks of what is missing, each with its keys."""
    wanted, count = piece.wanted, _BATCHES * session.plan.data.batch
    for first in range(0, len(keys), count):
        chosen = keys[first : first + count]
        sent = [packed(samples[key], wanted.steps) for key in chosen]
        views = [view for _, _, view in chosen]
        yield chosen, Chunk(piece.stage.position, piece.size, wanted.name, sent, wanted.steps, views)


def packed(sample: Sample, steps: Sequence[Component]) -> Sample:
    """Return a sample with its file's bytes in the place of a path, and without its target where no step sees it.

    Raises:
        RecipeError: the file cannot be read any more.
    """
    image: Any = sample.image
    try:
        if isinstance(image, Tile):
            image = replace(image, whole=packed(image.whole, steps))
        elif isinstance(image, Path):
            image = Sent(image.read_bytes())
        elif isinstance(image, Embedded):
            image = Sent(image.read(), image)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError(UnreadableImages(images=((sample.id, reason),), since=True)) from error
    return replace(sample, image=image, target=sample.target if Pipeline(steps).sees else None)


def keep(piece: Piece, keys: Sequence[Key], rows: Sequence[Row], origin: Callable[[Key], bytes | None]) -> None:
    """Keep rows in the cache, under the names of their images."""
    levels = [level for level in piece.inputs.prefix.levels if level.table is not None]
    for number, level in enumerate(levels):
        if level.cached is not None:
            named = [
                ([name for name in (origin(key), pixels) if name], row)
                for key, (pixels, row) in zip(keys, rows, strict=True)
            ]
            level.cached.add([(names, row[number]) for names, row in named])
