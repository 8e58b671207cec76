"""Declarations that ship, at the addresses of a server on this machine."""

from importlib import resources
from pathlib import Path

from pipelines.sources.boards.declaration import USER_FOLDER
from pipelines.sources.collect import collect
from pipelines.sources.source_files import Collection
from warehouse.settings import Settings

from .hub_server import HubServer

_ORIGINS = (
    "https://raw.githubusercontent.com", "https://api.github.com", "https://models.dev", "https://ec.europa.eu",
)  # fmt: skip


def declare(home: Path, server: HubServer, name: str) -> Settings:
    """The declaration that ships, under another name and at the addresses of the local server."""
    text = resources.files("pipelines").joinpath("sources", "boards", name, "board.toml").read_text("utf-8")
    for origin in _ORIGINS:
        text = text.replace(origin, server.address)
    (home / USER_FOLDER).mkdir(parents=True, exist_ok=True)
    (home / USER_FOLDER / f"{name}.toml").write_text(text.replace(f'"{name}"', f'"my_{name}"', 1), encoding="utf-8")
    return Settings.model_validate({"home": str(home), "http_timeout_s": 5.0, "http_attempts": 2})


def ask(settings: Settings, name: str) -> Collection:
    """Fetch what such a declaration names."""
    return collect([f"board:my_{name}"], settings)
