"""The `skyline` command as people use it: what it prints where, and one sentence with what to do when it cannot."""

import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from pipelines.commands.app import app, main
from pipelines.commands.doctor import PROFILING, Finding
from warehouse.publish import current, releases

REPOSITORY = Path(__file__).parents[2]

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)
MODELS = pl.DataFrame(
    {
        "model": ["small", "good", "beaten", "tie", "unsized", "unscored"],
        "size_gib": [1.0, 5.0, 6.0, 5.0, None, 2.0],
        "score": [30.0, 60.0, 50.0, 60.0, 99.0, None],
    }
)


@dataclass(frozen=True)
class Outcome:
    """What the command left behind."""

    code: int
    out: bytes
    err: str


Skyline = Callable[..., Outcome]


@pytest.fixture
def skyline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Skyline:
    """Runs the command in this process, in an empty folder, on a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["skyline", *arguments])
        capfdbinary.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capfdbinary.readouterr()
        return Outcome(code, printed.out, printed.err.decode())

    return run


@pytest.fixture
def published(bundled_home: Path, monkeypatch: pytest.MonkeyPatch, skyline: Skyline) -> Path:
    """The home of the bundled facts, for reading."""
    monkeypatch.setenv("SKYLINE_HOME", str(bundled_home))
    return bundled_home


def refused(outcome: Outcome, sentence: str) -> None:
    """One sentence on stderr, nothing on stdout, no traceback, not success."""
    assert outcome.code == 1
    assert outcome.out == b""
    assert "Traceback" not in outcome.err
    *progress, last = outcome.err.strip().splitlines()
    assert not any(line.startswith("Error") for line in progress)
    assert last.startswith("Error: ")
    assert sentence in last


def written(folder: Path, name: str, frame: pl.DataFrame = MODELS) -> Path:
    path = folder / name
    {
        ".csv": frame.write_csv,
        ".parquet": frame.write_parquet,
        ".json": frame.write_json,
        ".ndjson": frame.write_ndjson,
    }[path.suffix](path)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(skyline: Skyline, command: str) -> None:
    shown = skyline(command.replace("_", "-"), "--help")
    assert shown.code == 0
    assert f"Example: skyline {command}" in shown.out.decode().replace("\n", " ")


def test_the_commands_that_the_first_issue_promised_are_there() -> None:
    assert {"refresh", "serve", "up", "sql", "front", "doctor"} <= set(COMMANDS)


def test_showing_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['skyline', '--help']\n"
        "from pipelines.commands.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.replace("'", "").strip("[]\n").split(", "))
    assert "typer" in loaded
    assert loaded & {"dagster", "panel", "torch", "holoviews", "bokeh", "scipy", "moocore"} == set()


# ---- refresh ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_refreshing_from_the_bundled_facts_needs_no_network_and_a_second_time_nothing_to_do(
    skyline: Skyline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLINE_HUB_URL", "http://127.0.0.1:9")
    first = skyline("refresh")
    assert first.code == 0
    assert first.out == b""
    brought = re.search(r"(\d+) new files, 0 known, 0 set aside\.", first.err)
    assert brought
    assert "marts.pareto_front: " in first.err  # progress is visible
    release = current(tmp_path / "home" / "published")
    assert str(release.path) in first.err
    again = skyline("refresh", "--source", "bundled")
    assert again.code == 0
    assert f"0 new files, {brought[1]} known, 0 set aside." in again.err
    assert "Nothing changed" in again.err
    assert releases(tmp_path / "home" / "published") == [release.path]


def test_a_source_that_is_not_there_or_not_reachable_is_one_sentence(
    skyline: Skyline, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(skyline("refresh", "--source", "nowhere"), "nowhere does not exist; give a file, a folder, `bundled`")
    monkeypatch.setenv("SKYLINE_HUB_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SKYLINE_HTTP_ATTEMPTS", "1")
    refused(skyline("refresh", "--source", "online"), "could not be fetched in 1 tries")


def test_a_file_of_unknown_layout_is_told_by_its_columns(skyline: Skyline, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("Model,Elo\nx,1\n")
    outcome = skyline("refresh", "--source", "new.csv")
    assert outcome.code == 1
    assert "No known layout has the columns 'Model', 'Elo'" in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err


def test_a_setting_that_does_not_exist_or_is_no_number_is_one_sentence(
    skyline: Skyline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLINE_PORT", "many")
    refused(skyline("doctor"), "Error: SKYLINE_PORT: ")
    monkeypatch.delenv("SKYLINE_PORT")
    monkeypatch.setenv("SKYLINE_DUCKLAKE_DATA", "folder")
    refused(skyline("doctor"), "Error: a DuckLake needs both")
    monkeypatch.delenv("SKYLINE_DUCKLAKE_DATA")
    monkeypatch.setenv("SKYLINE_HOME", "")
    refused(skyline("doctor"), "Error: SKYLINE_HOME: is empty, which would be the working directory")
    monkeypatch.delenv("SKYLINE_HOME")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "skyline.toml").write_bytes(b"home = ")
    refused(skyline("doctor"), "Error: skyline.toml cannot be read: ")


def test_advice_of_the_doctor_is_printed_as_it_is_written_and_names_nobody_elses_package(
    skyline: Skyline, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["profiling"]
    findings = [Finding("x", fine=False, detail="[red]", advice=f"pip install {PROFILING}, [profiling]", needed=False)]
    monkeypatch.setattr("pipelines.commands.doctor.examine", lambda *_, **__: findings)
    shown = skyline("doctor").out.decode()
    assert all(f'"{package}"' in shown for package in extra)
    assert "[red]" in shown
    assert "[profiling]" in shown


# ---- sql ----------------------------------------------------------------------------------------------------------

QUERY = (
    "SELECT model_id, size_gib FROM marts.pareto_front WHERE segment_by = 'all' AND size_gib > 1 ORDER BY ALL LIMIT 3"
)


def test_a_question_is_answered_in_every_format_with_the_same_rows(skyline: Skyline, published: Path) -> None:
    rows = pl.read_csv(io.BytesIO(skyline("sql", QUERY, "--format", "csv").out))
    assert rows.height == 3
    assert pl.DataFrame(json.loads(skyline("sql", QUERY, "--format", "json").out)).equals(rows)
    assert pl.read_parquet(io.BytesIO(skyline("sql", QUERY, "--format", "parquet").out)).equals(rows)
    table = skyline("sql", QUERY).out.decode()
    assert all(name in table for name in rows["model_id"])
    assert table.splitlines()[0].split() == ["model_id", "size_gib"]


def test_an_answer_can_be_written_to_a_file(skyline: Skyline, published: Path, tmp_path: Path) -> None:
    outcome = skyline("sql", QUERY, "--format", "parquet", "--output", "answer.parquet")
    assert (outcome.code, outcome.out) == (0, b"")
    assert "3 rows written to answer.parquet" in outcome.err
    assert pl.read_parquet(tmp_path / "answer.parquet").height == 3


def test_lists_and_records_are_json_in_a_cell_of_csv(skyline: Skyline, published: Path) -> None:
    outcome = skyline(
        "sql", "SELECT ['a', 'é'] AS names, {'size': 7} AS record, NULL::INTEGER[] AS none", "--format", "csv"
    )
    cells = pl.read_csv(io.BytesIO(outcome.out)).row(0)
    assert [cell and json.loads(cell) for cell in cells] == [["a", "é"], {"size": 7}, None]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELEC 1", "The query failed: Parser Error"),
        ("FROM marts.nothing", "The query failed: Catalog Error"),
        ("SELECT nothing FROM core.models", "The query failed: Binder Error"),
        ("DELETE FROM core.models", "read-only"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence(
    skyline: Skyline, published: Path, query: str, sentence: str
) -> None:
    outcome = skyline("sql", query)
    assert outcome.code == 1
    assert outcome.out == b""
    assert "Traceback" not in outcome.err
    assert sentence in outcome.err


def test_without_a_warehouse_the_answer_is_what_to_do(skyline: Skyline) -> None:
    refused(skyline("sql", "SELECT 1"), "run `skyline refresh` first")


def test_debug_shows_where(skyline: Skyline, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.app", "--debug", "sql", "SELECT 1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "NotPublished" in done.stderr


# ---- front --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["models.csv", "models.parquet", "models.json", "models.ndjson"])
def test_the_front_of_anybodys_file_keeps_ties_and_counts_what_was_left_out_on_stderr(
    skyline: Skyline, tmp_path: Path, name: str
) -> None:
    path = written(tmp_path, name)
    outcome = skyline("front", str(path), "--minimise", "size_gib", "--maximise", "score", "--format", "csv")
    assert outcome.code == 0
    assert pl.read_csv(io.BytesIO(outcome.out))["model"].to_list() == ["small", "good", "tie"]
    assert outcome.err == "2 rows left out: an objective is missing or not a finite number.\n"


def test_a_front_may_have_one_objective_or_many_and_other_columns_come_along(skyline: Skyline, tmp_path: Path) -> None:
    path = str(written(tmp_path, "models.csv"))
    front = skyline("front", path, "--maximise", "score", "--format", "json")
    assert {row["model"] for row in json.loads(front.out)} == {"unsized"}
    both = skyline("front", path, "--minimise", "size_gib", "--minimise", "score", "--format", "csv")
    assert pl.read_csv(io.BytesIO(both.out)).columns == MODELS.columns
    assert pl.read_csv(io.BytesIO(both.out))["model"].to_list() == ["small"]


def test_a_number_written_as_text_counts_and_text_among_numbers_is_left_out(skyline: Skyline, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("model,size,score\na, 7 ,1\nb,unknown,9\nc,NA,9\nd,8,2\n")
    outcome = skyline("front", "m.csv", "--minimise", "size", "--maximise", "score", "--format", "csv")
    assert pl.read_csv(io.BytesIO(outcome.out))["model"].to_list() == ["a", "d"]
    assert outcome.err.startswith("2 rows left out")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.csv", "--minimise", "x"), "nowhere.csv is not a file"),
        (("models.csv", "--minimise", "sise"), "models.csv has no column sise; its columns are model, size_gib, score"),
        (("models.csv", "--minimise", "model"), "model of models.csv is not numeric"),
        (("models.csv",), "Name at least one objective: --minimise COLUMN or --maximise COLUMN"),
        (("models.csv", "--minimise", "score", "--maximise", "score"), "score cannot be both minimised and maximised"),
        (("broken.parquet", "--minimise", "x"), "broken.parquet cannot be read as a table"),
        (("broken.json", "--minimise", "x"), "broken.json cannot be read as a table"),
        (("models.xlsx", "--minimise", "x"), "models.xlsx is none of .csv, .parquet, .json"),
    ],
)
def test_a_front_that_cannot_be_had_is_one_sentence(
    skyline: Skyline, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    written(tmp_path, "models.csv")
    for name in ("broken.parquet", "broken.json", "models.xlsx"):
        (tmp_path / name).write_text("[1, 2")
    refused(skyline("front", *arguments), sentence)


# ---- doctor and usage ---------------------------------------------------------------------------------------------


def test_the_doctor_says_what_is_there_and_what_to_do_about_the_rest(skyline: Skyline) -> None:
    outcome = skyline("doctor")
    assert outcome.code == 0
    text = outcome.out.decode()
    for what in ("Python", "dagster", "duckdb", "home", "free disk", "warehouse", "port", "torch", "Chromium"):
        assert what in text
    assert "skyline refresh" in text  # nothing is published here yet


def test_the_doctor_fails_when_something_needed_is_missing(skyline: Skyline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.commands.doctor._LIBRARIES", ("polars", "no-such-library"))
    outcome = skyline("doctor")
    assert outcome.code == 1
    assert "no-such-library" in outcome.out.decode()
    assert "Something that Skyline needs is missing" in outcome.err


@pytest.mark.parametrize("arguments", [("fly",), ("front",), ("sql", "SELECT 1", "--format", "xml")])
def test_a_command_that_is_not_understood_says_how_it_is_used(skyline: Skyline, arguments: tuple[str, ...]) -> None:
    outcome = skyline(*arguments)
    assert outcome.code == 2
    assert "Usage: " in outcome.err
    assert "Traceback" not in outcome.err


def test_the_command_is_installed_under_its_name(tmp_path: Path) -> None:
    program = shutil.which("skyline", path=str(Path(sys.executable).parent))
    assert program is not None


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_or_lack_characters_stop_no_command(tmp_path: Path, closed: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m pipelines.commands.app devices {closed}"
    environment = os.environ | {"SKYLINE_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        ["sh", "-c", command],
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"H100" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_who_stops_the_command_stops_the_server(published: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # However the command was started: here as Dagster leaves a process that a script runs in the background.
    started = ["sh", "-c", "trap '' TERM; exec \"$@\"", "sh"]
    command = [*started, sys.executable, "-m", "pipelines.commands.app", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert served.stdout.readline().split() == ["Home", f"http://127.0.0.1:{port}/"]
        served.terminate()
        served.wait(30)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
