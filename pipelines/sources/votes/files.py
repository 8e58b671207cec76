"""Which files of votes are read at all (suffixes, folders, no pickles), and the declared renames of models."""

import codecs
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import polars as pl

from pipelines.sources.votes.sql import Rename
from warehouse.reference_files import reference_table

_SUFFIXES = ("parquet", "csv", "tsv", "json", "jsonl", "ndjson")
_COMPRESSIONS = (".gz", ".zst")
_PICKLE_STARTS = {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"}


class UnreadableVotes(ValueError):
    """A file of votes is missing, refused or of no known layout."""


def vote_files(paths: Iterable[Path | str]) -> list[Path]:
    """Files named or contained, in order of name.

    Raises:
        UnreadableVotes: a path does not exist, is a pickle, or has a suffix that is not read.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file() and suffix_of(p) in _SUFFIXES]
            if not inside:
                raise UnreadableVotes(f"{path}: holds no file of votes ({', '.join(_SUFFIXES)}).")
            files.extend(inside)
        elif not path.is_file():
            raise UnreadableVotes(f"{path}: there is no such file or folder.")
        elif _is_pickle(path):
            raise UnreadableVotes(f"{path}: is a pickle, which runs code when loaded; export it as Parquet or CSV.")
        elif suffix_of(path) not in _SUFFIXES:
            raise UnreadableVotes(f"{path}: suffix is none of {', '.join(_SUFFIXES)}.")
        else:
            files.append(path)
    if not files:
        raise UnreadableVotes("No file of votes was named.")
    return files


def suffix_of(path: Path) -> str:
    """Suffix in lower case without the dot, compression set aside."""
    name = path.name.lower()
    for compression in _COMPRESSIONS:
        name = name.removesuffix(compression)
    return name.rpartition(".")[2]


def _is_pickle(path: Path) -> bool:
    if suffix_of(path) in {"pkl", "pickle"}:
        return True
    with path.open("rb") as stream:
        return stream.read(2) in _PICKLE_STARTS


def is_utf16(path: Path) -> bool:
    """Whether a text is in UTF-16, as spreadsheets save "Unicode".

    Raises:
        UnreadableVotes: it is, with the larger byte first, which DuckDB does not read.
    """
    with path.open("rb") as stream:
        start = stream.read(2)
    if start == codecs.BOM_UTF16_BE:
        raise UnreadableVotes(f"{path}: is UTF-16 with the larger byte first; save it as UTF-8.")
    return start == codecs.BOM_UTF16_LE


@cache
def renames() -> tuple[Rename, ...]:
    """The declared renames of serving-log names (`warehouse/reference/arena_renames.csv`)."""
    bounds = pl.col("after_epoch_s", "until_epoch_s").cast(pl.Float64)
    return tuple(
        Rename(*row) for row in reference_table("arena_renames").select("name_in_votes", "model", bounds).rows()
    )
