"""Tables on a terminal: whole words within its width, nothing lost, and piped ones as they are."""

import io

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipelines.commands.printing import as_bytes, as_table

PLANS = pl.DataFrame(
    {
        "accelerator": ["H100-SXM5-80GB", "B200-SXM-180GB"],
        "devices": [8, 4],
        "replicas": [1, 1],
        "tensor_parallel": [8, 4],
        "first_broken": [None, None],
        "time_to_first_token_p90_s": [0.2829, 0.209],
        "usd_per_million_output_tokens": [2.702, 2.568],
    },
    schema_overrides={"first_broken": pl.String},
)


def printed(frame: pl.DataFrame, width: int) -> list[str]:
    text = io.StringIO()
    as_table(frame, Console(file=text, width=width, force_terminal=True, color_system=None))
    return text.getvalue().splitlines()


def test_names_are_folded_after_underscores_before_anything_else_is() -> None:
    lines = printed(PLANS, 90)
    assert [line.split() for line in lines[:4]] == [
        ["time_to_", "usd_per_"],
        ["first_", "million_"],
        ["tensor_", "first_", "token_", "output_"],
        ["accelerator", "devices", "replicas", "parallel", "broken", "p90_s", "tokens"],
    ]
    assert lines[4].split() == ["H100-SXM5-80GB", "8", "1", "8", "0.2829", "2.702"]


def test_few_rows_stand_side_by_side_where_they_are_wider_than_the_terminal() -> None:
    lines = printed(PLANS, 64)
    assert lines[0].split() == ["accelerator", "H100-SXM5-80GB", "B200-SXM-180GB"]
    assert ["usd_per_million_output_tokens", "2.702", "2.568"] in [line.split() for line in lines]


def test_many_rows_stand_in_blocks_and_what_is_the_same_in_all_is_stated_once() -> None:
    lines = printed(pl.concat([PLANS] * 3), 40)
    blank = next(at for at, line in enumerate(lines) if not line.strip())
    # Two devices three times over: a number says which line of one block goes with which of another.
    assert (lines[blank - 1].split()[:3], lines[-3].split()[0]) == (["6", "B200-SXM-180GB", "4"], "6")
    assert lines[-2:] == ["The same in every row: replicas 1", "Empty in every row: first_broken"]


def test_what_is_piped_or_written_has_one_line_a_row_and_whole_names() -> None:
    head, *rows = as_bytes(PLANS, "table").decode().splitlines()
    assert head.split() == PLANS.columns
    assert len(rows) == PLANS.height


WORDS = st.lists(st.text("abc", min_size=1, max_size=8), max_size=12).map(" ".join)


@settings(max_examples=40)
@given(
    st.sampled_from([24, 40, 80, 120]),
    st.integers(1, 7).flatmap(lambda rows: st.lists(st.tuples(*[WORDS] * rows), min_size=1, max_size=9)),
)
def test_nothing_is_wider_than_the_terminal_and_no_word_is_lost_or_torn(
    width: int, columns: list[tuple[str, ...]]
) -> None:
    lines = printed(pl.DataFrame({f"name_{at}_of_many_words": cells for at, cells in enumerate(columns)}), width)
    assert max(map(len, lines)) <= width
    words = {word.strip(",") for line in lines for word in line.split()}
    assert {word for cells in columns for cell in cells for word in cell.split()} <= words
