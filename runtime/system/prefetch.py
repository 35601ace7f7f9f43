"""Work on a stream of items with threads, in order and with a bounded look-ahead.

In go a function, an iterable and a number of threads; out come the results in the order of the items. At
most `ahead` results wait at any time, so that a slow consumer does not fill the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, computed by `workers` threads (0: by the caller itself).

    Where the system allows fewer threads, those that it allows do the work, and without any the caller does.
    An exception of the function is raised at its item's turn. When the consumer closes the iterator, or an
    exception ends it, work that has not begun is dropped and the threads end.
    """
    tasks: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()

    def work() -> None:
        while (task := tasks.get()) is not None:
            future, item = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(item))
                except BaseException as error:
                    future.set_exception(error)
            del task, future, item  # not to be kept until the next one comes

    def submit(item: Item) -> Future[Result]:
        future: Future[Result] = Future()
        tasks.put((future, item))
        return future

    threads = _started(work, workers)
    if not threads:
        yield from map(function, items)
        return
    stream = iter(items)
    waiting: deque[Future[Result]] = deque()
    try:
        waiting.extend(map(submit, islice(stream, max(ahead, workers))))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(map(submit, islice(stream, 1)))
            yield result
    finally:
        for future in waiting:
            future.cancel()
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join()


def _started(work: Callable[[], None], count: int) -> list[Thread]:
    """Start threads, as many of them as the system allows."""
    threads: list[Thread] = []
    try:
        for number in range(count):
            thread = Thread(target=work, name=f"images_{number}", daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:  # no more can be had
        pass
    return threads
