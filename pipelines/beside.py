"""A second process beside a refresh, for work that need not wait for the first."""

import functools
import gc
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_pool: ProcessPoolExecutor | None = None
_begun: list[tuple[Any, Callable[[], Any]]] = []


def _end_with_the_first() -> None:
    """A process that waits for work holds both ends of the pipe it waits at, so it would outlive one that is killed."""
    first = parent_process()

    def watch() -> None:
        if first is not None:
            first.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def second_process() -> Iterator[None]:
    """Let `beside` have a process during the block."""
    global _pool  # noqa: PLW0603 - of this process there is one
    # Spawned, because threads of polars do not survive a fork.
    _pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_the_first)
    try:
        yield
    finally:
        _begun.clear()
        _pool.shutdown(cancel_futures=True)
        _pool = None
        # Its semaphores lie in cycles; a program that takes this one's place next would be blamed for them.
        gc.collect()


def ahead(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
    """Begin work of which `beside`, asked for the same later, finds the result; do nothing without a second process."""
    if _pool is not None:
        _begun.append(((function, args, kwargs), beside(function, *args, **kwargs)))


def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Begin the work in the second process, in the order asked for, and return what waits for its result.

    Where there is no second process, or it dies, the result is computed when it is asked for.
    """
    here = functools.partial(function, *args, **kwargs)
    if _pool is None:
        return here
    for number, (asked, waiting) in enumerate(_begun):
        if asked == (function, args, kwargs):
            del _begun[number]  # a result is large, and taken once
            return waiting
    try:
        begun = _pool.submit(function, *args, **kwargs)
    except BrokenProcessPool:
        return here

    def result() -> T:
        try:
            return begun.result()
        except BrokenProcessPool:
            return here()

    return result
