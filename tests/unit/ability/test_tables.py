"""From rows of boards to the tables of ability, on results whose truth is known."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from analytics.ability.comparison import rank_agreement
from analytics.ability.results import Results
from pipelines.defs.ability import evidence
from pipelines.defs.ability.checks import headless, moved_from_the_published
from pipelines.defs.ability.errors import board_alone
from pipelines.defs.ability.evidence import SCALE, NoScaleError, counted
from pipelines.defs.ability.tables import Abilities, abilities
from warehouse.contracts.ability import TABLES
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_FACTS
from warehouse.contracts.violations import violations

_DAY = dt.date(2026, 8, 11)
_BENCHMARKS = {
    "Sums": "maths",
    "Proofs": "maths",
    "Patches": "coding",
    "Kernels": "coding",
    "Errands": "agents",
    "Facts": "knowledge",
}


def _row(source: str, benchmark: str, name: str, score: float, **more: object) -> dict[str, object]:
    return {
        "source": source,
        "snapshot_date": _DAY,
        "retrieved_at": dt.datetime(2026, 8, 12, tzinfo=dt.UTC),
        "snapshot_id": source,
        "benchmark": benchmark,
        "benchmark_version": "1",
        "category": _BENCHMARKS.get(benchmark, "overall"),
        "metric": "accuracy",
        "name_in_source": name,
        "model_id": f"org/{name}",
        "score": score,
        "unit": "percent",
        "higher_is_better": True,
        "reporter": "independent",
        "may_bundle": True,
        "source_url": "https://example.org",
        "is_newest": True,
        **more,
    }


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    """Index of forty models."""
    return {f"model-{at:02}": float(index) for at, index in enumerate(np.linspace(110, 160, 40))}


@pytest.fixture(scope="module")
def results(truth: dict[str, float]) -> pl.DataFrame:
    """Two boards of six benchmarks; the first thirty models have a published index, the last of all no results."""
    random = np.random.default_rng(5)
    rows = []
    for at, (name, index) in enumerate(truth.items()):
        if at < 30:
            rows.append(
                _row("epoch_eci", SCALE, name, index, unit="index", metric="index", standard_error=1.0)
                | {"benchmark_version": "ECI"}
            )
        for hard, benchmark in enumerate(_BENCHMARKS):
            logit = 0.12 * (index - 120 - 6 * hard) + 0.2 * random.normal()
            rows += [
                _row(source, benchmark, name, 100 / (1 + np.exp(-logit - 0.2 * random.normal())))
                for source in ("first", "second")
            ]
        rows.append(_row("first", "Inventions", name, 50.0, category="hallucination"))
    rows.append(_row("first", "Sums", "newcomer", 55.0))
    rows += [_row("island", f"Island {at}", f"hermit-{who}", 50.0 + at) for at in range(6) for who in range(6)]
    # A later snapshot of the second board, by which the last model rose.
    last = list(truth)[-1]
    rows.append(_row("second", "Facts", last, 99.0, snapshot_date=dt.date(2026, 8, 20)))
    frame = pl.DataFrame(rows, schema=BENCHMARK_RESULTS.polars_schema)
    old = (pl.col("name_in_source") == last) & (pl.col("benchmark") == "Facts") & (pl.col("snapshot_date") == _DAY)
    return frame.with_columns((~(old & (pl.col("source") == "second"))).alias("is_newest"))


@pytest.fixture(scope="module")
def made(results: pl.DataFrame) -> Abilities:
    return abilities(results, MODEL_FACTS.empty(), rounds=100)


def test_the_tables_keep_their_contracts(made: Abilities) -> None:
    frames = (made.ability, made.benchmarks, made.error, made.changes)
    for table, frame in zip(TABLES, frames, strict=True):
        assert violations(table, table.conform(frame)) == {}, table.relation
    assert headless(made.ability) == 0
    bases = ["benchmark left out of its domain", "held-out results", "prior", "rank agreement"]
    assert made.error["basis"].unique().sort().to_list() == bases


def test_models_with_a_published_index_have_it_and_others_lie_on_its_scale(
    made: Abilities, truth: dict[str, float]
) -> None:
    overall = made.ability.filter(pl.col("domain") == "overall")
    assert moved_from_the_published(made.ability) == 0
    own = overall.filter(pl.col("published_index").is_null() & (pl.col("results") >= 4))
    assert own.height == 10
    off = [row["ability"] - truth[row["model_id"].removeprefix("org/")] for row in own.iter_rows(named=True)]
    assert np.abs(off).max() < 4
    assert own.filter(pl.col("sources") != "first, second").is_empty()


def test_evidence_is_named_and_few_results_mean_wide_intervals(made: Abilities) -> None:
    overall = {row["model_id"]: row for row in made.ability.filter(pl.col("domain") == "overall").iter_rows(named=True)}
    newcomer, judged = overall["org/newcomer"], overall["org/model-35"]
    assert newcomer["evidence_class"] == "one result"
    assert judged["evidence_class"] == "independent"
    assert overall["org/model-01"]["evidence_class"] == "published index"
    assert newcomer["ability_high"] - newcomer["ability_low"] > 2 * (judged["ability_high"] - judged["ability_low"])


def test_models_that_nothing_compares_with_the_rest_get_no_ability(made: Abilities) -> None:
    assert made.unconnected == [f"org/hermit-{who}" for who in range(6)]
    assert made.ability.filter(pl.col("model_id").str.contains("hermit")).is_empty()


def test_hallucination_stands_beside(results: pl.DataFrame, made: Abilities) -> None:
    assert "Inventions" not in counted(results, MODEL_FACTS.empty())["benchmark"].to_list()
    assert "Inventions" not in made.benchmarks["benchmark"].to_list()


def test_what_the_newest_snapshot_moved_is_told_from_what_it_left(made: Abilities) -> None:
    changes = made.changes.filter(pl.col("domain") == "overall")
    assert changes["before_date"].unique().to_list() == [_DAY]
    moved = changes.filter(pl.col("reason") == "new results")
    assert moved["model_id"].to_list() == ["org/model-39"]
    assert moved["new_results"].to_list() == [1]
    refit = changes.filter(pl.col("reason") == "refit")
    assert refit.height == changes.height - 1
    assert not refit["is_beyond_noise"].any()


def test_without_the_published_index_there_is_no_scale_and_it_is_said(results: pl.DataFrame) -> None:
    rest = results.filter(pl.col("benchmark") != SCALE)
    with pytest.raises(NoScaleError, match="epoch_eci"):
        evidence.evidence(rest, MODEL_FACTS.empty())
    nothing = abilities(rest, MODEL_FACTS.empty())
    assert nothing.ability.is_empty()
    assert "abilities need a scale" in nothing.remark


def test_shares_are_corrected_for_guessing_and_lower_is_better_is_turned(results: pl.DataFrame) -> None:
    guessed = results.filter((pl.col("source") == "first") & (pl.col("benchmark") == "Sums")).with_columns(
        pl.lit(25.0).alias("chance_level"), pl.lit(70.0).alias("score")
    )
    assert counted(guessed, MODEL_FACTS.empty())["figure"].unique().to_list() == pytest.approx([0.6])
    wrong = guessed.with_columns(
        pl.lit(None, pl.Float64).alias("chance_level"), pl.lit(value=False).alias("higher_is_better")
    )
    assert counted(wrong, MODEL_FACTS.empty())["figure"].unique().to_list() == pytest.approx([0.3])


def test_a_board_that_runs_its_hard_task_on_strong_models_alone_still_ranks_them_first() -> None:
    ability = np.linspace(-2, 2, 40)
    easy, hard = np.arange(30), np.arange(20, 40)
    unit = np.concatenate([easy, hard]) + 7
    item = np.repeat([3, 5], [30, 20])
    value = 1 / (1 + np.exp(-2 * (ability[unit - 7] - np.where(item == 3, -1.0, 1.5))))
    results = Results(
        unit, item, value, np.zeros(50), np.zeros(50, dtype=bool), np.zeros(6, dtype=bool), int(unit.max()) + 1
    )
    units, own = board_alone(results)
    assert units.tolist() == (np.arange(40) + 7).tolist()
    assert rank_agreement(ability, own).spearman > 0.99
    means = np.array([value[unit == number].mean() for number in units])
    assert rank_agreement(ability, means).spearman < 0.5


def test_a_board_that_copies_another_changes_nothing(results: pl.DataFrame) -> None:
    copied = results.filter(pl.col("source") == "second").with_columns(pl.lit("taken over").alias("source"))
    once, twice = (counted(given, MODEL_FACTS.empty()) for given in (results, pl.concat([copied, results])))
    assert once.equals(twice)
