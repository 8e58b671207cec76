"""Every published layout is recognised by its header alone, and what it gets wrong is set right or set aside."""

import contextlib
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources import cells
from pipelines.sources.dates import UndatedFile
from pipelines.sources.leaderboards import tables as leaderboard_tables
from pipelines.sources.leaderboards.layouts import LAYOUTS, UnknownLayout
from pipelines.sources.leaderboards.layouts import recognise as layout_of
from pipelines.sources.leaderboards.tables import Parsed
from pipelines.sources.raw_store import Manifest, RawStore
from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.tables import UnreadableFile
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES, MODELS, REJECTED_ROWS, SNAPSHOTS
from warehouse.lake import Lake

Load = Callable[[pl.DataFrame, str], Parsed]

# file → layout, rows in the file, rows loaded; what lies between are repetitions to the letter.
TABLES = {
    **{f"v1/2023-{day}_scrape.csv": ("v1_scrape_2023_05", rows, rows)
       for day, rows in {"05-23": 49, "05-26": 58, "05-31": 84, "06-10": 132, "06-19": 142}.items()},
    **{f"v1/2023-{day}_scrape.csv": ("v1_scrape_2023_06", *rows)
       for day, rows in {"06-29": (142, 142), "07-14": (150, 150), "07-24": (384, 384), "07-28": (472, 472),
                         "08-01": (501, 501), "08-09": (542, 542), "08-17": (813, 802), "08-25": (1069, 1058),
                         "09-15": (1240, 1230), "10-04": (79, 79), "10-13": (77, 76), "10-31": (109, 109)}.items()},
    "blog/v1_models_2023-12-04.csv": ("v1_run_means", 1402, 1397),
    "v1/2024-04-10_scrape.csv": ("v1_hub_scrape", 5821, 5799),
    "v1/2024-05-28_scrape.csv": ("v1_hub_scrape", 6986, 6986),
    "v1/2024-06-15_ui_export.csv": ("v1_ui_export", 7169, 7169),
    "v2/2024-08-13_ui_export.csv": ("v2_ui_export_2024_08", 729, 729),
    "v2/2024-10-15_contents.parquet": ("v2_contents_2024_10", 1500, 1500),
    "v2/2024-12-08_contents.csv": ("v2_contents_2024_12", 2191, 2191),
    "v2/2025-02-13_contents.csv": ("v2_contents_2025_02", 3827, 3827),
    "v2/2025-03-13_contents.parquet": ("v2_contents_2025_02", 4576, 4576),
    "raw/v1_HenryJJ_Mistral7B_2024-01-04_nommlu.json": ("v1_raw_results", 1, 1),
    "raw/v2_pythia-2.8b_results_2024-06-17.json": ("v2_raw_results", 1, 1),
}  # fmt: skip
PUBLISHED_FRONTS = {
    "blog/v1_pareto_front_2023-12-04.csv": ("geoalgo_2023_12", dt.date(2023, 12, 4)),
    "blog/v1_pareto_over_time.csv": ("geoalgo_2023_monthly", dt.date(2023, 12, 1)),
}
SCRAPE = ("Model", "Average", "ARC (25-shot)", "HellaSwag (10-shot)", "MMLU (5-shot)", "TruthfulQA (0-shot)")
V2_UI = "v2/2024-08-13_ui_export.csv"


def scrape(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    """Rows of a table of May 2023: model, average, four scores."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(SCRAPE, pl.String), orient="row")
    return frame.with_columns(Parameters=pl.lit("33.3"), URL=pl.lit(None, pl.String))


def lake_of(home: Path) -> Lake:
    return Lake(home / "lake")


@pytest.mark.data
def test_no_real_file_is_forgotten_here(shared_data: Path) -> None:
    root = shared_data / "open_llm_leaderboard"
    there = {path.relative_to(root).as_posix() for path in root.rglob("*.*")}
    assert there == TABLES.keys() | PUBLISHED_FRONTS.keys()


@pytest.mark.data
@pytest.mark.parametrize("file", TABLES)
def test_every_real_file_is_recognised_with_its_layout_board_and_date(shared_data: Path, file: str) -> None:
    path = shared_data / "open_llm_leaderboard" / file
    recognised = recognise(path.read_bytes(), path.suffix, path.name)
    stated = next(part for part in path.stem.split("_") if part.count("-") == 2 and part[:2] == "20")
    board = "open_llm_v2" if "v2" in file.partition("_")[0] else "open_llm_v1"
    assert (recognised.layout, recognised.subject, recognised.as_of.isoformat()) == (TABLES[file][0], board, stated)


@pytest.mark.data
@pytest.mark.parametrize("file", PUBLISHED_FRONTS)
def test_a_published_front_is_told_from_a_snapshot_and_dated_by_its_name_or_its_last_cutoff(
    shared_data: Path, file: str
) -> None:
    path = shared_data / "open_llm_leaderboard" / file
    recognised = recognise(path.read_bytes(), path.suffix, path.name)
    assert (recognised.source, recognised.layout, recognised.as_of) == ("published_fronts", *PUBLISHED_FRONTS[file])


@pytest.mark.data
def test_every_row_of_every_real_file_is_loaded_but_repetitions_to_the_letter(leaderboard_home: Path) -> None:
    snapshots = lake_of(leaderboard_home).read(SNAPSHOTS)
    counts = snapshots.select("uri", "layout", "rows_read", "rows_loaded")
    assert {uri: (layout, read, loaded) for uri, layout, read, loaded in counts.rows()} == TABLES
    rejected = lake_of(leaderboard_home).read(REJECTED_ROWS)
    assert rejected["reason"].str.contains(r"^repeats row \d+ to the letter$").all()
    assert rejected.height == snapshots["rows_rejected"].sum() == 60


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_header_in_any_order_belongs_to_exactly_one_layout(layout: object) -> None:
    assert isinstance(layout, type(LAYOUTS[0]))
    assert [other.name for other in LAYOUTS if other.matches(layout.known)] == [layout.name]
    assert [other.name for other in LAYOUTS if other.matches(layout.known - layout.optional)] == [layout.name]


@given(st.sampled_from(LAYOUTS).flatmap(lambda layout: st.permutations(sorted(layout.known))))
@settings(max_examples=50, deadline=None)
def test_the_order_of_columns_says_nothing(header: list[str]) -> None:
    assert layout_of(header).known == frozenset(header)


def test_a_header_that_drifted_is_refused_with_its_columns_and_what_is_missing_and_unexpected() -> None:
    header = ["ARC [25-shot]" if name == "ARC (25-shot)" else name for name in [*SCRAPE, "Parameters", "URL"]]
    with pytest.raises(UnknownLayout) as refused:
        layout_of(header)
    message = str(refused.value)
    assert all(f"'{name}'" in message for name in header)
    assert "Closest is v1_scrape_2023_05: missing ['ARC (25-shot)'], unexpected ['ARC [25-shot]']" in message


@pytest.mark.parametrize(
    ("payload", "suffix", "error"),
    [
        (b"", ".csv", UnreadableFile),
        (b"\xff\xfe\x00binary", ".csv", UnknownLayout),
        (b"PAR1 cut short", ".parquet", UnreadableFile),
        (b"[1, 2", ".json", UnreadableFile),
        (b"[]", ".json", UnreadableFile),
        (b"model_name,model_size_gb,average_error\nx,1.0,0.5\n", ".csv", UndatedFile),
    ],
)
def test_what_cannot_be_accounted_for_is_refused_in_one_line(
    payload: bytes, suffix: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^some-file|^No known layout has the columns") as refused:
        recognise(payload, suffix, f"some-file{suffix}")
    assert isinstance(refused.value, UNRECOGNISED)
    assert "\n" not in str(refused.value)


anything = st.sampled_from(
    [None, True, -1, 0, 2e9, 1e300, float("inf"), float("nan"), "", "x", "9" * 400, [], ["x"], {}, {"x": {}}]
)
documents = st.fixed_dictionaries(
    {
        "results": st.dictionaries(
            st.sampled_from(["harness|arc:challenge|25", "leaderboard_gpqa", "leaderboard_bbh_snarks", "all"]),
            anything | st.dictionaries(st.sampled_from(["acc", "acc_norm", "acc_norm,none"]), anything, max_size=3),
            min_size=1,
            max_size=3,
        )
    },
    optional=dict.fromkeys(
        ("date", "config", "config_general", "summary_general", "versions", "model_name", "model_sha"), anything
    ),
)


@given(st.binary(max_size=200), st.sampled_from([".csv", ".parquet", ".json"]))
@settings(deadline=None)
def test_no_bytes_whatever_break_recognition_otherwise_than_by_setting_them_aside(payload: bytes, suffix: str) -> None:
    with contextlib.suppress(*UNRECOGNISED):
        recognise(payload, suffix, f"2024-01-01{suffix}")


@given(documents | anything)
@settings(deadline=None)
def test_no_json_whatever_breaks_recognition_otherwise_than_by_setting_it_aside(document: object) -> None:
    with contextlib.suppress(*UNRECOGNISED):
        recognise(json.dumps(document).encode(), ".json", "org/model/results_2024-01-01T00-00-00.json")


def test_a_bad_cell_rejects_its_row_with_the_reason_and_leaves_no_half_of_it(load: Load) -> None:
    parsed = load(
        scrape(
            ("good/model", "50.0", "50", "50", "50", "50"),
            ("bad/number", "fifty", "50", "50", "50", "50"),
            ("bad/range", "50", "101", "50", "50", "50"),
            (None, "50", "50", "50", "50", "50"),
            ("no/score", None, None, "", "n/a", None),
            ("bad/infinite", "inf", "50", "50", "50", "50"),
            ("good/model", "50.0", "50", "50", "50", "50"),
        ),
        "2023-05-23.csv",
    )
    assert parsed.entries["model_id"].to_list() == ["good/model"]
    assert set(parsed.scores["model_id"]) == {"good/model"}
    assert parsed.rows_read == 7
    assert dict(parsed.rejected["row_number", "reason"].rows()) == {
        2: "Average: 'fifty' is not a number",
        3: "ARC lies outside 0 to 100",
        4: "no model name",
        5: "no score on any benchmark",
        6: "Average: 'inf' is not a number",
        7: "repeats row 1 to the letter",
    }
    assert json.loads(parsed.rejected["content"][0])["Average"] == "fifty"


def test_an_average_over_fewer_benchmarks_than_the_board_has_is_no_average(load: Load) -> None:
    parsed = load(scrape(("some/model", "60.0", "60", "60", "60", None)), "2023-05-23.csv")
    assert parsed.entries["average"].to_list() == [None]
    assert parsed.scores["benchmark"].to_list() == ["ARC", "HellaSwag", "MMLU"]


@pytest.mark.data
def test_the_1848_incomplete_rows_of_april_2024_have_no_average(leaderboard_home: Path) -> None:
    april = lake_of(leaderboard_home).read(LEADERBOARD_ENTRIES).filter(pl.col("as_of_date") == dt.date(2024, 4, 10))
    assert april["average"].null_count() == 1848


@pytest.mark.data
def test_mixtral_is_a_mixture_of_experts_in_every_snapshot_that_says(leaderboard_home: Path) -> None:
    entries = lake_of(leaderboard_home).read(LEADERBOARD_ENTRIES)
    is_mixture = entries.filter(pl.col("model_id") == "mistralai/Mixtral-8x7B-Instruct-v0.1")["is_moe"].drop_nulls()
    assert is_mixture.to_list() == [True] * 7


@pytest.mark.data
def test_inverted_flags_are_set_right(leaderboard_home: Path) -> None:
    flags = ["is_moe", "is_merged", "is_flagged"]
    entries = lake_of(leaderboard_home).read(LEADERBOARD_ENTRIES).filter(pl.col("is_merged").is_not_null())
    counted = entries.group_by("as_of_date").agg(pl.col(flags).sum()).sort("as_of_date")
    assert {day.isoformat(): counts for day, *counts in counted.rows()} == {
        "2024-06-15": [563, 1329, 109],  # the file says MoE True in 6,606 rows, Merged in 5,840, Flagged in 7,060
        "2024-08-13": [34, 129, 0],  # Flagged is True in all 729 rows
        "2024-10-15": [47, 250, 0],  # MoE is True in 1,453 rows
        "2024-12-08": [51, 362, 1],
        "2025-02-13": [62, 594, 1],  # from here on the headings mean what they say
        "2025-03-13": [76, 715, 1],
    }


@pytest.mark.data
def test_zero_and_minus_one_are_no_parameter_counts(leaderboard_home: Path) -> None:
    final = lake_of(leaderboard_home).read(LEADERBOARD_ENTRIES).filter(pl.col("as_of_date") == dt.date(2025, 3, 13))
    unknown = final.filter(pl.col("reported_parameters").is_null())["entry_id"].to_list()
    assert sorted(unknown) == [
        "Corianas_llama-3-reactor_float16",  # -1
        "DeepMount00_Llama-3.1-8b-Ita_bfloat16",
        "JungZoona_T3Q-Qwen2.5-14B-Instruct-1M-e3_bfloat16",
        "Quazim0t0_ODB-14B-sce_bfloat16",
        "allenai_OLMo-1.7-7B-hf_float16",
        "cognitivecomputations_dolphin-2.9.2-Phi-3-Medium_bfloat16",  # -1
        "databricks_dbrx-base_float16",
        "google_umt5-base_float16",  # -1
        "internlm_internlm2-7b_float16",
        "mistral-community_Mixtral-8x22B-v0.1_float16",
    ]
    assert final["reported_parameters"].min() == 2_000_000


@pytest.mark.data
def test_the_rescaled_column_called_parameters_never_becomes_a_parameter_count(leaderboard_home: Path) -> None:
    lake = lake_of(leaderboard_home)
    scraped = lake.read(LEADERBOARD_ENTRIES).filter(
        pl.col("as_of_date").is_between(dt.date(2023, 5, 1), dt.date(2023, 11, 1))
    )
    assert scraped.height > 5_000
    assert scraped["reported_parameters"].null_count() == scraped.height
    falcon = lake.read(MODELS).filter(pl.col("model_id") == "tiiuae/falcon-40b")  # 33.3 in May, 60.6 in July
    assert falcon["parameters_total"].item() > 40e9


@pytest.mark.data
def test_a_model_named_by_a_piece_of_html_is_the_text_of_its_first_link(shared_data: Path, load: Load) -> None:
    folder = shared_data / "open_llm_leaderboard"
    link = pl.read_parquet(folder / "v2/2024-10-15_contents.parquet", columns=["Model", "fullname"])
    export = pl.read_csv(folder / V2_UI, infer_schema=False).head(link.height)
    linked = export.with_columns(link["Model"].head(export.height))
    assert linked["Model"].str.starts_with("<a target").all()
    assert (
        load(linked, "2024-08-14.csv").entries["model_id"].to_list() == link["fullname"].head(export.height).to_list()
    )


@pytest.mark.data
def test_a_kind_of_training_is_read_from_its_label_or_else_from_its_emoji(shared_data: Path, load: Load) -> None:
    export = pl.read_csv(shared_data / "open_llm_leaderboard" / V2_UI, infer_schema=False)
    labelled = load(export, "2024-08-13.csv").entries
    by_emoji = load(export.with_columns(Type=pl.lit(None, pl.String)), "2024-08-14.csv").entries
    assert labelled["model_type"].null_count() == 0
    assert by_emoji["model_type"].to_list() == labelled["model_type"].to_list()


@pytest.mark.parametrize(
    ("cell", "text", "value", "wrong"),
    [
        (cells.number("x"), " 7.5 ", 7.5, False),
        (cells.number("x"), "NaN", None, False),
        (cells.number("x"), "inf", None, True),
        (cells.number("x"), "7,5", None, True),
        (cells.positive_number("x", scale=1e9), "2.61", 2.61e9, False),
        (cells.positive_number("x"), "-1", None, False),
        (cells.positive_number("x"), "0.0", None, False),
        (cells.flag("x"), "TRUE", True, False),
        (cells.flag("x", inverted=True), "true", False, False),
        (cells.flag("x"), "yes", None, True),
        (cells.flag("x"), "?", None, False),
        (cells.day("x"), "2024-05-05T12:22:44Z", dt.date(2024, 5, 5), False),
        (cells.day("x"), "2024-13-05", None, True),
        (cells.precision("x"), "torch.BFloat16", "bfloat16", False),
        (cells.precision("x"), "fp6", None, True),
        (cells.model_type("x"), "💬 chat models (RLHF, DPO, IFT, ...)", "chat", False),
        (cells.model_type("x"), "?", None, False),
        (cells.model_type("x"), "💬 something new", None, True),
        (cells.hub_link("x"), '<a href="h">org/model</a>  <a href="d">📑</a>', "org/model", False),
        (cells.hub_link("x"), "org/model", "org/model", False),
        (cells.hub_link("x"), "<b>nothing</b>", None, True),
        (cells.architecture("x"), "L;l;a;m;a", "Llama", False),
        (cells.score_from_error("x"), "0.25", 75.0, False),
    ],
)  # fmt: skip
def test_a_cell_has_a_value_or_is_absent_or_is_wrong(cell: cells.Cell, text: str, value: object, wrong: bool) -> None:
    frame = pl.DataFrame({"x": [text, None, ""]})
    read = frame.select(cell.value().alias("value"), cell.is_wrong().alias("wrong"))
    assert read.rows() == [(value, wrong), (None, False), (None, False)]


CASE = "09-one-column-too-many-or-a-semicolon"


@pytest.mark.data
@pytest.mark.parametrize("way", ["extra-rank", "unnamed-index", "semicolon"])
def test_a_table_saved_by_pandas_or_a_spreadsheet_is_the_table_that_it_was(
    shared_data: Path, store: RawStore, way: str
) -> None:
    path = shared_data.parent / "cases" / CASE / way / "2025-02-20_contents.csv"
    if not path.exists():
        pytest.skip("the case is not here")
    payload = path.read_bytes()
    what = recognise(payload, ".csv", path.name)
    assert (what.layout, what.subject) == ("v2_contents_2025_02", "open_llm_v2")
    now = dt.datetime.now(dt.UTC)
    manifest = Manifest(what.source, what.layout, what.subject, what.as_of, path.name, None, None, now)
    read = leaderboard_tables.parse(store.add(payload, ".csv", manifest))
    assert (read.rows_read, read.entries.height, read.scores.height) == (3, 3, 18)
    assert read.entries["average"].to_list() == [22.4882, 24.1801, 23.5283]
    assert read.rejected["reason"].to_list() == (["columns not read: Rank"] if way == "extra-rank" else [])


def test_a_percent_sign_after_a_score_is_no_wrong_number(load: Load) -> None:
    table = pl.DataFrame({"Model": ["a/b"], "Average": ["52.02 %"], "URL": ["x"], "Parameters": ["1"]}).with_columns(
        pl.lit("52.02%").alias(name) for name in SCRAPE if name not in {"Model", "Average"}
    )
    read = load(table, "2023-05-20_scrape.csv")
    assert read.entries["average"].to_list() == [52.02]
    assert read.rejected.is_empty()
