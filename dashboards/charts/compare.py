"""A few models side by side: a radar of their benchmarks, and bars with the noise of each score."""

import math
from collections.abc import Sequence

import polars as pl
from bokeh.models import ColumnDataSource, DataRange1d, FactorRange, HoverTool, Range1d, ResetTool

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.charts import legend
from dashboards.charts.opening import opener
from dashboards.charts.tips import tip
from dashboards.parts import theme

RADAR, BARS = "compare_radar", "compare_bars"
_RINGS = (25, 50, 75, 100)


class Radar:
    """Scores from 0 in the middle to 100 on the rim; built once, its data swapped."""

    def __init__(self) -> None:
        self.shapes = ColumnDataSource({"xs": [], "ys": [], "colour": [], "name": []})
        self.corners = ColumnDataSource({"x": [], "y": [], "colour": [], "mark": [], "name": [], "facts": []})
        self.spokes = ColumnDataSource({"xs": [], "ys": []})
        self.names = ColumnDataSource({"x": [], "y": [], "text": [], "align": []})
        hover = HoverTool(tooltips=tip("@name", "@facts", opens="page"))
        self.figure = theme.new_figure(
            RADAR, 400, [ResetTool(), hover, tap := opener()], match_aspect=True,
            x_range=DataRange1d(range_padding=0.3), y_range=DataRange1d(range_padding=0.2),
        )  # fmt: skip
        plot = self.figure
        plot.axis.visible = False
        plot.grid.visible = False
        plot.multi_line("xs", "ys", source=self.spokes, line_color=theme.OTHER_COLOUR, line_alpha=0.45)
        plot.patches(
            "xs", "ys", source=self.shapes, fill_color="colour", fill_alpha=0.1, line_color="colour", line_width=2
        )
        dots = plot.scatter(
            "x", "y", source=self.corners, marker="mark", size=8, fill_color="colour", line_color="colour"
        )
        plot.text(
            "x", "y", text="text", source=self.names, text_align="align", text_baseline="middle",
            text_color=theme.TEXT_COLOUR, text_alpha=1,
            text_font_size="12.5px",
        )  # fmt: skip
        hover.renderers = tap.renderers = [dots]

    def show(self, scores: pl.DataFrame, models: Sequence[str]) -> str:
        """Draw the models over the benchmarks that there are, and return the legend as HTML."""
        benchmarks = scores["benchmark"].unique().sort().to_list()
        angles = {name: math.pi / 2 - 2 * math.pi * i / len(benchmarks) for i, name in enumerate(benchmarks)}
        rings = [
            [share / 100 * _at(a)[axis] for a in [*angles.values(), math.pi / 2]] for axis in (0, 1) for share in _RINGS
        ]
        half = len(_RINGS)
        self.spokes.data = {
            "xs": rings[:half] + [[0.0, _at(a)[0]] for a in angles.values()],
            "ys": rings[half:] + [[0.0, _at(a)[1]] for a in angles.values()],
        }
        self.names.data = {
            "x": [1.08 * _at(a)[0] for a in angles.values()] + [0.02] * half,
            "y": [1.1 * _at(a)[1] for a in angles.values()] + [share / 100 - 0.04 for share in _RINGS],
            "text": [*benchmarks, *(str(share) for share in _RINGS)],
            "align": [_align(a) for a in angles.values()] + ["left"] * half,
        }
        score_rows = {(r["model_id"], r["benchmark"]): r for r in scores.iter_rows(named=True)}
        shapes, corners = [], []
        for place, model in enumerate(models):
            colour, mark = theme.COLOURS[place], theme.MARKS[place]
            points = [(angle, score_rows[model, name]) for name, angle in angles.items() if (model, name) in score_rows]
            spots = [tuple(row["score"] / 100 * part for part in _at(angle)) for angle, row in points]
            shapes.append(([x for x, _ in spots], [y for _, y in spots], colour, model))
            corners += [
                (x, y, colour, mark, model, f"{row['benchmark']}: {row['score']:.1f}")
                for (x, y), (_, row) in zip(spots, points, strict=True)
            ]
        self.shapes.data = {key: [s[i] for s in shapes] for i, key in enumerate(("xs", "ys", "colour", "name"))}
        self.corners.data = {
            key: [c[i] for c in corners] for i, key in enumerate(("x", "y", "colour", "mark", "name", "facts"))
        }
        return legend.swatches(RADAR, [
            legend.Entry(model, theme.COLOURS[i], theme.MARKS[i], page=model) for i, model in enumerate(models)
        ])  # fmt: skip


class Bars:
    """Scores by benchmark with 95 % intervals; built once, its data swapped."""

    def __init__(self) -> None:
        columns = ("x", "top", "low", "high", "colour", "name", "facts")
        self.source = ColumnDataSource({column: [] for column in columns})
        hover = HoverTool(tooltips=tip("@name", "@facts", opens="page"))
        self.range = FactorRange(range_padding=0.02, group_padding=0.6)
        self.figure = theme.new_figure(
            BARS, 360, [ResetTool(), hover, opener()], x_range=self.range, y_range=Range1d(start=0, end=100)
        )
        plot = self.figure
        plot.xaxis.major_label_text_font_size = "0px"
        plot.xaxis.major_tick_line_color = None
        plot.xgrid.visible = False
        plot.yaxis.axis_label = "Score (points)"
        bars = plot.vbar(
            "x", top="top", width=0.85, source=self.source, fill_color="colour", line_color=None, fill_alpha=0.8
        )
        plot.segment("x", "low", "x", "high", source=self.source, line_color=theme.ACCENT, line_width=2)
        hover.renderers = [bars]

    def show(self, scores: pl.DataFrame, models: Sequence[str]) -> str:
        """Draw, and return the legend as HTML."""
        rows = [
            row for benchmark in scores["benchmark"].unique().sort() for model in models
            for row in scores.filter(pl.col("benchmark") == benchmark, pl.col("model_id") == model).to_dicts()
        ]  # fmt: skip
        factors = [(row["benchmark"], row["model_id"]) for row in rows]
        noise = [TWO_SIDED_95 * (row["standard_error"] or 0.0) for row in rows]
        self.range.factors = factors
        self.source.data = {
            "x": factors,
            "top": [row["score"] for row in rows],
            "low": [row["score"] - e for row, e in zip(rows, noise, strict=True)],
            "high": [row["score"] + e for row, e in zip(rows, noise, strict=True)],
            "colour": [theme.COLOURS[models.index(row["model_id"])] for row in rows],
            "name": [row["model_id"] for row in rows],
            "facts": [
                f"{r['benchmark']}: {r['score']:.1f} (95 %: ± {e:.1f})" for r, e in zip(rows, noise, strict=True)
            ],
        }
        self.figure.y_range.update(start=0, end=max([10.0, *self.source.data["high"]]) * 1.05)
        lines = [legend.Entry(model, theme.COLOURS[i], "square", page=model) for i, model in enumerate(models)]
        return legend.swatches(BARS, [*lines, legend.Entry("95 % interval", theme.ACCENT, "bar")])


def _at(angle: float) -> tuple[float, float]:
    return math.cos(angle), math.sin(angle)


def _align(angle: float) -> str:
    across = math.cos(angle)
    return "center" if abs(across) < 0.1 else "left" if across > 0 else "right"
