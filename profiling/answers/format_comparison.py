"""Models in stored formats against one another: which is abler as it would be run, and whether that is beyond noise.

"32B at 3 bits or 14B at 8?": the ability of each as boards judged it, less what its formats of weights and cache cost,
with the errors of both in the interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot

import polars as pl

from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from analytics.units import decimal
from profiling.answers.advise import CACHE_TASKS, USES
from profiling.answers.cache_flags import WHOLE
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence, Lost, Measured, in_format
from profiling.devices.accelerators import GIB
from profiling.engines.formats import FORMATS, SERVED_FORMATS
from profiling.errors import InvalidWorkload, UnknownModel
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.format_names import kv_format
from profiling.models.names import resolve_model
from profiling.roofline.precisions import precision_for

_AT = "@"


@dataclass(frozen=True, slots=True)
class Side:
    """A model as it would be run."""

    model_id: str
    weight_format: str | None = None
    """None: as published."""
    kv: str = WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A side with what is known of it, compared with the first.

    Attributes:
        side: The side; its format by name.
        judged: Ability of the model as published: low, likely, high (90 %).
        ability: The same in the formats asked for; as judged where their cost is not known.
        lost: What the formats cost; None: not known.
        lead: Points ahead of the first side, with the 95 % interval; None for the first.
        file_gib: Size of the weights; None where the shapes are not known.
    """

    side: Side
    mode: str
    results: int
    evidence_class: str
    judged: tuple[float, float, float]
    ability: tuple[float, float, float]
    lost: Lost | None
    measured: tuple[Measured, ...] = ()
    lead: tuple[float, float, float] | None = None
    file_gib: float | None = None

    @property
    def name(self) -> str:
        """Model and formats, for reading."""
        cache = "" if self.side.kv == WHOLE else f", {self.side.kv} cache"
        return f"{self.side.model_id} in {self.side.weight_format}{cache}"

    @property
    def is_beyond_noise(self) -> bool | None:
        """Whether noise does not explain the difference to the first; None: the first, or unknown cost."""
        if self.lead is None or self.lost is None:
            return None
        return self.lead[0] > 0 or self.lead[2] < 0

    def row(self) -> dict[str, object]:
        """One flat row."""
        low, likely, high = self.ability
        lead_low, lead, lead_high = self.lead or (None, None, None)
        return {
            "model_id": self.side.model_id, "weight_format": self.side.weight_format, "kv_format": self.side.kv,
            "mode": self.mode, "ability_in_format": likely, "ability_low": low, "ability_high": high,
            "ahead": lead, "ahead_low": lead_low, "ahead_high": lead_high, "is_beyond_noise": self.is_beyond_noise,
            "ability": self.judged[1], "ability_lost": self.lost and self.lost.likely,
            "ability_lost_low": self.lost and self.lost.low, "ability_lost_high": self.lost and self.lost.high,
            "is_cache_counted": self.lost and self.lost.holds_cache,
            "loss_warnings": " ".join(self.lost.warnings) or None if self.lost else None,
            "measured_losses": "; ".join(loss.words for loss in self.measured) or None,
            "results": self.results, "evidence_class": self.evidence_class, "file_size_gib": self.file_gib,
        }  # fmt: skip


def parse_side(text: str, abilities: pl.DataFrame, kv: str = WHOLE) -> Side:
    """The side that a text names: a model by any of its names, and after an @ the format of its weights.

    Args:
        text: Such as `Qwen2.5-32B-Instruct@q3_k_m`; names that state a format (Ollama tags, GGUF files) need no @.
        abilities: Rows of `marts.ability`: judged models.
        kv: Format of the cache.

    Raises:
        UnknownModel: The text names no judged model, or several.
    """
    name, _, weight_format = text.partition(_AT)
    judged = abilities.filter(pl.col("evidence_class") != "prior")["model_id"].unique().sort().to_list()
    match = resolve_model(name.strip(), judged)
    if match.model_id not in judged:
        raise UnknownModel(match.evidence or f"no board has judged {name.strip()!r}")
    return Side(str(match.model_id), weight_format.strip() or match.weight_format, kv)


def format_choices(model: Architecture) -> list[str]:
    """Formats that people store a model in, the published one first, then widest first by engine."""
    engines = (SERVED_FORMATS, FORMATS["llama.cpp"], FORMATS["mlx"], FORMATS["exllama"])
    return list(dict.fromkeys([model.published_format.name, *(name for names in engines for name in names if name)]))


def comparisons(door: Door, evidence: Evidence, sides: Sequence[Side], use: str = "chat") -> list[Comparison]:
    """Every side with its ability in its formats, compared with the first.

    Differences are taken between independent errors; of one model in two formats only what the formats cost differs.

    Args:
        door: Whose facts.
        evidence: What is known of quality.
        sides: At least one.
        use: One of `USES`, which says by which domain of ability models are held to one another.

    Raises:
        InvalidWorkload: The use is not known.
        UnknownModel: A model that no board has judged, or one in a format whose shapes are not known.
        UnsupportedPrecision: A format of weights or cache is not known.
    """
    if use not in USES:
        raise InvalidWorkload(f"unknown use {use!r}; known: {', '.join(USES)}")
    results = list(_each(door, evidence, sides, use))
    first = results[0]
    return [first, *(_against(first, comparison) for comparison in results[1:])]


def notes(results: Sequence[Comparison]) -> list[str]:
    """What should be known beside the rows."""
    names = [comparison.name for comparison in results if comparison.lost is None]
    lines = [f"{name}: the loss from its format is not known." for name in names]
    lines += [
        f"{comparison.name}: {warning}"
        for comparison in results
        if comparison.lost
        for warning in comparison.lost.warnings
    ]
    return list(dict.fromkeys(lines))


def sentence(first: Comparison, other: Comparison) -> str:
    """The answer in words."""
    if other.lead is None:
        return ""
    low, lead, high = other.lead
    ablest, least = (other, first) if lead > 0 else (first, other)
    if other.lost is None or first.lost is None:
        return f"{first.name} and {other.name}: the loss from a format is not known, so they are compared as evaluated."
    low, high = (low, high) if lead > 0 else (-high, -low)
    beyond = "beyond noise" if other.is_beyond_noise else "which noise can explain"
    by = f"{abs(lead):.1f} points (95 %: {decimal(low, 1)} to {decimal(high, 1)})"
    return f"{ablest.name} is ahead of {least.name} by {by}, {beyond}."


def _each(door: Door, evidence: Evidence, sides: Sequence[Side], use: str) -> Iterator[Comparison]:
    rows = _judged(evidence.abilities, USES[use], [side.model_id for side in sides])
    for side in sides:
        row = rows.get(side.model_id)
        if row is None:
            raise UnknownModel(f"no board has judged {side.model_id}")
        bits = kv_format(side.kv)
        model = door.judged_model(side.model_id)
        judged = (float(str(row["ability_low"])), float(str(row["ability"])), float(str(row["ability_high"])))
        lost: Lost | None = None
        measured: tuple[Measured, ...] = ()
        size: float | None = None
        name = side.weight_format
        if model is not None:
            name = name or model.published_format.name
            size = float(weight_bytes(model, precision_for(model, name))) / GIB
            lost = evidence.lost(model, name, bits, CACHE_TASKS[use])
            measured = evidence.measured(model, name)
        elif name is not None or side.kv != WHOLE:
            raise UnknownModel(
                f"{side.model_id} has no configuration here, so its loss in a format is not known; "
                "`skyline describe NAME --online` reads one from the hub and keeps it"
            )
        else:
            lost = Lost(0.0, 0.0, 0.0)
        yield Comparison(
            side=Side(side.model_id, name or "published", side.kv), mode=str(row["mode"]),
            results=int(str(row["results"])), evidence_class=str(row["evidence_class"]), judged=judged,
            ability=in_format(judged, lost), lost=lost, measured=measured, file_gib=size,
        )  # fmt: skip


def _judged(abilities: pl.DataFrame, domain: str, models: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
    """The headline row of each model in a domain; of all in the overall one where one of them is not judged in it."""
    chosen = abilities.filter(
        pl.col("is_headline") & pl.col("evidence_class").ne("prior") & pl.col("model_id").is_in(list(models))
    )
    for each in (domain, "overall"):
        rows = {str(row["model_id"]): row for row in chosen.filter(pl.col("domain") == each).iter_rows(named=True)}
        if len(rows) == len(set(models)):
            return rows
    return rows


def _against(first: Comparison, other: Comparison) -> Comparison:
    lead = other.ability[1] - first.ability[1]
    if other.side.model_id == first.side.model_id:
        mine, theirs = (in_format((0.0, 0.0, 0.0), each.lost) for each in (other, first))
    else:
        mine, theirs = other.ability, first.ability
    wide = TWO_SIDED_95 / TWO_SIDED_90
    below = wide * hypot(mine[1] - mine[0], theirs[2] - theirs[1])
    above = wide * hypot(mine[2] - mine[1], theirs[1] - theirs[0])
    return replace(other, lead=(lead - below, lead, lead + above))
