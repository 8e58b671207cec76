"""What Dagster is told: every asset described, every job, schedule and sensor in its place."""

import datetime as dt
from graphlib import TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.defs.published.assets import PUBLISHED
from pipelines.defs.sources import assets
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.resources import Home
from pipelines.sources.hub.client import HubUnavailable
from warehouse.contracts import TABLES

# Not all there is: capabilities that come later add to it.
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
    "efficiency": {"marts/efficiency", "marts/efficiency_correlations", "marts/evaluation_time"},
    "boards": {
        "raw/board_files", "core/benchmark_results", "core/model_aliases", "core/model_facts",
        "meta/benchmark_redefinitions", "meta/board_sources",
    },
    "sources": {"raw/files"},
    "accounts": {"meta/snapshots", "meta/rejected_rows"},
    "calibration": {"core/kernel_measurements", "marts/calibrations", "marts/prediction_error"},
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
    upstream = {key.to_user_string() for key in GRAPH.get(PUBLISHED).parent_keys}
    assert {"/".join(table.asset_key) for table in TABLES if table.schema != "raw"} <= upstream


@pytest.mark.parametrize("key", sorted(SPECS))
def test_every_asset_has_a_description_a_kind_and_a_layer_and_what_is_fetched_is_to_be_fresh(key: str) -> None:
    spec = SPECS[key]
    assert len(spec.description or "") > 20
    assert spec.kinds
    assert spec.tags["layer"] == spec.key.path[0]
    assert (spec.freshness_policy is not None) == (key in {"raw/files", "raw/board_files"})


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
    assert RAW_FILES in seen
    assert dg.AssetKey(["core", "models"]) in seen


def test_there_is_a_job_for_everything_and_one_for_each_capability_which_does_not_publish() -> None:
    names = {job.name for job in defs.jobs or []}
    assert names >= {"refresh", "derive_leaderboards", "derive_frontier", "derive_efficiency"}
    whole = defs.resolve_job_def("refresh").asset_layer.selected_asset_keys
    # A sweep runs when it is asked for; a bundle of the inbox and a board are named by their partitions.
    assert {key.to_user_string() for key in whole} == SPECS.keys() - {
        "raw/local_sweep", "raw/profile_bundles", "raw/swept_shards", "raw/board_files",
    }  # fmt: skip
    for capability in ("leaderboards", "frontier", "efficiency"):
        chosen = {
            key.to_user_string() for key in defs.resolve_job_def(f"derive_{capability}").asset_layer.selected_asset_keys
        }
        assert chosen >= GROUPS[capability] | {RAW_FILES.to_user_string()}
        assert "published/warehouse" not in chosen


def test_the_workspace_of_the_checkout_is_the_one_that_the_command_starts() -> None:
    root = Path(__file__).resolve().parents[2]
    assert (root / "workspace.yaml").read_text("utf-8") == (root / "pipelines" / "workspace.yaml").read_text("utf-8")


def test_groups_can_be_read_from_left_to_right() -> None:
    graph: dict[str, set[str]] = {}
    for spec in SPECS.values():
        upstream = {SPECS[dep.asset_key.to_user_string()].group_name for dep in spec.deps}
        graph.setdefault(str(spec.group_name), set()).update(map(str, upstream - {spec.group_name}))
    order = list(TopologicalSorter(graph).static_order())  # raises where there is a circle
    assert order[-1] == "published"
    assert order.index("sources") < order.index("calibration") < order.index("performance") < order.index("choices")


def test_what_was_retrieved_and_what_is_published_are_checked() -> None:
    checked = {(key.asset_key.to_user_string(), key.name) for key in GRAPH.asset_check_keys}
    assert checked >= {
        ("raw/files", "sources_answered"), ("raw/files", "files_are_as_stored"),
        ("published/warehouse", "release_is_whole"),
    }  # fmt: skip
    assert GRAPH.get_check_spec(dg.AssetCheckKey(RAW_FILES, "files_are_as_stored")).blocking


def test_every_job_sensor_and_schedule_says_to_a_newcomer_what_it_does() -> None:
    repository = defs.get_repository_def()
    descriptions = {
        each.name: each.description or ""
        for each in [*repository.schedule_defs, *repository.sensor_defs, *(defs.jobs or [])]
    }
    assert {name: text for name, text in descriptions.items() if len(text) < 30} == {}


def test_every_morning_the_published_datasets_are_asked_without_being_told_to() -> None:
    daily = defs.resolve_schedule_def("daily_refresh")
    assert (daily.cron_schedule, daily.execution_timezone, daily.job_name) == ("0 6 * * *", "UTC", "refresh")
    assert daily.default_status is dg.DefaultScheduleStatus.RUNNING
    request = daily.evaluate_tick(dg.build_schedule_context()).run_requests
    assert request is not None
    assert request[0].run_config["ops"][RAW_FILES.to_python_identifier()]["config"] == {"sources": ["online"]}


def test_without_a_network_a_run_goes_on_with_what_is_stored_and_says_who_was_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise HubUnavailable("the hub cannot be reached")

    monkeypatch.setattr(assets, "collect", nobody)
    asked = {"ops": {RAW_FILES.to_python_identifier(): {"config": {"sources": ["online"]}}}}
    done = dg.materialize([assets.raw_files], resources={"skyline": Home(folder=str(tmp_path))}, run_config=asked)
    assert done.success
    checks = {check.check_name: check for check in done.get_asset_check_evaluations()}
    answered = checks["sources_answered"]
    assert (answered.passed, answered.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert answered.description == "online: the hub cannot be reached"
    assert checks["files_are_as_stored"].passed


def test_every_morning_each_board_is_asked_in_a_run_of_its_own(tmp_path: Path) -> None:
    daily = defs.resolve_schedule_def("daily_boards")
    assert (daily.cron_schedule, daily.execution_timezone, daily.job_name) == ("0 5 * * *", "UTC", "fetch_board")
    assert daily.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.instance_for_test() as instance:
        at = dt.datetime(2026, 11, 28, 5, tzinfo=dt.UTC)
        context = dg.build_schedule_context(
            instance, at, repository_def=defs.get_repository_def(), resources={"home": Home(folder=str(tmp_path))}
        )
        requests = daily.evaluate_tick(context).run_requests
        assert requests is not None
        asked = {request.partition_key for request in requests}
        assert asked == set(instance.get_dynamic_partitions("board_sources"))
        assert asked >= {"epoch", "epoch_eci", "lmarena", "teci", "bfcl", "vectara", "models_dev", "livebench", "tau2"}
        assert len({request.run_key for request in requests}) == len(requests)


def test_the_watched_folder_is_looked_at_from_the_start() -> None:
    watched = defs.resolve_sensor_def("inbox")
    assert (watched.job_name, watched.default_status) == ("refresh", dg.DefaultSensorStatus.RUNNING)
