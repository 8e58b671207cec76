"""A second process: its results are those of the first, and its death loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pipelines
from pipelines.beside import ahead, beside, second_process


def _process(wanted: int) -> tuple[int, int]:
    return wanted, os.getpid()


def _die(parent: int) -> int:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_work_is_done_in_another_process_and_in_order() -> None:
    with second_process():
        asked = [beside(_process, number) for number in range(3)]
        answers = [answer() for answer in asked]
    assert [number for number, _ in answers] == [0, 1, 2]
    assert {process for _, process in answers} != {os.getpid()}


def test_without_a_second_process_work_is_done_when_it_is_asked_for() -> None:
    assert beside(_process, 7)() == (7, os.getpid())


def test_what_a_killed_process_owed_is_computed_here() -> None:
    with second_process():
        assert beside(_die, os.getpid())() == os.getpid()
        assert beside(_process, 7)() == (7, os.getpid())


def test_what_goes_wrong_there_is_told_here() -> None:
    with second_process(), pytest.raises(ZeroDivisionError):
        beside(divmod, 1, 0)()


_KILLED = """
import os, signal
from pipelines.beside import beside, second_process
if __name__ == "__main__":
    with second_process():
        print(beside(os.getpid)(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_ends_with_a_first_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(_KILLED)
    # Its output is a file: a second process that lived on would hold a pipe open.
    with (tmp_path / "told").open("w") as told:
        code = subprocess.run([sys.executable, str(program)], stdout=told, check=False, env=_at_the_root()).returncode
    assert code == -signal.SIGKILL
    second = int((tmp_path / "told").read_text())
    for _ in range(100):
        try:
            os.kill(second, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(second, signal.SIGKILL)
    pytest.fail("the second process waits for a first that is gone")


def _at_the_root() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(pipelines.__file__).parents[1])}


def test_work_begun_ahead_is_done_once() -> None:
    with second_process():
        ahead(_moment, "early")
        found = beside(_moment, "early")()
        other = beside(_moment, "early")()
    assert found < other


def _moment(_name: str) -> float:
    return time.monotonic()
