"""The files of deploy/: accepted by the tools that read them, without secrets, telemetry or needless rights."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.services import COMPOSE, PORTS, SECRETS, Place, command_of, environment_of, services

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
VALUES = yaml.safe_load((KUBERNETES / "dagster-values.yaml").read_text("utf-8"))
OURS = {name: service for name, service in services().items() if name != "postgres"}


def compose_command() -> list[str] | None:
    """`docker compose`, or the program of that name; it needs no engine to check a file."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    return None


def test_compose_accepts_its_file_and_refuses_it_without_secrets() -> None:
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor docker-compose is on this machine")
    asked = [*command, "-f", str(COMPOSE), "config"]
    plain = {name: value for name, value in os.environ.items() if name not in SECRETS}
    secrets = dict.fromkeys(SECRETS, "x")
    accepted = subprocess.run(asked, env=plain | secrets, capture_output=True, text=True, check=False)
    assert accepted.returncode == 0, accepted.stderr
    # The first Compose prints those of profiles too, the second does not.
    assert set(yaml.safe_load(accepted.stdout)["services"]) >= set(services())
    refused = subprocess.run(asked, env=plain, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "set it in deploy/.env" in refused.stderr


@pytest.mark.parametrize("name", services())
def test_every_service_is_checked_and_restarted(name: str) -> None:
    service = services()[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_unprivileged_and_tell_nobody(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    for switch in ("DAGSTER_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        assert service["environment"][switch] == "1"


def test_pages_and_interface_cannot_write_to_the_home() -> None:
    for name in ("dashboards", "api"):
        assert OURS[name]["volumes"] == ["home:/var/lib/skyline:ro"]


def test_dagster_without_a_login_listens_on_this_machine_only() -> None:
    assert OURS["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    assert not yaml.safe_load((ROOT / "deploy/dagster/dagster.yaml").read_text("utf-8"))["telemetry"]["enabled"]


def test_no_secret_is_written_down() -> None:
    example = (ROOT / "deploy" / "env.example").read_text("utf-8")
    assert re.findall(rf"^({'|'.join(SECRETS)})=$", example, flags=re.MULTILINE) == list(SECRETS)


def test_passwords_origins_and_proxies_are_handed_on() -> None:
    pages, interface = OURS["dashboards"]["environment"], OURS["api"]["environment"]
    assert pages["SKYLINE_PAGES_PASSWORD"].startswith("${SKYLINE_PAGES_PASSWORD:?")
    assert interface["SKYLINE_API_TOKEN"].startswith("${SKYLINE_API_TOKEN:?")
    assert "SKYLINE_ORIGINS" in pages
    for environment in (pages, interface):
        assert "SKYLINE_TRUSTED_PROXIES" in environment
    variables = {variable["name"] for variable in manifests()[1]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables >= {"SKYLINE_PAGES_PASSWORD", "SKYLINE_API_TOKEN", "SKYLINE_ORIGINS", "SKYLINE_TRUSTED_PROXIES"}


def test_without_containers_only_places_differ(tmp_path: Path) -> None:
    ports = {name: port + 10_000 for name, port in PORTS.items()}
    place = Place(tmp_path, ports, {"POSTGRES_PASSWORD": "x", "SKYLINE_API_TOKEN": "y"}, database=True)
    command = command_of(OURS["webserver"]["command"], place)
    assert command[1:] == ["-h", "127.0.0.1", "-p", "13000", "-w", str(ROOT / "deploy" / "workspace.yaml")]
    environment = environment_of(OURS["code"], place)
    assert environment["DAGSTER_POSTGRES_URL"] == "postgresql+psycopg2://skyline:x@127.0.0.1:15432/dagster"
    assert environment["DAGSTER_CODE_PORT"] == "14000"
    assert environment["SKYLINE_HOME"] == str(tmp_path)


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / "skyline.yaml").read_text("utf-8")))


@pytest.mark.parametrize("manifest", manifests(), ids=lambda manifest: manifest["kind"])
def test_kubernetes_knows_every_field_of_the_manifests(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_knows_every_field_of_the_code_server_in_the_values_of_the_chart() -> None:
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    container = {
        "name": "code", "image": code["image"]["repository"], "env": code["env"], "resources": code["resources"],
        "volumeMounts": code["volumeMounts"], "securityContext": code["securityContext"],
    }  # fmt: skip
    pod = {"containers": [container], "volumes": code["volumes"], "securityContext": code["podSecurityContext"]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "code"}, "spec": pod}
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert VALUES["telemetry"] == {"enabled": False}


def test_the_chart_is_of_the_version_of_the_library() -> None:
    (pinned,) = re.findall(r"^dagster==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"), flags=re.MULTILINE)
    assert f"--version {pinned} " in (KUBERNETES / "dagster-values.yaml").read_text("utf-8")


def test_code_server_and_pages_share_one_claim_and_one_image() -> None:
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    claim, pages = manifests()[0], manifests()[1]["spec"]["template"]["spec"]
    assert code["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert pages["volumes"][0]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"], "readOnly": True}
    assert pages["containers"][0]["image"] == f"{code['image']['repository']}:{code['image']['tag']}"
