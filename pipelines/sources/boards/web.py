"""Fetching published files from any address within limits of time and size; again where that may help."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import tenacity

from pipelines.sources.retrying import PatientClient, TryAgain, raise_if_later_helps
from warehouse.settings import Settings

LARGEST_BYTES = 256 << 20
"""No board is larger."""
_AGENT = "skyline (boards of open language models; one request a day and file)"


class NotReached(ConnectionError):
    """An address did not answer in time, or not with what was asked for; the message says which and why."""


@dataclass(frozen=True)
class Answer:
    """What an address said.

    Attributes:
        payload: Bytes; None where nothing changed since the state that was named.
        marks: What names this state: `etag`, `last_modified`.
    """

    payload: bytes | None
    marks: Mapping[str, str]


class Web(PatientClient):
    """A client of published addresses."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] | None = None) -> None:
        super().__init__(
            settings,
            sleep,
            lambda state: state.attempt_number >= settings.http_attempts or _is_unreachable(state),
            headers={"User-Agent": _AGENT},
        )

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
                raise_if_later_helps(answer)
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
            raise TryAgain(str(error) or type(error).__name__) from error
        except httpx.InvalidURL as error:
            raise NotReached(f"{address} is not a valid address: {error}.") from error


_CONNECTIONS = 2
"""Tries where nobody answers at all: a dozen sources without a network must not take minutes."""


def _is_unreachable(state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    refused = error is not None and isinstance(error.__cause__, httpx.ConnectError)
    return refused and state.attempt_number >= _CONNECTIONS
