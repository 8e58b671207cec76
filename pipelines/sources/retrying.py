"""A client that tries again where that may help: after the time a server asks for, else exponentially with jitter."""

from collections.abc import Callable
from typing import Any, Self

import httpx
import tenacity

from warehouse.settings import Settings

_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 60.0


class TryAgain(Exception):
    """An answer that a later try may better.

    Attributes:
        wait_s: Seconds that the server asks to wait; None: it does not say.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        """Remember why, and how long to wait."""
        super().__init__(reason)
        self.wait_s = wait_s


class PatientClient:
    """A client whose requests are tried again where that may help."""

    def __init__(
        self,
        settings: Settings,
        sleep: Callable[[float], None] | None,
        stop: Callable[[tenacity.RetryCallState], bool],
        **options: Any,
    ) -> None:
        """Open no connection yet.

        Args:
            settings: How long to wait for an answer.
            sleep: What waits; None: the clock.
            stop: When to give up.
            options: Of `httpx.Client`.
        """
        self._client = httpx.Client(timeout=settings.http_timeout_s, follow_redirects=True, trust_env=True, **options)
        self._retrying = tenacity.Retrying(
            stop=stop, wait=_wait, retry=tenacity.retry_if_exception_type(TryAgain), sleep=sleep or tenacity.nap.sleep
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def raise_if_later_helps(answer: httpx.Response, who: str = "it") -> None:
    """Nothing, if a later try would be answered alike.

    Raises:
        TryAgain: The server is busy or broken for the moment.
    """
    if answer.status_code in _RETRIED_STATUS:
        stated = answer.headers.get("Retry-After", "")
        raise TryAgain(f"{who} answers {answer.status_code}", float(stated) if stated.isdigit() else None)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TryAgain) and error.wait_s is not None:
        return min(error.wait_s, _LONGEST_WAIT_S)
    return tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S)(state)
