"""What the patterns page draws, as frames and arrays: groups and their colours, matrices, order of rows. No widgets."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.units import decimal
from dashboards.parts import fields, theme

GROUPS = {
    "Cluster": "cluster",
    "Type": "model_type",
    "Precision": "precision",
    "Family": "family",
    "Size": "size_band",
    "Quarter submitted": "quarter",
    "Merged": "is_merged",
    "Mixture of experts": "is_moe",
}
MOST_ROWS = 40
_COLOURED = 7
_OTHER = (theme.OTHER_COLOUR, theme.OTHER_MARK)
Matrix = npt.NDArray[np.float64]


def named_groups(entries: pl.DataFrame, column: str) -> pl.DataFrame:
    """The entries with the group of each as readable text in `group`."""
    labels = {value: fields.kind_value(value) for value in entries[column].unique()}
    named = pl.col(column).replace_strict(labels, default="unknown", return_dtype=pl.String)
    return entries.with_columns(named.alias("group"))


def styles(entries: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Colour and mark of each group, the largest first; beyond seven all look alike."""
    counts = entries["group"].value_counts(sort=True)
    order = [group for group in counts.sort("count", "group", descending=[True, False])["group"] if group != "unknown"]
    return {**theme.palette(order[:_COLOURED]), **dict.fromkeys([*order[_COLOURED:], "unknown"], _OTHER)}


def wide(scores: pl.DataFrame, values: str, benchmarks: Sequence[str]) -> pl.DataFrame:
    """One row per entry, one column per benchmark, of those values."""
    pivoted = scores.filter(pl.col("measure").is_in(benchmarks)).pivot(on="measure", index="entry_id", values=values)
    return pivoted.select("entry_id", *benchmarks)


def heat_rows(entries: pl.DataFrame, benchmarks: Sequence[str], rows: str) -> tuple[list[str], list[int], Matrix]:
    """Names, numbers of entries and (rows, benchmarks) values: the best models, or means of groups."""
    if rows == "models":
        best = entries.head(MOST_ROWS)
        return best["model_id"].to_list(), [1] * best.height, best.select(benchmarks).to_numpy()
    means = entries.group_by("group").agg(pl.len().alias("_n"), *(pl.col(name).mean() for name in benchmarks))
    largest = means.sort("_n", "group", descending=[True, False]).head(MOST_ROWS)
    return largest["group"].to_list(), largest["_n"].to_list(), largest.select(benchmarks).to_numpy()


def clustered_order(values: Matrix) -> list[int]:
    """Rows so that like ones stand together: Ward's linkage, leaves in their best order, the highest row first."""
    from scipy.cluster.hierarchy import leaves_list, linkage  # noqa: PLC0415 - for this page alone

    if len(values) < 3:
        return list(range(len(values)))
    filled = np.nan_to_num(values - np.nanmean(values, axis=0))
    order = [int(row) for row in leaves_list(linkage(filled, "ward", optimal_ordering=True))]
    half = len(order) // 2
    return order if filled[order[:half]].mean() >= filled[order[half:]].mean() else order[::-1]


def correlation_matrix(pairs: pl.DataFrame, names: Sequence[str], kind: str) -> tuple[Matrix, list[list[str]]]:
    """(p, p) correlations in that order, 1 with itself, and what a hover says of each."""
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    facts = [["with itself"] * len(names) for _ in names]
    place = {name: i for i, name in enumerate(names)}
    for row in pairs.iter_rows(named=True):
        if row["measure"] not in place or row["other_measure"] not in place:
            continue
        i, j = place[row["measure"]], place[row["other_measure"]]
        matrix[i, j] = matrix[j, i] = row[kind]
        low, high = row[f"{kind}_lower_by_family"], row[f"{kind}_upper_by_family"]
        ends = "" if low is None or high is None else f", 95 % {decimal(low, 2)} to {decimal(high, 2)} by family"
        facts[i][j] = facts[j][i] = f"{decimal(row[kind], 3)}{ends}; n = {row['entries']:,}"
    return matrix, facts
