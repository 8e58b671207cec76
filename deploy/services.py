"""The services of compose.yaml as plain processes: the same commands, environment and health checks, no containers.

`make services`. What differs is written down in `_here`: paths, addresses and ports of this machine in place of those
inside containers. PostgreSQL is the one that is installed here; without it Dagster keeps its runs in SQLite files.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.runs.refresh import prepare_dagster_home
from warehouse.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"
PORTS = {"webserver": 3000, "code": 4000, "postgres": 5432, "dashboards": 5006, "api": 5007}
"""Inside containers. Here each may be another."""
SECRETS = ("POSTGRES_PASSWORD", "SKYLINE_API_TOKEN", "SKYLINE_PAGES_PASSWORD")
START_UP_S = 240.0


class NotStarted(RuntimeError):
    """A service ended, or did not become healthy in time; the message says which, and where its log is."""


@dataclass(frozen=True)
class Place:
    """Where this machine has what containers have elsewhere.

    Attributes:
        home: Skyline home, in place of /var/lib/skyline.
        ports: Port of each service.
        secrets: Variables that compose reads from deploy/.env.
        database: Whether a PostgreSQL server is run.
    """

    home: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    database: bool


def services() -> dict[str, dict[str, Any]]:
    """Services of the compose file, in the order in which they may start."""
    services_of_file: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    # What only a profile starts is for other machines than this.
    return {name: service for name, service in services_of_file.items() if "profiles" not in service}


def _here(text: str, place: Place) -> str:
    """A word of the compose file as it reads on this machine."""
    text = re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda match: place.secrets.get(match[1], match[2]), text)
    text = text.replace("/opt/skyline", str(ROOT)).replace("/var/lib/skyline", str(place.home))
    text = text.replace("0.0.0.0", "127.0.0.1").replace("@postgres:", "@127.0.0.1:")
    for name, port in PORTS.items():
        text = re.sub(rf"(?<!\d){port}(?!\d)", str(place.ports[name]), text)
    return "127.0.0.1" if text == "code" else text


def command_of(words: Sequence[str], place: Place) -> list[str]:
    """A command of the compose file, run by this interpreter's installation."""
    here = [_here(word, place) for word in words]
    beside = Path(sys.executable).parent / here[0]
    return [str(beside) if beside.exists() else shutil.which(here[0]) or here[0], *here[1:]]


def environment_of(service: Mapping[str, Any], place: Place) -> dict[str, str]:
    """Environment of a service, over that of this process."""
    own = {name: _here(str(value), place) for name, value in service["environment"].items() if name != "HOME"}
    if not place.database and "DAGSTER_HOME" in own:
        own["DAGSTER_HOME"] = str(prepare_dagster_home(Settings(home=place.home)))
    return os.environ | own


class Running:
    """Processes of the services, each with a log in `logs/` of the home; all end together."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs = place.home / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one, in a process group of its own."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self.place.home, env=dict(environment), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait_until_healthy(self, name: str, check: Sequence[str], environment: Mapping[str, str]) -> None:
        """Ask until the service's own health check passes.

        Raises:
            NotStarted: it ended, or the time is up.
        """
        until = time.monotonic() + START_UP_S
        while time.monotonic() < until:
            self.require_alive()
            asked = subprocess.run(check, env=dict(environment), capture_output=True, check=False)
            if asked.returncode == 0:
                return
            time.sleep(1)
        raise NotStarted(f"{name} is not healthy after {START_UP_S:g} s; its log is {self._logs / name}.log.")

    def require_alive(self) -> None:
        """Raise if a service has ended.

        Raises:
            NotStarted: one has.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                log = self._logs / f"{name}.log"
                last = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
                raise NotStarted(
                    f"{name} ended with code {process.returncode}; its log, {log}, ends: {' / '.join(last)}"
                )

    def stop(self) -> None:
        """End all, the last started first; what does not listen is killed."""
        for process in reversed(self._processes.values()):
            _signal_group(process, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def postgres_programs() -> Path | None:
    """Folder of PostgreSQL's programs; None where it is not installed."""
    on_path = shutil.which("initdb")
    installed = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].resolve().parent if installed else None


def start_postgres(running: Running, programs: Path) -> None:
    """Serve the database of Dagster's runs, and wait until it answers.

    Raises:
        NotStarted: it does not.
    """
    place = running.place
    password = place.secrets["POSTGRES_PASSWORD"]
    _serve_postgres(running, programs, password)
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(place.ports["postgres"])]
    running.wait_until_healthy("postgres", ready, os.environ)
    _create_database(programs, place, password)


def _serve_postgres(running: Running, programs: Path, password: str) -> None:
    """Make a cluster in the home if there is none, and serve it; PostgreSQL refuses to be run by root."""
    data = running.place.home / "postgres"
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if not data.exists():
        data.mkdir(mode=0o700)
        secret = running.place.home / ".postgres-password"
        secret.write_text(password)
        if as_user:
            shutil.chown(data, "postgres")
            shutil.chown(secret, "postgres")
        made = subprocess.run(
            [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "skyline", "-A", "scram-sha-256",
             f"--pwfile={secret}", "--no-sync"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        secret.unlink()
        if made.returncode:
            shutil.rmtree(data)
            raise NotStarted(f"No PostgreSQL cluster could be made in {data}: {made.stderr.strip()}")
    options = ["-p", str(running.place.ports["postgres"]), "-h", "127.0.0.1", "-k", "/tmp"]  # noqa: S108 - its socket
    running.start("postgres", [*as_user, str(programs / "postgres"), "-D", str(data), *options], os.environ)


def _create_database(programs: Path, place: Place, password: str) -> None:
    """The database that the image of PostgreSQL makes by itself."""
    address = ["-h", "127.0.0.1", "-p", str(place.ports["postgres"]), "-U", "skyline"]
    environment = os.environ | {"PGPASSWORD": password}
    subprocess.run([str(programs / "createdb"), *address, "dagster"], env=environment, capture_output=True, check=False)


def start(place: Place) -> Running:
    """Start every service and wait until each is healthy.

    Raises:
        NotStarted: one is not; the others are stopped.
    """
    running = Running(place)
    with ExitStack() as undo:
        undo.callback(running.stop)
        programs = postgres_programs() if place.database else None
        for name, service in services().items():
            if name == "postgres":
                if programs is None:
                    continue
                start_postgres(running, programs)
                continue
            environment = environment_of(service, place)
            running.start(name, command_of(service["command"], place), environment)
            running.wait_until_healthy(name, command_of(service["healthcheck"]["test"][1:], place), environment)
            print(f"{name:<11} {_address(name, place)}", flush=True)
        undo.pop_all()
    return running


def _address(name: str, place: Place) -> str:
    return f"http://127.0.0.1:{place.ports[name]}" if name in {"webserver", "dashboards", "api"} else "up"


def main() -> None:
    """Start, wait for Ctrl-C or the end of one of them, stop."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--home", type=Path, default=Settings().home, help="Skyline home (default: %(default)s)")
    asked = options.parse_args()
    secrets = {name: os.environ.get(name, "skyline") for name in SECRETS}
    database = postgres_programs() is not None
    if not database:
        print("PostgreSQL is not installed here: Dagster keeps its runs in SQLite files.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running = start(Place(asked.home.resolve(), PORTS, secrets, database))
    try:
        while True:
            time.sleep(2)
            running.require_alive()
    except KeyboardInterrupt:
        print("stopping")
    finally:
        running.stop()


if __name__ == "__main__":
    try:
        main()
    except NotStarted as error:
        sys.exit(str(error))
