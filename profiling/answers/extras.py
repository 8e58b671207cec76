"""What people put beside a model: adapters, a model that drafts, images in the prompt; their memory and their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiling.devices.accelerators import Accelerator
from profiling.errors import InvalidWorkload, UnsupportedPrecision
from profiling.memory.need import kv_cache_bytes
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.module_names import matrix_names
from profiling.models.parts import Selection, part_of
from profiling.models.steps import Experts, Linear
from profiling.models.stored import group_of
from profiling.roofline.estimate import estimate
from profiling.roofline.workload import Workload

MTP = "mtp"
"""Drafting with the checkpoint's own layers that predict ahead."""
ACCEPTANCE = 0.7
"""Assumed of a draft model, where nothing is stated: the middle of 0.5 to 0.9 in Leviathan, Kalman & Matias 2023
(arXiv 2211.17192, table 3)."""
MTP_ACCEPTANCE = 0.85
"""Assumed of layers that predict ahead: 85 to 90 % of second tokens of DeepSeek-V3 (arXiv 2412.19437, 5.4.3)."""
_PADDED_VOCABULARY = 0.03
"""How far sizes of one vocabulary may differ within a family, as tables are filled up."""
TARGETS = ("attention", "feed_forward", "experts", "head")
DEFAULT_TARGETS = ("attention",)
_ALL_LINEAR = "all-linear"


def acceptance_of(stated: float | None, draft_model: str | None) -> float:
    """The probability that a proposed token is accepted: as stated, else the documented assumption."""
    if stated is not None:
        return stated
    return MTP_ACCEPTANCE if draft_model == MTP else ACCEPTANCE


def adapter_targets(model: Architecture, text: str) -> tuple[str, ...]:
    """Groups of matrices and names of steps that a list with commas means.

    Groups are `TARGETS`, or `all-linear` for all but the head, as PEFT has it; single matrices go by our names (query,
    down) or by those that checkpoints give them (q_proj, down_proj). Experts are adapted whole.
    """
    said = {part.strip() for part in text.split(",") if part.strip()}
    meant = said - {_ALL_LINEAR}
    for _, step in model.counted_steps():
        if _ALL_LINEAR in said and isinstance(step, Linear | Experts) and group_of(step) in TARGETS[:-1]:
            meant.add(group_of(step))
        if isinstance(step, Experts) and said >= {"up_proj", "down_proj"} | ({"gate_proj"} if step.gated else set()):
            meant = meant - {"gate_proj", "up_proj", "down_proj"} | {step.name}
    for _, step in model.counted_steps():
        if called := {name.rsplit(".", maxsplit=1)[-1] for name in matrix_names(step)} & said:
            meant = meant - called | {step.name}
    return tuple(sorted(meant))


def adapter_parameters(model: Architecture, rank: int, targets: tuple[str, ...] = DEFAULT_TARGETS) -> int:
    """Numbers of one low-rank adapter: `rank` × (inputs + outputs) per matrix (LoRA, arXiv 2106.09685, section 4.1).

    Args:
        model: The model.
        rank: Inner width of the adapter.
        targets: Groups of matrices (`TARGETS`), or names of single ones such as query or down.

    Raises:
        InvalidWorkload: The rank cannot be, or no matrix is meant by a target.
    """
    if not 1 <= rank <= 8192:
        raise InvalidWorkload(f"a rank of {rank} is not possible; it must lie between 1 and 8,192")
    total, named_targets = 0, set()
    for count, step in model.counted_steps():
        matches = {group_of(step), step.name} & set(targets) if isinstance(step, Linear | Experts) else set()
        named_targets |= matches
        if not matches:
            continue
        if isinstance(step, Experts):
            matrices = 3 if step.gated else 2
            total += count * step.count * matrices * rank * (step.hidden_size + step.intermediate_size)
        elif isinstance(step, Linear):
            total += count * rank * (step.width_in + step.width_out)
    missing = sorted(set(targets) - named_targets)
    if missing:
        names = sorted({step.name for _, step in model.counted_steps() if isinstance(step, Linear)})
        raise InvalidWorkload(
            f"{model.name} has no matrices {', '.join(missing)}; groups: {', '.join(TARGETS)}; single ones: "
            f"{', '.join(names)}"
        )
    return total


@dataclass(frozen=True, slots=True)
class Drafting:
    """What proposes tokens.

    Attributes:
        cost: Time of one proposed token as a share of a decode step of the model.
        weight_bytes: Of what drafts.
        cache_bytes: Of its cache.
        words: What was taken, for reading.
    """

    cost: float
    weight_bytes: float
    cache_bytes: float
    words: str


def drafting(
    model: Architecture,
    draft_model: str | None,
    workload: Workload,
    device: Accelerator,
    engine: str,
    find: Callable[[str], Architecture],
) -> Drafting:
    """Time and memory of what drafts, by the performance model itself.

    Args:
        model: The model that verifies.
        draft_model: A smaller model, `mtp` for the checkpoint's own layers that predict ahead; None: nothing is known
            of it, so that each token is taken to cost the stated share of a step and no memory.
        workload: What is asked of the model.
        device: Where both run.
        engine: What runs them.
        find: Gives a model by its name.

    Raises:
        InvalidWorkload: The checkpoint has no such layers, or the vocabularies differ.
    """
    if draft_model is None:
        return Drafting(
            workload.draft_cost, 0.0, 0.0, f"{100 * workload.draft_cost:.0f} % of a step each, as no model was named"
        )
    step = Workload(
        stage="decode", batch=workload.batch, context=workload.context, precision=workload.precision,
        attention=workload.attention, parallelism=workload.parallelism,
    )  # fmt: skip
    if draft_model == MTP:
        mtp_parts = [part for part in model.not_counted if part.mtp_layers]
        if not mtp_parts:
            raise InvalidWorkload(f"{model.name} has no layers that predict ahead; name a smaller model to draft")
        last = model.main.depth - 1
        small = part_of(model, Selection(whole=(last,), last=True))
        assert small is not None  # noqa: S101 - it holds a layer
        stored = sum(part.parameters or 0 for part in mtp_parts) * float(workload.precision.weight_bits) / 8
        words = mtp_parts[0].name
    else:
        small = find(draft_model)
        own, other = model.vocabulary_size, small.vocabulary_size
        if abs(other / own - 1) > _PADDED_VOCABULARY:
            raise InvalidWorkload(
                f"{small.name} has {other:,} tokens and {model.name} {own:,}: a draft needs the same vocabulary"
            )
        stored, words = float(weight_bytes(small, workload.precision, workload.parallelism)), small.name
    try:
        times = [float(estimate(shape, device, step, engine=engine).time.likely_s) for shape in (small, model)]
    except UnsupportedPrecision as error:
        raise InvalidWorkload(str(error)) from error
    cost = min(times[0] / times[1], 1.0)
    cache = float(kv_cache_bytes(small, step).high)
    return Drafting(cost, stored, cache, f"{words}, {100 * cost:.1f} % of a step each")
