"""`skyline roofline`, `skyline fit` and `skyline profile calibrate`: the performance model on the command line."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands import measuring
from pipelines.terminal import Format, Formatted, Output, err, print_rows
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pipelines.performance_answers import Answer

profile = typer.Typer(
    help="Measure models on the device at hand, and fit predictions to what was measured.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(help="Model of the catalogue, a config.json, its folder, or a TOML file.")]
Batch = Annotated[int, typer.Option(help="Sequences in flight.")]
Length = Annotated[
    int, typer.Option("--seq", help="Prompt length; for decode, tokens attended (the new one among them).")
]
WeightBits = Annotated[float, typer.Option(help="Bits per weight; 4.156 for AWQ.")]
ActivationBits = Annotated[float | None, typer.Option(help="Bits per activation.", show_default="16")]
KvBits = Annotated[float, typer.Option(help="Bits per number of the KV cache.")]
EmbeddingBits = Annotated[
    float | None, typer.Option(help="Bits of input tables and head.", show_default="as the weights")
]
WeightFormat = Annotated[
    str | None, typer.Option(help="Stored format instead of bits: fp8, awq-4bit-g128, gguf-q4_k_m, mxfp4, ...")
]
Engine = Annotated[str, typer.Option(help="Whose memory overhead is counted: vllm-v1, vllm-v0, llama.cpp, ...")]
Online = Annotated[bool, typer.Option("--online", help="Look up models that are not in the catalogue on the hub.")]
Accelerators = Annotated[
    Path | None, typer.Option("--accelerators", help="TOML file with accelerators of your own.", show_default="none")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    example = "skyline roofline Meta-Llama-3-8B H200 --stage decode --batch 32 --seq 4096"
    app.command(epilog=f"Example: {example}")(roofline)
    app.command(epilog="Example: skyline fit Meta-Llama-3-70B --accelerator A100-SXM4-80GB --weight-bits 8")(fit)
    profile.command(epilog="Example: skyline profile calibrate --out ceilings.jsonl")(calibrate)
    measuring.register(profile)
    app.add_typer(profile, name="profile", epilog="Example: skyline profile run sweep.yaml --out laptop.bundle")


def roofline(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerator: Annotated[str, typer.Argument(help="Accelerator, as RTX-A6000 or H200.")],
    stage: Annotated[str, typer.Option(help="prefill, decode (one step), generate (both) or encode.")] = "decode",
    batch: Batch = 1,
    seq: Length = 1024,
    generated: Annotated[int, typer.Option(help="Tokens made after the prompt, for stage generate.")] = 128,
    weight_bits: WeightBits = 16,
    activation_bits: ActivationBits = None,
    kv_bits: KvBits = 16,
    embedding_bits: EmbeddingBits = None,
    weight_format: WeightFormat = None,
    attention: Annotated[str, typer.Option(help="flash, or naive with scores in memory.")] = "flash",
    tp: Annotated[int, typer.Option(help="Devices that share every layer.")] = 1,
    pp: Annotated[int, typer.Option(help="Groups of devices, each with some of the layers.")] = 1,
    ep: Annotated[int, typer.Option(help="Devices the experts are dealt out to, within tp.")] = 1,
    engine: Engine = "vllm-v1",
    operators: Annotated[bool, typer.Option("--operators", help="One row per operator instead of the total.")] = False,
    ignore_memory: Annotated[
        bool, typer.Option("--ignore-memory", help="Show times even if it does not fit, without throughput.")
    ] = False,
    online: Online = False,
    accelerators: Accelerators = None,
    format: Formatted = Format.TABLE,  # noqa: A002 - the option's name
    output: Output = None,
) -> None:
    """Bound, likely time and memory of a model on an accelerator, with what bounds it."""
    from pipelines.performance_answers import Question  # noqa: PLC0415 - numpy and polars load only when needed
    from pipelines.performance_answers import roofline as answer_of  # noqa: PLC0415
    from profiling.workload import Parallelism  # noqa: PLC0415

    question = Question(
        model=model, accelerator=accelerator, stage=stage, batch=batch, context=seq, generated=generated,
        weight_bits=weight_bits, activation_bits=activation_bits, kv_bits=kv_bits, embedding_bits=embedding_bits,
        weight_format=weight_format, attention=attention, parallelism=Parallelism(tp, pp, ep), engine=engine,
        online=online, accelerators_file=accelerators,
    )  # fmt: skip
    answer = answer_of(question, Settings().lake, by_operator=operators, ignore_memory=ignore_memory)
    _print(answer, format, output, upright=not operators)


def fit(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerator: Annotated[
        list[str] | None, typer.Option(help="Accelerator; may be repeated.", show_default="all")
    ] = None,
    batch: Batch = 1,
    seq: Length = 4096,
    weight_bits: WeightBits = 16,
    activation_bits: ActivationBits = None,
    kv_bits: KvBits = 16,
    embedding_bits: EmbeddingBits = None,
    weight_format: WeightFormat = None,
    engine: Engine = "vllm-v1",
    online: Online = False,
    accelerators: Accelerators = None,
    format: Formatted = Format.TABLE,  # noqa: A002 - the option's name
    output: Output = None,
) -> None:
    """How many accelerators a model needs, its memory by part, and the common rule beside it."""
    from pipelines.performance_answers import Question  # noqa: PLC0415 - numpy and polars load only when needed
    from pipelines.performance_answers import fit as answer_of  # noqa: PLC0415

    question = Question(
        model=model, accelerator="", batch=batch, context=seq, weight_bits=weight_bits,
        activation_bits=activation_bits, kv_bits=kv_bits, embedding_bits=embedding_bits,
        weight_format=weight_format, engine=engine, online=online, accelerators_file=accelerators,
    )  # fmt: skip
    answer = answer_of(question, accelerator or [])
    _print(answer, format, output, upright=answer.rows.height == 1)


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
    learned: Annotated[
        bool, typer.Option("--learned", help="Learn what the law leaves over by trees; needs scikit-learn.")
    ] = False,
    save: Annotated[Path | None, typer.Option(help="Write the calibrations into this folder.")] = None,
    source: Annotated[str, typer.Option(help="Where the kernels are from, for the files.")] = "not stated",
    format: Formatted = Format.TABLE,  # noqa: A002 - the option's name
    output: Output = None,
) -> None:
    """Measure the ceilings of this device; with --kernels, fit predictions to measured kernels and tell their error."""
    if kernels is None:
        arguments = ["calibrate", "--out", str(out), "--precisions", precisions, "--seconds", str(seconds)]
        arguments += ["--threads", str(threads)] if threads else []
        measuring.forward([*arguments, *(["--device", device] if device else [])])
        return
    from pipelines.performance_answers import calibrated  # noqa: PLC0415 - numpy and polars load only when needed

    with err.status("fitting"):
        answer = calibrated(kernels, learned=learned, save=save, source=source)
    if format is Format.JSON:
        _print_parameters_as_objects(answer, output)
    else:
        _print(answer, format, output)


def _print_parameters_as_objects(answer: "Answer", output: Path | None) -> None:
    """A frame holds parameters as text, because each class has its own; JSON need not."""
    rows = [row | {"parameters": json.loads(row["parameters"])} for row in answer.rows.iter_rows(named=True)]
    text = f"{json.dumps(rows, allow_nan=False)}\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")
    _print_notes(answer)


def _print_notes(answer: "Answer") -> None:
    for note in answer.notes:
        err.print(note, style="dim", highlight=False, markup=False, soft_wrap=True)


def _print(answer: "Answer", form: Format, output: Path | None, *, upright: bool = False) -> None:
    """Print rows; a single row on the terminal as a list of its columns, which are many."""
    rows = answer.rows
    if upright and form is Format.TABLE:
        import polars as pl  # noqa: PLC0415

        named = [(name, _shown(value)) for name, value in rows.row(0, named=True).items()]
        rows = pl.DataFrame(named, schema=["figure", "value"], orient="row")
    print_rows(rows, form, output)
    _print_notes(answer)


def _shown(value: object) -> str | None:
    return f"{value:,.5g}" if isinstance(value, float) else None if value is None else str(value)
