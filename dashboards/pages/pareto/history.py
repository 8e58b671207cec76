"""Fronts over time: which frames there are, by submission day or by snapshot, and the front of each. Pure frames."""

import datetime as dt
from dataclasses import dataclass

import polars as pl

_MEMBER = {"entry_id": pl.String, "model_id": pl.String, "precision": pl.String, "x": pl.Float64, "y": pl.Float64}


@dataclass(frozen=True, eq=False)
class History:
    """Frames of a front.

    Attributes:
        days: Columns day, hypervolume, members: one row per frame, in order.
        labels: Label of each frame in the address and on the player.
        intervals: Members with the first day on which they stand and the first on which they no longer do.
        by_label: Members of each frame, where frames are snapshots; else empty.
    """

    days: pl.DataFrame
    labels: list[str]
    intervals: pl.DataFrame
    by_label: dict[str, pl.DataFrame]

    def day(self, label: str) -> dt.date:
        """Day of the frame with that label."""
        day_of_label: dt.date = self.days["day"][self.labels.index(label)]
        return day_of_label

    def members(self, label: str) -> pl.DataFrame:
        """The front of the frame with that label, from its cheapest member."""
        if label in self.by_label:
            return self.by_label[label]
        day = self.day(label)
        standing = (pl.col("entered_on") <= day) & (pl.col("left_on").is_null() | (pl.col("left_on") > day))
        return _drawable(self.intervals.filter(standing))


def by_submission(intervals: pl.DataFrame, hypervolume: pl.DataFrame, scale: float) -> History:
    """Frames are the days on which the front of one snapshot moved.

    Args:
        intervals: Result of the query `front_history`.
        hypervolume: Result of the query `hypervolume`.
        scale: Turns a stored cost into the unit shown.
    """
    entered = intervals["entered_on"].unique().sort()
    known = hypervolume.rename({"on_date": "day", "front_members": "members"}).select("day", "hypervolume", "members")
    moved = pl.DataFrame({"day": entered}, schema={"day": pl.Date})
    days = moved.join(known, on="day", how="left", maintain_order="left")
    scaled = intervals.with_columns(pl.col("cost") * scale)
    return History(days, [day.isoformat() for day in entered], scaled, {})


def by_snapshot(fronts: pl.DataFrame, scale: float) -> History:
    """Frames are the whole snapshots of a board, each with the front that it said.

    Args:
        fronts: Result of the query `fronts_by_snapshot`.
        scale: Turns a stored cost into the unit shown.
    """
    scaled = fronts.with_columns(pl.col("cost") * scale)
    frames: dict[str, pl.DataFrame] = {}
    rows: list[tuple[dt.date, float | None, int]] = []
    for (day, snapshot), front in scaled.group_by(["as_of_date", "snapshot_id"], maintain_order=True):
        label = str(day) if str(day) not in frames else f"{day} {snapshot}"
        frames[label] = _drawable(front)
        rows.append((front["as_of_date"][0], front["hypervolume"][0], front.height))
    schema = {"day": pl.Date, "hypervolume": pl.Float64, "members": pl.Int64}
    return History(pl.DataFrame(rows, schema=schema, orient="row"), list(frames), scaled.clear(), frames)


def _drawable(members: pl.DataFrame) -> pl.DataFrame:
    return (
        members.rename({"cost": "x", "score": "y"})
        .select(pl.col(name).cast(dtype) for name, dtype in _MEMBER.items())
        .with_columns(
            pl.lit(None, dtype=pl.Float64).alias("standard_error"),
            pl.lit(value=True).alias("beyond_noise_of_previous"),
        )
        .sort("x", "y")
    )
