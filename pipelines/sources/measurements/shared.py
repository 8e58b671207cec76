"""Measurements to share: one file without names of people or machines, signed so that nobody changes it on the way.

The file is JSON: its rows in the columns of `core.end_to_end_measurements` that say what was measured and nothing of
who measured it, the public half of a key that was made for this home alone, and a signature (Ed25519, RFC 8032) of the
canonical text of the rows. The key is a pseudonym: files of one home can be told to be of one home, and no more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pipelines.sources.measurements.rows import COLUMNS, SHARED_SCHEMA, Row, UnknownMeasurements, measured
from profiling.accuracy.names import Names
from profiling.devices.accelerators import Accelerator
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.files import vacated

_STAYS = frozenset({"source", "device_as_reported", "model_as_reported", "licence", "evidence", "note"})
SHARED = tuple(name for name in COLUMNS if name not in _STAYS)
"""Columns that travel. What a tool printed as name of device or model may hold a path or a host, and stays; where the
resolved name is missing, the row cannot be shared."""
MOST_ROWS = 20_000
_TEXT_MOST = 120
_FORBIDDEN = ("/home/", "/users/", "\\\\users\\\\", "@")


class NotShareable(UnknownMeasurements):
    """A file that is not what was signed, or holds what must not be in it."""


def key_of(home: Path) -> Ed25519PrivateKey:
    """The key of this home, made on first use; readable by its owner alone."""
    path = home / "share.key"
    if path.is_file():
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    key = Ed25519PrivateKey.generate()
    home.mkdir(parents=True, exist_ok=True)
    vacated(path).touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    return key


def with_names(rows: pl.DataFrame, devices: Mapping[str, Accelerator]) -> pl.DataFrame:
    """The rows with devices and models by their names here, where those that were reported mean one."""
    names = Names(devices)

    def known_name(reported: object, find: Callable[[str], Accelerator | Architecture]) -> str | None:
        try:
            return None if reported is None else find(str(reported)).name
        except ProfilingError:
            return None

    pairs = [
        (
            known_name(row["device"] or row["device_as_reported"], names.device),
            known_name(row["model"] or row["model_as_reported"], names.model),
        )
        for row in rows.select("device", "device_as_reported", "model", "model_as_reported").iter_rows(named=True)
    ]
    return rows.with_columns(
        pl.Series("device", [device for device, _ in pairs], dtype=pl.String),
        pl.Series("model", [model for _, model in pairs], dtype=pl.String),
    )


def sealed(rows: pl.DataFrame, key: Ed25519PrivateKey) -> str:
    """The text of a file that may be shared.

    Raises:
        NotShareable: No row says on which device and of which model it is, or a text could name a person.
    """
    complete_rows = rows.filter(pl.col("device").is_not_null() & pl.col("model").is_not_null())
    if complete_rows.is_empty():
        raise NotShareable("no row states the device and the model; name them with --device and --model")
    content = [
        {name: value for name, value in row.items() if value is not None}
        for row in complete_rows.select(SHARED).iter_rows(named=True)
    ]
    _check(content)
    document = {
        "schema": SHARED_SCHEMA,
        "key": _text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        "rows": content,
        "signature": _text(key.sign(_canonical(content))),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def shared(document: Mapping[str, Any]) -> Iterator[Row | None]:
    """Rows of a shared file, a document of `SHARED_SCHEMA`.

    Raises:
        NotShareable: Its signature does not match its rows, or a row cannot be.
    """
    rows = verified(document)
    # No `return (…)` of a generator above: what is wrong is said when the file is read, not when its rows are.
    return (
        measured(
            str(row["metric"]),
            row["value"],
            str(row["stage"]),
            source=f"shared by {str(document['key'])[:12]}",
            **{name: value for name, value in row.items() if name not in {"metric", "value", "stage"}},
        )
        for row in rows
    )


def verified(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows, if they are those that were signed and each is one of the contract.

    Raises:
        NotShareable: The message says what is wrong.
    """
    rows = document.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotShareable("the file has no rows")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(document["key"]), validate=True))
        key.verify(base64.b64decode(str(document["signature"]), validate=True), _canonical(rows))
    except (KeyError, ValueError, InvalidSignature) as error:
        raise NotShareable("the signature does not match these rows: the file was changed or is incomplete") from error
    _check(rows)
    return rows


def _check(rows: list[dict[str, Any]]) -> None:
    if not 1 <= len(rows) <= MOST_ROWS:
        raise NotShareable(f"{len(rows):,} rows; a file holds 1 to {MOST_ROWS:,}")
    for number, row in enumerate(rows, 1):
        strange = sorted(set(row) - set(SHARED))
        if strange:
            raise NotShareable(f"row {number} has columns that are not shared: {', '.join(strange)}")
        missing = [name for name in ("device", "model", "stage", "metric", "value") if row.get(name) is None]
        if missing:
            raise NotShareable(f"row {number} does not state its {', '.join(missing)}")
        for name, value in row.items():
            _check_value(number, name, value)


def _check_value(number: int, name: str, value: object) -> None:
    column = END_TO_END_MEASUREMENTS.column(name)
    if column.dtype == pl.String:
        text = str(value)
        if len(text) > _TEXT_MOST or any(part in text.casefold() for part in _FORBIDDEN):
            raise NotShareable(f"row {number}: {name} could name a person or a machine: {text[:40]!r}")
        if column.allowed and text not in column.allowed:
            raise NotShareable(f"row {number}: no {name} {text!r}; there are {', '.join(map(str, column.allowed))}")
    elif not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e15:
        raise NotShareable(f"row {number}: {name} is {value!r}; it must be a number from 0 on")


def _canonical(rows: object) -> bytes:
    return json.dumps(rows, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
