"""Bring your own: a file or a model of the visitor's, seen among the rest by him alone."""

from typing import Any

import panel as pn
import polars as pl

from dashboards.data import Data, sql_with_values
from dashboards.own_files import MOST_FILES, STATED_FIELDS
from dashboards.parts import page
from dashboards.parts.benchmarks import benchmark
from dashboards.parts.declared_table import Fact
from dashboards.parts.page import Content
from dashboards.parts.table_card import TableCard
from dashboards.parts.templates import render
from warehouse.yours import MARK

_RESULTS = {
    "name_in_source": Fact("Model", width=260, link="model/", link_of="model_id"),
    "benchmark": Fact("Benchmark", width=190, shown_as=benchmark),
    "benchmark_version": Fact("Version", width=100),
    "metric": Fact("Metric", width=120),
    "score": Fact("Score", "0,0.00", 84),
    "standard_error": Fact("± s.e.", "0.00", 74),
    "unit": Fact("Unit", width=90),
    "mode": Fact("Mode", width=100),
    "effort": Fact("Effort", width=80),
    "snapshot_date": Fact("As of", width=108),
    "source": Fact("File", width=200),
}
_TITLES = {"device": "Device", "model": "Model", "weight_format": "Weight format"}
_EXAMPLES = {"device": "RTX 4090", "model": "Qwen/Qwen3-8B", "weight_format": "q4_k_m"}


def build(data: Data, search: str) -> Content:  # noqa: ARG001 - as every page is built
    """Content of the page for one session."""
    settings = data.settings
    fields: dict[str, Any] = {
        "limit_mib": settings.own_file_mib, "limit_s": settings.own_file_seconds, "most": MOST_FILES,
        "may_be_stored": settings.own_files_kept, "is_online": settings.own_models_online,
        "fields": [(name, _TITLES[name], _EXAMPLES[name]) for name in STATED_FIELDS],
    }  # fmt: skip
    parts: list[pn.viewable.Viewable] = [page.html(render(__file__, "lead.html"), margin=(0, 0, 12, 0))]
    # A copy of the pages has nobody who could read a file.
    is_copy = pn.state.curdoc is None
    if settings.own_file_mib and not is_copy:
        parts.append(page.card(page.html(render(__file__, "form.html", **fields))))
        parts.append(page.card(page.html(render(__file__, "files.html", files=data.own_files))))
        parts += _boards(data)
    else:
        parts.append(page.card(page.html(render(__file__, "off.html", is_copy=is_copy))))
    parts.append(page.card(page.html(render(__file__, "forms.html", is_online=settings.own_models_online))))
    return Content(main=pn.Column(*parts, sizing_mode="stretch_width", margin=0))


def _boards(data: Data) -> list[pn.viewable.Viewable]:
    """Results of the boards that a visitor brought; nothing where there are none."""
    if not any(file.kind == "board" for file in data.own_files):
        return []
    results = data.ask("own_results", mark=MARK).with_columns(pl.col("source").str.strip_prefix(MARK))

    def describe() -> dict[str, Any]:
        return {
            "address": "own",
            "source": "files of the visitor",
            "query": sql_with_values("own_results", {"mark": MARK}),
        }

    table = TableCard("your_boards", _RESULTS, describe, data)
    table.show(
        "Results of your boards",
        f"{results.height:,} of {results['model_id'].n_unique():,} models; each is also listed on its model's page",
        results,
    )  # fmt: skip
    return [table.card]
