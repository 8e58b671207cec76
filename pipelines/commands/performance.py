"""`skyline roofline`, `skyline fit` and `skyline profile calibrate`: the performance model on the command line."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands import measuring
from pipelines.commands.terminal import (
    Format,
    Formatted,
    Output,
    UserError,
    cache_bits,
    cache_format,
    err,
    length,
    out,
    print_notes,
    print_rows,
)
from warehouse.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from profiling.answers.door import Door
    from profiling.answers.evidence import Evidence

Model = Annotated[
    str,
    typer.Argument(help="Model by any of its names (qwen2.5:14b, a hub address), or a file."),
]
Batch = Annotated[int, typer.Option(help="Sequences in flight.")]
Length = Annotated[
    int,
    typer.Option(
        "--seq",
        "--context",
        parser=length,
        metavar="TOKENS",
        help="Prompt length, as 4096 or 32k; for decode, tokens attended (the new one among them).",
    ),
]
WeightBits = Annotated[
    float | None, typer.Option(help="Bits per weight, the same for every tensor.", show_default="as published")
]
ActivationBits = Annotated[float | None, typer.Option(help="Bits per activation.", show_default="16")]
_KV_NAMES, _KV_METAVAR = ("--kv-bits", "--kv-format"), "BITS|FORMAT"
_KV_HELP = "Bits per number of the KV cache, or its format: q8_0, q4_0, fp8, q8_0/q4_0."
KvBits = Annotated[float, typer.Option(*_KV_NAMES, parser=cache_bits, metavar=_KV_METAVAR, help=_KV_HELP)]
KvFormat = Annotated[str, typer.Option(*_KV_NAMES, parser=cache_format, metavar=_KV_METAVAR, help=_KV_HELP)]
EmbeddingBits = Annotated[
    float | None, typer.Option(help="Bits of input tables and head.", show_default="as the weights")
]
WeightFormat = Annotated[
    str | None, typer.Option(help="Stored format instead of bits: fp8, awq-4bit-g128, gguf-q4_k_m, mxfp4, ...")
]
Engine = Annotated[
    str | None,
    typer.Option(help="Inference engine, whose memory overhead is counted: vllm-v1, vllm-v0, llama.cpp, ..."),
]
Utilization = Annotated[
    float | None,
    typer.Option(
        "--gpu-memory-utilization",
        help="Share of the device memory that the engine may use.",
        show_default="its own default",
    ),
]
BatchedTokens = Annotated[
    int | None,
    typer.Option(
        "--batched-tokens", parser=length, metavar="TOKENS", show_default="its own default",
        help="Maximum tokens per step (vLLM: max-num-batched-tokens; llama.cpp: ubatch-size).",
    ),
]  # fmt: skip
Eager = Annotated[
    bool,
    typer.Option("--eager", help="Run without captured graphs, which needs less memory; times still assume graphs."),
]
Online = Annotated[bool, typer.Option("--online", help="Look up models that are not in the catalogue on the hub.")]
Accelerators = Annotated[
    Path | None, typer.Option("--accelerators", help="TOML file with accelerators of your own.", show_default="none")
]

ByOption = Annotated[
    list[str] | None,
    typer.Option("--device", "--accelerator", help="The same, as an option that may be repeated.", show_default=False),
]


def roofline(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerator: Annotated[
        list[str] | None,
        typer.Argument(help="Accelerator, as RTX-A6000, 2x3090 or 3090 + 3060.", show_default=False),
    ] = None,
    stage: Annotated[str, typer.Option(help="prefill, decode (one step), generate (both) or encode.")] = "decode",
    batch: Batch = 1,
    seq: Length = 4096,
    generated: Annotated[int, typer.Option(help="Tokens generated after the prompt, for stage generate.")] = 256,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    kv_bits: KvBits = 16,
    embedding_bits: EmbeddingBits = None,
    weight_format: WeightFormat = None,
    attention: Annotated[str, typer.Option(help="flash, or naive with scores in memory.")] = "flash",
    tp: Annotated[int, typer.Option(help="Tensor parallelism: devices that share every layer.")] = 1,
    pp: Annotated[int, typer.Option(help="Pipeline parallelism: groups of devices, each with some of the layers.")] = 1,
    ep: Annotated[
        int, typer.Option(help="Expert parallelism: devices over which the experts are distributed, within tp.")
    ] = 1,
    engine: Engine = None,
    gpu_memory_utilization: Utilization = None,
    batched_tokens: BatchedTokens = None,
    eager: Eager = False,
    prefix: Annotated[int, typer.Option(parser=length, help="Tokens of the prompt that are cached.")] = 0,
    chunk: Annotated[
        int | None, typer.Option(parser=length, help="Prompt tokens of one pass.", show_default="as the engine cuts")
    ] = None,
    draft: Annotated[int, typer.Option(help="Tokens proposed per step by speculative decoding.", min=0)] = 0,
    draft_model: Annotated[
        str | None, typer.Option(help="Draft model that proposes them, or mtp.", show_default="5 % of a step each")
    ] = None,
    acceptance: Annotated[
        float | None, typer.Option(help="Probability that one is accepted.", show_default="0.7, mtp 0.85")
    ] = None,
    lora_rank: Annotated[int, typer.Option(help="Rank of unmerged adapters; 0: none.", min=0)] = 0,
    lora_targets: Annotated[
        str,
        typer.Option(
            help="What they adapt: attention, feed_forward, experts, head, all-linear, or q_proj,v_proj and the like."
        ),
    ] = "attention",
    lora_count: Annotated[int, typer.Option(help="Adapters loaded.", min=1)] = 1,
    image_tokens: Annotated[int, typer.Option(parser=length, help="Image tokens in addition to the prompt.")] = 0,
    audio_tokens: Annotated[int, typer.Option(parser=length, help="Audio tokens in addition to the prompt.")] = 0,
    cache_tokens: Annotated[
        int | None,
        typer.Option(
            parser=length, help="Maximum tokens cached, for stage generate (context shift).", show_default="all"
        ),
    ] = None,
    pruning: Annotated[
        str | None, typer.Option(help="2:4, unstructured-50% or structured-30%.", show_default="none")
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(help="Another size of the vocabulary.", show_default="the model's")
    ] = None,
    operators: Annotated[bool, typer.Option("--operators", help="One row per operator instead of the total.")] = False,
    ignore_memory: Annotated[
        bool, typer.Option("--ignore-memory", help="Show times, but no throughput, even if it does not fit.")
    ] = False,
    online: Online = False,
    accelerators: Accelerators = None,
    device: ByOption = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Bound, likely time and memory of a model on an accelerator, with what bounds it."""
    import polars as pl  # noqa: PLC0415 - numpy and polars load only when needed

    from profiling.answers.fit import fit_on  # noqa: PLC0415
    from profiling.answers.question import Question  # noqa: PLC0415
    from profiling.devices.names import resolve_device  # noqa: PLC0415

    door = door_of(accelerators, online=online)
    named = named_devices(door, accelerator, device)
    if len(named) != 1:
        message = "name one device after the model, such as 4090, 2x3090 or '3090 + 3060'"
        raise UserError(message)
    question = Question(
        model=model, accelerator=named[0], stage=stage, batch=batch, context=seq, generated=generated,
        weight_bits=weight_bits, activation_bits=activation_bits, kv_bits=kv_bits, embedding_bits=embedding_bits,
        weight_format=weight_format, attention=attention, tensor=tp, pipeline=pp, expert=ep, engine=engine,
        prefix=prefix, chunk=chunk, draft=draft, draft_model=draft_model, acceptance=acceptance, lora_rank=lora_rank,
        lora_targets=lora_targets, lora_count=lora_count, image_tokens=image_tokens, audio_tokens=audio_tokens,
        cache_tokens=cache_tokens,
        pruning=pruning, vocabulary=vocabulary, gpu_memory_utilization=gpu_memory_utilization,
        batched_tokens=batched_tokens, eager=eager,
    )  # fmt: skip
    if stage == "decode" and not operators and resolve_device(named[0], door.devices).fleet.is_mixed:
        rows_on, notes = fit_on(door, question, named)
        _print(rows_on, notes, output_format, output, upright=True)
        return
    if not ignore_memory:
        door.require_fit(question)
    rows = door.operator_rows(question) if operators else [door.answer(question).row()]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    _print(frame, door.answer(question).notes, output_format, output, upright=not operators)


def fit(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    devices: Annotated[
        list[str] | None, typer.Argument(help="Accelerators by any common name: 4090, 2x3090.", show_default="all")
    ] = None,
    device: ByOption = None,
    batch: Batch = 1,
    seq: Length = 4096,
    weight_bits: WeightBits = None,
    activation_bits: ActivationBits = None,
    kv: KvFormat = "16",
    embedding_bits: EmbeddingBits = None,
    weight_format: WeightFormat = None,
    engine: Engine = None,
    gpu_memory_utilization: Utilization = None,
    batched_tokens: BatchedTokens = None,
    eager: Eager = False,
    host_memory_gib: Annotated[
        float, typer.Option("--host-memory-gib", "--host-memory", help="GiB of system memory, for layers and experts.")
    ] = 0.0,
    host: Annotated[str | None, typer.Option(help="Processor of the machine.", show_default="a common one")] = None,
    n_gpu_layers: Annotated[
        int | None,
        typer.Option(help="Layers on the cards; the others stay on the processor; -1: as many as fit.", min=-2),
    ] = None,
    n_cpu_moe: Annotated[
        int | None, typer.Option(help="Number of layers, from the first, whose experts stay on the processor.", min=0)
    ] = None,
    online: Online = False,
    accelerators: Accelerators = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """How many accelerators a model needs, its memory by part, and the common rule beside it.

    On machines of several devices (3x3090, "3090 + 3060"), or with system memory (--host-memory 64): how the engine
    splits the model, where layers and experts lie, how fast that is, and the command that runs it.
    """
    from profiling.answers.fit import fit as answer_of  # noqa: PLC0415 - numpy and polars load only when needed
    from profiling.answers.fit import fit_on, is_several, placement_of  # noqa: PLC0415
    from profiling.answers.question import Question  # noqa: PLC0415

    question = Question(
        model=model, accelerator="", batch=batch, context=seq, weight_bits=weight_bits,
        activation_bits=activation_bits, kv_bits=cache_bits(kv), embedding_bits=embedding_bits,
        weight_format=weight_format, engine=engine, gpu_memory_utilization=gpu_memory_utilization,
        batched_tokens=batched_tokens, eager=eager,
    )  # fmt: skip
    door = door_of(accelerators, online=online)
    named = named_devices(door, devices, device)
    if host_memory_gib or n_gpu_layers is not None or n_cpu_moe is not None or is_several(door, named):
        placement = placement_of(door.model(model), n_gpu_layers, n_cpu_moe)
        rows, notes = fit_on(
            door, question, named, kv=kv, host_memory_gib=host_memory_gib, host=host, placement=placement
        )
    else:
        rows, notes = answer_of(door, question, named)
    _print(rows, notes, output_format, output, upright=rows.height == 1)


def calibrate(  # noqa: PLR0913, PLR0917 - one parameter an option
    kernels: Annotated[
        Path | None,
        typer.Option(help="Folder of kernel tables (<accelerator>/gemm_perf.parquet, ...) to fit predictions to."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Without --kernels: file for the ceilings of this device.")] = Path(
        "ceilings.jsonl"
    ),
    precisions: Annotated[str, typer.Option(help="Without --kernels: number formats, with commas.")] = "bfloat16",
    seconds: Annotated[float, typer.Option(help="Without --kernels: time to spend.")] = 60.0,
    threads: Annotated[int | None, typer.Option(help="Without --kernels: threads of the processor.")] = None,
    device: Annotated[str | None, typer.Option(help="Without --kernels: cpu, cuda or cuda:1.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the calibrations into this folder.")] = None,
    source: Annotated[str, typer.Option(help="Origin of the kernels, recorded in the files.")] = "not stated",
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Measure the ceilings of this device; with --kernels, fit predictions to measured kernels and report the error."""
    if kernels is None:
        arguments = ["calibrate", "--out", str(out), "--precisions", precisions, "--seconds", str(seconds)]
        arguments += ["--threads", str(threads)] if threads else []
        measuring.forward([*arguments, *(["--device", device] if device else [])])
        return
    from pipelines.defs.calibration.calibrated import calibrated  # noqa: PLC0415 - numpy and polars load only when needed

    with err.status("fitting"):
        rows, notes = calibrated(kernels, save=save, source=source)
    if output_format is Format.JSON:
        _print_parameters_as_objects(rows, output)
        print_notes(notes)
    else:
        _print(rows, notes, output_format, output)


def named_devices(door: "Door", words: Sequence[str] | None, options: Sequence[str] | None) -> list[str]:
    """Devices named after the model and by option; words without quotes are one name unless each names a device."""
    from profiling.devices.names import resolve_device  # noqa: PLC0415 - polars loads only when needed

    def is_device(text: str) -> bool:
        return bool(resolve_device(text, door.devices).devices)

    words = list(words or ())
    together = " ".join(words)
    if len(words) > 1 and (is_device(together) or not all(map(is_device, words))):
        words = [together]
    return [*words, *(options or ())]


def door_of(accelerators: Path | None = None, *, online: bool = False) -> "Door":
    """The door of this home, with accelerators of the user's own file."""
    from pipelines.lib.door import published_door  # noqa: PLC0415 - numpy and polars load only when needed
    from warehouse.reader import Reader  # noqa: PLC0415

    settings = Settings()
    door = published_door(Reader(settings.published), settings, online=online)()
    return door if accelerators is None else door.with_devices(accelerators)


def evidence_of_home() -> "Evidence":
    """Abilities of models and what formats cost, as this home has published them.

    Raises:
        NotPublished: nothing is published yet.
    """
    from profiling.answers.evidence import Evidence  # noqa: PLC0415 - polars loads only when needed
    from warehouse.reader import Reader  # noqa: PLC0415

    reader = Reader(Settings().published)
    return Evidence.of(lambda table: reader.query(f"FROM {table}"))


def _print_parameters_as_objects(frame: "pl.DataFrame", output: Path | None) -> None:
    """A frame holds parameters as text, because each class has its own; JSON need not."""
    rows = [row | {"parameters": json.loads(row["parameters"])} for row in frame.iter_rows(named=True)]
    text = f"{json.dumps(rows, allow_nan=False)}\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")


def _print(
    rows: "pl.DataFrame", notes: Sequence[str], form: Format, output: Path | None, *, upright: bool = False
) -> None:
    """Print rows; a single row as a list of its columns, which are many, and below it the commands to copy."""
    commands: dict[str, str] = {}
    if upright and form is Format.TABLE:
        import polars as pl  # noqa: PLC0415

        fields = rows.row(0, named=True)
        if output is None:  # beside other fields a terminal would fold them
            commands = {name: fields.pop(name) for name in ("run", "check") if fields.get(name)}
        named = [(name, _cell_text(value)) for name, value in fields.items()]
        rows = pl.DataFrame(named, schema=["figure", "value"], orient="row")
    print_rows(rows, form, output)
    for name, command in commands.items():
        out.print(f"  {name:<7}{command}")
    print_notes(notes)


def _cell_text(value: object) -> str | None:
    return f"{value:,.5g}" if isinstance(value, float) else None if value is None else str(value)
