"""Where Skyline keeps its things and how it reaches out: from `SKYLINE_*` variables and `skyline.toml`."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from warehouse.lake import Lake


class Settings(BaseSettings):
    """Settings of one Skyline home.

    Attributes:
        home: Folder that holds everything; relative to the working directory.
        keep_releases: Published versions that stay.
        hub_url: Address of the dataset hub.
        http_timeout_s: Patience for one answer of the network.
        http_attempts: Tries before giving up.
        address: Address the pages are served on.
        port: Port the pages are served on.
        api_port: Port the HTTP interface is served on.
        api_token: What clients of the HTTP interface must show; none: nothing.
        api_requests_per_minute: What one address may ask of the HTTP interface.
        pages_password: What visitors of the pages must type, under any name; none: nothing.
        oauth_provider: Who vouches for visitors in its place, as Panel names it: github, google, azure, okta, …
        oauth_key: Our name with that provider.
        oauth_secret: Our secret with that provider.
        oauth_redirect_uri: Address of the pages as the provider knows it.
        cookie_secret: Signs cookies; none: a new one at each start, so that visitors log in again.
        origins: Hosts, with port, whose pages may open a websocket here; none: those of the address.
        websocket_mib: Largest message of a browser, in MiB.
        session_token_s: How long the token of a page that was fetched may open a session, in seconds.
        unused_session_s: How long a session without a browser stays, in seconds.
        most_sessions: Pages that may be open at once; who comes then is asked to come back.
        log_format: How servers write their logs: text, or json for one object a line.
        measure_checkpoints: Folder of checkpoints that visitors of the pages may run; none: they may run nothing.
        measure_endpoints: Servers that visitors may measure from here.
        measure_seconds: Longest that a measurement of a visitor may take.
    """

    model_config = SettingsConfigDict(env_prefix="SKYLINE_", toml_file="skyline.toml", extra="forbid")

    home: Path = Path(".skyline")
    keep_releases: int = 3
    hub_url: str = "https://huggingface.co"
    http_timeout_s: float = 30.0
    http_attempts: int = 5
    address: str = "127.0.0.1"
    port: int = 5006
    api_port: int = 5007
    api_token: SecretStr | None = None
    api_requests_per_minute: int = 240
    pages_password: SecretStr | None = None
    oauth_provider: str | None = None
    oauth_key: str | None = None
    oauth_secret: SecretStr | None = None
    oauth_redirect_uri: str | None = None
    cookie_secret: SecretStr | None = None
    origins: tuple[str, ...] = ()
    websocket_mib: int = 8
    session_token_s: int = 300
    unused_session_s: int = 60
    most_sessions: int = 200
    log_format: Literal["text", "json"] = "text"
    measure_checkpoints: Path | None = None
    measure_endpoints: tuple[str, ...] = ()
    measure_seconds: float = 600.0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables of the environment win over the file."""
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, file, file_secret_settings

    @property
    def raw(self) -> Path:
        """Immutable snapshots."""
        return self.home / "raw"

    @property
    def lake(self) -> Lake:
        """Parquet of every table."""
        return Lake(self.home / "lake")

    @property
    def published(self) -> Path:
        """Databases that readers open."""
        return self.home / "published"

    @property
    def inbox(self) -> Path:
        """Watched folder: files dropped here are ingested."""
        return self.home / "inbox"

    @property
    def dagster(self) -> Path:
        """Storage of Dagster's own."""
        return self.home / "dagster"
