"""PostgreSQL of Dagster's runs goes away in the middle of a refresh: what is published does not rest on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import pipelines.definitions
import pipelines.defs.jobs
from pipelines.defs.published import assets as published
from pipelines.defs.published.assets import PUBLISHED
from pipelines.lib.resources import WrittenHome
from pipelines.runs.refresh import refresh
from pipelines.runs.writer_lock import UNFINISHED, only_writer
from tests.deploy.conftest import Postgres
from warehouse.publish import current, releases
from warehouse.settings import Settings
from warehouse.versions import fault

pytestmark = pytest.mark.slow
AWAY = "Dagster's storage cannot be reached, so its interface will not show this refresh: "


@pytest.fixture
def home(bundled_home: Path, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose runs are in PostgreSQL, and of which only the publishing is done again."""
    home = Path(shutil.copytree(bundled_home, tmp_path / "home", symlinks=True))
    shutil.rmtree(home / "dagster", ignore_errors=True)
    (home / "dagster").mkdir()
    shutil.copyfile(postgres.folder / "dagster.yaml", home / "dagster" / "dagster.yaml")
    job = dg.define_asset_job("publish_again", selection=dg.AssetSelection.assets(PUBLISHED))
    more = dg.Definitions.merge(pipelines.definitions.defs, dg.Definitions(jobs=[job]))
    monkeypatch.setattr(pipelines.definitions, "defs", more)
    monkeypatch.setattr(pipelines.defs.jobs, "REFRESH", job)
    numbers: Iterator[int] = iter(range(1000))
    for module in ("pipelines.runs.refresh", "pipelines.defs.published.assets"):
        monkeypatch.setattr(f"{module}.fingerprint", lambda _: f"always another {next(numbers)}")
    return Settings.model_validate({"home": str(home)})


def goes_away(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of the step that publishes."""
    monkeypatch.setattr(published, "publish_elsewhere", lambda _: postgres.stop())


def materialisations(home: Settings) -> int:
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return len(instance.fetch_materializations(PUBLISHED, limit=100).records)


def test_a_refresh_publishes_and_says_that_dagster_does_not_know(
    home: Settings, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    refresh(["bundled"], home, lines.append)
    assert (materialisations(home), [line for line in lines if line.startswith(AWAY)]) == (1, [])
    with monkeypatch.context() as while_away:
        goes_away(postgres, while_away)
        before = current(home.published)
        done = refresh(["bundled"], home, lines.append)
    assert (done.release == before, fault(done.release.path)) == (False, None)
    (message,) = [line for line in lines if line.startswith(AWAY)]
    assert len(message.splitlines()) == 1
    # Nor does a writer that was killed need it to be swept after; that it was is remembered for the next.
    (home.home / UNFINISHED).touch()
    refresh(["bundled"], home, lines.append)
    assert (home.home / UNFINISHED).exists()
    postgres.start()
    lines.clear()
    refresh(["bundled"], home, lines.append)
    assert (materialisations(home), [line for line in lines if line.startswith(AWAY)]) == (2, [])
    assert not (home.home / UNFINISHED).exists()


def test_a_run_of_dagsters_ends_and_keeps_neither_lock_nor_readers(
    home: Settings, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pipelines.definitions.defs.resolve_job_def("publish_again")
    with monkeypatch.context() as while_away:
        goes_away(postgres, while_away)
        resources = {"skyline": WrittenHome(folder=str(home.home))}
        with (
            only_writer(home),
            dg.DagsterInstance.from_config(str(home.dagster)) as instance,
            pytest.raises(Exception, match=r"connect|terminat|server closed"),
        ):
            job.execute_in_process(instance=instance, resources=resources)
    assert fault(current(home.published).path) is None
    release_count = len(releases(home.published))
    postgres.start()
    lines: list[str] = []
    done = refresh(["bundled"], home, lines.append)
    assert fault(done.release.path) is None
    assert (len(releases(home.published)) >= release_count, materialisations(home) >= 1) == (True, True)
