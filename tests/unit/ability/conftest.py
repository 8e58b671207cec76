"""The published matrix of the Epoch Capabilities Index."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.ability.design import Design
from analytics.ability.results import plain_results


@pytest.fixture(scope="session")
def epoch_folder(shared_data: Path) -> Path:
    """Folder of the published files."""
    return shared_data / "boards" / "epoch"


@pytest.fixture(scope="session")
def matrix(epoch_folder: Path) -> pl.DataFrame:
    """2,249 results of 222 models on 57 benchmarks, above chance."""
    return pl.read_csv(epoch_folder / "2026-08-11_eci_benchmarks.csv", infer_schema_length=None)


@pytest.fixture(scope="session")
def published(epoch_folder: Path) -> pl.DataFrame:
    """The index of the same day."""
    return pl.read_csv(epoch_folder / "2026-08-11_eci_scores.csv")


_DOMAINS = {
    "maths": (
        "OTIS Mock AIME 2024-2025, MATH level 5, FrontierMath-2025-02-28-Private, FrontierMath-Tiers-1-3-v2-Private,"
        " FrontierMath-Tier-4-v2-Private, FrontierMath-Tier-4-2025-07-01-Private, ProofBench, GSM8K, CritPt"
    ),
    "coding": (
        "SWE-Bench verified, Aider polyglot, WeirdML, CursorBench, DeepSWE, GSO-Bench, FrontierCode, CadEval,"
        " Surface Evolver Bench, PostTrainBench"
    ),
    "agents": (
        "OSWorld, OSWorld 2.0, The Agent Company, APEX-Agents, Remote Labor Index, METR Time Horizons, GDPval,"
        " DeepResearch Bench, Cybench, ExploitBench, Terminal Bench, EBR-bench, Balrog"
    ),
    "knowledge": "MMLU, TriviaQA, SimpleQA Verified, GPQA diamond, HLE, ScienceQA",
    "common sense": "HellaSwag, PIQA, Winogrande, ARC AI2, OpenBookQA, LAMBADA, BBH, ANLI",
    "puzzles": "VPCT, GeoBench, ARC-AGI, ARC-AGI-2, SimpleBench, Chess Puzzles, Mystery Game Puzzles",
    "language": "Lech Mazur Writing, Fiction.LiveBench, CL-bench, CL-bench Life",
}
DOMAINS = list(_DOMAINS)


@pytest.fixture(scope="session")
def names(matrix: pl.DataFrame) -> list[str]:
    """Models in the order of their units."""
    return sorted(matrix["model"].unique())


@pytest.fixture(scope="session")
def design(matrix: pl.DataFrame, published: pl.DataFrame, names: list[str]) -> Design:
    """The matrix with domains of benchmarks, makers and dates of models."""
    results, models, benchmarks = plain_results(
        matrix["model"].to_list(), matrix["benchmark"].to_list(), matrix["performance"].to_numpy()
    )
    assert models == names
    domain = {name: at for at, listed in enumerate(_DOMAINS.values()) for name in listed.split(", ")}
    of = {row["Model"]: row for row in published.iter_rows(named=True)}
    makers = [of[name]["Organization"] or name for name in models]
    dates = [datetime.date.fromisoformat(of[name]["date"]) for name in models]
    units = results.units
    return Design(
        results,
        results.item,
        results.items,
        np.zeros(len(results), dtype=bool),
        np.zeros(len(results), dtype=bool),
        np.array([domain[name] for name in benchmarks]),
        len(_DOMAINS),
        np.arange(units),
        np.zeros(units, dtype=np.int64),
        np.unique(makers, return_inverse=True)[1].astype(np.int64),
        np.array([date.year - 2018 for date in dates]),
        np.array([[date.toordinal() / 365.25] for date in dates]),
    )
