"""Work on a stream of items with threads, in order and with a bounded look-ahead.

In go a function, an iterable and a number of threads; out come the results in the order of the items. At
most `ahead` results wait at any time, so that a slow consumer does not fill the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, computed by `workers` threads (0: by the caller itself).

    An exception of the function is raised at its item's turn. When the consumer closes the iterator, or an
    exception ends it, work that has not begun is dropped and the threads end.
    """
    if workers == 0:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="images")
    stream = iter(items)
    try:
        waiting: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(stream, max(ahead, workers))
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(stream, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
