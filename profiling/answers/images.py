"""Images and sound in a prompt: the pass of a tower, which comes before the decoder reads its tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from profiling.devices.accelerators import Accelerator
from profiling.models.architecture import Architecture
from profiling.models.towers import projector_model, tower_model
from profiling.roofline.estimate import Estimate, estimate
from profiling.roofline.whole import TIME_NAMES, PassTime
from profiling.roofline.workload import Precision, Workload

TOWER_BITS = 16
"""Engines keep towers at 16 bits whatever the decoder is stored in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The tower's pass over the images of a prompt."""

    name: str
    images: float
    """As many images as the tokens come to; 1 where an image has as many patches as its size asks for."""
    patches: int
    """Of each image."""
    tower: Estimate
    projector: Estimate | None
    """Of the matrices between tower and decoder; None: the config states no widths of theirs."""

    @property
    def time(self) -> PassTime:
        """The pass of the tower, and that of what follows it."""
        return self.tower.time if self.projector is None else self.tower.time + self.projector.time

    def before(self, decoder: Estimate) -> Estimate:
        """A prefill or a generation with the tower's pass before it."""
        tower = self.time
        time = decoder.time + tower
        rate = decoder.tokens_per_s
        if rate is not None:
            rates = {
                name: getattr(rate, name) * _seconds(decoder.time, name) / _seconds(time, name) for name in TIME_NAMES
            }
            rate = PassTime(**rates)
        first = decoder.time_to_first_token
        return replace(
            decoder, time=time, tokens_per_s=rate, time_to_first_token=None if first is None else first + tower,
            operators=decoder.operators
            if decoder.workload.stage == "generate"
            else (
                *self.tower.operators, *(self.projector.operators if self.projector else ()), *decoder.operators,
            ),
        )  # fmt: skip


def images_of(
    model: Architecture, tokens: int, workload: Workload, device: Accelerator, engine: str, tower: str = "vision tower"
) -> Images | None:
    """The pass over so many tokens of images or sound; None where there are none, or the widths are not known.

    Args:
        model: The model whose tower reads them.
        tokens: Tokens of images, or of sound, per sequence.
        workload: What else is asked: its batch and its devices, of which each holds the tower whole.
        device: One of them.
        engine: What runs it.
        tower: Which: vision tower, or audio tower.
    """
    part = next((each for each in model.not_counted if each.name == tower and each.tower is not None), None)
    if not tokens or part is None or part.tower is None:
        return None
    patches = tokens * part.tower.patches_per_token
    each = part.tower.patches_per_image or patches
    images = max(patches / each, 1.0)
    tower_load = Workload(
        stage="encode", batch=images * workload.batch, context=max(1.0, patches / images),
        precision=Precision(weight_bits=TOWER_BITS),
    )  # fmt: skip
    step = estimate(tower_model(part.tower, f"{model.name}: {part.name}"), device, tower_load, engine=engine)
    matrices, projector = projector_model(part.tower, f"{model.name}: projector"), None
    if matrices is not None:
        passed_on = replace(tower_load, batch=workload.batch, context=float(tokens))
        projector = estimate(matrices, device, passed_on, engine=engine)
    return Images(
        name=part.name, images=images, patches=round(patches / images), tower=step, projector=projector
    )  # fmt: skip


def _seconds(time: PassTime, name: str) -> float:
    """The time that a rate's end belongs to: the low rate is of the slow end."""
    return float(getattr(time, {"low_s": "high_s", "high_s": "low_s"}.get(name, name)))
