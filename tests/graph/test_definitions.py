"""What Dagster is told: every asset described, every job, schedule and sensor in its place."""

import dagster as dg
import pytest

from pipelines.assets.published import PUBLISHED
from pipelines.assets.sources import RAW_FILES
from pipelines.definitions import defs
from warehouse.contracts import TABLES

# What issue 2 laid; capabilities that come later add to it.
GROUPS = {
    "leaderboards": {
        "raw/reported_entries", "core/models",
        "core/leaderboard_entries", "core/benchmark_scores", "core/evaluation_runs", "core/non_embedding_scores",
        "marts/score_revisions", "marts/revision_summary",
    },
    "frontier": {
        "core/published_fronts", "marts/pareto_front", "marts/pareto_front_history", "marts/pareto_hypervolume",
        "marts/dominated_by", "marts/published_front_comparison",
    },
    "efficiency": {"marts/efficiency", "marts/efficiency_correlations", "marts/size_fits", "marts/evaluation_time"},
    "sources": {"raw/files", "meta/snapshots", "meta/rejected_rows"},
    "arena": {
        "core/arena_board", "core/model_licences", "core/model_releases", "core/arena_votes", "marts/arena_ratings",
        "marts/arena_win_rates", "marts/open_vs_proprietary", "marts/arena_progress", "marts/frontier_gpu_demand",
    },
    "statistics": {
        "marts/benchmark_statistics", "marts/z_scores", "marts/benchmark_correlations", "marts/benchmark_saturation",
        "marts/capability_loadings", "marts/capability_scores", "marts/cluster_choices", "marts/model_clusters",
        "marts/scaling_fits", "marts/scaling_residuals", "marts/scaling_shape", "marts/diminishing_returns",
        "marts/capability_density", "marts/capability_density_trend", "marts/non_embedding_trend",
    },
    "published": {"published/warehouse"},
}  # fmt: skip
SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
GRAPH = defs.resolve_asset_graph()


def test_the_code_location_loads_as_the_server_loads_it() -> None:
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("group", GROUPS)
def test_every_table_stands_in_the_group_of_its_capability(group: str) -> None:
    assert {key for key, spec in SPECS.items() if spec.group_name == group} >= GROUPS[group]


def test_what_was_retrieved_and_what_was_rejected_are_tables_like_any_other() -> None:
    assert {"meta/snapshots", "meta/rejected_rows"} <= SPECS.keys()


def test_every_table_with_a_contract_is_an_asset_and_is_published() -> None:
    tables = {"/".join(table.asset_key) for table in TABLES}
    assert tables <= SPECS.keys()
    upstream = {key.to_user_string() for key in GRAPH.get(dg.AssetKey(list(PUBLISHED))).parent_keys}
    assert {"/".join(table.asset_key) for table in TABLES if table.schema != "raw"} <= upstream


@pytest.mark.parametrize("key", sorted(SPECS))
def test_every_asset_has_an_owner_a_description_a_kind_a_layer_and_freshness(key: str) -> None:
    spec = SPECS[key]
    assert [owner for owner in spec.owners if owner.startswith("team:")]
    assert len(spec.description or "") > 20
    assert spec.kinds
    assert spec.tags["layer"] == spec.key.path[0]
    assert spec.freshness_policy is not None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.relation)
def test_the_columns_of_a_table_are_told_with_type_and_meaning_and_its_contract_is_a_blocking_check(
    table: object,
) -> None:
    assert isinstance(table, type(TABLES[0]))
    schema = SPECS["/".join(table.asset_key)].metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == table.column_names
    assert all(column.description and column.type for column in schema.columns)
    checks = {
        key.name: GRAPH.get_check_spec(key)
        for key in GRAPH.asset_check_keys
        if key.asset_key.path == list(table.asset_key)
    }
    assert checks["contract"].blocking


def test_what_holds_across_rows_blocks_publishing_and_a_slip_of_the_board_does_not() -> None:
    blocking = {
        key.name: GRAPH.get_check_spec(key).blocking for key in GRAPH.asset_check_keys if key.name != "contract"
    }
    assert blocking.items() >= {
        ("front_is_non_dominated", True),
        ("rows_do_not_collapse", True),
        ("averages_are_means", False),
    }


def test_lineage_leads_from_the_retrieved_files_to_the_published_table() -> None:
    seen: set[dg.AssetKey] = set()
    todo = {dg.AssetKey(["marts", "pareto_front"])}
    while todo:
        key = todo.pop()
        seen.add(key)
        todo |= GRAPH.get(key).parent_keys - seen
    assert dg.AssetKey(list(RAW_FILES)) in seen
    assert dg.AssetKey(["core", "models"]) in seen


def test_there_is_a_job_for_everything_and_one_for_each_capability_which_does_not_publish() -> None:
    names = {job.name for job in defs.jobs or []}
    assert names >= {"refresh", "derive_leaderboards", "derive_frontier", "derive_efficiency"}
    whole = defs.resolve_job_def("refresh").asset_layer.selected_asset_keys
    # A sweep runs when it is asked for, and a bundle of the inbox is named by its partition.
    assert {key.to_user_string() for key in whole} == SPECS.keys() - {
        "raw/local_sweep", "raw/profile_bundles", "raw/swept_shards",
    }  # fmt: skip
    for capability in ("leaderboards", "frontier", "efficiency"):
        chosen = {
            key.to_user_string() for key in defs.resolve_job_def(f"derive_{capability}").asset_layer.selected_asset_keys
        }
        assert chosen >= GROUPS[capability] | {"/".join(RAW_FILES)}
        assert "published/warehouse" not in chosen


def test_every_morning_the_published_datasets_are_asked_once_somebody_switches_that_on() -> None:
    daily = defs.resolve_schedule_def("daily_refresh")
    assert (daily.cron_schedule, daily.execution_timezone, daily.job_name) == ("0 6 * * *", "UTC", "refresh")
    assert daily.default_status is dg.DefaultScheduleStatus.STOPPED
    request = daily.evaluate_tick(dg.build_schedule_context()).run_requests
    assert request is not None
    assert request[0].run_config["ops"]["__".join(RAW_FILES)]["config"] == {"sources": ["online"]}


def test_the_watched_folder_is_looked_at_from_the_start() -> None:
    watched = defs.resolve_sensor_def("inbox")
    assert (watched.job_name, watched.default_status) == ("refresh", dg.DefaultSensorStatus.RUNNING)
