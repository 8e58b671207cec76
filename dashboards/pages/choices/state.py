"""What can be chosen: my hardware, my limits, and what I care for."""

from typing import Any

import param
import polars as pl

from dashboards.parts.choices import ABILITY, BENCHMARKS, PRECISIONS, WEIGHTED, Limits, Wish
from dashboards.parts.state import UrlState

ACCELERATOR, CONTEXT = "RTX-4090", 8192
QUALITIES = {
    "Ability: all boards": ABILITY,
    "Open LLM Leaderboard v2": "open_llm_v2_average", "What people prefer: arena": "arena_rating",
    "Following instructions: IFEval": "ifeval", "Mathematics: MATH Lvl 5": "math_lvl_5",
    "Knowledge: MMLU-PRO": "mmlu_pro", "Science: GPQA": "gpqa", "Reasoning: BBH": "bbh", "Long reasoning: MUSR": "musr",
    "My own weights": WEIGHTED, "Older models: Open LLM Leaderboard v1": "open_llm_v1_average",
}  # fmt: skip
LICENCES = {"Any licence": "any", "Commercial use allowed": "commercial", "Open source only": "open_source"}
MAKERS = {"Anybody": "any", "Official providers only": "official"}
AGAINST = {
    "Tokens per second": ("tokens_per_s", "Tokens per second", True),
    "Time to first token": ("time_to_first_token_s", "Time to first token (s)", False),
    "Cost": ("usd", "USD per million tokens", False),
    "Carbon": ("g_co2e_per_million_tokens", "g CO₂e per million tokens", False),
    "Memory": ("memory_high_gib", "Memory per device, at most (GiB)", False),
}
"""Label, and column, title of the axis, whether more of it is better."""
_NO_LIMIT = "0 is no limit."


class ChoicesState(UrlState):
    """Choices of the page."""

    accelerator: Any = param.Selector(objects=[])
    devices: Any = param.Selector(objects=[])
    context: Any = param.Selector(objects=[])
    batch: Any = param.Selector(objects=[])
    quality: Any = param.Selector(default=ABILITY, objects=dict(QUALITIES))
    w_ifeval: Any = param.Integer(default=1, bounds=(0, 10))
    w_bbh: Any = param.Integer(default=1, bounds=(0, 10))
    w_math_lvl_5: Any = param.Integer(default=1, bounds=(0, 10))
    w_gpqa: Any = param.Integer(default=1, bounds=(0, 10))
    w_musr: Any = param.Integer(default=1, bounds=(0, 10))
    w_mmlu_pro: Any = param.Integer(default=1, bounds=(0, 10))
    licence: Any = param.Selector(default="any", objects=dict(LICENCES))
    maker: Any = param.Selector(default="any", objects=dict(MAKERS))
    merges: Any = param.Boolean(default=True, doc="Whether merges of weights are shown.")
    precision: Any = param.Selector(
        default="any",
        objects={"The highest that fits": "any"} | {f"{name} only": key for key, name in PRECISIONS.items()},
    )
    borderline: Any = param.Boolean(default=False, doc="Whether what may fit counts as fitting.")
    first_token: Any = param.Number(default=0.0, bounds=(0.0, 10_000.0), doc=_NO_LIMIT)
    speed: Any = param.Number(default=0.0, bounds=(0.0, 1_000_000.0), doc=_NO_LIMIT)
    usd: Any = param.Number(default=0.0, bounds=(0.0, 100_000.0), doc=_NO_LIMIT)
    grams: Any = param.Number(default=0.0, bounds=(0.0, 10_000_000.0), doc=_NO_LIMIT)
    device_hour: Any = param.Number(default=0.0, bounds=(0.0, 1_000.0), doc="0 takes the cheapest rent listed.")
    kwh: Any = param.Number(default=0.2, bounds=(0.0, 10.0), doc="USD per kWh, where no rental price is listed.")
    against: Any = param.Selector(default="tokens_per_s", objects={k: v[0] for k, v in AGAINST.items()})
    wanted: Any = param.Number(default=0.0, bounds=(0.0, 3_000.0), doc="Quality; 0 is that of the best model found.")
    model: Any = param.String(default="", doc="Model whose details are open.")

    def offer_hardware(self, axes: pl.DataFrame) -> list[str]:
        """Offer what the predictions cover."""
        labels = {
            f"{row['accelerator']} · {row['memory_gb']:g} GB{' · calibrated' if row['is_calibrated'] else ''}": row[
                "accelerator"
            ]
            for row in axes.select("accelerator", "memory_gb", "is_calibrated").unique().sort("accelerator").to_dicts()
        }
        notes = self._offer("accelerator", labels, ACCELERATOR if ACCELERATOR in labels.values() else None)
        return notes + self.follow_accelerator(axes)

    def follow_accelerator(self, axes: pl.DataFrame) -> list[str]:
        """Offer the counts, contexts and batches of the chosen accelerator."""
        own = axes.filter(pl.col("accelerator") == self.accelerator)

        def texts(column: str) -> list[str]:
            return [str(value) for value in own[column].unique().sort()]

        contexts = texts("context")
        notes = self._offer("devices", texts("devices"), None)
        notes += self._offer(
            "context", {f"{int(c):,} tokens": c for c in contexts}, str(CONTEXT) if str(CONTEXT) in contexts else None
        )
        return notes + self._offer("batch", {_concurrency(b): b for b in texts("batch")}, None)

    def _offer(self, name: str, options: Any, default: str | None) -> list[str]:
        values = list(options.values()) if isinstance(options, dict) else list(options)
        chosen = default or values[0]
        self.remember_default(name, chosen)
        return self.offer(name, options, chosen)

    @property
    def question(self) -> dict[str, Any]:
        """Parameters of the query for the choices on this hardware."""
        return {
            "accelerator": self.accelerator, "devices": int(self.devices), "batch": int(self.batch),
            "context": int(self.context),
        }  # fmt: skip

    @property
    def weights(self) -> dict[str, int]:
        """Weight of each benchmark."""
        return {name: getattr(self, f"w_{name}") for name in BENCHMARKS}

    @property
    def wish(self) -> Wish:
        """What is cared for."""
        return Wish(
            quality=self.quality, weights=self.weights, usd_per_device_hour=self.device_hour, usd_per_kwh=self.kwh
        )

    @property
    def limits(self) -> Limits:
        """What to keep."""
        return Limits(
            devices=int(self.devices), licence=self.licence, maker=self.maker, merges=self.merges,
            precision=self.precision, borderline=self.borderline, first_token_s=self.first_token,
            tokens_per_s=self.speed, usd=self.usd, grams=self.grams,
        )  # fmt: skip

    @property
    def hardware(self) -> str:
        """The accelerators, for reading."""
        return self.accelerator if self.devices == "1" else f"{self.devices} × {self.accelerator}"


def _concurrency(batch: str) -> str:
    return "1 at a time" if batch == "1" else f"{int(batch):,} at a time"
