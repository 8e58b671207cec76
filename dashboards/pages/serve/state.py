"""Choices of the page Serve: the model, who asks for what, what they are promised, and two fleets to compare."""

from typing import Any

import param

from dashboards.parts import engine_options
from dashboards.parts.engine_options import CACHE, EngineOptions
from profiling.answers.door import Door
from profiling.answers.question import AS_PUBLISHED, ENGINE, weight_choices
from profiling.memory.engines import PROFILES
from profiling.models.format_names import kv_format
from profiling.serving.plan import Promise
from profiling.serving.replica import Options
from profiling.serving.simulate import Traffic

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
FLEETS = ("8xH100", "4xB200")


class ServeState(EngineOptions):
    """Choices of the page."""

    model: Any = param.Selector(objects=[])
    users: Any = param.Integer(default=50, bounds=(1, 2000), doc="Requests in flight at all times.")
    rate: Any = param.Number(default=0.0, bounds=(0.0, 1000.0), doc="Requests per second in their place; 0: users.")
    input: Any = param.Integer(default=2000, bounds=(1, 1_048_576), doc="Mean length of a prompt in tokens.")
    output: Any = param.Integer(default=500, bounds=(1, 65_536), doc="Mean length of an answer in tokens.")
    spread: Any = param.Number(default=0.5, bounds=(0.0, 3.0), doc="Coefficient of variation of both lengths.")
    ttft: Any = param.Number(default=2.0, bounds=(0.0, 3600.0), doc="Seconds to the first token; 0: no promise.")
    tpot: Any = param.Number(default=50.0, bounds=(0.0, 60_000.0), doc="Milliseconds per token; 0: no promise.")
    weights: Any = param.Selector(objects=[])
    kv: Any = param.Selector(objects=[])
    engine: Any = param.Selector(default=ENGINE, objects=list(PROFILES))
    first: Any = param.String(default=FLEETS[0], doc="A fleet of fixed size; empty: none.")
    second: Any = param.String(default=FLEETS[1], doc="Another.")
    cached: Any = param.Number(default=0.0, bounds=(0.0, 99.0), doc="Percent of every prompt that is reused.")
    draft: Any = param.Integer(default=0, bounds=(0, 64), doc="Tokens proposed per step by speculation; 0: none.")
    acceptance: Any = param.Number(default=0.7, bounds=(0.0, 1.0), doc="Probability that one of them is accepted.")
    disaggregated: Any = param.Boolean(default=False, doc="Whether prompts are read on replicas of their own.")
    spot: Any = param.Boolean(default=False, doc="Whether interruptible devices are rented.")

    def offer_all(self, door: Door) -> list[str]:
        """Offer models and formats; notes where what was asked is none of them."""
        notes = engine_options.offer_cache(self)
        for name, options, default in (
            ("model", door.model_choices(), MODEL), ("weights", weight_choices(), AS_PUBLISHED),
        ):  # fmt: skip
            self.remember_default(name, default)
            notes += self.offer(name, options, default)
        return notes

    @property
    def promise(self) -> Promise:
        """What users are promised, and who they are."""
        traffic = Traffic(
            input_tokens=self.input, output_tokens=self.output, users=None if self.rate else self.users,
            requests_per_s=self.rate or None, spread=self.spread, cached_prefix=self.cached / 100,
        )  # fmt: skip
        return Promise(
            traffic=traffic, time_to_first_token_s=self.ttft or None,
            time_per_output_token_s=self.tpot / 1000 if self.tpot else None,
        )  # fmt: skip

    @property
    def options(self) -> Options:
        """How the model is served."""
        return Options(
            weight_format=None if self.weights == AS_PUBLISHED else self.weights, engine=self.engine, spot=self.spot,
            draft=self.draft, acceptance=self.acceptance, disaggregated=self.disaggregated, kv_bits=kv_format(self.kv),
            **engine_options.chosen(self),
        )  # fmt: skip

    @property
    def fleets(self) -> tuple[str, ...]:
        """The fleets that were named."""
        return tuple(text.strip() for text in (self.first, self.second) if text.strip())

    @property
    def command(self) -> str:
        """The same question on the command line."""
        load = f"--requests-per-second {self.rate:g}" if self.rate else f"--users {self.users}"
        parts = [
            f"skyline plan {self.model} {load} --input-tokens {self.input} --output-tokens {self.output}",
            f"--spread {self.spread:g}" if self.spread != 0.5 else "",
            f"--ttft {self.ttft:g}s" if self.ttft else "",
            f"--tpot {self.tpot:g}ms" if self.tpot else "",
            f"--weight-format {self.weights}" if self.weights != AS_PUBLISHED else "",
            f"--kv-format {self.kv}" if self.kv != CACHE else "",
            f"--engine {self.engine}" if self.engine != ENGINE else "",
            engine_options.flags(self).strip(),
            f"--cached-prefix {self.cached / 100:g}" if self.cached else "",
            f"--draft {self.draft} --acceptance {self.acceptance:g}" if self.draft else "",
            "--disaggregated" if self.disaggregated else "",
            "--spot" if self.spot else "",
        ]
        return " ".join(part for part in parts if part)
