"""What the charts of the patterns page say, in sentences made from their tables."""

import polars as pl

from analytics.units import decimal
from dashboards.parts import formats
from dashboards.parts.templates import block

HEAT = (
    "Rows are ordered by Ward's clustering, so similar profiles are adjacent. z: standard deviations above the mean of "
    "the board, the size band or the quarter."
)
PARALLEL = (
    "Parallel coordinates",
    (
        "Draw a box over one or more axes to keep the lines that pass through it; boxes add up, the round arrow "
        "clears. Every axis runs from its least to its greatest value."
    ),
)
PAIRS = (
    "All pairs of benchmarks",
    (
        "In every small plot the horizontal axis is the benchmark named above and the vertical axis the one named at "
        "the side, each over its own range."
    ),
)
MAP = (
    "Principal components of the standardised benchmarks (Ruan et al. 2024). Lines from the centre: the direction of "
    "each benchmark. Distances between dots compare all benchmarks together, along the directions in which models "
    "differ most."
)
CORRELATIONS = (
    "Intervals in the tooltips resample whole families; intervals that treat entries as independent are too narrow."
)


def heat(low: float, high: float, unit: str) -> str:
    """What the colours mean."""
    ends = [formats.significant(end, 2) for end in (low, high)]
    return f"From orange ({ends[0]} {unit}) over grey to blue ({ends[1]})"


def correlations(pairs: pl.DataFrame, kind: str) -> str:
    """The closest and the loosest pair of benchmarks."""
    own = pairs.filter(pl.col("other_measure") != "log2_parameters_total").sort(kind)
    if own.is_empty():
        return "Too few complete entries."
    loosest, closest = own.row(0, named=True), own.row(-1, named=True)
    extremes = [
        f"{row['measure']} and {row['other_measure']} ({decimal(row[kind], 2)}, 95 %: "
        f"{_end(row[f'{kind}_lower_by_family'])} to {_end(row[f'{kind}_upper_by_family'])})"
        for row in (closest, loosest)
    ]
    return f"Closest: {extremes[0]}. Loosest: {extremes[1]}. {closest['families']} families"


def _end(value: float | None) -> str:
    return formats.MISSING if value is None else decimal(value, 2)


def components(loadings: pl.DataFrame) -> str:
    """How much of what differs is one general capability, and what the second direction sets apart."""
    first, second = (loadings.filter(pl.col("component") == i) for i in (1, 2))
    share = first.row(0, named=True)
    ordered = second.sort("loading")
    low, high = share["explained_variance_lower"], share["explained_variance_upper"]
    ends = "" if low is None or high is None else f" (95 %: {100 * low:.0f} to {100 * high:.0f} %)"
    return (
        f"One direction, all benchmarks together, carries {100 * share['explained_variance']:.0f} % of the variance"
        f"{ends}; the second sets {ordered['benchmark'][-1]} apart from {ordered['benchmark'][0]}"
    )


def clusters(choices: pl.DataFrame) -> str:
    """Whether there are clusters, in the words of the test."""
    if choices.is_empty():
        return block("counts", "Too few entries to search for clusters.")
    verdict = choices["verdict"][0]
    chosen = choices.filter("is_chosen")
    if chosen.is_empty():
        text = (
            "No structure: no number of clusters is firmer than one normal cloud, reaches a silhouette of 0.25 and is "
            "found again in bootstrap samples. Every entry is in one cluster."
        )
    else:
        row = chosen.row(0, named=True)
        text = (
            f"{verdict.capitalize()}: {row['clusters']} clusters, silhouette {row['silhouette']:.2f} where one normal "
            f"cloud reaches {row['null_silhouette']:.2f}; the least stable is found again with Jaccard "
            f"{row['stability']:.2f}."
        )
    judged = f"k-means on standardised benchmarks, judged on {formats.count(choices['entries'][0])} entries."
    return block("counts", f"{text} {judged}")
