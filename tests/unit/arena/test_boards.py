"""Published boards read by their exact columns, every row accounted for, and licences mean what they say."""

import datetime as dt
from importlib import resources
from pathlib import Path

import polars as pl
import pytest

from analytics.identity import licences
from analytics.identity.release_dates import best_release_dates
from pipelines.sources.arena.layouts import BOARD_LAYOUTS, UnknownBoardLayout
from pipelines.sources.arena.read import ParsedBoard, UnnamedBoard, identify_board, parse_board
from pipelines.sources.arena.reference import (
    evidence_of,
    licence_rules,
    published_ratings,
    release_evidence,
    release_statements,
)
from warehouse.contracts.arena import ARENA_BOARD, LICENCE_CLASSES, RATING_REFERENCE
from warehouse.contracts.violations import violations

HEADER = "rank,rank_stylectrl,model,arena_score,95_pct_ci,votes,organization,license,knowledge_cutoff,url\n"


def parse(text: str, uri: str = "2025-02-10_lmsys_text.csv") -> ParsedBoard:
    return parse_board(text.encode(), ".csv", uri, "snapshot")


def board_files(shared_data: Path) -> list[Path]:
    arena = shared_data / "arena"
    histories = ("arena_catalog_history.parquet", "alltime_text_full.csv", "boards_2026.csv")
    return [
        *sorted((arena / "snapshots").glob("*.csv")),
        *sorted((arena / "tables").glob("*.csv")),
        *(arena / "history" / name for name in histories),
    ]


@pytest.mark.data
@pytest.mark.slow
def test_every_real_board_loads_and_only_repeated_models_are_rejected(shared_data: Path) -> None:
    parsed = [parse_board(f.read_bytes(), f.suffix, f.name, f.name) for f in board_files(shared_data)]
    assert all(p.rows_read == p.rows.height + p.rejected.height for p in parsed)
    rows, rejected = pl.concat(p.rows for p in parsed), pl.concat(p.rejected for p in parsed)
    assert violations(ARENA_BOARD, rows) == {}
    assert (rows.height, rejected.height) == (208_164, 171)
    assert rejected["content"].str.contains("(?i)yi-34b-chat|Imagen-4.0-ultra-generate").all()
    assert rejected["reason"].str.ends_with("with another rating").sum() == 3  # two models under one name
    assert rejected["reason"].str.starts_with("repeats the model of row").all()
    assert licences.unknown_licences(rows, licence_rules()).is_empty()


@pytest.mark.data
def test_from_2025_07_27_the_rank_by_interval_stands_in_the_other_column(shared_data: Path) -> None:
    folder = shared_data / "arena/snapshots"
    before, after = (
        parse_board((folder / name).read_bytes(), ".csv", name, "s").rows
        for name in ("2025-07-18_lmsys_text.csv", "2025-07-27_lmarena_text.csv")
    )
    assert before["rank"].is_duplicated().any()
    assert after["rank"].is_duplicated().any()  # row numbers never repeat
    assert before["rank_style_control"].null_count() == 0
    assert after["rank_style_control"].null_count() == after.height


def test_no_two_layouts_share_their_columns() -> None:
    assert len({layout.columns for layout in BOARD_LAYOUTS}) == len(BOARD_LAYOUTS)


def test_a_row_that_cannot_be_read_is_rejected_with_its_cell_and_its_words() -> None:
    parsed = parse(
        HEADER
        + "1,1,Good,1300,+5/-4,100,Org,MIT,2023/10,u\n"
        + "2,2,Bad interval,1300,5,100,Org,MIT,,u\n"
        + "3,3,Bad rating,high,+5/-4,100,Org,MIT,,u\n"
        + "4,4,,1300,+5/-4,100,Org,MIT,,u\n"
        + "5,5,Good,1300,+5/-4,100,Org,MIT,,u\n"
        + "6,6,No licence,1200,+5/-4,-,Org,N/A,,u\n"
    )
    assert parsed.rows["model"].to_list() == ["Good", "No licence"]
    assert parsed.rows.select("rating_lower", "rating_upper").row(0) == (1296.0, 1305.0)
    assert parsed.rows.select("licence", "votes").row(1) == (None, None)
    assert parsed.rejected.select("row_number", "reason").rows() == [
        (2, "95_pct_ci: '5' is not an interval as +5/-4"),
        (3, "arena_score: 'high' is not a number"),
        (4, "no model name"),
        (5, "repeats the model of row 1 on the same board"),
    ]


def test_an_unknown_layout_names_the_columns_and_the_nearest_known_one() -> None:
    with pytest.raises(UnknownBoardLayout, match="it lacks surprise and has in addition votes"):
        parse(HEADER.replace("votes", "surprise"))


def test_a_board_without_a_date_or_an_arena_is_not_guessed() -> None:
    with pytest.raises(UnnamedBoard, match="its arena"):
        parse(HEADER, "2025-02-10.csv")
    with pytest.raises(UnnamedBoard, match="its date"):
        parse(HEADER, "lmsys_text.csv")


def test_the_published_dataset_is_recognised_with_its_arena_and_style_from_the_folder() -> None:
    header = (
        "model_name,organization,license,rating,rating_lower,rating_upper,variance,vote_count,rank,category,"
        "leaderboard_publish_date\n"
    )
    row = "glm-5,Z.ai,MIT,1450.5,,,2.0,1000,1,overall,2026-02-01\n"
    uri = "text_style_control/latest-00000-of-00001.parquet"
    identified = identify_board((header + row).encode(), ".csv", uri)
    assert (identified.arena, identified.style_control, identified.as_of) == ("text", True, dt.date(2026, 2, 1))
    parsed = parse_board((header + row).encode(), ".csv", uri, "s").rows.row(0, named=True)
    assert (parsed["model_key"], parsed["rating"], parsed["rating_lower"]) == ("glm-5", 1450.5, None)


def classified(*rows: tuple[str, dt.date, str, str | None, str | None]) -> pl.DataFrame:
    columns = ["publication", "as_of_date", "model", "model_key", "licence"]
    schema = dict.fromkeys(columns, pl.String) | {"as_of_date": pl.Date}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(organization=pl.lit("Org"))
    return licences.with_licence_class(licences.identified(frame), licence_rules())


def test_misspelt_licences_and_those_of_single_models_are_set_right() -> None:
    day = dt.date(2025, 1, 1)
    frame = classified(
        ("board_csv", day, "Claude 3.5 Haiku (20241022)", None, "Propretary"),
        ("board_csv", day, "Qwen-Max-0919", None, "Qwen"),
        ("board_csv", day, "Qwen2.5-72B-Instruct", None, "Qwen"),
        ("board_csv", day, "Command R+", None, "CC-BY-NC-4.0"),
    )
    assert frame["licence_class"].to_list() == ["proprietary", "proprietary", "open_weights", "restricted"]
    assert frame["licence_evidence"][1].startswith("declared correction")


def test_a_board_without_licences_learns_them_from_others_by_key_or_shown_name() -> None:
    frame = classified(
        ("space_table", dt.date(2024, 9, 4), "Command R+ (08-2024)", "command-r-plus-08-2024", "CC-BY-NC-4.0"),
        ("arena_catalog", dt.date(2025, 2, 5), "command-r-plus-08-2024", "command-r-plus-08-2024", None),
        ("board_csv", dt.date(2025, 2, 5), "Command R+ (08-2024)", None, None),
        ("arena_catalog", dt.date(2025, 2, 5), "command-r-08-2024", "command-r-08-2024", None),
    )
    assert frame["licence_class"].to_list() == ["restricted", "restricted", "restricted", None]


def test_a_change_of_licence_is_kept_and_a_coarse_label_does_not_undo_a_specific_one() -> None:
    frame = classified(
        ("board_csv", dt.date(2024, 7, 24), "Deepseek-v2-API-0628", None, "Proprietary"),
        ("board_csv", dt.date(2024, 8, 2), "Deepseek-v2-API-0628", None, "DeepSeek"),
        ("boards_2026", dt.date(2026, 7, 7), "Deepseek-v2-API-0628", None, "proprietary"),
        ("boards_2026", dt.date(2026, 7, 7), "kimi-k3-max", None, "open"),
        ("boards_2026", dt.date(2026, 7, 8), "kimi-k3-max", None, "proprietary"),
        ("boards_2026", dt.date(2026, 7, 9), "kimi-k3-max", None, "open"),
    )
    history = licences.licence_history(frame).select("model", "licence_class", "valid_from", "valid_to")
    assert history.rows() == [
        ("Deepseek-v2-API-0628", "proprietary", dt.date(2024, 7, 24), dt.date(2024, 8, 2)),
        ("Deepseek-v2-API-0628", "open_weights", dt.date(2024, 8, 2), None),
        ("kimi-k3-max", "open_weights", dt.date(2026, 7, 7), None),
    ]


def test_an_unknown_licence_is_reported_and_never_taken_for_open() -> None:
    frame = classified(("board_csv", dt.date(2025, 1, 1), "New", None, "Brand New Licence"))
    assert frame["licence_class"].to_list() == [None]
    assert licences.unknown_licences(frame, licence_rules()).rows() == [("Brand New Licence", 1, "New")]
    assert set(licence_rules()["licence_class"]) == set(LICENCE_CLASSES)


@pytest.mark.data
def test_release_dates_agree_with_the_reviewed_facts(shared_data: Path) -> None:
    facts = pl.read_csv(shared_data.parent / "facts/arena_model_facts_all.csv", infer_schema=False)
    identity = licences.normalised(pl.col("model")).alias("identity")
    first = facts.select(identity, first_board_date=pl.col("first_seen_arena_table").str.to_date())
    evidence = release_evidence().filter(pl.col("source") != "announcement").rename({"name": "identity"})
    best = best_release_dates(evidence, first.drop_nulls())
    reviewed = facts.filter(grade="A").select(identity, expected=pl.col("release_date").str.to_date())
    joined = reviewed.join(best, on="identity", how="left")
    assert joined.height == 103
    assert joined.filter(pl.col("release_date").ne_missing(pl.col("expected"))).is_empty()
    assert joined.filter(pl.col("grade").ne_missing(pl.lit("A"))).is_empty()


def test_a_date_after_the_first_board_gives_way_or_is_reported() -> None:
    evidence = pl.DataFrame(
        [("yi", "graphes_livre", "2024-01-23"), ("yi", "epoch", "2023-11-02"), ("solo", "epoch", "2024-06-01")],
        schema=["identity", "source", "stated"],
        orient="row",
    )
    boards = pl.DataFrame(
        {
            "identity": ["yi", "solo", "none"],
            "first_board_date": [dt.date(2023, 12, 6), dt.date(2024, 5, 1), dt.date(2025, 1, 1)],
        }
    )
    best = {row["identity"]: row for row in best_release_dates(evidence, boards).iter_rows(named=True)}
    assert (best["yi"]["release_date"], best["yi"]["grade"]) == (dt.date(2023, 11, 2), "C")
    assert best["yi"]["conflict"] == "82 days apart: graphes_livre 2024-01-23, epoch 2023-11-02"
    assert (best["solo"]["grade"], best["solo"]["conflict"]) == ("C", "a board showed it on 2024-05-01 already")
    assert (best["none"]["source"], best["none"]["release_date"]) == ("first_board", dt.date(2025, 1, 1))


def test_a_listing_long_before_any_board_is_of_a_namesake() -> None:
    evidence = pl.DataFrame(
        [("glm", "models.dev", "2024-05-01"), ("sure", "models.dev", "2024-05-01"), ("sure", "epoch", "2024-05-02")],
        schema=["identity", "source", "stated"],
        orient="row",
    )
    board = dt.date(2025, 10, 1)
    best = best_release_dates(evidence, pl.DataFrame({"identity": ["glm", "sure"], "first_board_date": [board, board]}))
    assert best.select("release_date", "grade", "source").rows() == [
        (board, "C", "first_board"), (dt.date(2024, 5, 2), "A", "epoch+models.dev"),
    ]  # fmt: skip
    assert best["conflict"].to_list() == ["only models.dev dates it, 2024-05-01, long before any board", None]


@pytest.mark.data
def test_every_published_source_of_release_dates_is_read(shared_data: Path) -> None:
    folder = shared_data / "arena/release_dates"
    names = ("release_date_mapping_graphes_livre.json", "models_dev.csv", "epoch_notable_ai_models.csv",
             "comparia_generated-models.json")  # fmt: skip
    evidence = {name: evidence_of(release_statements((folder / name).read_bytes(), name)) for name in names}
    assert {frame["source"].unique().item() for frame in evidence.values()} == {
        "graphes_livre", "models.dev", "epoch", "comparia"
    }  # fmt: skip
    mapping = evidence[names[0]].filter(name="claude3opus20240229")
    assert mapping["stated"].item() == "2024-02-29"


def test_the_bundled_ratings_are_sound_and_cover_some_sixty_models() -> None:
    assert violations(RATING_REFERENCE, published_ratings()) == {}
    table = resources.files("warehouse").joinpath("reference/arena_published_ratings.csv").read_bytes()
    parsed = parse_board(table, ".csv", "bundled/arena_published_ratings.csv", "bundled")
    assert violations(ARENA_BOARD, parsed.rows) == {}
    assert (parsed.rows.height, parsed.rejected.height) == (published_ratings().height, 0)
    assert published_ratings()["model"].n_unique() >= 60
    assert published_ratings().select((pl.col("rating").is_between("rating_lower", "rating_upper")).all()).item()
