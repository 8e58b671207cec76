"""Measuring any OpenAI-compatible server over its streaming completions: time to first token, between tokens, errors.

What a client sees: network and queueing are in it. Only the standard library is needed.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from profiling.errors import ProfilingError
from profiling.measure.bundle import Row
from profiling.measure.recorded import SERVE, point, served_environment, spread, write_bundle

# Common short words are about one token each in the vocabularies in use; the server's own count is taken if it tells.
_WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school")


class BadEndpoint(ProfilingError):
    """An address that cannot be one, or a server of which every request failed; the message has the first reason."""


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        url: Base address, as `http://localhost:8000/v1`; a name and password in it are sent, and never stored.
        model: Name the server knows.
        concurrency: Requests in flight, one point each.
        prompt_lengths: Tokens of the prompt, about; one point each.
        new_tokens: Most tokens of an answer.
        requests: Per point, and at least as many as are in flight.
        timeout_s: Patience for one request.
        key: Sent as a bearer token; never stored.
    """

    url: str
    model: str
    concurrency: tuple[int, ...] = (1,)
    prompt_lengths: tuple[int, ...] = (128,)
    new_tokens: int = 64
    requests: int = 16
    timeout_s: float = 120.0
    key: str | None = field(default=None, repr=False)


@dataclass
class _Answer:
    started: float
    first: float | None = None
    last: float | None = None
    gaps: list[float] = field(default_factory=list)
    tokens: int = 0
    prompt_tokens: int | None = None
    error: str | None = None


def measure_endpoint(load: Load, out: Path | None = None, report: Callable[[str], None] = lambda _: None) -> list[Row]:
    """One row per concurrency and prompt length, after a request that warms up; written as a bundle if asked.

    Raises:
        BadEndpoint: The address is none, or no request of all succeeded.
    """
    parts = urlsplit(load.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadEndpoint(
            f"{without_password(load.url)!r} is not an address; expected one such as http://localhost:8000/v1"
        )
    warm = _request(load, _prompt(load.prompt_lengths[0], 0))
    if warm.error:
        raise BadEndpoint(f"{without_password(load.url)} does not answer: {warm.error}")
    rows = []
    for length in load.prompt_lengths:
        for concurrency in load.concurrency:
            rows.append(_point(load, concurrency, length))
            report(f"concurrency {concurrency}, prompt {length}: {rows[-1]['errors']} errors of {rows[-1]['requests']}")
    if out is not None:
        # What a query may hold, a key for one, stays out of the bundle too.
        address = without_password(load.url).partition("?")[0]
        write_bundle(out, f"endpoint {load.model}", served_environment({"endpoint": address}), rows)
    return rows


def without_password(address: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _point(load: Load, concurrency: int, length: int) -> Row:
    count = max(load.requests, concurrency)
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        answers = list(pool.map(lambda index: _request(load, _prompt(length, index)), range(1, count + 1)))
    took_s = time.perf_counter() - started
    good = [answer for answer in answers if answer.error is None]
    counted = [answer.prompt_tokens for answer in good if answer.prompt_tokens is not None]
    errors: dict[str, int] = {}
    for answer in answers:
        if answer.error is not None:
            errors[answer.error] = errors.get(answer.error, 0) + 1
    measured: Row = {
        "status": "ok" if good else "error", "reason": None if good else next(iter(errors), "no answer"),
        "took_s": took_s, "requests": count, "errors": count - len(good), "error_reasons": errors,
        "requests_per_s": len(good) / took_s, "tokens_per_s": sum(answer.tokens for answer in good) / took_s,
        "tokens": sum(answer.tokens for answer in good),
        **spread("ttft", [a.first - a.started for a in good if a.first is not None]),
        **spread("inter_token", [gap for answer in good for gap in answer.gaps]),
        **spread("request", [a.last - a.started for a in good if a.last is not None]),
    }  # fmt: skip
    what = {
        "model": load.model, "backend": "endpoint", "stage": SERVE, "batch": concurrency,
        "context": round(sum(counted) / len(counted)) if counted else length,
        "prompt_tokens_source": "server" if counted else "as asked", "new_tokens": load.new_tokens,
    }  # fmt: skip
    return point(what, measured)


def _prompt(length: int, salt: int) -> str:
    """About `length` tokens; every request another text, so that no cache of prefixes answers."""
    words = [_WORDS[(index * 7 + salt * 5) % len(_WORDS)] for index in range(max(length - 2, 1))]
    return f"{salt} {' '.join(words)}"


def _request(load: Load, prompt: str) -> _Answer:
    body = {
        "model": load.model, "prompt": prompt, "max_tokens": load.new_tokens, "stream": True, "temperature": 0,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    parts = urlsplit(load.url)
    if load.key:
        headers["Authorization"] = f"Bearer {load.key}"
    elif parts.username:
        # urllib would take them for a part of the host's name.
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        f"{without_password(load.url).rstrip('/')}/completions", json.dumps(body).encode(), headers, method="POST"
    )
    answer = _Answer(time.perf_counter())
    watchdog = _Watchdog(load.timeout_s)
    try:
        with urllib.request.urlopen(request, timeout=load.timeout_s) as reply, watchdog.on(reply):  # noqa: S310
            for event in _events(reply):
                _take(event, answer)
    except urllib.error.HTTPError as error:
        answer.error = f"HTTP {error.code}"
        error.close()
    except (OSError, ValueError, AttributeError) as error:
        answer.error = (
            "timeout" if watchdog.fired or isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        )
    if answer.error is None and watchdog.fired:
        answer.error = "timeout"
    if answer.error is None and answer.first is None:
        answer.error = "no token came"
    return answer


class _Watchdog:
    """Ends a reply that keeps trickling beyond the patience for the whole request."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.fired = seconds, False

    def on(self, reply: Any) -> _Watchdog:
        self.reply = reply
        return self

    def _fire(self) -> None:
        self.fired = True
        self.reply.close()

    def __enter__(self) -> None:
        self.timer = threading.Timer(self.seconds, self._fire)
        self.timer.daemon = True
        self.timer.start()

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()


def _events(reply: Any) -> Iterator[Mapping[str, Any]]:
    """Data of server-sent events until `[DONE]` (the format of OpenAI's streaming)."""
    for line in reply:
        text = line.decode("utf-8").strip()
        if not text.startswith("data:"):
            continue
        data = text[5:].strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if isinstance(event, dict):
            yield event


def _take(event: Mapping[str, Any], answer: _Answer) -> None:
    """Note when a token came; the server's own counts replace ours."""
    now = time.perf_counter()
    if event.get("error"):
        answer.error = f"the server says: {event['error']}"
        return
    choices = event.get("choices") or []
    if choices and (choices[0].get("text") or (choices[0].get("delta") or {}).get("content")):
        if answer.first is None:
            answer.first = now
        elif answer.last is not None:
            answer.gaps.append(now - answer.last)
        answer.last = now
        answer.tokens += 1
    usage = event.get("usage")
    if usage:
        answer.prompt_tokens = usage.get("prompt_tokens")
        answer.tokens = usage.get("completion_tokens") or answer.tokens
