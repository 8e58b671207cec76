"""Under which name Skyline is installed, and which version of it this is."""

from importlib import metadata

DISTRIBUTION = "skyline-models"
"""The name `skyline` is that of a stranger's package, so nothing is ever installed under it."""


def version() -> str:
    """The version that is installed; `not installed` where the modules are used from a folder."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "not installed"
