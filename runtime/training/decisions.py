"""What all workers of a run do alike: they stop, save and judge as rank 0 does, and measure together.

`led` gives a session whose decisions are rank 0's. In a run of one process it is the session, and nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.distribution.exchange import Exchange
from runtime.features.inputs import SetInputs
from runtime.training.stage import Interrupted, Session

Outputs = list[npt.NDArray[np.float32]]
"""What a network gives for a batch, in each of its views."""


def led(session: Session) -> Session:
    """Return the session with `should_stop` and `is_due` of rank 0."""
    exchange = session.exchange
    if exchange.workers == 1:
        return session

    def decided(ask: Callable[..., bool], *about: Any) -> bool:
        return exchange.share(b"yes" if exchange.rank == 0 and ask(*about) else b"no") == b"yes"

    should_stop, is_due = session.should_stop, session.is_due
    return replace(session, should_stop=lambda: decided(should_stop), is_due=lambda state: decided(is_due, state))


def shared_values(exchange: Exchange, values: Mapping[str, float]) -> Mapping[str, float]:
    """Return the values of rank 0."""
    if exchange.workers == 1:
        return values
    found: dict[str, float] = json.loads(exchange.share(json.dumps(dict(values)).encode()))
    return found


def predicted(
    suffix: Callable[..., Any], inputs: SetInputs, name: str, should_stop: Callable[[], bool], exchange: Exchange
) -> Iterator[tuple[Outputs, npt.NDArray[Any]]]:
    """Yield what a network gives for each batch of a set, with its targets; of each few batches a worker computes one.

    Raises:
        Interrupted: `should_stop` said so.
    """
    batches = inputs.views(name)
    while together := tuple(islice(batches, exchange.workers)):
        if should_stop():
            raise Interrupted
        seen, _ = together[min(exchange.rank, len(together) - 1)]
        if exchange.workers == 1:
            targets = together[0][1]
            yield [suffix(*features)[: len(targets)].asnumpy() for features in seen], targets
            continue
        whole = [suffix(*features).asnumpy() for features in seen]
        rows = exchange.gather({exchange.rank: np.concatenate(whole, axis=None)}, exchange.workers)
        for row, (_, targets) in zip(rows, together, strict=False):
            yield _views(row.copy(), [each.shape for each in whole], len(targets)), targets


def _views(row: npt.NDArray[np.float32], shapes: Sequence[tuple[int, ...]], count: int) -> Outputs:
    views = row.reshape(len(shapes), *shapes[0])
    return [view[:count] for view in views]
