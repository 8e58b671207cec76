"""Whether a file is a bundle of measurements."""

import datetime as dt
from pathlib import Path

from pipelines.sources.recognised import Recognised, Unread
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.measure.bundle import UnusableBundle, unpack

SOURCE = "profile_bundles"
LAYOUT = "bundle_1"


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle, whole or not."""
    return folder.suffix == BUNDLE_SUFFIX and folder.is_dir()


def recognise(file: Unread) -> Recognised | None:
    """What a packed bundle is, or None where the file is none.

    Raises:
        UnusableBundle: It is not what was sealed; the message names the file.
    """
    if file.suffix != ".tar":
        return None
    bundle = unpack(file.payload)
    measured_at = str(bundle.environment.get("measured_at", ""))
    try:
        as_of = dt.date.fromisoformat(measured_at[:10])
    except ValueError as error:
        raise UnusableBundle(f"environment.json has no valid date of measurement: {measured_at!r}") from error
    return Recognised(SOURCE, LAYOUT, bundle.run_id, as_of)
