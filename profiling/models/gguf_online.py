"""The header of a GGUF file on a server, read by ranges: a few megabytes instead of the whole file."""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request

from profiling.models.gguf_header import GgufHeader, InvalidGguf, parse_gguf_header

_PIECE = 1 << 20
_PARTIAL = 206


def gguf_header_of_url(url: str, timeout_s: float = 20.0) -> GgufHeader:
    """The header of the GGUF file at an http(s) address.

    Raises:
        InvalidGguf: No answer, an answer without ranges, or no GGUF file.
    """
    if not url.startswith(("https://", "http://")):
        raise InvalidGguf(f"{url[:200]!r} is no http address")
    pieces = _Pieces(url, timeout_s)
    with io.BufferedReader(pieces, _PIECE) as stream:
        stream.peek(1)  # the first answer also says how long the file is
        return parse_gguf_header(stream, url, file_bytes=pieces.total)


class _Pieces(io.RawIOBase):
    """A file on a server, fetched forwards piece by piece."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._at = 0
        self.total: int | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self.total is not None and self._at >= self.total:
            return 0
        last = self._at + len(buffer) - 1
        request = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{last}"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as reply:  # noqa: S310
                if reply.status != _PARTIAL:
                    raise InvalidGguf(f"{self._url} is not sent by ranges (status {reply.status}); download the file")
                total = (reply.headers.get("Content-Range") or "").rpartition("/")[2]
                found = reply.read(len(buffer))
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise InvalidGguf(f"no answer from {self._url} ({error})") from error
        self.total = int(total) if total.isascii() and total.isdigit() else self.total
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
