"""From stored arena files to boards, licences, release dates, ratings, and the race of open against proprietary."""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from pipelines.defs.ability.stored_sizes import DOOR_TABLES, door_of
from pipelines.defs.arena import race
from pipelines.defs.arena.tables import RATED, Boards, rate_vote_files
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.sources.accounts import by_its_name, rejected_file
from pipelines.sources.arena.layouts import ROW_ORDER_SINCE
from pipelines.sources.arena.reference import declared_identities, licence_rules, model_parameters, published_ratings
from pipelines.sources.arena.store import load_boards, vote_account, vote_sets
from pipelines.sources.raw_store import RawStore
from pipelines.sources.votes.files import UnreadableVotes
from warehouse.contracts import Table, arena_race
from warehouse.contracts import arena as tables
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_ALIASES, MODEL_FACTS
from warehouse.contracts.catalogue import ARCHITECTURES

_BOARDS = (tables.ARENA_BOARD, tables.RELEASE_EVIDENCE)
_ROUNDING_POINTS = 1e-6
_LEAST_SHARE = 0.5


@dg.multi_asset(
    name="parsed_boards",
    **makes(
        spec(tables.SNAPSHOTS, [RAW_FILES]),
        spec(tables.REJECTED_ROWS, [RAW_FILES]),
        spec(tables.ARENA_BOARD, [RAW_FILES, BENCHMARK_RESULTS, MODEL_FACTS]),
        spec(tables.RELEASE_EVIDENCE, [RAW_FILES]),
    ),
)
def parsed_boards(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored board and list of release dates by its declared layout; add what the living source brought."""
    loaded = load_boards(RawStore(skyline.settings.raw))
    living = race.living_boards(skyline.lake.read(BENCHMARK_RESULTS), skyline.lake.read(MODEL_FACTS))
    board = pl.concat([loaded.board, living])
    yield write(skyline.lake, tables.SNAPSHOTS, loaded.snapshots)
    yield write(skyline.lake, tables.REJECTED_ROWS, loaded.rejected)
    boards = board.select(tables.BOARD_KEY).n_unique()
    yield write(skyline.lake, tables.ARENA_BOARD, board, boards=boards)
    yield write(skyline.lake, tables.RELEASE_EVIDENCE, loaded.evidence)


@dg.multi_asset(name="published_arena_ratings", **makes(spec(tables.RATING_REFERENCE, [], kinds={"csv"})))
def published_arena_ratings(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the bundled ratings with where each is from."""
    yield write(skyline.lake, tables.RATING_REFERENCE, published_ratings())


_RACE_TABLES = (
    tables.MODEL_LICENCES, tables.MODEL_RELEASES, tables.OPEN_VS_PROPRIETARY, tables.ORGANISATION_GAPS,
    tables.ARENA_PROGRESS, arena_race.ARENA_SERIES, arena_race.ARENA_SERIES_LINKS,
)  # fmt: skip
_RACE = makes(*(spec(table, _BOARDS) for table in _RACE_TABLES))
_IDENTIFIED = (MODEL_ALIASES, ARCHITECTURES)
_LICENCES_KNOWN = dg.AssetCheckSpec(
    "licences_are_known",
    asset=tables.MODEL_LICENCES.asset_key,
    description="Every spelling of a licence has a class.",
)
_BOARDS_DECIDED = dg.AssetCheckSpec(
    "boards_are_decided",
    asset=tables.OPEN_VS_PROPRIETARY.asset_key,
    description="No model of unknown licence class ranks above the best open one; otherwise the gap is uncertain.",
)


@dg.multi_asset(
    name="open_models_race",
    specs=_RACE["specs"],
    check_specs=[*_RACE["check_specs"], _LICENCES_KNOWN, _BOARDS_DECIDED],
)
def open_models_race(skyline: Home) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Who is open since when, and how far open models stand behind on every board."""
    lake = skyline.lake
    boards = Boards(lake.read(tables.ARENA_BOARD), licence_rules(), lake.read(tables.RELEASE_EVIDENCE))
    yield write(lake, tables.MODEL_LICENCES, boards.model_licences())
    releases = boards.model_releases()
    yield write(lake, tables.MODEL_RELEASES, releases, conflicts=int(releases["conflict"].is_not_null().sum()))
    yield write(lake, tables.OPEN_VS_PROPRIETARY, boards.open_vs_proprietary())
    yield write(lake, tables.ORGANISATION_GAPS, boards.organisation_gaps())
    yield write(lake, tables.ARENA_PROGRESS, boards.progress())
    joined, links = race.series(boards.board)
    yield write(lake, arena_race.ARENA_SERIES, joined, breaks=int(links["is_break"].sum()))
    yield write(lake, arena_race.ARENA_SERIES_LINKS, links)
    yield _emptiness_check(_LICENCES_KNOWN, boards.unknown_licences, "licence")
    yield _emptiness_check(_BOARDS_DECIDED, boards.undecided_boards, "models")


@dg.multi_asset(
    name="frontier_gpu_demand",
    **makes(spec(arena_race.FRONTIER_GPU_DEMAND, [tables.ARENA_PROGRESS, *_IDENTIFIED, *DOOR_TABLES])),
)
def frontier_gpu_demand(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Size the open models that moved the frontier through the one door, the rule of thumb beside it."""
    lake = skyline.lake
    progress, aliases = lake.read(tables.ARENA_PROGRESS), lake.read(MODEL_ALIASES)
    catalogue = lake.read(ARCHITECTURES, ["model_id"])["model_id"]
    names = race.identities(progress["model"], catalogue, declared_identities(), aliases)
    demand = race.gpu_demand(progress, names, model_parameters(), door_of(lake))
    yield write(lake, arena_race.FRONTIER_GPU_DEMAND, demand, without_shapes=int(demand["gpus_needed"].null_count()))


def _emptiness_check(check: dg.AssetCheckSpec, rows: pl.DataFrame, what: str) -> dg.AssetCheckResult:
    """A warning that names what was found; readers see the tables all the same."""
    names = rows[what].value_counts(sort=True)
    return dg.AssetCheckResult(
        passed=rows.is_empty(),
        asset_key=check.asset_key,
        check_name=check.name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": rows.height, what: dg.MetadataValue.json(dict(names.iter_rows()))},
        description="; ".join(names[what].head(5)) or None,
    )


@dg.multi_asset(
    name="rated_votes",
    **makes(
        spec(tables.VOTE_SNAPSHOTS, [RAW_FILES]),
        spec(tables.VOTE_REJECTED_ROWS, [RAW_FILES]),
        *(spec(table, [RAW_FILES], kinds={"duckdb"}) for table in RATED),
    ),
)
def rated_votes(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Rate every stored set of votes in every category that it tells apart."""
    sets, not_read = vote_sets(RawStore(skyline.settings.raw))
    snapshots: list[pl.DataFrame] = []
    rejected = [not_read]
    rated: list[Mapping[Table, pl.DataFrame]] = []
    notes: list[str] = []
    for votes in sets:
        try:
            ratings = rate_vote_files([votes.stored.path], votes.votes_id)
        except UnreadableVotes as error:
            rejected.append(rejected_file(votes.stored, by_its_name(votes.stored, str(error))))
            continue
        snapshot, unusable = vote_account(votes.stored, ratings.votes_read, ratings.rejected)
        snapshots.append(snapshot)
        rejected.append(unusable)
        rated.append(ratings.tables)
        notes += [by_its_name(votes.stored, f"{votes.votes_id}, {note}") for note in ratings.notes]
    yield write(skyline.lake, tables.VOTE_SNAPSHOTS, tables.VOTE_SNAPSHOTS.concat(snapshots))
    yield write(skyline.lake, tables.VOTE_REJECTED_ROWS, pl.concat(rejected))
    listed = dg.MetadataValue.md("\n".join(f"- {note}" for note in notes) or "none")
    for table in RATED:
        yield write(skyline.lake, table, table.concat(part[table] for part in rated), notes=listed)


def split_boards(board: pl.DataFrame) -> int:
    """Boards whose rows come from more than one file."""
    files = board.group_by(tables.BOARD_KEY).agg(pl.col("snapshot_id").n_unique())
    return int((files["snapshot_id"] > 1).sum())


@dg.asset_check(
    asset=tables.ARENA_BOARD.asset_key, blocking=True, description="No board is put together from two files."
)
def boards_come_from_one_file(skyline: Home) -> dg.AssetCheckResult:
    """A board read twice would show every model twice."""
    split = split_boards(skyline.lake.read(tables.ARENA_BOARD))
    return dg.AssetCheckResult(passed=split == 0, metadata={"boards_from_several_files": split})


def lopsided(rated: pl.DataFrame) -> pl.DataFrame:
    """Rows whose rating is not in the middle of its interval."""
    above, below = pl.col("rating_upper") - pl.col("rating"), pl.col("rating") - pl.col("rating_lower")
    return rated.filter((above - below).abs() > _ROUNDING_POINTS)


@dg.asset_check(
    asset=tables.ARENA_BOARD.asset_key,
    description="From 2025-07-27 on, when boards went over to sandwich errors, published intervals are symmetric.",
)
def published_intervals_are_symmetric(skyline: Home) -> dg.AssetCheckResult:
    """A lopsided interval says that a board changed its method again, or that we read it wrongly."""
    wrong = lopsided(skyline.lake.read(tables.ARENA_BOARD).filter(pl.col("as_of_date") >= ROW_ORDER_SINCE))
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": wrong.height, "publications": dg.MetadataValue.json(wrong["publication"].unique().to_list())},
    )


@dg.asset_check(asset=tables.ARENA_RATINGS.asset_key, blocking=True, description="Sandwich intervals are symmetric.")
def our_intervals_are_symmetric(skyline: Home) -> dg.AssetCheckResult:
    """A normal interval that is not centred on its rating was shifted apart from it."""
    wrong = lopsided(skyline.lake.read(tables.ARENA_RATINGS).filter(pl.col("method") != "elo"))
    return dg.AssetCheckResult(passed=wrong.is_empty(), metadata={"rows": wrong.height})


def lost_votes(board: pl.DataFrame) -> pl.DataFrame:
    """Models that have fewer votes than on the board before."""
    return _with_votes_before(board).filter(pl.col("votes") < pl.col("before"))


def gutted_boards(board: pl.DataFrame) -> pl.DataFrame:
    """Boards on which most models of the board before have lost more than half of their votes."""
    share = (pl.col("votes") / pl.col("before")).median()
    return _with_votes_before(board).group_by(tables.BOARD_KEY).agg(share=share).filter(pl.col("share") < _LEAST_SHARE)


def _with_votes_before(board: pl.DataFrame) -> pl.DataFrame:
    series = ["publication", "arena", "category", "style_control", "model"]
    counted = board.filter(pl.col("votes").is_not_null()).sort("as_of_date")
    return counted.with_columns(before=pl.col("votes").shift().over(series)).filter(pl.col("before") > 0)


@dg.asset_check(
    asset=tables.ARENA_BOARD.asset_key,
    description="Boards withdraw some votes of some models, never half the votes of most.",
)
def votes_fall_a_little_at_most(skyline: Home) -> dg.AssetCheckResult:
    """Count the known decreases, and warn where a whole board shrank."""
    board = skyline.lake.read(tables.ARENA_BOARD)
    lost, gutted = lost_votes(board), gutted_boards(board)
    most = lost.select((pl.col("before") - pl.col("votes")).max()).item()
    return dg.AssetCheckResult(
        passed=gutted.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"decreases": lost.height, "largest_decrease": most or 0, "gutted_boards": gutted.height},
    )
