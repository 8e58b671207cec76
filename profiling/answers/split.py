"""A model over unlike memories: cards of several kinds by layers, and layers or experts left to the processor.

Every device holds a part of the model (`profiling.models.parts`) and is timed alone; a token passes through all of them
one after the other, so that times add up. Prompts are cut into micro-batches that follow each other through the cards;
what lies in the memory of the machine is copied to the first card once per micro-batch, as llama.cpp does for prompts
of more than 32 tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil

from profiling.answers.door import Door
from profiling.answers.placement import Piece, Placement, Split
from profiling.devices.accelerators import GIB, Accelerator
from profiling.devices.fleet import Fleet
from profiling.errors import DoesNotFit, IllegalParallelism, InvalidWorkload
from profiling.memory.need import MemoryNeed, largest_integer, memory_need
from profiling.models.architecture import Architecture, fact_of
from profiling.models.parts import Selection, expert_layers, layer_kinds, part_of
from profiling.models.steps import AttentionCore, Experts, Step
from profiling.models.stored import group_of
from profiling.roofline.estimate import estimate
from profiling.roofline.whole import PassTime
from profiling.roofline.workload import Parallelism, Precision, Values, Workload

_ENGINE = "llama.cpp"
"""What runs on the cards and the processor."""
MICRO_BATCH = 512
"""Tokens of a micro-batch of llama.cpp (`-ub`)."""
HOP_S = (20e-6, 35e-6, 50e-6)
"""Low, likely and high time of handing one hidden vector from one memory to the other and waiting for it."""
PCIE_BYTES_PER_S = 25e9
"""What PCIe 4.0 x16 moves in practice; used where the link of a card is not PCIe or not known."""
HOST_SPREAD = 1.2
"""How much wider the interval of a split with the processor is: no fit rests on such splits, and the two measured runs
that are known lie 33 % above and 20 % below the likely rate."""
_LINK_SHARES = (1.0, 0.8, 0.5)
"""Best, likely and worst share of a PCIe link that copies of weights reach (pageable memory: the worst)."""


def placed(
    door: Door,
    model: Architecture,
    fleet: Fleet,
    workload: Workload,
    *,
    host: Accelerator | None = None,
    placement: Placement | None = None,
    prompt: int | None = None,
) -> Split:
    """Memory and time of one placement.

    Args:
        door: Whose calibrations.
        model: The model.
        fleet: The cards; layers are dealt out to them by usable memory.
        workload: Batch, context and widths; it is asked at stage decode.
        host: The processor with its memory; None: everything lies on the cards.
        placement: What stays with the processor.
        prompt: Tokens of a prompt to be timed as well.

    Raises:
        IllegalParallelism: The model cannot be dealt out so.
        InvalidWorkload: Something is left to a processor that is not there.
    """
    placement = placement or Placement()
    _check(model, host, placement)
    decode = replace(workload, stage="decode", parallelism=Parallelism())
    pieces = _pieces(door, model, fleet, decode, host, placement)
    hops = _hops(pieces, placement)
    light = expert_layers(model)[: placement.cpu_expert_layers]
    low, likely, high = (hops * each for each in HOP_S)
    step = sum((piece.step for piece in pieces), start=_NOTHING) + PassTime(0.0, likely, low, high)
    if host is not None:
        step = replace(step, low_s=step.low_s / HOST_SPREAD, high_s=step.high_s * HOST_SPREAD)
    first = None if prompt is None else _prompt_time(door, pieces, decode, prompt, fleet)
    return Split(
        fleet=fleet, pieces=tuple(pieces), placement=placement, step=step, first=first,
        batch=int(float(workload.batch)), layers=model.main.depth, cpu_moe=light[-1] + 1 if light else 0,
    )  # fmt: skip


def best_split(
    door: Door,
    model: Architecture,
    fleet: Fleet,
    workload: Workload,
    host: Accelerator,
    *,
    prompt: int | None = None,
) -> Split:
    """The fastest placement that fits for sure: as much as possible on the cards, experts before whole layers.

    Each kind of placement is searched by bisection, as less on the cards never needs more of their memory; of a mixture
    both kinds are tried and the faster is taken.

    Raises:
        DoesNotFit: Cards and machine together do not hold the model.
        IllegalParallelism: The model cannot be dealt out so.
    """
    splits = [
        split
        for least in _least_offloaded(door, model, fleet, workload, host)
        if (split := placed(door, model, fleet, workload, host=host, placement=least, prompt=prompt))
        and split.verdict == "fits"
    ]
    if not splits:
        raise DoesNotFit(
            f"{model.name} fits on {fleet.name} with {host.usable_memory_bytes / GIB:.0f} GiB of the machine in no "
            "split; use fewer bits, less context or more memory"
        )
    return min(splits, key=lambda split: float(split.step.likely_s))


def needs_on(door: Door, model: Architecture, fleet: Fleet, workload: Workload) -> list[MemoryNeed]:
    """Memory of each card that layers are dealt out to, without any time.

    Raises:
        IllegalParallelism: The model cannot be dealt out so.
    """
    decode = replace(workload, stage="decode", parallelism=Parallelism())
    pieces = _pieces(door, model, fleet, decode, None, Placement(), timed=False)
    return [piece.need for piece in pieces]


def longest_on(door: Door, model: Architecture, fleet: Fleet, workload: Workload) -> int:
    """Longest context that fits on the cards for sure (0: not one token), at most 2^20."""

    def good(context: int) -> bool:
        needs = needs_on(door, model, fleet, replace(workload, context=float(context)))
        return all(need.verdict == "fits" for need in needs)

    # What is asked for mostly fits: sought from there, half of the questions are saved.
    return largest_integer(good, max(int(float(workload.context)), 1)) or largest_integer(good, 1)


def _least_offloaded(
    door: Door, model: Architecture, fleet: Fleet, workload: Workload, host: Accelerator
) -> Iterator[Placement]:
    """Placements of each kind with the least on the processor so that the cards hold the rest."""
    decode = replace(workload, stage="decode", parallelism=Parallelism())

    def cards_hold(placement: Placement) -> bool:
        pieces = _pieces(door, model, fleet, decode, host, placement, timed=False)
        return all(piece.need.verdict == "fits" for piece in pieces if not piece.is_host)

    experts = len(expert_layers(model))
    kinds: list[tuple[Callable[[int], Placement], int]] = [
        (lambda count: Placement(cpu_expert_layers=count), experts),
        (lambda count: Placement(cpu_layers=count), model.main.depth),
    ]
    for make, most in kinds if experts else kinds[1:]:
        if not cards_hold(make(most)):
            continue
        low, high = -1, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if cards_hold(make(middle)) else (middle, high)
        yield make(high)


def _check(model: Architecture, host: Accelerator | None, placement: Placement) -> None:
    layers, experts = model.main.depth, len(expert_layers(model))
    if placement.cpu_layers and placement.cpu_expert_layers:
        raise IllegalParallelism("leave either whole layers or experts to the processor, not both")
    if not 0 <= placement.cpu_layers <= layers:
        raise IllegalParallelism(f"{placement.cpu_layers} layers on the processor; {model.name} has {layers}")
    if not 0 <= placement.cpu_expert_layers <= experts:
        raise IllegalParallelism(
            f"experts of {placement.cpu_expert_layers} layers on the processor; {model.name} has {experts} layers "
            "with routed experts"
        )
    if host is None and placement != Placement():
        raise InvalidWorkload("what stays with the processor needs its memory: state that of the machine")


def _pieces(
    door: Door, model: Architecture, fleet: Fleet, workload: Workload, host: Accelerator | None, placement: Placement,
    *, timed: bool = True,
) -> list[Piece]:  # fmt: skip
    depth = model.main.depth
    light = expert_layers(model)[: placement.cpu_expert_layers]
    first_on_cards = placement.cpu_layers
    devices = fleet.devices
    pieces: list[Piece] = []
    if first_on_cards < depth:
        start = first_on_cards
        sizes = _layer_bytes(model, workload, set(light))[first_on_cards:]
        for place, count in enumerate(_dealt(sizes, fleet)):
            own = range(start, start + count)
            selection = Selection(
                whole=_only(own, light, inside=False), without_experts=_only(own, light, inside=True),
                first=place == 0 and host is None, last=place == len(devices) - 1,
            )  # fmt: skip
            part = part_of(model, selection)
            if part is not None:
                pieces.append(_piece(door, part, devices[place], workload, count, timed=timed, copied=host))
            start += count
    if host is not None:
        whole = range(first_on_cards)
        on_host = part_of(
            model,
            Selection(whole=whole, experts=light, first=True, last=first_on_cards == depth),
        )
        if on_host is not None:
            pieces.append(_piece(door, on_host, host, workload, first_on_cards, timed=timed, is_host=True))
    return pieces


def _only(own: range, light: Sequence[int], *, inside: bool) -> tuple[int, ...]:
    chosen = set(light)
    return tuple(place for place in own if (place in chosen) == inside)


def _layer_bytes(model: Architecture, workload: Workload, light: set[int]) -> list[float]:
    """Bytes of weights and cache of each layer as it lies on a card, from bottom to top; the head with the last."""
    precision, tokens = workload.precision, float(workload.batch) * float(workload.context)
    layers, after = _stored_bytes(model, precision)
    cached = [width * float(precision.kv_bits) / 8 * tokens for _, _, width in layers]
    whole = [weights + cache for (weights, _, _), cache in zip(layers, cached, strict=True)]
    rest = [weights + cache for (_, weights, _), cache in zip(layers, cached, strict=True)]
    sizes = [rest[kind] if place in light else whole[kind] for place, kind in enumerate(layer_kinds(model))]
    sizes[-1] += after
    return sizes


@fact_of
def _stored_bytes(model: Architecture, precision: Precision) -> tuple[list[tuple[float, float, float]], float]:
    """Of each kind of layer the bytes of its weights, the same without experts, and the width of its cache; the head's.

    Layers with a window count without a cache: theirs hardly grows.
    """

    def of(steps: Sequence[Step]) -> float:
        return sum(float(step.parameters * precision.bits_of(group_of(step)) / 8) for step in steps)

    kinds = [
        (
            of(layer.steps),
            of([step for step in layer.steps if not isinstance(step, Experts)]),
            sum(step.cache_width for step in layer.steps if isinstance(step, AttentionCore) and not step.window),
        )
        for layer in model.main.layers
    ]
    return kinds, of(model.main.after)


def _dealt(sizes: Sequence[float], fleet: Fleet) -> list[int]:
    """Layers per card so that each gets bytes in proportion to its usable memory."""
    whole, counts, placed_bytes, place, end = sum(sizes), [0] * len(fleet.devices), 0.0, 0, 0.0
    shares = fleet.layer_shares()
    for size in sizes:
        # A layer goes to the card that its middle falls to.
        while place < len(shares) - 1 and placed_bytes + size / 2 > whole * (end + shares[place]):
            end += shares[place]
            place += 1
        counts[place] += 1
        placed_bytes += size
    return counts


def _piece(
    door: Door, part: Architecture, device: Accelerator, workload: Workload, layers: int, *,
    timed: bool, is_host: bool = False, copied: Accelerator | None = None,
) -> Piece:  # fmt: skip
    need = memory_need(part, device, workload, _ENGINE)
    if copied is not None:
        # A prompt's micro-batch needs the copy of one layer's matrices beside what lies on the card.
        need = replace(need, additional_weights=need.additional_weights + largest_matrix_bytes(part, workload))
    step = _NOTHING
    if timed:
        step = estimate(part, device, workload, door.kernels(device, _ENGINE), _ENGINE).time
    return Piece(device=device, model=part, layers=layers, need=need, step=step, is_host=is_host)


def largest_matrix_bytes(model: Architecture, workload: Workload) -> Values:
    """Bytes of the largest stack of expert matrices of one kind (up, gate or down) in a layer; 0 without experts."""
    experts = [step for _, step in model.counted_steps() if isinstance(step, Experts)]
    numbers = max((step.count * step.hidden_size * step.intermediate_size for step in experts), default=0)
    return numbers * workload.precision.experts / 8


_NOTHING = PassTime(0.0, 0.0, 0.0, 0.0)


def _hops(pieces: Sequence[Piece], placement: Placement) -> int:
    """Times that a token's hidden vector changes memories."""
    cards = sum(not piece.is_host for piece in pieces)
    between = max(cards - 1, 0) + (1 if placement.cpu_layers and cards else 0)
    return between + 2 * placement.cpu_expert_layers


def _prompt_time(door: Door, pieces: Sequence[Piece], workload: Workload, prompt: int, fleet: Fleet) -> PassTime:
    """A prompt: all parts on the cards, micro-batches following each other; the machine's share is copied to them."""
    prefill = replace(workload, stage="prefill", batch=1.0, context=float(prompt))
    parts = max(1, ceil(prompt / MICRO_BATCH))
    first_card = fleet.devices[0]
    runs = [
        estimate(
            piece.model, first_card if piece.is_host else piece.device, prefill,
            door.kernels(first_card if piece.is_host else piece.device, _ENGINE), _ENGINE,
        ).time
        for piece in pieces
    ]  # fmt: skip
    stages = [time for time, piece in zip(runs, pieces, strict=True) if not piece.is_host]
    share = 1.0
    if len(stages) > 1:
        whole = sum(float(time.likely_s) for time in stages)
        slowest = max(float(time.likely_s) for time in stages)
        share = ((parts - 1) * slowest + whole) / (parts * whole)
    each = (time if piece.is_host else time.scaled(share) for time, piece in zip(runs, pieces, strict=True))
    total = sum(each, start=_NOTHING)
    host = next((piece for piece in pieces if piece.is_host), None)
    if host is None:
        return total
    link = first_card.link_bytes_per_s if first_card.is_pcie_only else None
    copied = parts * float(host.need.weights) - parts * _tables(host.model, workload)
    low, likely, high = (copied / ((link or PCIE_BYTES_PER_S / _LINK_SHARES[1]) * share) for share in _LINK_SHARES)
    return total + PassTime(low, likely, low, high)


def _tables(model: Architecture, workload: Workload) -> float:
    """Bytes of input tables, of which a prompt reads only its rows."""
    numbers = sum(step.parameters for step in model.main.before)
    return float(numbers * workload.precision.embedding / 8)
