"""One way to run a job in this process, quietly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.definitions import defs

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """Runs jobs on one home."""

    home: Path
    instance: dg.DagsterInstance
    environment: pytest.MonkeyPatch

    def __call__(
        self, keys: Sequence[str] = (), config: dict[str, Any] | None = None, job: str = "refresh"
    ) -> dg.ExecuteInProcessResult:
        """Run the job, or the named assets of it (`schema/table`) and what is made in one step with them."""
        self.environment.setenv("SKYLINE_HOME", str(self.home))
        named = dg.AssetSelection.assets(*keys).required_multi_asset_neighbors()
        return defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            asset_selection=list(named.resolve(defs.resolve_asset_graph())) or None,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    """Assets that the run wrote."""
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
