"""Names of the benchmarks on the map of components do not lie on one another."""

import numpy as np
import polars as pl

from dashboards.charts.components import Components, drawing

LOADINGS = {
    "BBH": (0.93, -0.02), "GPQA": (0.83, -0.30), "IFEval": (0.65, 0.75), "MATH Lvl 5": (0.86, 0.29),
    "MMLU-PRO": (0.95, -0.06), "MUSR": (0.80, -0.32),
}  # fmt: skip


def test_names_of_benchmarks_lie_a_line_apart_and_within_the_chart() -> None:
    names = list(LOADINGS)
    loadings = pl.DataFrame(
        [
            {"benchmark": name, "component": place, "loading": pull[place - 1], "explained_variance": 0.5}
            for name, pull in LOADINGS.items()
            for place in (1, 2)
        ]
    )
    entries = pl.DataFrame(
        {
            "model_id": names, "group": ["all"] * 6,
            "component_1": [-2.0, -1, 0, 1, 2, 3], "component_2": [-1.0, 0, 1, -2, 2, 0],
        }
    )  # fmt: skip
    chart = Components()
    chart.show(drawing(entries, loadings, {"all": ("#000000", "circle")}))
    low, high = chart.figure.y_range.start, chart.figure.y_range.end
    per_unit = (chart.figure.height - 90) / (high - low)
    heights = (high - np.array(chart.arrows.data["y"])) * per_unit + np.array(chart.arrows.data["offset"])
    assert np.diff(np.sort(heights)).min() > 13.9
    assert heights.min() > 12
