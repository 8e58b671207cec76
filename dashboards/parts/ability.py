"""What pages say of abilities: names of domains, intervals, and the columns of their tables. No data is read here."""

import datetime as dt
from typing import Any

import polars as pl

from analytics.units import counted
from dashboards.parts import formats
from dashboards.parts.declared_table import Fact
from profiling.answers.sizing import BATCH, CONTEXT

LOAD = f"{BATCH} concurrent requests of {CONTEXT:,} tokens, as published, vLLM on H100 80 GB"
DOMAIN_WORDS = {"overall": "Overall", "instruction_following": "Instruction following"}
_MODE_WORDS = {"hybrid-unknown": "either, not stated"}


def mode(name: str) -> str:
    """A mode of answering in words: a model that can do both, of which no source says which it did."""
    return _MODE_WORDS.get(name, name)


FACTS = {
    "rank": Fact("#", "0", 46, stays=True),
    "model_id": Fact("Model", width=290, link="model/"),
    "ability": Fact("Ability (index points)", "0.0", 84, stays=True),
    "ability_low": Fact("90 % from", "0.0", 76),
    "ability_high": Fact("90 % to", "0.0", 76),
    "evidence_class": Fact("Evidence", width=138),
    "results": Fact("Results", "0,0", 66),
    "sources": Fact("Sources", width=190, shown_as=formats.boards),
    "openness_words": Fact("Weights", width=110),
    "licence": Fact("Licence", width=120),
    "release_date": Fact("Released", width=108),
    "parameters_billion": Fact("Parameters (billion)", "0,0.0", 90),
    "weights_gib": Fact("Weights (GiB)", "0,0.0", 80),
    "weight_format": Fact("Published as", width=110),
    "devices": Fact("H100s to serve", "0", 76),
    "tokens_per_s": Fact("Tokens / s per request", "0,0", 84),
    "usd_per_million_tokens": Fact("USD per million tokens", "0,0.00", 84),
    "organization": Fact("Maker", width=110),
    "mode": Fact("Mode", width=100, shown_as=mode),
    "effort": Fact("Effort", width=80),
    "change": Fact("Change since before", "+0.0", 80),
    "reason": Fact("Why", width=100),
    "as_of_date": Fact("As of", width=108),
}


def domain(name: str) -> str:
    """A domain in words."""
    return DOMAIN_WORDS.get(name) or formats.label(name).capitalize()


def domains(rows: pl.DataFrame) -> dict[str, str]:
    """Label and name of each domain of the query `ability_domains`."""
    return {f"{domain(name)} ({formats.count(models)})": name for name, models, _ in rows.iter_rows()}


def estimate(row: dict[str, Any]) -> str:
    """An ability with its interval."""
    return f"{row['ability']:.1f} (90 %: {row['ability_low']:.1f} to {row['ability_high']:.1f})"


def rests_on(row: dict[str, Any]) -> str:
    """What an estimate rests on."""
    if row["evidence_class"] == "prior":
        return "not evaluated by any board: expected from its size and date"
    results = counted(row["results"], "result")
    return f"{row['evidence_class']}: {results} of {formats.boards(row['sources'] or 'no board')}"


def where(domain_name: str, as_of: dt.date | None, n: int, what: str = "models") -> str:
    """Source and n of a chart of abilities."""
    return f"Ability, {formats.running(domain(domain_name))}: all boards to {as_of}; n = {formats.count(n)} {what}"


READING = (
    "Scale of the Epoch Capabilities Index: Claude 3.5 Sonnet 130, GPT-5 150. Bars: 90 % intervals. Models whose "
    "intervals overlap widely cannot be distinguished."
)
