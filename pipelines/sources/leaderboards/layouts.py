"""Every known layout of a leaderboard table, declared: how its columns map to ours, and what it gets wrong.

A file is recognised by its header alone. What drifts between exports (inverted flags, rounded parameters,
links in the model's name) is said here, once, beside the column it concerns.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analytics.fronts.normalisation import BBH_CHOICES, MUSR_CHOICES
from pipelines.sources import cells
from pipelines.sources.cells import Cell
from warehouse.contracts.common import MODEL_TYPES

V1 = "open_llm_v1"
V2 = "open_llm_v2"


class UnknownLayout(ValueError):
    """No declared layout has this header."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of a board.

    Attributes:
        name: In the board's spelling.
        items: Questions, for binomial standard errors.
        chance: Score of guessing, where the board normalises it away; a mean over subtasks has several.
    """

    name: str
    items: int
    chance: tuple[float, ...] = (0.0,)


# Items and chance levels: leaderboards documentation, about.md and normalization.md; v1: archive.md.
V1_BENCHMARKS = (
    Benchmark("ARC", 1172),
    Benchmark("HellaSwag", 10042),
    Benchmark("MMLU", 14042),
    Benchmark("TruthfulQA", 817),
    Benchmark("Winogrande", 1267),
    Benchmark("GSM8K", 1319),
)
V2_BENCHMARKS = (
    Benchmark("IFEval", 541),
    Benchmark("BBH", 6511, tuple(1 / n for n in BBH_CHOICES.values())),
    Benchmark("MATH Lvl 5", 1324),
    Benchmark("GPQA", 1192, (1 / 4,)),
    Benchmark("MUSR", 756, tuple(1 / n for n in MUSR_CHOICES.values())),
    Benchmark("MMLU-PRO", 12032, (1 / 10,)),
)
BENCHMARKS: Mapping[str, tuple[Benchmark, ...]] = {V1: V1_BENCHMARKS, V2: V2_BENCHMARKS}

# From which snapshot on a board's scores follow a new definition; scores compare only within one.
METRIC_VERSIONS: Mapping[str, tuple[tuple[dt.date, str], ...]] = {
    V2: (
        (dt.date(2024, 6, 1), "v2"),
        (dt.date(2024, 12, 1), "v2_math_reparsed"),  # MATH changed in 1,121 of 1,499 entries by 2024-12-08
        (dt.date(2025, 2, 14), "v2_math_verify"),  # every MATH score redone with Math-Verify
    ),
}


@dataclass(frozen=True)
class Layout:
    """One shape of file.

    Attributes:
        name: Name of the layout, kept with every snapshot.
        board: Board the rows belong to.
        values: Our column → cell it comes from.
        scores: Benchmark → cell of the score in points.
        raw_scores: Benchmark → cell of the score before normalisation, as a fraction.
        entry_key: Our columns that name an entry where the board gives no name of its own.
        metric_version: Fixed version of the scores; else by board and date.
        ignored: Columns that are known and carry nothing we may use, each said why.
        optional: Columns that may be absent.
        coverage: What part of the board such a file holds.
        score_resolution: Last digit of the scores as printed, in points; 0 where they are printed in full.
        licence: What the publisher states about the data.
    """

    name: str
    board: str
    values: Mapping[str, Cell]
    scores: Mapping[str, Cell]
    raw_scores: Mapping[str, Cell] = field(default_factory=dict)
    entry_key: tuple[str, ...] = ("model_id", "precision", "revision")
    metric_version: str | None = None
    ignored: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    coverage: str = "full"
    score_resolution: float = 0.0
    licence: str | None = None

    @property
    def known(self) -> frozenset[str]:
        """Every column the layout can account for."""
        read = (cell.column for group in (self.values, self.scores, self.raw_scores) for cell in group.values())
        return frozenset(read) | self.ignored

    @property
    def needed(self) -> frozenset[str]:
        """Columns without which the layout cannot be read."""
        return self.known - self.optional - self.ignored

    def matches(self, header: Iterable[str]) -> bool:
        """Whether the header has every column of the layout and none it does not know."""
        names = frozenset(header)
        return names <= self.known and self.known - self.optional <= names

    def surplus(self, header: Iterable[str]) -> list[str]:
        """Columns that the layout does not know."""
        return sorted(frozenset(header) - self.known)

    def version_on(self, as_of: dt.date) -> str:
        """Version of the scores at that date."""
        if self.metric_version:
            return self.metric_version
        dated = METRIC_VERSIONS[self.board]
        return next((name for since, name in reversed(dated) if since <= as_of), dated[0][1])


def _v1_scores(columns: Sequence[str]) -> dict[str, Cell]:
    names = [benchmark.name for benchmark in V1_BENCHMARKS]
    return {name: cells.number(column) for name, column in zip(names, columns, strict=False)}


def _scrape(name: str, template: str) -> Layout:
    """Table of 2023: four benchmarks, no precision or revision."""
    shots = {"ARC": 25, "HellaSwag": 10, "MMLU": 5, "TruthfulQA": 0}
    return Layout(
        name,
        V1,
        values={"model_id": cells.text("Model"), "average": cells.number("Average")},
        scores={name: cells.number(template.format(name, count)) for name, count in shots.items()},
        entry_key=("model_id",),
        metric_version="v1_four_tasks",
        score_resolution=0.1,
        # `Parameters` is rescaled to 0–100 within each file: no parameter count can be had back from it.
        ignored=frozenset({"Parameters", "URL"}),
    )


_HUB_SCRAPE = Layout(
    "v1_hub_scrape",
    V1,
    values={
        "model_id": cells.text("name"),
        "average": cells.number("avg"),
        "is_moe": cells.affirmed("moe"),  # False for Mixtral itself: it tells who calls itself a mixture
        "revision": cells.text("sha"),
        "precision": cells.precision("precision"),
    },
    scores=_v1_scores(["arc", "hellaswag", "mmlu", "truthfulqa", "winogrande", "gsm8k"]),
    metric_version="v1_six_tasks",
    # available, merged and flagged never vary here: the scraper's filter decided them, not the model.
    ignored=frozenset({"link", "complete", "available", "merged", "flagged"}),
)

_UI_VALUES: dict[str, Cell] = {
    "model_type": cells.model_type("Type"),
    "architecture": cells.architecture("Architecture"),
    "weight_type": cells.text("Weight type"),
    "precision": cells.precision("Precision"),
    "licence": cells.text("Hub License"),
    "hub_likes": cells.number("Hub ❤️"),
    "is_on_hub": cells.flag("Available on the hub"),
    "revision": cells.text("Model sha"),
    "average": cells.number("Average ⬆️"),
    "reported_parameters": cells.positive_number("#Params (B)", scale=1e9),
}
_V1_TABLE: dict[str, Cell] = {
    **_UI_VALUES,
    # The interface of v1 showed "not merged", "not MoE", "not flagged" under these headings.
    "is_merged": cells.flag("Merged", inverted=True),
    "is_moe": cells.flag("MoE", inverted=True),
    "is_flagged": cells.flag("Flagged", inverted=True),
    "submitted_on": cells.day("date"),
}
_V1_TABLE_SCORES = _v1_scores([benchmark.name for benchmark in V1_BENCHMARKS])

_V1_UI_EXPORT = Layout(
    "v1_ui_export",
    V1,
    values={**_V1_TABLE, "model_id": cells.hub_link("Model")},
    scores=_V1_TABLE_SCORES,
    metric_version="v1_six_tasks",
    score_resolution=0.01,
    ignored=frozenset({"T"}),
)
_V1_CONTENTS = Layout(
    "v1_contents",
    V1,
    values={
        **_V1_TABLE,
        "model_id": cells.text("fullname"),
        "has_chat_template": cells.flag("Chat Template"),
        "is_official_provider": cells.flag("Maintainers Choice"),
    },
    scores=_V1_TABLE_SCORES,
    metric_version="v1_six_tasks",
    ignored=frozenset({"T", "Model", "eval_name"}),
    optional=frozenset({"Chat Template", "Maintainers Choice"}),
)

_V2_SCORES = {b.name: cells.number(b.name) for b in V2_BENCHMARKS}
_V2_RAW = {b.name: cells.number(f"{b.name} Raw") for b in V2_BENCHMARKS}
_V2_TABLE: dict[str, Cell] = {
    **_UI_VALUES,
    "has_chat_template": cells.flag("Chat Template"),
    "submitted_on": cells.day("Submission Date"),
    "uploaded_on": cells.day("Upload To Hub Date"),
}
_V2_CONTENTS: dict[str, Cell] = {
    **_V2_TABLE,
    "entry_id": cells.text("eval_name"),
    "model_id": cells.text("fullname"),
    "base_model": cells.text("Base Model"),
    "generation": cells.number("Generation"),
    "is_flagged": cells.flag("Flagged"),
}
_V2_NOT_MERGED = {"is_merged": cells.flag("Not_Merged", inverted=True), "is_moe": cells.flag("MoE", inverted=True)}
_V2_MERGED = {"is_merged": cells.flag("Merged"), "is_moe": cells.flag("MoE")}
_CO2_REFERENCE = {"evaluation_co2_kg": cells.positive_number("evaluation_co2_kg")}
_CO2 = {"evaluation_co2_kg": cells.positive_number("CO₂ cost (kg)")}
_V2_IGNORED = frozenset({"T", "Model"})


def _v2_contents(name: str, values: Mapping[str, Cell], provider: str) -> Layout:
    flags = {"is_official_provider": cells.flag(provider)}
    return Layout(name, V2, {**_V2_CONTENTS, **values, **flags}, _V2_SCORES, _V2_RAW, ignored=_V2_IGNORED)


_V2_UI_EXPORT = Layout(
    "v2_ui_export_2024_08",
    V2,
    values={
        **_V2_TABLE,
        **_V2_NOT_MERGED,
        "model_id": cells.hub_link("Model"),
        "is_flagged": cells.flag("Flagged", inverted=True),
        "is_official_provider": cells.flag("Maintainer's Highlight"),
    },
    scores=_V2_SCORES,
    raw_scores=_V2_RAW,
    entry_key=("model_id", "precision"),
    score_resolution=0.01,
    ignored=frozenset({"T"}),
)

_REFERENCE_VALUES: dict[str, Cell] = {
    "model_id": cells.text("model_id"),
    "precision": cells.precision("precision"),
    "model_type": cells.labelled("model_type", {name: name for name in MODEL_TYPES}, "a model type"),
    "architecture": cells.text("architecture"),
    "licence": cells.text("licence"),
    "base_model": cells.text("base_model"),
    "reported_parameters": cells.positive_number("parameters_total"),
    "is_moe": cells.flag("is_moe"),
    "average": cells.number("average"),
    "submitted_on": cells.day("submitted_on"),
    "uploaded_on": cells.day("uploaded_on"),
}


def _reference(name: str, board: str, values: Mapping[str, Cell], metric_version: str | None = None) -> Layout:
    """Published figures of chosen models, in our own columns, each with its source."""
    values_of = {**_REFERENCE_VALUES, **values}
    return Layout(
        name,
        board,
        values_of,
        {benchmark.name: cells.number(benchmark.name) for benchmark in BENCHMARKS[board]},
        entry_key=("model_id", "precision"),
        metric_version=metric_version,
        ignored=frozenset({"source"}),
        # Whoever has scores of a model of their own knows its name, and not always all the rest.
        optional=frozenset(cell.column for name, cell in values_of.items() if name not in {"model_id", "average"}),
        coverage="reference",
        score_resolution=0.01,
    )


LAYOUTS: tuple[Layout, ...] = (
    _scrape("v1_scrape_2023_05", "{} ({}-shot)"),
    _scrape("v1_scrape_2023_06", "{}({}-shot)"),
    _HUB_SCRAPE,
    _V1_UI_EXPORT,
    _V1_CONTENTS,
    _V2_UI_EXPORT,
    _v2_contents("v2_contents_2024_10", _V2_NOT_MERGED, "Maintainer's Highlight"),
    _v2_contents("v2_contents_2024_12", {**_V2_NOT_MERGED, **_CO2}, "Official Providers"),
    _v2_contents("v2_contents_2025_02", {**_V2_MERGED, **_CO2}, "Official Providers"),
    Layout(
        "v1_run_means",
        V1,
        values={
            "model_id": cells.text("model_name"),
            "precision": cells.precision("model_dtype"),
            "reported_size_gib": cells.positive_number("model_size_gb"),  # the hub's GB are GiB
            "average": cells.score_from_error("average_error"),
        },
        scores={},
        entry_key=("model_id", "precision"),
        metric_version="v1_run_means",
    ),
    _reference("reference_v1", V1, {}, metric_version="v1_six_tasks"),
    _reference("reference_v2", V2, _CO2_REFERENCE),
)

# Fronts that others published: the header, and the name of the publication.
PUBLISHED_FRONTS: Mapping[frozenset[str], str] = {
    frozenset({"model_name", "model_size_gb", "average_error"}): "geoalgo_2023_12",
    frozenset({"cutoff", "model_name", "model_size_gb", "average_error"}): "geoalgo_2023_monthly",
    frozenset({"model_name", "model_size_gb", "average_error", "source"}): "geoalgo_2023_12",
}


_TWICE = re.compile(r"(.+)_duplicated_\d+")


def _is_figure(name: str) -> bool:
    return re.fullmatch(r"-?[\d.]+(_duplicated_\d+)?", name) is not None


def recognise(header: Sequence[str]) -> Layout:
    """The layout of a table with that header; columns beyond a layout are left unread.

    Raises:
        UnknownLayout: no layout finds all that it needs; the message names the closest, and what it misses.
    """
    for layout in LAYOUTS:
        if layout.matches(header):
            return layout
    names = frozenset(header)
    if sum(_is_figure(name) for name in header) > len(header) / 2:
        raise UnknownLayout(
            f"Line 1 holds values ({_listed(header, 4)}) where the names of columns belong; write them above it."
        )
    # A column that is there twice, which polars renames so, leaves open which of them is meant.
    if twice := [match[1] for name in header if (match := _TWICE.fullmatch(name))]:
        raise UnknownLayout(f"Line 1 names {_listed(twice)} more than once; keep one column of each name.")
    if readable := [layout for layout in LAYOUTS if layout.needed <= names]:
        return max(readable, key=lambda layout: len(layout.known & names))
    closest = max(LAYOUTS, key=lambda layout: len(layout.known & names))
    missing, surplus = _listed(sorted(closest.needed - names)), _listed(closest.surplus(header))
    nearly = f"Closest is {closest.name}: missing [{missing}], unexpected [{surplus}]."
    raise UnknownLayout(
        f"No known layout has the columns {_listed(header)}. "
        + (nearly if len(closest.needed & names) > 1 else "`skyline boards add` drafts a declaration of a board.")
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
