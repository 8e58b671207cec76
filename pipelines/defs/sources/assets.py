"""Files of every source as retrieved: the immutable beginning of all lineage."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from pipelines.lib.contract_assets import FRESHNESS
from pipelines.lib.resources import Home
from pipelines.sources.boards.fetch import SourceDown
from pipelines.sources.collect import collect
from pipelines.sources.hub.client import HubUnavailable, NotOnHub
from pipelines.sources.raw_store import RawStore
from pipelines.sources.source_files import NothingFound

RAW_FILES = dg.AssetKey(["raw", "files"])
ANSWERED = "sources_answered"
UNCHANGED = "files_are_as_stored"


class SourcesConfig(dg.Config):
    """Where to look for new files before reading what is stored.

    Attributes:
        sources: `bundled`, `online`, `online:ORG/MODEL`, or paths; none reads only what is stored.
    """

    sources: list[str] = Field(default_factory=list)


@dg.asset(
    key=RAW_FILES,
    group_name="sources",
    kinds={"file"},
    tags={"layer": "raw"},
    freshness_policy=FRESHNESS,
    description=(
        "Every file that was ever read, as it was retrieved: boards, votes, kernel tables, bundles of measurements."
        " Nothing here is ever changed; every other table is derived from these files, and can be derived again."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            ANSWERED,
            asset=RAW_FILES,
            description="Every source that was contacted answered. Where one did not, its last answer stays in use.",
        ),
        dg.AssetCheckSpec(
            UNCHANGED,
            asset=RAW_FILES,
            blocking=True,
            description="Every stored file still holds the bytes that were stored.",
        ),
    ],
    retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL),
)
def raw_files(
    context: dg.AssetExecutionContext, config: SourcesConfig, skyline: Home
) -> Iterator[dg.MaterializeResult[None]]:
    """Bring new files into the raw store, and say what it holds."""
    settings = skyline.settings
    set_aside: list[str] = []
    unreachable: list[str] = []
    for source in config.sources:
        try:
            collection = collect([source], settings, context.log.info)
            set_aside += [f"{uri}: {reason}" for uri, reason in collection.set_aside]
            unreachable += [f"{dataset}: {reason}" for dataset, reason in collection.unreachable]
        except NothingFound as error:
            # A file that nobody can read must not keep what was read before from being served.
            context.log.warning(str(error))
            set_aside.append(str(error))
        except (HubUnavailable, NotOnHub, SourceDown) as error:
            unreachable.append(f"{source}: {error}")
    for line in unreachable:
        context.log.warning(f"not reached {line}; what was stored before stays in use")
    store = RawStore(settings.raw)
    broken = store.broken(thorough=False)
    stored = {source: store.snapshots(source) for source in store.sources()}
    yield dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(
                check_name=ANSWERED,
                passed=not unreachable,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(unreachable) or None,
            ),
            dg.AssetCheckResult(
                check_name=UNCHANGED,
                passed=not broken,
                metadata={"files": sum(len(group) for group in stored.values())},
                description="; ".join(f"{file.path}: {file.reason}" for file in broken[:3]) or None,
            ),
        ],
        metadata={
            **{source: len(snapshots) for source, snapshots in stored.items()},
            "set_aside_now": dg.MetadataValue.md("\n".join(f"- {line}" for line in set_aside) or "none"),
            "unreachable": dg.MetadataValue.md("\n".join(f"- {line}" for line in unreachable) or "none"),
            "newest": max((str(s.manifest.as_of) for group in stored.values() for s in group), default="none"),
        },
    )
