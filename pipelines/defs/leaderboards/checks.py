"""What must hold of models across the leaderboards."""

import dagster as dg
import polars as pl

from analytics.identity.model_names import is_older_than
from pipelines.lib.resources import Home
from warehouse.contracts.leaderboards import MODELS


def older_than_their_family(models: pl.DataFrame) -> list[str]:
    """Models that were on the hub or on a board before the family that they are said to be of was released."""
    dated = models.select(
        "model_id", "family", pl.min_horizontal("uploaded_on", "first_submitted_on").alias("there_on")
    )
    return [model_id for model_id, family, there_on in dated.iter_rows() if is_older_than(family, there_on)]


@dg.asset_check(
    asset=MODELS.asset_key,
    blocking=True,
    description="No model is older than the family to which it is assigned.",
)
def no_model_is_older_than_its_family(skyline: Home) -> dg.AssetCheckResult:
    """Hold families, told from names and bases, against the days on which they were released."""
    older = older_than_their_family(skyline.lake.read(MODELS))
    return dg.AssetCheckResult(
        passed=not older, metadata={"models": len(older)}, description=", ".join(older[:5]) or None
    )
