"""Which engine a question is asked of, where it names none, and what speaks against one that it names."""

from profiling.answers.question import ENCODER_ENGINE, ENGINE
from profiling.devices.accelerators import Accelerator
from profiling.engines.families import not_read, reads
from profiling.engines.formats import not_stored, owner_of
from profiling.memory.engines import cannot_run, default_engine, too_old
from profiling.models.architecture import Architecture


def usual_engine(model: Architecture, device: Accelerator) -> str:
    """What people run models of that kind with on such a device, whether or not it reads this one."""
    return ENCODER_ENGINE if model.kind == "encoder" else default_engine(device)


def engine_for(model: Architecture, device: Accelerator, weight_format: str | None = None) -> str:
    """What people run such a model with on such a device: where the usual engine does not read it, one that does.

    Args:
        model: The model.
        device: One of the devices.
        weight_format: How its weights are stored, where that is stated: a file of GGUF is run by llama.cpp anywhere.
    """
    usual = usual_engine(model, device)
    owner = owner_of(weight_format) if weight_format and model.kind == "decoder" else None
    if owner and owner != usual and not cannot_run(owner, device) and reads(owner, model) != "no":
        return owner
    if reads(usual, model) != "no":
        return usual
    others = ("sglang", "transformers") if usual == ENGINE and not too_old("sglang", device) else ("transformers",)
    return next((engine for engine in others if reads(engine, model) == "yes"), usual)


def engine_cautions(
    engine: str, model: Architecture, device: Accelerator, weight_format: str | None
) -> tuple[str, ...]:
    """Sentences on an engine that does not read the model or its format as far as is known, or not run on the device.

    Args:
        engine: What is to run it.
        model: The model.
        device: One of the devices.
        weight_format: How its weights are stored; None: only their bits are known.

    Raises:
        InvalidWorkload: No such engine.
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    otherwise_stored = not_stored(engine, model, weight_format) if weight_format else ""
    cautions = (not_read(engine, model), otherwise_stored, cannot_run(engine, device))
    return tuple(f"{caution.removesuffix('.')}." for caution in cautions if caution)
