"""Shards of a sweep on a Ray cluster: each is measured by a task on whatever node has room, and comes back as a bundle.

A node needs Python, torch and Ray, and nothing of Skyline: the task brings the one-file program of `profile zipapp`.
Nothing of ours is imported above the task, so that it can be sent by value.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 600.0
_LOOK_S = 5.0
_ENDS_WITH_US = """
import ctypes, os, signal, sys
worker = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, which stays through execv
    if os.getppid() != worker:
        sys.exit("the worker has ended")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Runs Python with the arguments behind the worker's number, and ends with that worker however it ends: Ray begins the
shard of a worker that died again, and two of them at once would measure each other."""


@dataclass(frozen=True)
class Measured:
    """What became of one shard.

    Attributes:
        name: Of the shard.
        node: Ray's name of the node that measured it.
        bundle: The bundle's files as a tar archive; empty where it failed.
        output: The last lines that the program printed.
    """

    name: str
    node: str
    bundle: bytes
    output: str

    def unpack(self, folder: Path) -> None:
        """Write the bundle's files into a folder that is not there yet."""
        with tarfile.open(fileobj=io.BytesIO(self.bundle)) as archive:
            archive.extractall(folder, filter="data")


def measure(program: bytes, plan: bytes, name: str, arguments: Sequence[str]) -> tuple[str, bytes, str]:
    """Measure one plan in a folder that is forgotten; runs on a node. Node, bundle as tar, and what was printed."""
    import ray  # noqa: PLC0415 - Ray is there when this runs

    node = str(ray.get_runtime_context().get_node_id())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "profiling.pyz").write_bytes(program)
        (work / "plan.json").write_bytes(plan)
        run = ["profiling.pyz", "run", "plan.json", "--out", f"{name}.bundle", *arguments]
        command = [sys.executable, "-c", _ENDS_WITH_US, str(os.getpid()), *run]
        done = subprocess.run(  # noqa: S603 - this interpreter, our program
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        output = done.stdout.decode("utf-8", "replace")[-2000:]
        if done.returncode or not (work / f"{name}.bundle" / "_COMPLETE").exists():
            return node, b"", output
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(work / f"{name}.bundle", arcname=".")
        return node, packed.getvalue(), output


def sweep(
    shards: Mapping[str, bytes],
    program: bytes,
    arguments: Sequence[str],
    address: str | None,
    *,
    gpus: float,
    cpus: float,
    patience_s: float = PATIENCE_S,
) -> Iterator[Measured]:
    """Measure every shard, as many at a time as the cluster has room for; in the order in which they end.

    A shard whose node is lost is measured on another.

    Args:
        shards: Plans by name.
        program: The one-file program.
        arguments: Further arguments of `profile run`.
        address: Of the cluster; None: what RAY_ADDRESS says, else a cluster on this machine for the time of the call.
        gpus: What one shard takes of a node, as Ray counts it.
        cpus: Likewise.
        patience_s: How long a node that has as much may be missing, until the shards that wait for one are given up.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: nothing answers at the address.
    """
    import ray  # noqa: PLC0415 - takes seconds, and most homes never need it

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with ray.init(address=address, include_dashboard=False, log_to_driver=False, configure_logging=False):
        # A crash of a point is a result; a node that is lost is not, and its shards are measured elsewhere.
        task: Any = ray.remote(num_gpus=gpus, num_cpus=cpus, max_retries=2)(measure)
        program_there = ray.put(program)
        waiting = {task.remote(program_there, plan, name, list(arguments)): name for name, plan in shards.items()}
        roomless_since_s: float | None = None
        while waiting:
            ended, _ = ray.wait(list(waiting), timeout=_LOOK_S)
            for each in ended:
                name = waiting.pop(each)
                try:
                    yield Measured(name, *ray.get(each))
                except ray.exceptions.RayError as error:
                    yield Measured(name, "", b"", str(error)[-2000:])
            # Ray itself waits for ever for a node that may never come.
            now = time.monotonic()
            has_room = any(_has(node, gpus, cpus) for node in ray.nodes())
            roomless_since_s = None if has_room else roomless_since_s or now
            if roomless_since_s is not None and now - roomless_since_s >= patience_s:
                for each, name in waiting.items():
                    ray.cancel(each, force=True)
                    yield Measured(name, "", b"", _roomless(ray.nodes(), gpus, cpus, patience_s))
                return


def _has(node: Mapping[str, Any], gpus: float, cpus: float) -> bool:
    """Whether a node lives and has as much, taken or not."""
    has: Mapping[str, float] = node["Resources"]
    return bool(node["Alive"]) and has.get("GPU", 0) >= gpus and has.get("CPU", 0) >= cpus


def _roomless(nodes: Sequence[Mapping[str, Any]], gpus: float, cpus: float, patience_s: float) -> str:
    alive = sum(bool(node["Alive"]) for node in nodes)
    return (
        f"No node of the cluster has what a shard takes (CPU: {cpus:g}, GPU: {gpus:g}): nodes that answer: {alive};"
        f" waited {patience_s:g} s."
    )
