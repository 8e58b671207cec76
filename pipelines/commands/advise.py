"""`skyline advise`: the best models for a machine and a use, and the commands that run them and check the figures."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.performance import (
    BatchedTokens,
    ByOption,
    Eager,
    Utilization,
    door_of,
    evidence_of_home,
    named_devices,
)
from pipelines.commands.terminal import Format, Formatted, Output, UserError, err, length, out, print_notes, print_rows

if TYPE_CHECKING:
    from profiling.answers.advise import Advice
    from profiling.answers.candidate import Candidate
    from profiling.answers.door import Door
    from profiling.devices.fleet import Fleet

_SHOWN = (
    "model_id", "weight_format", "kv_format", "verdict", "ability_in_format", "ability_low", "ability_high",
    "evidence_class", "tokens_per_s_low", "tokens_per_s", "tokens_per_s_high", "longest_context", "memory_high_gib",
    "placement",
)  # fmt: skip
_MOST_MEASURED = 3


def advise(  # noqa: PLR0913, PLR0917 - one parameter an option
    machines: Annotated[
        list[str] | None,
        typer.Argument(
            help="Devices by any common name: 4090, 2x3090, m3 max 64gb, other: 16 GB at 288 GB/s, 30 TFLOPS. "
            "Several machines are answered one after the other.",
            show_default="this machine",
        ),
    ] = None,
    device: ByOption = None,
    use: Annotated[str, typer.Option(help="chat, coding, agents, maths or long documents.")] = "chat",
    context: Annotated[
        int, typer.Option("--context", "--seq", parser=length, help="Tokens of context that must fit.")
    ] = 32_768,
    users: Annotated[int, typer.Option(help="Concurrent requests.", min=1)] = 1,
    engine: Annotated[str | None, typer.Option(help="Inference engine.", show_default="usual for the device")] = None,
    gpu_memory_utilization: Utilization = None,
    batched_tokens: BatchedTokens = None,
    eager: Eager = False,
    weight_format: Annotated[
        list[str] | None, typer.Option(help="Only this format; may be repeated.", show_default="those of the engine")
    ] = None,
    kv_format: Annotated[
        str, typer.Option(help="Format of the KV cache: f16, q8_0, q4_0, q8_0/q4_0, fp8, as the engine has it.")
    ] = "f16",
    least_tokens_per_s: Annotated[float, typer.Option(help="Minimum tokens per second of each user.")] = 8.0,
    host_memory_gib: Annotated[
        float,
        typer.Option(
            "--host-memory-gib",
            "--host-memory",
            help="Memory of the host, for layers and experts that do not fit on the card.",
            show_default="that of this machine, else not known",
        ),
    ] = 0.0,
    host: Annotated[
        str | None, typer.Option(help="Processor of the machine, by any common name.", show_default="a common one")
    ] = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """The best models for a machine: format, speed with interval, longest context, evidence, and commands to copy."""
    import polars as pl  # noqa: PLC0415 - polars loads only when needed

    from profiling.answers.advise import advise as advice_on  # noqa: PLC0415
    from profiling.answers.candidate import Need  # noqa: PLC0415

    door = door_of()
    named = _machines(door, named_devices(door, machines, device))
    for fleet, _ in named:
        for part, _ in fleet.parts:
            door = door.with_device(part)
    evidence = evidence_of_home()
    answers = [
        advice_on(door, evidence, Need(
            accelerator=fleet.parts[0][0].name, devices=fleet.parts[0][1], context=context, users=users, use=use,
            engine=engine, kv=kv_format, gpu_memory_utilization=gpu_memory_utilization,
            batched_tokens=batched_tokens, eager=eager, least_tokens_per_s=least_tokens_per_s,
            host_memory_gib=host_memory_gib or memory_gib,
            host=None if host is None else door.device(host).name, fleet=fleet if fleet.is_mixed else None,
        ), weight_format or ())
        for fleet, memory_gib in named
    ]  # fmt: skip
    if output_format is not Format.TABLE or output is not None:
        named_rows = [
            {"machine": advice.need.machine, **candidate.row()} for advice in answers for candidate in advice.candidates
        ]
        print_rows(pl.DataFrame(named_rows, infer_schema_length=None), output_format, output)
        return
    for advice in answers:
        if len(answers) > 1:
            out.print(advice.need.machine, style="bold")
        _print(advice)
        _print_offload(advice)
        if len(answers) == 1 and advice.candidates:
            rows = pl.DataFrame([candidate.row() for candidate in advice.candidates], infer_schema_length=None)
            print_rows(rows.select(_SHOWN), output_format, None)
    print_notes(dict.fromkeys(note for advice in answers for note in advice.notes))


def _machines(door: "Door", names: list[str]) -> "list[tuple[Fleet, float]]":
    """The machines that were named, or this one, each with GiB of memory beside its devices where that is known.

    Raises:
        UserError: No device was found here.
        UnknownAccelerator: A text names none.
    """
    from profiling.devices.names import resolve_device  # noqa: PLC0415

    if not names:
        return [_this_machine()]
    matches = [resolve_device(name, door.devices) for name in names]
    fleets = [(match.fleet, 0.0) for match in matches]
    print_notes(filter(None, (match.note for match in matches)))
    return fleets


def _this_machine() -> "tuple[Fleet, float]":
    """The graphics cards of this machine with its memory, else its processor."""
    from profiling.devices.accelerators import GIB  # noqa: PLC0415
    from profiling.devices.fleet import Fleet  # noqa: PLC0415
    from profiling.devices.here.look import look  # noqa: PLC0415
    from profiling.devices.here.machine import known_devices  # noqa: PLC0415

    machine = look()
    devices = [device.device for device in known_devices(machine) if device.device is not None]
    if not devices:
        raise UserError(
            "No device of this machine is in the table. `skyline hardware --measure` measures its memory and says in "
            "which words to ask about it; or name another, as in `skyline advise 4090`."
        )
    cards = [device for device in devices if device.kind == "gpu"] or devices[:1]
    fleet = Fleet(
        tuple((card, sum(other.name == card.name for other in cards)) for card in {c.name: c for c in cards}.values())
    )
    err.print(f"This machine: {fleet.name}.", style="dim")
    return fleet, (machine.memory_bytes or 0.0) / GIB


def _print(advice: "Advice") -> None:
    best = advice.best
    if best is None:
        out.print("No evaluated model runs like this; the rows say what each would need.")
        return
    out.print(_sentence(best, advice))
    out.print(f"  run    {best.run}")
    out.print(f"  check  {best.check}")
    err.print(f"Basis of the speed: {best.rests_on}", style="dim")
    for loss in best.measured[:_MOST_MEASURED]:
        out.print(f"  {loss.words}")


def _print_offload(advice: "Advice") -> None:
    """The ablest that needs the memory of the machine too, where it is ahead of what the cards hold alone."""
    best, other = advice.best, next(iter(advice.of("needs offload")), None)
    if other is None or (best is not None and other.ability_in_format <= best.ability_in_format):
        return
    low, likely, high = other.tokens_per_s or (0.0, 0.0, 0.0)
    out.print(
        f"With a part in system memory: {other.model_id} in {other.stored}, {other.placement}: "
        f"{likely:.1f} tokens/s ({low:.1f} to {high:.1f}), ability {other.ability_in_format:.1f}.",
    )  # fmt: skip
    out.print(f"  run    {other.run}")
    out.print(f"  check  {other.check}")


def _sentence(best: "Candidate", advice: "Advice") -> str:
    low, likely, high = best.tokens_per_s or (0.0, 0.0, 0.0)
    near = advice.within_noise
    names = [candidate.model_id for candidate in near[:3]]
    others = [f"{len(near) - len(names)} more"] if len(near) > len(names) else []
    listed = _enumeration([*names, *others])
    noise = f" The evidence does not separate it from {listed}." if near else ""
    return (
        f"{best.model_id} in {best.stored}: {likely:.0f} tokens/s ({low:.0f} to {high:.0f}), up to "
        f"{best.longest_context:,} tokens, ability {best.ability_in_format:.1f} ({best.ability_low:.1f} to "
        f"{best.ability_high:.1f}; {best.evidence_class}, {best.ability_basis}).{noise}"
    )


def _enumeration(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
