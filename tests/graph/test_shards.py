"""Shards of a sweep on a Ray cluster of two nodes: real processes, one partition a shard, every bundle in the inbox."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.defs.profiles.ray_shards import sweep
from pipelines.defs.sources.sensors import shards as waiting
from pipelines.lib.resources import Home
from profiling import systems
from profiling.measure.archive import build
from profiling.measure.bundle import verify
from profiling.measure.plan import make_plan
from profiling.measure.plan import shards as dealt

from .graph_run import QUIET

TINY = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256,
    "max_position_embeddings": 128, "tie_word_embeddings": True,
}  # fmt: skip
QUICKLY = ["--calibrate-seconds", "0", "--point-seconds", "0.5", "--no-layers", "--no-telemetry", "--device", "cpu"]


@pytest.fixture
def shard_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which a plan waits that was dealt out in two."""
    home = tmp_path / "home"
    folder = home / "profiles" / "shards"
    folder.mkdir(parents=True)
    grid = {"models": {"org/one": TINY, "org/two": TINY | {"hidden_size": 128}}, "contexts": [16],
            "stages": ["prefill"], "precisions": ["float32"], "threads": 1}  # fmt: skip
    for number, shard in enumerate(dealt(make_plan(grid), 2), start=1):
        (folder / f"night-{number}.json").write_text(json.dumps(shard))
        os.utime(folder / f"night-{number}.json", (0, 0))
    monkeypatch.setenv("SKYLINE_HOME", str(home))
    return home


def test_a_plan_that_waits_becomes_a_partition_and_a_run(shard_home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        result = waiting(context, home=Home(folder=str(shard_home)))
    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == ["night-1", "night-2"]
    (added,) = result.dynamic_partitions_requests or []
    assert list(added.partition_keys) == ["night-1", "night-2"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of two nodes with room for one shard each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


# Stays the first time, so that its node or its worker can be lost, and says which processes these are.
STAYS_ONCE = """
import json, os, pathlib, sys, time
said = pathlib.Path(json.loads(pathlib.Path("plan.json").read_text())["said"])
parent = next(line.split()[1] for line in open(f"/proc/{os.getppid()}/status") if line.startswith("PPid"))
is_first = not list(said.iterdir())
(said / "beginning").write_text(f"{parent} {os.getppid()} {os.getpid()}")
(said / "beginning").rename(said / f"{time.time_ns()}.began")
time.sleep(600 if is_first else 0)
bundle = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
bundle.mkdir()
(bundle / "_COMPLETE").touch()
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc tells whose child a process is")
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are many
def test_a_shard_whose_node_is_lost_is_measured_elsewhere_and_where_none_is_left_its_run_ends(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20})
    workers = [nodes.add_node(num_cpus=1, object_store_memory=100 << 20) for _ in range(2)]

    def lose(said: Path) -> None:
        """Lose the node on which a shard begins."""
        while not (began := [*said.glob("*.began")]):
            time.sleep(0.1)
        raylet, _, measuring = map(int, began[0].read_text().split())
        (node,) = (worker for worker in workers if worker.all_processes["raylet"][0].process.pid == raylet)
        workers.remove(node)
        nodes.remove_node(node, allow_graceful=False)
        os.kill(measuring, signal.SIGKILL)  # with the machine all of its processes are gone

    outcomes = []
    try:
        for shard in ("one node is left", "no node is left"):
            said = tmp_path / shard
            said.mkdir()
            losing = threading.Thread(target=lose, args=(said,))
            losing.start()
            plans = {shard: json.dumps({"said": str(said)}).encode()}
            outcomes += sweep(plans, STAYS_ONCE.encode(), [], nodes.address, gpus=0, cpus=1, patience_s=10)
            losing.join()
    finally:
        nodes.shutdown()
    measured, given_up = outcomes
    assert (bool(measured.bundle), bool(measured.node)) == (True, True)
    assert given_up.bundle == b""
    assert given_up.output == (
        "No node of the cluster has what a shard takes (CPU: 1, GPU: 0): nodes that answer: 1; waited 10 s."
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc tells whose child a process is")
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are many
def test_a_shard_whose_worker_dies_is_measured_again_and_never_twice_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    outlived: list[bool] = []

    def kill() -> None:
        """Kill the worker as a node that runs out of memory does; look for what it began once the next one begins."""
        while not (began := [*tmp_path.glob("*.began")]):
            time.sleep(0.1)
        _, worker, measuring = map(int, began[0].read_text().split())
        os.kill(worker, signal.SIGKILL)
        while len([*tmp_path.glob("*.began")]) < 2:
            time.sleep(0.01)
        outlived.append(systems.is_alive(measuring))

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        plans = {"night": json.dumps({"said": str(tmp_path)}).encode()}
        (measured,) = sweep(plans, STAYS_ONCE.encode(), [], nodes.address, gpus=0, cpus=1, patience_s=60)
    finally:
        killing.join()
        nodes.shutdown()
    assert (bool(measured.bundle), outlived) == (True, [False])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are many
def test_shards_are_measured_by_the_nodes_of_a_cluster_and_land_whole(shard_home: Path, cluster: str) -> None:
    folder = shard_home / "profiles" / "shards"
    build(shard_home / "profiling.pyz")
    program = (shard_home / "profiling.pyz").read_bytes()
    plans = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.json"))}
    together = list(sweep(plans, program, QUICKLY, cluster, gpus=0, cpus=1))
    assert {shard.name for shard in together} == plans.keys()
    assert len({shard.node for shard in together}) == 2, "each node has room for one, so both measured"

    config = {"ops": {"raw__swept_shards": {"config": {"address": cluster, "arguments": QUICKLY}}}}
    job = defs.resolve_job_def("measure_shards")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("sweep_shards", ["night-1"])
        outcomes = []
        for _ in range(2):
            done = job.execute_in_process(instance=instance, partition_key="night-1", run_config={**QUIET, **config})
            assert done.success
            outcomes.append(done.get_asset_materialization_events()[-1].materialization.metadata["measured"].value)
    assert outcomes == [True, False], "what was measured is not measured again"
    bundle = verify(shard_home / "inbox" / "night-1.bundle")
    assert [point["status"] for point in bundle.final_points()] == ["ok"]
