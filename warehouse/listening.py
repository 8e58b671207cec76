"""Listening at an address: what keeps a server from it, in one sentence with the setting that changes it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager


class CannotListen(OSError):
    """A server cannot listen where its settings say."""


@contextmanager
def listening_at(address: str, port: int, *, what: str, settings: str) -> Iterator[None]:
    """Name what cannot be served, where and why.

    Args:
        address: Where it is to listen.
        port: On which port.
        what: What is served there, as the sentence begins.
        settings: How another port is set, as the sentence ends.

    Raises:
        CannotListen: The port is taken, or the address is not of this machine.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListen(
            f"{what} cannot be served at {address}:{port}: {reason}. Choose another port with {settings}."
        ) from error


def bound(address: str, port: int) -> socket.socket:
    """A socket that listens there, before anybody is told of it.

    Raises:
        OSError: The port is taken, or the address is not of this machine.
    """
    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((address, port), family=family, backlog=2048)
