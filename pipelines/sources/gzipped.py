"""Files packed with gzip, taken as the file that they hold."""

import gzip
import io
import zlib
from pathlib import PurePosixPath

GZIP = ".gz"


class NotUnpacked(ValueError):
    """The bytes cannot be unpacked; the message says why."""


def plain_name(name: str) -> str:
    """Name of what a file holds: without `.gz`, in either case."""
    return name[: -len(GZIP)] if name.lower().endswith(GZIP) else name


def suffix_of(name: str) -> str:
    """Suffix, in lower case, of what a file holds."""
    return PurePosixPath(plain_name(name)).suffix.lower()


def unpacked(payload: bytes, name: str, most_bytes: int) -> bytes:
    """What a file holds; the bytes themselves where it is not packed.

    Args:
        payload: Its bytes.
        name: Its name, which says whether it is packed.
        most_bytes: What it may hold.

    Raises:
        NotUnpacked: It is no gzip, ends too early, or holds more than `most_bytes`.
    """
    if plain_name(name) == name:
        return payload
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:
            content = stream.read(most_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise NotUnpacked(f"{name} cannot be unpacked: {error}") from error
    if len(content) > most_bytes:
        raise NotUnpacked(f"{name} holds more than {most_bytes:,} bytes")
    return content
