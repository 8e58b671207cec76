"""A bounded look at every reader, at each commit; `make fuzz` looks ten thousand times, in bounded processes."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.suffixes import SUFFIXES
from profiling.foreign import NotJson, parse_json
from tests.fuzz import seeds
from tests.fuzz.__main__ import SEED, outcome
from tests.fuzz.readers import READERS, REJECTED, ROWS, ingest

CASES = 15
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@pytest.mark.parametrize("name", READERS)
def test_broken_files_end_in_rows_rejected_rows_or_an_error_of_the_readers_own(name: str, tmp_path: Path) -> None:
    outcomes = [outcome(READERS[name], name, SEED, case, tmp_path) for case in range(CASES)]
    assert [(case, what) for case, what in enumerate(outcomes) if what.startswith("failed")] == []


@pytest.mark.parametrize("name", READERS)
def test_what_is_sound_is_read(name: str, tmp_path: Path) -> None:
    uri, payload = next(iter(READERS[name].seeds().items()))
    assert READERS[name].read(payload, uri, tmp_path) == ROWS


@given(
    st.binary(max_size=400), st.sampled_from(sorted({*SUFFIXES, ".tar"})), st.sampled_from([b"", b"PAR1", b"{", b"["])
)
def test_whatever_the_bytes_telling_what_they_are_ends_in_an_error_of_ours(
    content: bytes, suffix: str, lead: bytes
) -> None:
    with pytest.raises(UNRECOGNISED):
        recognise(lead + content, suffix, f"2024-01-01{suffix}")


@given(DOCUMENTS)
def test_whatever_json_holds_can_be_written_again(document: Any) -> None:
    text = json.dumps(document)
    again = json.dumps(parse_json(text), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert parse_json(again) == parse_json(text)


@given(st.text(max_size=200))
def test_whatever_the_text_it_is_json_or_refused(text: str) -> None:
    with contextlib.suppress(NotJson):
        json.dumps(parse_json(text), allow_nan=False)


CELLS = st.sampled_from(
    ["", "50", "-1", "101", "nan", "inf", "1e999", "org/model", "=1+1", "<b>", "\x00", "9" * 40]
) | st.text(max_size=12)


SCRAPE = "2023-05-23.csv"
HEADER = pl.read_csv(seeds.SCRAPE, infer_schema=False).columns


@given(st.lists(st.lists(CELLS, min_size=len(HEADER), max_size=len(HEADER)), min_size=1, max_size=6))
def test_every_row_of_a_board_is_loaded_or_rejected_with_a_reason(rows: list[list[str]]) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(HEADER, pl.String), orient="row")
    with tempfile.TemporaryDirectory() as folder:
        # `ingest` holds every table to its contract, and the account of the rows to the file.
        assert ingest(frame.write_csv().encode(), SCRAPE, Path(folder)) in {ROWS, REJECTED}
