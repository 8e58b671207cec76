"""`skyline plan`: how many of which device keep a promise of latency to a number of users."""

from typing import Annotated

import typer

from pipelines.commands.performance import ByOption, Eager, KvBits, Utilization, door_of, named_devices
from pipelines.commands.terminal import Format, Formatted, Output, err, length, out, print_notes, print_rows

_SHOWN = (
    "accelerator", "devices", "replicas", "prefill_replicas", "tensor_parallel", "pipeline_parallel",
    "expert_parallel", "data_parallel", "certainty",
    "first_broken", "time_to_first_token_p90_s", "time_per_output_token_p90_s", "output_tokens_per_s", "usd_per_hour",
    "usd_per_million_input_tokens", "usd_per_million_output_tokens", "kwh_per_million_output_tokens",
    "rented_pays_from_load", "owned_pays_from_load",
)  # fmt: skip

_METHOD = (
    "Predicted by simulating continuous batching on predicted steps; `surely` meets the targets even at the slow end "
    "of the 80 % interval, `likely` at the likely value."
)


def seconds(text: str) -> float:
    """A time on the command line: `2s`, `50ms`, `0.05`.

    Raises:
        BadParameter: It is no time.
    """
    from profiling.answers.lengths import seconds as asked  # noqa: PLC0415 - numpy loads only when needed
    from profiling.errors import InvalidWorkload  # noqa: PLC0415

    try:
        return asked(text)
    except InvalidWorkload as error:
        raise typer.BadParameter(str(error)) from error


def plan(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Annotated[str, typer.Argument(help="Model of the catalogue, a config.json, its folder, or a TOML file.")],
    devices: Annotated[
        list[str] | None,
        typer.Argument(help="Devices, or fixed fleets such as 8xH100.", show_default="all"),
    ] = None,
    device: ByOption = None,
    users: Annotated[
        int | None,
        typer.Option(help="Concurrent users, each of whom sends the next request as soon as one is answered.", min=1),
    ] = None,
    requests_per_s: Annotated[
        float | None,
        typer.Option("--requests-per-second", help="Arrivals per second (Poisson), instead of concurrent users."),
    ] = None,
    input_tokens: Annotated[int, typer.Option(parser=length, help="Mean length of a prompt.")] = 2000,
    output_tokens: Annotated[int, typer.Option(parser=length, help="Mean length of an answer.")] = 500,
    spread: Annotated[float, typer.Option(help="Coefficient of variation of both lengths; 0: all equal.")] = 0.5,
    ttft: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="TIME", help="90th percentile of the time to first token: 2s."),
    ] = None,
    tpot: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="TIME", help="90th percentile of the time per output token: 50ms."),
    ] = None,
    weight_format: Annotated[str | None, typer.Option(help="Stored format: fp8, awq-4bit-g128, mxfp4, ...")] = None,
    kv_bits: KvBits = 16,
    engine: Annotated[str, typer.Option(help="Engine, which sets overhead and step size.")] = "vllm-v1",
    gpu_memory_utilization: Utilization = None,
    eager: Eager = False,
    most_devices: Annotated[int, typer.Option(help="Maximum number of devices of each kind.", min=1, max=1024)] = 64,
    cached_prefix: Annotated[float, typer.Option(help="Share of every prompt that is reused, from 0 to 1.")] = 0.0,
    draft: Annotated[int, typer.Option(help="Tokens proposed per step by speculative decoding.", min=0)] = 0,
    acceptance: Annotated[float, typer.Option(help="Probability that a proposed token is accepted.")] = 0.7,
    disaggregated: Annotated[
        bool, typer.Option("--disaggregated", "--apart", help="Read prompts on separate replicas.")
    ] = False,
    batched_tokens: Annotated[
        int | None,
        typer.Option(
            "--batched-tokens",
            "--chunk",
            parser=length,
            metavar="TOKENS",
            show_default="as the engine starts",
            help="Most tokens of one step, which a prompt is cut into (vLLM: max-num-batched-tokens).",
        ),
    ] = None,
    tp: Annotated[int | None, typer.Option(help="Tensor-parallel degree of a replica.", show_default="best")] = None,
    ep: Annotated[
        int | None,
        typer.Option(help="Expert-parallel degree of a replica.", show_default="best"),
    ] = None,
    dp: Annotated[
        int | None,
        typer.Option(help="Data-parallel attention groups of a replica.", show_default="best"),
    ] = None,
    spot: Annotated[bool, typer.Option("--spot", help="Rent interruptible devices.")] = False,
    online: Annotated[bool, typer.Option("--online", help="Look up models that are not in the catalogue.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """The fewest devices that meet latency targets: layout, latency, dollars per million tokens.

    A fixed fleet (8xH100) gets its best layout, and the target that it misses first is named.
    """
    # numpy and polars load only when needed
    from profiling.serving.alternatives import energy_note, notes_with, plan_rows  # noqa: PLC0415
    from profiling.serving.plan import Promise, requested_plans  # noqa: PLC0415
    from profiling.serving.replica import Options  # noqa: PLC0415
    from profiling.serving.simulate import Traffic  # noqa: PLC0415

    if users is None and requests_per_s is None:
        users = 1
    traffic = Traffic(
        input_tokens=input_tokens, output_tokens=output_tokens, users=users, requests_per_s=requests_per_s,
        spread=spread, cached_prefix=cached_prefix,
    )  # fmt: skip
    promise = Promise(traffic=traffic, time_to_first_token_s=ttft, time_per_output_token_s=tpot)
    options = Options(
        weight_format=weight_format, kv_bits=kv_bits, engine=engine, most_devices=most_devices, draft=draft,
        acceptance=acceptance, spot=spot, tensor=tp, expert=ep, data=dp, disaggregated=disaggregated,
        gpu_memory_utilization=gpu_memory_utilization, batched_tokens=batched_tokens, eager=eager,
    )  # fmt: skip
    door = door_of(online=online)
    named = named_devices(door, devices, device)
    plans = requested_plans(door, model, promise, options, named)
    rows = plan_rows(door, model, promise, plans, options)
    print_rows(rows, output_format, output, _SHOWN)
    if output_format is Format.TABLE and output is None:
        out.print(f"  run    {rows['run'][0]}")
    print_notes((*notes_with(door, plans, options, named), *energy_note(door, plans), _METHOD))
    if rows["api_hosts"].drop_nulls().len():
        hosts, newest, usual, cheapest = rows.select(
            "api_hosts", "api_newest_date", "api_usd_per_million_output_tokens",
            "api_cheapest_usd_per_million_output_tokens",
        ).row(0)  # fmt: skip
        err.print(
            f"Bought from hosts, a million output tokens with their prompts cost {usual:.2f} USD (median of {hosts}, "
            f"newest {newest}), {cheapest:.2f} from the cheapest. Rented or owned devices cost less from that share of "
            "the time on which this traffic is there; no share: never.",
            style="dim",
        )  # fmt: skip
