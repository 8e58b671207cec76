"""Models that were judged in one domain alone: their overall ability carries what the other domains may be."""

from pathlib import Path

import numpy as np
import pytest

from analytics.ability.bootstrap import levels
from analytics.ability.model import fit
from pipelines.defs.ability import evidence
from pipelines.defs.ability.tables import scale_of
from warehouse.contracts.ability import DOMAINS
from warehouse.reader import Reader

SPECIALIST, SMALL = "BitAgent/BitAgent-Bounty-8B", "katanemo/Arch-Agent-1.5B"


@pytest.fixture(scope="module")
def reader(bundled_home: Path) -> Reader:
    return Reader(bundled_home / "published")


def test_a_specialised_model_is_marked_and_does_not_rank_by_its_one_board(reader: Reader) -> None:
    rows = reader.query(
        "SELECT model_id, evidence_class, ability, ability_low, ability_high FROM marts.ability"
        f" WHERE domain = 'overall' AND model_id IN ('{SPECIALIST}', '{SMALL}') ORDER BY model_id"
    ).to_dicts()
    assert [row["evidence_class"] for row in rows] == ["one domain", "one domain"]
    for row in rows:
        assert row["ability_high"] - row["ability_low"] > 15
    # Its board of function calls alone puts a model of 1.5 billion parameters at 138, beside models of 30.
    assert rows[1]["ability"] < 134
    marked = reader.query(
        "SELECT count(*) AS models, count(*) FILTER (sources NOT LIKE '%,%') AS of_one_source FROM marts.ability"
        " WHERE domain = 'overall' AND evidence_class = 'one domain'"
    ).row(0)
    assert marked[0] > 40
    agents = reader.query(
        f"SELECT evidence_class FROM marts.ability WHERE domain = 'agents' AND model_id = '{SPECIALIST}'"
    )
    assert agents.item() == "independent", "in its own domain it stands on what it was judged by"


@pytest.mark.slow
def test_intervals_hold_the_index_of_models_of_which_one_domain_alone_is_looked_at(reader: Reader) -> None:
    now = evidence.evidence(reader.query("FROM core.benchmark_results"), reader.query("FROM core.model_facts"))
    design, scale = now.design, scale_of(now)
    domain = design.domain[design.results.item]
    inside, widths = [], []
    for name in ("agents", "maths", "coding"):
        chosen = domain == DOMAINS.index(name) - 1
        index = design.results.item == now.scale_item
        both = np.intersect1d(design.results.unit[chosen], design.results.unit[index])
        for fold in range(3):
            out = both[fold::3]
            rest = design.where(~np.isin(design.results.unit, out) | chosen)
            assert (rest.only_domain[out] == DOMAINS.index(name) - 1).mean() > 0.9
            fitted = fit(rest, tolerance=1e-4)
            overall = levels(rest, fitted, scale, rounds=100)
            for unit in out[fitted.information[out] > 0]:
                true = now.rows["figure"].to_numpy()[index & (design.results.unit == unit)][0]
                inside.append(overall.low[unit] <= true <= overall.high[unit])
                widths.append(overall.high[unit] - overall.low[unit])
    assert len(inside) > 200
    # 0.893 of 281, within 11 points at the median.
    assert 0.85 < np.mean(inside) < 0.95
    assert np.median(widths) < 14
