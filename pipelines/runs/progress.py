"""Telling whoever started a run how far it is; silent unless somebody listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def announce(line: str) -> None:
    """Pass one line to the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(line)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Have `listener` called with every line announced within the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
