"""A second process beside a refresh, for work that need not wait for the first."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_pool: ProcessPoolExecutor | None = None
_begun: list[tuple[tuple[Any, ...], Callable[[], Any]]] = []


@contextmanager
def second_process() -> Iterator[None]:
    """Let `beside` have a process during the block."""
    global _pool  # noqa: PLW0603 - of this process there is one
    # Spawned, because threads of polars do not survive a fork.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        _pool = pool
        try:
            yield
        finally:
            _pool = None
            _begun.clear()
            pool.shutdown(wait=False, cancel_futures=True)


def ahead(function: Callable[..., Any], *args: Any) -> None:
    """Begin work of which `beside`, asked for the same later, finds the result."""
    _begun.append(((function, *args), beside(function, *args)))


def beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Begin the work in the second process, in the order asked for, and return what waits for its result.

    Where there is no second process, or it dies, the result is computed when it is asked for.
    """
    here = functools.partial(function, *args, **kwargs)
    if _pool is None:
        return here
    for number, (asked, waiting) in enumerate(_begun):
        if asked == (function, *args) and not kwargs:
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
