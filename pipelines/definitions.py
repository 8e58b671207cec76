"""Everything that Dagster needs, loaded from the folder `defs`: no logic, and nothing listed by hand."""

import warnings

import dagster as dg

from pipelines import defs as capabilities
from pipelines.lib.resources import Home, WrittenHome
from pipelines.runs.executor import SIDE_BY_SIDE

with warnings.catch_warnings():
    # `load_from_defs_folder` calls the same loader, but only where a pyproject.toml lies above the installed package.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    defs = dg.load_definitions_from_package_module(
        capabilities,
        # Sensors look, and a sweep measures for hours: neither keeps others from writing.
        resources={"skyline": WrittenHome(), "home": Home(), "pipes": dg.PipesSubprocessClient()},
        executor=SIDE_BY_SIDE,
    )
