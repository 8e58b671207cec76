"""What assets are given: the Skyline home they read from and write to."""

import functools
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from pipelines.writer_lock import only_writer
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


class HeldHome(Home):
    """The home, held for writing from the beginning of a run to its end; a second run waits its turn.

    Runs that `skyline refresh` makes get a `Home`, as that command holds the lock itself.

    Attributes:
        patience_s: How long a run waits for another writer before it fails.
    """

    patience_s: float = 900.0

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> "Generator[HeldHome, None, None]":
        """The home for one run.

        Raises:
            HomeBusy: another process is still writing to it.
        """
        if context.log is not None:
            context.log.debug("waiting for the lock of %s", self.settings.home)
        with only_writer(self.settings, self.patience_s):
            yield self
