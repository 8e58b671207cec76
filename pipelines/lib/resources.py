"""What assets are given: the Skyline home they read from and write to."""

import functools
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from pipelines.runs.writer_lock import writing_step
from warehouse.lake import Lake
from warehouse.settings import Settings


class Home(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only over what it yields, which is itself
    """The Skyline home; by default the one that the environment and `skyline.toml` name.

    Attributes:
        folder: Another home, empty for the default.
    """

    folder: str = ""

    @functools.cached_property
    def settings(self) -> Settings:
        """Settings of that home."""
        return Settings.model_validate({"home": self.folder}) if self.folder else Settings()

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return self.settings.lake


class WrittenHome(Home):
    """The home as steps that write are given it; the next writer waits for them, even where their run was killed."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> "Generator[WrittenHome, None, None]":  # noqa: ARG002
        """The home for one step, or for all steps of a run in one process."""
        with writing_step(self.settings):
            yield self
