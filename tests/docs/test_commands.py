"""What the documentation tells people to type is run, in order, page by page, on a home with the bundled facts."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.console import Console
from warehouse.publish import current

from .shown import PAGES, ROOT, Page, bare, exceptions

# What a newcomer types first is run with every change; the other pages by `make test-slow`.
QUICK = {"README.md"}
WITH_COMMANDS = [
    pytest.param(page, id=page.name, marks=[] if page.name in QUICK else [pytest.mark.slow])
    for page in PAGES
    if page.run()
]
SERVES = "skyline api --pages"
TOOLS = {"python": "", "skyline": "-m pipelines.commands.app"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def place(bundled_home: Path, tmp_path: Path) -> Path:
    """A folder like a checkout that was set up: the repository's files, a home of its own, and what readers bring."""
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name not in {"site", "build", "tests"}:
            (tmp_path / entry.name).symlink_to(entry)
    home = Path(shutil.copytree(bundled_home, tmp_path / ".skyline", symlinks=True))
    # An older release, to go back to.
    shutil.copyfile(current(home / "published").path, home / "published" / "skyline-1.duckdb")
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, arguments in TOOLS.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (tools / name).chmod(0o755)
    (tools / "activate").touch()
    (tmp_path / "models.csv").write_text("model,size_gib,score\nsmall,1,20\nlarge,9,60\nworse,9,50\n")
    (tmp_path / "bench.csv").write_text(
        "device,engine,stage,metric,value,model,weight_format,batch,output_tokens,context_depth\n"
        "RTX-4090,llama.cpp,decode,tokens_per_s,128,Meta-Llama-3.1-8B,q4_k_m,1,128,512\n"
    )
    (tmp_path / "votes.csv").write_text("model_a,model_b,winner\na,b,model_a\nb,a,model_a\na,b,tie\n")
    return tmp_path


def script_of(page: Page, port: int) -> str:
    """The page's commands as one script that stops at the first that fails and names it."""
    answers = f"curl -sf --retry 60 --retry-delay 1 --retry-all-errors localhost:{port}/readyz"
    lines = ["set -eu -o pipefail", "trap 'echo \"FAILED: $BASH_COMMAND\" >&2' ERR"]
    for command in page.run():
        if bare(command) == SERVES:
            lines += [f"{command} &", answers]
        else:
            lines.append(command.replace("localhost:5007", f"localhost:{port}").replace("curl ", "curl -sSf "))
    return "\n".join(lines)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_of_a_page_works(page: Page, place: Path) -> None:
    port = free_port()
    environment = os.environ | {
        "SKYLINE_HOME": str(place / ".skyline"), "SKYLINE_API_PORT": str(port), "SKYLINE_PORT": str(free_port()),
        "PATH": f"{place / '.venv' / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    log = place / "stderr.txt"
    with log.open("w") as stream:
        bash = subprocess.Popen(
            ["bash", "-c", script_of(page, port)],
            cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
        )  # fmt: skip
        try:
            failed = bash.wait(timeout=880)
        finally:
            # What the page left serving ends with its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(bash.pid, signal.SIGTERM)
    assert not failed, log.read_text()[-3000:]


@pytest.mark.parametrize("page", [page for page in PAGES if page.blocks("sql")], ids=lambda page: page.name)
def test_every_query_of_a_page_is_answered(page: Page, bundled_home: Path) -> None:
    console = Console(bundled_home / "published")
    for query in page.blocks("sql"):
        assert console.ask(query).frame.width


def test_what_is_not_run_is_still_shown_where_the_table_says() -> None:
    shown = {(page.name, bare(command)) for page in PAGES for command in page.commands()}
    assert exceptions()
    assert set(exceptions()) - shown == set()
