"""AWS Signature Version 4 of one request with a body, by the standard library alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Who signs; the token belongs to temporary credentials."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def signed(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    credentials: Credentials,
    *,
    region: str,
    service: str,
    method: str = "POST",
    at: str | None = None,
) -> dict[str, str]:
    """The headers with those that sign the request: `X-Amz-Date`, `Authorization`, and the token where there is one.

    Args:
        url: With its path as it is sent, each segment percent-encoded once.
        body: As it is sent.
        headers: Sent too, and signed.
        credentials: Who signs.
        region: Such as eu-west-1.
        service: Name the service signs by, such as bedrock.
        method: Of the request.
        at: Moment of signing in UTC, such as 20150830T123600Z; None: now.
    """
    parts = urlsplit(url)
    stamp = at or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    sent = {**headers, "X-Amz-Date": stamp}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    named = {name.lower(): " ".join(value.split()) for name, value in {**sent, "Host": parts.netloc}.items()}
    names = ";".join(sorted(named))
    query = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in parse_qsl(parts.query, True))
    canonical = "\n".join((
        method,
        # Every service but S3 encodes the path that is sent once more.
        quote(parts.path or "/", safe="/~"),
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{named[name]}" for name in sorted(named)),
        "",
        names,
        hashlib.sha256(body).hexdigest(),
    ))  # fmt: skip
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent
