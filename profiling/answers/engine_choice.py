"""Which engine a question is asked of, where it names none, and what speaks against one that it names."""

from profiling.answers.question import ENCODER_ENGINE, ENGINE
from profiling.devices.accelerators import Accelerator
from profiling.engines.families import not_read, reads
from profiling.memory.engines import default_engine, too_old
from profiling.models.architecture import Architecture


def usual_engine(model: Architecture, device: Accelerator) -> str:
    """What people run models of that kind with on such a device, whether or not it reads this one."""
    return ENCODER_ENGINE if model.kind == "encoder" else default_engine(device)


def engine_for(model: Architecture, device: Accelerator) -> str:
    """What people run such a model with on such a device: where the usual engine does not read it, one that does."""
    usual = usual_engine(model, device)
    if reads(usual, model) != "no":
        return usual
    others = ("sglang", "transformers") if usual == ENGINE and not too_old("sglang", device) else ("transformers",)
    return next((engine for engine in others if reads(engine, model) == "yes"), usual)


def engine_cautions(engine: str, model: Architecture, device: Accelerator) -> tuple[str, ...]:
    """Sentences on an engine that is not known to read the model, or is too new for the card.

    Raises:
        InvalidWorkload: No such engine.
    """
    cautions = (not_read(engine, model), too_old(engine, device))
    return tuple(f"{caution.removesuffix('.')}." for caution in cautions if caution)
