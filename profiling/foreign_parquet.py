"""Reading Parquet that others wrote, by Arrow's reader: polars' own ends the process on some files that lie."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from profiling.errors import ProfilingError


class UnreadableParquet(ProfilingError):
    """Bytes that are no Parquet, or Parquet that does not hold what it promises."""


@dataclass(frozen=True)
class Promise:
    """What the footer of a file says that it holds."""

    columns: tuple[str, ...]
    nested: frozenset[str]
    """Columns of lists or records."""
    rows: int
    fields: tuple[str, ...] = ()
    """Columns, and of records their fields instead, as `outer.inner`."""


def promise_of(content: bytes) -> Promise:
    """What a file says that it holds; only its end is read.

    Raises:
        UnreadableParquet: It is no Parquet.
    """
    # With pyarrow's 0.2 s, only where Parquet is read.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        schema = file.schema_arrow
        nested = frozenset(field.name for field in schema if pa.types.is_nested(field.type))
        fields = tuple(name for field in schema for name in _fields(field.name, field.type, pa.types.is_struct))
        return Promise(tuple(schema.names), nested, int(file.metadata.num_rows), fields)
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        raise UnreadableParquet(_sentence(error)) from error


def _fields(name: str, dtype: Any, is_record: Callable[[Any], bool]) -> Iterator[str]:
    if not is_record(dtype):
        yield name
        return
    for at in range(dtype.num_fields):
        yield from _fields(f"{name}.{dtype.field(at).name}", dtype.field(at).type, is_record)


def read_parquet(content: bytes, columns: Sequence[str] | None = None, rows: int | None = None) -> pl.DataFrame:
    """The table, or some of its columns, or its first rows.

    Raises:
        UnreadableParquet: It is no Parquet, lacks a column, or claims more than fits into memory.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        if columns is not None and (missing := set(columns) - set(file.schema_arrow.names)):
            raise UnreadableParquet(f"there is no column {', '.join(sorted(missing))}")
        chosen = None if columns is None else list(columns)
        if rows is None:
            table = file.read(columns=chosen, use_threads=False)
        else:
            batches = list(file.iter_batches(batch_size=max(rows, 1), row_groups=[0], columns=chosen)) if rows else []
            table = pa.Table.from_batches(batches[:1], None if batches else file.schema_arrow)
        # Arrow believes that texts are UTF-8 and offsets in order until asked; polars would end the process on others.
        table.validate(full=True)
        frame = pl.from_arrow(table)
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableParquet(_sentence(error)) from error
    except (OSError, ValueError, TypeError, OverflowError, LookupError, MemoryError) as error:
        if isinstance(error, UnreadableParquet):
            raise
        raise UnreadableParquet(_sentence(error)) from error
    if not isinstance(frame, pl.DataFrame):
        raise UnreadableParquet("it holds no table")
    return frame


def _sentence(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
