"""Measuring a server of models through the protocol it speaks: time to first token, between tokens, errors.

What a client sees: network and queueing are in it. Only the standard library is needed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from profiling.errors import ProfilingError
from profiling.measure.bundle import Row
from profiling.measure.protocols import AWS, BEARER, PROTOCOLS, Key, Piece, Protocol
from profiling.measure.recorded import SERVE, point, served_environment, spread, write_bundle
from profiling.measure.signing import Credentials, signed

# Common short words are about one token each in the vocabularies in use; the server's own count is taken if it tells.
_WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school")
_PIECES_ARE_TOKENS = 1.1
"""Up to so many counted tokens per piece of text, the time between pieces is called that between tokens."""


class BadEndpoint(ProfilingError):
    """No address, nothing to authenticate with, or a server of which every request failed; the message says why."""


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        url: Base address, as `http://localhost:8000/v1`; a name and password in it are sent, and never stored.
        model: Name the server knows: of a deployment or an endpoint, where clouds go by these.
        concurrency: Requests in flight, one point each.
        prompt_lengths: Tokens of the prompt, about; one point each.
        new_tokens: Most tokens of an answer.
        requests: Per point, and at least as many as are in flight.
        timeout_s: Patience for one request.
        key: Sent as the protocol sends its secret; never stored. None: from the variables that the protocol names.
        protocol: A name of `PROTOCOLS`.
    """

    url: str
    model: str
    concurrency: tuple[int, ...] = (1,)
    prompt_lengths: tuple[int, ...] = (128,)
    new_tokens: int = 64
    requests: int = 16
    timeout_s: float = 120.0
    key: str | None = field(default=None, repr=False)
    protocol: str = "openai"


@dataclass
class _Answer:
    started: float
    first: float | None = None
    last: float | None = None
    gaps: list[float] = field(default_factory=list)
    pieces: int = 0
    counted: int | None = None
    prompt_tokens: int | None = None
    error: str | None = None
    refusal: str = ""
    text: list[str] = field(default_factory=list)


def measure_endpoint(load: Load, out: Path | None = None, report: Callable[[str], None] = lambda _: None) -> list[Row]:
    """One row per concurrency and prompt length, after a request that warms up; written as a bundle if asked.

    Raises:
        BadEndpoint: The address is none, there is nothing to authenticate with, or no request of all succeeded.
    """
    asker = _asker(load)
    warm = asker.ask(_prompt(load.prompt_lengths[0], 0))
    if warm.error:
        raise BadEndpoint(f"{without_password(load.url)} does not answer: {warm.error}{warm.refusal}")
    rows = []
    for length in load.prompt_lengths:
        for concurrency in load.concurrency:
            rows.append(_point(asker, concurrency, length))
            report(f"concurrency {concurrency}, prompt {length}: {rows[-1]['errors']} errors of {rows[-1]['requests']}")
    if out is not None:
        _write(load, out, rows)
    return rows


def ask_endpoint(load: Load, prompt: str, out: Path | None = None) -> Row:
    """Let a server answer one prompt: `text` and the row of a point, which holds neither prompt nor answer.

    Args:
        load: Server, model and most new tokens; its concurrency, lengths and number of requests are not looked at.
        prompt: Sent as it is.
        out: Bundle to write.

    Raises:
        BadEndpoint: The address is none, there is nothing to authenticate with, or the server did not answer.
    """
    if not prompt.strip():
        raise BadEndpoint("the prompt is empty")
    asker = _asker(load)
    answer = asker.ask(prompt)
    if answer.error:
        raise BadEndpoint(f"{without_password(load.url)} does not answer: {answer.error}{answer.refusal}")
    took_s, words = time.perf_counter() - answer.started, len(prompt.split())
    row = _row(asker, [answer], concurrency=1, took_s=took_s, length=words, counted="words")
    if out is not None:
        _write(load, out, [row])
    return {"text": "".join(answer.text), **row}


def _asker(load: Load) -> _Asker:
    parts = urlsplit(load.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadEndpoint(
            f"{without_password(load.url)!r} is not an address; expected one such as http://localhost:8000/v1"
        )
    if load.protocol not in PROTOCOLS:
        raise BadEndpoint(f"no protocol {load.protocol!r}; there are {', '.join(PROTOCOLS)}")
    return _Asker(load)


def _write(load: Load, out: Path, rows: list[Row]) -> None:
    # What a query may hold, a key for one, stays out of the bundle too.
    address = without_password(load.url).partition("?")[0]
    described = {"endpoint": address, "protocol": load.protocol}
    write_bundle(out, f"endpoint {load.model}", served_environment(described), rows)


def without_password(address: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _point(asker: _Asker, concurrency: int, length: int) -> Row:
    load = asker.load
    count = max(load.requests, concurrency)
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        answers = list(pool.map(lambda index: asker.ask(_prompt(length, index)), range(1, count + 1)))
    return _row(asker, answers, concurrency=concurrency, took_s=time.perf_counter() - started, length=length)


def _row(
    asker: _Asker, answers: list[_Answer], *, concurrency: int, took_s: float, length: int, counted: str = "as asked"
) -> Row:
    """A point of these answers; `length`, `counted` so, stands where the server does not count tokens of prompts."""
    load, count = asker.load, len(answers)
    good = [answer for answer in answers if answer.error is None]
    prompts = [answer.prompt_tokens for answer in good if answer.prompt_tokens is not None]
    tokens, source = _tokens(good, streams=asker.protocol.streams)
    errors: dict[str, int] = {}
    for answer in answers:
        if answer.error is not None:
            errors[answer.error] = errors.get(answer.error, 0) + 1
    between, between_source = _between(good)
    measured: Row = {
        "status": "ok" if good else "error", "reason": None if good else next(iter(errors), "no answer"),
        "took_s": took_s, "requests": count, "errors": count - len(good), "error_reasons": errors,
        "requests_per_s": len(good) / took_s, "tokens_per_s": None if tokens is None else tokens / took_s,
        "tokens": tokens, "tokens_source": source, "inter_token_source": between_source,
        **spread("ttft", [a.first - a.started for a in good if a.first is not None]),
        **spread("inter_token", between),
        **spread("request", [a.last - a.started for a in good if a.last is not None]),
    }  # fmt: skip
    what = {
        "model": load.model, "backend": "endpoint", "stage": SERVE, "batch": concurrency,
        "context": round(fmean(prompts)) if prompts else length,
        "prompt_tokens_source": "server" if prompts else counted, "new_tokens": load.new_tokens,
    }  # fmt: skip
    return point(what, measured)


def _tokens(answers: list[_Answer], *, streams: bool) -> tuple[int | None, str | None]:
    """Tokens of all answers and who counted them; none where nobody did."""
    counted = [answer.counted for answer in answers if answer.counted is not None]
    if counted and len(counted) == len(answers):
        return sum(counted), "server"
    return (sum(answer.pieces for answer in answers), "pieces") if streams else (None, None)


def _between(answers: list[_Answer]) -> tuple[list[float], str | None]:
    """Seconds between tokens, and what they are: each gap, or the mean of each answer where pieces hold several."""
    gaps = [gap for answer in answers for gap in answer.gaps]
    counted = sum(answer.counted or answer.pieces for answer in answers)
    if counted <= _PIECES_ARE_TOKENS * sum(answer.pieces for answer in answers) + len(answers):
        return gaps, "each piece" if gaps else None
    means = [
        (answer.last - answer.first) / (answer.counted - 1)
        for answer in answers
        if answer.counted
        and answer.counted > 1
        and answer.first is not None
        and answer.last is not None
        # All in one piece: nothing lies between its ends.
        and answer.last > answer.first
    ]
    return means, "mean of each answer" if means else None


def _prompt(length: int, salt: int) -> str:
    """About `length` tokens; every request another text, so that no cache of prefixes answers."""
    words = [_WORDS[(index * 7 + salt * 5) % len(_WORDS)] for index in range(max(length - 2, 1))]
    return f"{salt} {' '.join(words)}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key is for the server it was given for, so that another address is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Asker:
    """What every request of a load has in common: the address, the protocol, and who asks."""

    def __init__(self, load: Load) -> None:
        self.load, self.protocol = load, PROTOCOLS[load.protocol]
        self.url = _address(load, self.protocol)
        self.key, self.secret = _secret(load, self.protocol)
        self.opener = urllib.request.build_opener(_NoRedirect)
        if self.key is not None and self.key.header == AWS:
            self.credentials, self.region = _credentials(self.secret, self.url)

    def ask(self, prompt: str) -> _Answer:
        """Send a prompt, and note when what came."""
        load = self.load
        body = json.dumps(self.protocol.body(load.model, prompt, load.new_tokens)).encode()
        request = urllib.request.Request(self.url, body, self._headers(body), method="POST")  # noqa: S310 - checked
        answer = _Answer(time.perf_counter())
        watchdog = _Watchdog(load.timeout_s)
        try:
            with self.opener.open(request, timeout=load.timeout_s) as reply, watchdog.on(reply):
                for event in self.protocol.frames(reply):
                    _take(self.protocol.piece(event), answer, streams=self.protocol.streams)
        except urllib.error.HTTPError as error:
            answer.error, answer.refusal = f"HTTP {error.code}", _refusal(error)
            error.close()
        except (OSError, ValueError, AttributeError, TypeError) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            is_late = watchdog.fired or isinstance(why, TimeoutError)
            answer.error = "timeout" if is_late else f"{type(why).__name__}: {why}"
        if answer.error is None and watchdog.fired:
            answer.error = "timeout"
        if answer.error is None and answer.last is None:
            answer.error = "no token came"
        return answer

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "*/*"}
        if self.key is None:
            return headers
        if self.key.header == AWS:
            return signed(
                self.url, body, headers, self.credentials, region=self.region, service=self.protocol.service or ""
            )
        name, _, kind = self.key.header.partition(":")
        return {**headers, name: f"{kind.strip()} {self.secret}".strip()}


def _address(load: Load, protocol: Protocol) -> str:
    """Where requests go: the base address, the protocol's path, and what either asks for."""
    base = urlsplit(without_password(load.url))
    path, _, parameters = protocol.path.replace("{model}", quote(load.model, safe="")).partition("?")
    # What the address itself asks for, such as another api-version, comes before what the protocol would.
    query = base.query or parameters
    return base._replace(path=f"{base.path.rstrip('/')}{path}", query=query, fragment="").geturl()


def _secret(load: Load, protocol: Protocol) -> tuple[Key | None, str]:
    """How to authenticate, and with what: the key given, name and password of the address, or a variable that is set.

    Raises:
        BadEndpoint: The protocol needs one of these, and there is none.
    """
    if load.key:
        unsigned = [key for key in protocol.keys if key.header != AWS]
        if protocol.keys and not unsigned:
            raise BadEndpoint(
                f"requests of {load.protocol} are signed: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return unsigned[0] if unsigned else Key(BEARER, ""), load.key
    parts = urlsplit(load.url)
    if parts.username:
        # urllib would take them for a part of the host's name.
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return Key("Authorization: Basic", ""), base64.b64encode(pair.encode()).decode()
    for key in protocol.keys:
        if secret := os.environ.get(key.variable):
            return key, secret
    if protocol.key_needed:
        names = " or ".join(key.variable for key in protocol.keys)
        raise BadEndpoint(f"{load.protocol} lets nobody in without a secret; set {names}")
    return None, ""


def _credentials(access_key: str, url: str) -> tuple[Credentials, str]:
    """Who signs, and for which region: that of the address, else of the environment.

    Raises:
        BadEndpoint: The secret key or the region is missing.
    """
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    within = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:vpce\.)?(?:amazonaws|api\.aws)", urlsplit(url).hostname or "")
    region = within[1] if within else os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not secret or not region:
        missing = "AWS_SECRET_ACCESS_KEY" if not secret else "AWS_REGION"
        raise BadEndpoint(f"a request to AWS is signed, and {missing} is not set")
    return Credentials(access_key, secret, os.environ.get("AWS_SESSION_TOKEN")), region


def _refusal(error: urllib.error.HTTPError) -> str:
    """What a server said of its refusal, in a line."""
    try:
        text = " ".join(error.read(2_000).decode(errors="replace").split())
    except OSError:
        return ""
    return f", {text[:300]}" if text else ""


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


def _take(piece: Piece, answer: _Answer, *, streams: bool) -> None:
    """Note when a piece came; the server's own counts replace ours."""
    now = time.perf_counter()
    if piece.error:
        answer.error = piece.error
        return
    if piece.has_text:
        if streams and answer.first is None:
            answer.first = now
        elif answer.last is not None:
            answer.gaps.append(now - answer.last)
        answer.last = now
        answer.pieces += 1
        answer.text.append(piece.text)
    if piece.prompt_tokens is not None:
        answer.prompt_tokens = piece.prompt_tokens
    if piece.more is not None:
        answer.counted = (answer.counted or 0) + piece.more
    if piece.tokens:
        answer.counted = piece.tokens
