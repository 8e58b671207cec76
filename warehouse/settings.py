"""Where Skyline keeps its things and how it reaches out: from `SKYLINE_*` variables and `skyline.toml`."""

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from warehouse.lake import Lake


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


class BrokenSettings(ValueError):
    """The file of settings cannot be read."""


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several words; in a variable divided by commas, or as a JSON list."""


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
        open_to_all: Whether pages and interface may be served without password or token beyond this machine.
        trusted_proxies: Addresses or networks of proxies whose `X-Forwarded-For` is believed; by default of none.
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
        api_inference: Whether `POST /api/v1/inference` answers prompts, by what may be measured from the pages.
        measure_checkpoints: Folder of checkpoints that visitors of the pages may run; none: they may run nothing.
        measure_endpoints: Servers that visitors may measure from here, and let answer prompts; before an address may
            stand how the server is spoken to, as in `tgi=http://localhost:8080` (`skyline profile protocols`).
        measure_seconds: Longest that a measurement of a visitor may take.
        own_file_mib: Largest file that a visitor of the pages may bring to see it among the rest; 0: none.
        own_file_seconds: Longest that reading one may take.
        own_files_kept: Whether a visitor may have his file kept: it goes into the inbox, where all will see it.
        own_models_online: Whether a visitor may name a model that only the hub knows, so that it is asked there.
        ducklake_catalogue: Catalogue of a DuckLake that releases go to as well, for readers on other machines: a file,
            or `postgres:…`; none: nowhere.
        ducklake_data: Folder or address (`s3://…`) of its Parquet files.
        ducklake_python: Python whose DuckDB has the extensions that it needs; none: this one.
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
    open_to_all: bool = False
    trusted_proxies: Words = ()
    api_requests_per_minute: int = 240
    pages_password: SecretStr | None = None
    oauth_provider: str | None = None
    oauth_key: str | None = None
    oauth_secret: SecretStr | None = None
    oauth_redirect_uri: str | None = None
    cookie_secret: SecretStr | None = None
    origins: Words = ()
    websocket_mib: int = 1
    session_token_s: int = 300
    unused_session_s: int = 60
    most_sessions: int = 200
    log_format: Literal["text", "json"] = "text"
    api_inference: bool = False
    measure_checkpoints: Path | None = None
    measure_endpoints: Words = ()
    measure_seconds: float = 600.0
    own_file_mib: int = 16
    own_file_seconds: float = 60.0
    own_files_kept: bool = False
    own_models_online: bool = False
    ducklake_catalogue: SecretStr | None = None
    ducklake_data: str | None = None
    ducklake_python: Path | None = None

    @field_validator("home", mode="before")
    @classmethod
    def _is_named(cls, value: object) -> object:
        if value == "":
            raise ValueError("is empty, which would be the working directory; name a folder, or do not set it")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @model_validator(mode="after")
    def _knows_where_a_ducklake_keeps_its_files(self) -> Self:
        if (self.ducklake_catalogue is None) != (self.ducklake_data is None):
            raise ValueError(
                "a DuckLake needs both, SKYLINE_DUCKLAKE_CATALOGUE and, for its Parquet files, SKYLINE_DUCKLAKE_DATA"
            )
        return self

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
        try:
            file = TomlConfigSettingsSource(settings_cls)
        except (OSError, ValueError) as error:
            raise BrokenSettings(f"{settings_cls.model_config['toml_file']} cannot be read: {error}") from error
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
