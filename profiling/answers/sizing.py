"""What serving a model as it is published takes: the fewest devices, its memory, speed and price, by one load for all.

Tables and pages that size many models ask here, so that a model needs as many devices wherever it is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from profiling.answers.door import Door
from profiling.answers.question import ENGINE, Question
from profiling.devices.accelerators import GIB
from profiling.errors import ProfilingError
from profiling.memory.need import gpus_needed, memory_need, rule_of_thumb_bytes, rule_of_thumb_gpus
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.names import states_format
from profiling.models.stored import BF16
from profiling.roofline.workload import Workload

DEVICE = "H100-SXM5-80GB"
BATCH, CONTEXT = 32, 4096
"""The load is one of those of `marts.gpu_requirements`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """A model under the load.

    Attributes:
        parameters_total: Parameters, all experts.
        parameters_active: Parameters that a token uses.
        weight_format: As published.
        weight_bits: Bits per weight of that format.
        weights_gib: Weights alone.
        devices: Fewest devices that surely fit it; None where 128 are not enough.
        memory_gib: Low and high need of all of them together; None with them.
        tokens_per_s: Low, likely and high rate of one request; None where it cannot be timed.
        usd_per_million_tokens: Low, likely and high rent; None where speed or price is not known.
        rule_of_thumb_gib: Weights and a fifth on top.
        rule_of_thumb_devices: By that, without any rounding to legal numbers.
        context: Tokens of each request: those of the load, or as many as the model was made for.
    """

    parameters_total: int
    parameters_active: int
    weight_format: str
    weight_bits: float
    weights_gib: float
    devices: int | None
    memory_gib: tuple[float, float] | None
    tokens_per_s: tuple[float, float, float] | None
    usd_per_million_tokens: tuple[float, float, float] | None
    rule_of_thumb_gib: float
    rule_of_thumb_devices: int
    context: int
    timed_as: str | None = None
    """The stage of the accuracy tables that its speed was held against."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes of a model.

    Attributes:
        name: Name by which the door finds them.
        model: They themselves, in the format that the model is published in.
    """

    name: str
    model: Architecture


def shapes_of(door: Door, model_id: str, architecture_id: str | None = None) -> Shapes | None:
    """The shapes of a decoder of the hub, or of the model that it shares its shapes with; None where none are known.

    A name without an address on the hub is nothing that anybody could serve. The format of a copy that somebody
    quantised is not the model's own; that of an earlier release by the same publisher is (DeepSeek-R1-0528 has the
    format of DeepSeek-R1).
    """
    if "/" not in model_id:
        return None
    for name in (model_id, architecture_id):
        if name is None:
            continue
        try:
            model = door.known_model(name)
        except ProfilingError:
            continue
        if model is not None and model.kind == "decoder":
            is_own = model.name == name or (
                _publisher(model.name) == _publisher(name) and not states_format(model.name)
            )
            return Shapes(model.name, model if is_own else replace(model, published_format=BF16, stored_bytes=None))
    return None


def _publisher(model_id: str) -> str:
    return model_id.split("/", maxsplit=1)[0].casefold()


def sizing(door: Door, shapes: Shapes) -> Sizing:
    """What a model takes under the load.

    Args:
        door: Whose facts.
        shapes: From `shapes_of`.

    Raises:
        ProfilingError: The format that it is published in is not known.
    """
    device, model = door.device(DEVICE), shapes.model
    context = min(CONTEXT, model.max_position or CONTEXT)
    is_itself = door.model(shapes.name).published_format == model.published_format
    question = Question(
        model=shapes.name, accelerator=device.name, batch=BATCH, context=context, engine=ENGINE,
        weight_format=None if is_itself else model.published_format.name,
    )  # fmt: skip
    precision = question.precision_of(model)
    workload = Workload(batch=BATCH, context=context, precision=precision)
    bits = float(precision.weight_bits)
    size = Sizing(
        parameters_total=model.parameters_total, parameters_active=model.parameters_active,
        weight_format=model.published_format.name, weight_bits=bits,
        weights_gib=float(weight_bytes(model, precision)) / GIB, devices=None, memory_gib=None, tokens_per_s=None,
        usd_per_million_tokens=None, rule_of_thumb_gib=rule_of_thumb_bytes(model.parameters_total, bits) / GIB,
        rule_of_thumb_devices=rule_of_thumb_gpus(model.parameters_total, bits, device), context=context,
    )  # fmt: skip
    try:
        plan = gpus_needed(model, device, workload, ENGINE)
    except ProfilingError:
        return size
    need = memory_need(model, device, replace(workload, parallelism=plan), ENGINE)
    size = replace(
        size, devices=plan.devices,
        memory_gib=(plan.devices * float(need.low) / GIB, plan.devices * float(need.high) / GIB),
    )  # fmt: skip
    try:
        answer = door.answer(replace(question, tensor=plan.tensor, pipeline=plan.pipeline))
    except ProfilingError:
        return size
    rate, usd = answer.estimate.tokens_per_s, answer.usd_per_million_tokens
    if rate is not None:
        each = (float(rate.low_s) / BATCH, float(rate.likely_s) / BATCH, float(rate.high_s) / BATCH)
        size = replace(size, tokens_per_s=each, timed_as=answer.estimate.basis.stage)
    if usd is not None:
        size = replace(size, usd_per_million_tokens=(usd.low, usd.likely, usd.high))
    return size
