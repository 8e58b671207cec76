"""Sentences on the model of a question: how its config was read, its length, and what reads images and sound."""

from __future__ import annotations

from profiling.answers.images import TOWER_BITS, Images
from profiling.devices.accelerators import Accelerator
from profiling.memory.engines import engine_profile, runs_on
from profiling.models.architecture import Architecture


def model_notes(model: Architecture) -> tuple[str, ...]:
    """How its config was read, and what the checkpoint holds that is not counted, as sentences."""
    own = (note for note in model.notes if note not in model.published_format.notes)
    beside = "; ".join(map(str, model.not_counted))
    sized = any(part.is_tower and part.parameters for part in model.not_counted)
    room = "; the upper end of memory allows for towers" if sized else ""
    return (*(f"{model.name}: {note}." for note in own), *((f"Not counted: {beside}{room}.",) if beside else ()))


def tower_note(model: Architecture, device: Accelerator, read: Images | None, name: str, pieces: str) -> str:
    """How a tower reads what comes before the words and what that costs in time, or why its time is not counted.

    Args:
        model: Whose tower it is.
        device: What it runs on.
        read: Its pass; None where its layers are of no kind that is timed.
        name: Of the tower, as the parts that are not counted have it.
        pieces: What it reads: patches or frames.
    """
    if read is None:
        part = next((each for each in model.not_counted if each.name == name), None)
        if part is None:
            return f"its config names no {name}, so that nothing but the decoder's time over them is counted."
        least = "; how many parameters it has is not known either"
        if part.parameters:
            once = 1000 * part.parameters * TOWER_BITS / 8 / device.bandwidth_bytes_per_s
            least = f"; reading its {part.parameters / 1e9:.2f} B parameters once takes at least {once:.3g} ms more"
        return f"the layers of its {name} are of a kind that is not timed here{least}."
    low, likely, high = (1000 * float(each) for each in (read.time.low_s, read.time.likely_s, read.time.high_s))
    with_projector = "" if read.projector else " (without its projector, whose widths the config does not state)"
    return (
        f"the {read.name}{with_projector} reads them as {read.images:.3g} × {read.patches:,} {pieces} first, "
        f"{likely:.3g} ms ({low:.3g} to {high:.3g}) of the time to the first token."
    )


def length_notes(model: Architecture, tokens: int) -> list[str]:
    """That these are more tokens than the model was made for, in a sentence; nothing where they are not.

    Args:
        model: Its architecture.
        tokens: Of one sequence at its longest.
    """
    longest = model.max_position
    return (
        [f"{model.name} was made for {longest:,} tokens; {tokens:,} exceed that."]
        if longest and tokens > longest
        else []
    )


def sharing_note(engine: str, devices: int) -> str | None:
    """That an engine shares every layer only when told to, and that no row behind its time was measured so.

    Args:
        engine: Its name.
        devices: That share every layer.
    """
    if devices == 1 or not engine_profile(engine).by_layers:
        return None
    option, comparison = "", ""
    if runs_on(engine) == "llama.cpp":
        option = " (llama.cpp: `--split-mode tensor`, experimental, not for every family and without a quantised cache)"
        # gpt-oss-120b: 179.8 tokens/s at no depth and 147.9 at 65,536; prompts of 512 and 8,192 tokens.
        comparison = (
            " Of gpt-oss-120b on four RTX 4090 (llama.cpp pull request 19378) it foresees decoding within 5 %, "
            "and prompts 1.4 times too fast."
        )
    return (
        f"{engine} deals out whole layers unless told to share each{option}; the measurements behind this time have "
        f"layers dealt out.{comparison}"
    )
