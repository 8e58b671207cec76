"""Choices of the Advisor: the machine, the use, and what has to fit."""

from typing import Any

import param

from dashboards.parts.engine_options import EngineOptions
from profiling.answers.advise import USES
from profiling.answers.cache_flags import CACHES, WHOLE
from profiling.memory.engines import PROFILES

USUAL = "usual"
MACHINE = "RTX-4090"
CONTEXTS = {f"{tokens // 1024}k": tokens for tokens in (2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144)}


class AdvisorState(EngineOptions):
    """Choices of the page."""

    machine: Any = param.String(default=MACHINE, doc="Device by any common name.")
    use: Any = param.Selector(default="chat", objects=list(USES))
    context: Any = param.Selector(default=32_768, objects=dict(CONTEXTS))
    users: Any = param.Integer(default=1, bounds=(1, 256), doc="Concurrent requests.")
    engine: Any = param.Selector(default=USUAL, objects={"usual for the device": USUAL} | {n: n for n in PROFILES})
    kv: Any = param.Selector(default=WHOLE, objects=list(CACHES))
    least: Any = param.Number(default=8.0, bounds=(0.0, 1000.0), doc="Minimum tokens per second of each user.")
    host: Any = param.Number(default=0.0, bounds=(0.0, 4096.0), doc="GiB of host memory; 0: not known.")
    processor: Any = param.String(default="", doc="Processor as people name it; empty: a common one.")
