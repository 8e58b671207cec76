"""What assets are given: the Skyline home they read from and write to."""

import dagster as dg

from warehouse.lake import Lake
from warehouse.settings import Settings


class Home(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only over what it yields, which is itself
    """The Skyline home; by default the one that the environment and `skyline.toml` name.

    Attributes:
        folder: Another home, empty for the default.
    """

    folder: str = ""

    @property
    def settings(self) -> Settings:
        """Settings of that home."""
        return Settings.model_validate({"home": self.folder}) if self.folder else Settings()

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return self.settings.lake
