"""Choices of the page Processors: the model, the load, which devices, and what is compared."""

from typing import Any

import param

from dashboards.parts.state import UrlState
from profiling.answers.door import Door
from profiling.answers.processors import USUAL
from profiling.answers.question import AS_PUBLISHED, Question, weight_choices

MODEL = "meta-llama/Meta-Llama-3.1-8B"
MEASURES = {"Time": "time", "Energy": "energy", "Cost": "cost"}
_STAGES = {"Decode (one step)": "decode", "Prefill": "prefill"}


class ProcessorsState(UrlState):
    """Choices of the page."""

    model: Any = param.Selector(objects=[])
    weights: Any = param.Selector(objects=[])
    stage: Any = param.Selector(objects=[])
    batch: Any = param.Integer(default=1, bounds=(1, 65_536), doc="Sequences in flight.")
    context: Any = param.Integer(default=4096, bounds=(1, 4_194_304), doc="Tokens of context.")
    devices: Any = param.ListSelector(default=[], objects=[])
    show: Any = param.Selector(default="time", objects=dict(MEASURES), doc="What the chart compares.")

    def offer_all(self, door: Door) -> list[str]:
        """Offer every choice; notes where what was asked is none."""
        usual = [name for name in USUAL if name in door.devices]
        notes = self.offer_with_default("model", door.model_choices(), MODEL)
        notes += self.offer_with_default("weights", weight_choices(), AS_PUBLISHED)
        notes += self.offer_with_default("devices", list(door.devices), usual)
        return notes + self.follow_model(door)

    def follow_model(self, door: Door) -> list[str]:
        """Offer the stages that the chosen model has."""
        is_encoder = door.model(self.model).kind == "encoder"
        stages = {"Encoder pass": "encode"} if is_encoder else _STAGES
        return self.offer_with_default("stage", stages, next(iter(stages.values())))

    @property
    def question(self) -> Question:
        """The load; every row has its own device."""
        return Question(
            model=self.model, accelerator="", stage=self.stage, batch=self.batch, context=self.context,
            weight_format=None if self.weights == AS_PUBLISHED else self.weights,
        )  # fmt: skip
