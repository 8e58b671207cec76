"""Fetching published files from any address within limits of time and size; again where that may help."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import tenacity

from warehouse.settings import Settings

LARGEST_BYTES = 256 << 20
"""No board is larger."""
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 60.0
_AGENT = "skyline (boards of open language models; one request a day and file)"


class NotReached(ConnectionError):
    """An address did not answer in time, or not with what was asked for; the message says which and why."""


class _TryAgain(Exception):
    """An answer that a later try may better."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Answer:
    """What an address said.

    Attributes:
        payload: Bytes; None where nothing changed since the state that was named.
        marks: What names this state: `etag`, `last_modified`.
    """

    payload: bytes | None
    marks: Mapping[str, str]


class Web:
    """A client of published addresses."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] | None = None) -> None:
        self._client = httpx.Client(
            timeout=settings.http_timeout_s, follow_redirects=True, trust_env=True, headers={"User-Agent": _AGENT}
        )
        self._retrying = tenacity.Retrying(
            stop=lambda state: state.attempt_number >= settings.http_attempts or _nobody_there(state),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_TryAgain),
            sleep=sleep or tenacity.nap.sleep,
        )

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self, address: str, marks: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """What lies at an address, or nothing where it is still in the state that the marks name.

        Args:
            address: `https://…`.
            marks: Of the state that is known.
            headers: Further headers, such as a key.

        Raises:
            NotReached: it could not be had.
        """
        conditions = {
            header: marks[mark]
            for mark, header in (("etag", "If-None-Match"), ("last_modified", "If-Modified-Since"))
            if marks and mark in marks
        }
        try:
            return self._retrying(self._ask, address, {**(headers or {}), **conditions})
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            raise NotReached(
                f"{address} could not be fetched in {error.last_attempt.attempt_number} tries: {last}."
            ) from last

    def _ask(self, address: str, headers: Mapping[str, str]) -> Answer:
        try:
            with self._client.stream("GET", address, headers=dict(headers)) as answer:
                if answer.status_code == httpx.codes.NOT_MODIFIED:
                    return Answer(None, {})
                if answer.status_code in _RETRIED_STATUS:
                    stated = answer.headers.get("Retry-After", "")
                    raise _TryAgain(f"it answers {answer.status_code}", float(stated) if stated.isdigit() else None)
                if answer.is_error:
                    raise NotReached(f"{address} answers {answer.status_code}.")
                received = bytearray()
                for block in answer.iter_bytes():
                    received.extend(block)
                    if len(received) > LARGEST_BYTES:
                        raise NotReached(f"{address} sends more than {LARGEST_BYTES:,} bytes.")
                named = {"etag": answer.headers.get("ETag"), "last_modified": answer.headers.get("Last-Modified")}
                return Answer(bytes(received), {mark: value for mark, value in named.items() if value})
        except httpx.TransportError as error:
            raise _TryAgain(str(error) or type(error).__name__) from error
        except httpx.InvalidURL as error:
            raise NotReached(f"{address} is no address: {error}.") from error


_CONNECTIONS = 2
"""Tries where nobody answers at all: a dozen sources without a network must not take minutes."""


def _nobody_there(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    refused = error is not None and isinstance(error.__cause__, httpx.ConnectError)
    return refused and state.attempt_number >= _CONNECTIONS


def _wait(state: tenacity.RetryCallState) -> float:
    """What the server asks for; else exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _TryAgain) and error.wait_s is not None:
        return min(error.wait_s, _LONGEST_WAIT_S)
    return tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S)(state)
