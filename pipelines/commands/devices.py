"""`skyline devices`, `skyline models` and `skyline hardware`: what can be asked about, and what this machine is."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, err, print_rows
from warehouse.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from profiling.devices.accelerators import Accelerator
    from profiling.devices.here.bandwidth import Bandwidth
    from profiling.devices.here.machine import Machine
    from profiling.models.architecture import Architecture

Query = Annotated[str | None, typer.Argument(help="Any common name; without one, all are listed.")]


def devices(
    query: Query = None,
    kind: Annotated[str | None, typer.Option(help="Only gpu, igpu, tpu, cpu, asic or edge.")] = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Known devices with memory, bandwidth and peaks; or those that a name refers to, and how certain that is."""
    import polars as pl  # noqa: PLC0415

    from profiling.devices.names import resolve_device  # noqa: PLC0415
    from profiling.devices.table import table  # noqa: PLC0415
    from profiling.errors import UnknownAccelerator  # noqa: PLC0415

    if query is None:
        matches = [(device, 1) for device in table().values()]
    else:
        answer = resolve_device(query)
        matches = list(answer.devices) or [(table()[name], 1) for name in answer.candidates if name in table()]
        if not matches:
            raise UnknownAccelerator(answer.note)
        if answer.note:
            err.print(answer.note, style="dim")
    rows = [_device_row(device, count) for device, count in matches if kind in {None, device.kind}]
    if not rows:
        raise UnknownAccelerator(f"no device of kind {kind!r}; kinds are gpu, igpu, tpu, cpu, asic and edge")
    print_rows(pl.DataFrame(rows, infer_schema_length=None), output_format, output)


def _device_row(device: "Accelerator", count: int) -> dict[str, object]:
    from profiling.devices.accelerators import GIB  # noqa: PLC0415

    low, high = device.usable_memory_range_bytes
    tera = {kind: rate / 1e12 for kind, rate in device.peaks.items()}
    return {
        "device": device.name,
        "count": count,
        "kind": device.kind,
        "vendor": device.vendor,
        "usable_memory_gib": device.usable_memory_bytes / GIB,
        "usable_low_gib": low / GIB,
        "usable_high_gib": high / GIB,
        "bandwidth_gb_per_s": device.bandwidth_bytes_per_s / 1e9,
        "fp16_tflops": tera.get("fp16"),
        "fp16_sums_tflops": _tera(device.peaks_with_fp16_sums.get("fp16")),
        "int8_tops": tera.get("int8"),
        "fp8_tflops": tera.get("fp8"),
        "fp4_tflops": tera.get("fp4"),
        "power_w": device.power_w,
        "link": device.link_kind or None,
        "link_gb_per_s": _giga(device.link_bytes_per_s),
        "node_size": device.node_size,
        "memory_basis": device.memory_basis,
        "raising_usable_memory": device.raising_usable_memory or None,
        "source": device.source,
        "doubts": device.flags or None,
    }


def _tera(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e12


def _giga(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e9


def models(
    query: Query = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Known models with their sizes; or the one that a name refers to, its format, and how certain that is."""
    import polars as pl  # noqa: PLC0415

    from pipelines.sources.hub.models import architectures_of, fetched_models  # noqa: PLC0415
    from profiling.errors import UnknownModel  # noqa: PLC0415
    from profiling.models.names import resolve_model  # noqa: PLC0415
    from profiling.models.sources import catalogue, same_shapes  # noqa: PLC0415

    own = dict(architectures_of(fetched_models(Settings())))
    every = list(dict.fromkeys([*catalogue(), *same_shapes(), *own]))

    def rows_of(names: list[str]) -> list[dict[str, object]]:
        known = set(catalogue()) | set(same_shapes())
        return [_model_row(name) if name in known else _row_of(name, own[name]) for name in names]

    if query is None:
        print_rows(pl.DataFrame(rows_of(every), infer_schema_length=None), output_format, output)
        return
    match = resolve_model(query, [*catalogue(), *own])
    named = match.model_id if match.model_id in same_shapes() else match.catalogue_id
    names = [named] if named else [name for name in match.candidates if name in every]
    if not names:
        raise UnknownModel(match.evidence)
    if not match.catalogue_id:
        err.print(match.evidence, style="dim")
    common = {
        "hub_id": match.model_id, "weight_format": match.weight_format,
        "evidence": match.evidence if match.catalogue_id else "one of the candidates",
    }  # fmt: skip
    print_rows(pl.DataFrame([row | common for row in rows_of(names)], infer_schema_length=None), output_format, output)


def _model_row(name: str) -> dict[str, object]:
    from profiling.errors import ProfilingError  # noqa: PLC0415
    from profiling.models.load import load  # noqa: PLC0415
    from profiling.models.sources import catalogue, same_shapes  # noqa: PLC0415

    record = catalogue()[name if name in catalogue() else same_shapes()[name][0]].record
    try:
        model = load(name)
    except ProfilingError as error:
        total = record.get("parameters_total")
        return {
            "model": name, "model_type": record["model_type"],
            "parameters_total": int(total) if total else None, "parameters_active": None, "attention": None,
            "max_context": None, "why_not_timed": str(error).split("? ")[0],
        }  # fmt: skip
    return _row_of(name, model) | {"model_type": record["model_type"]}


def _row_of(name: str, model: "Architecture") -> dict[str, object]:
    return {
        "model": name, "model_type": model.model_type, "parameters_total": model.parameters_total,
        "parameters_active": model.parameters_active, "attention": model.attention_kind,
        "max_context": model.max_position, "why_not_timed": None,
    }  # fmt: skip


def hardware(
    measure: Annotated[bool, typer.Option("--measure", help="Measure the bandwidth of memory, in seconds.")] = False,
    seconds: Annotated[float, typer.Option(help="Seconds to spend with --measure.", min=0.1, max=60)] = 3.0,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """This machine: its GPUs, processor and memory, which devices of the table those are, and what was not found."""
    from profiling.devices.here.bandwidth import cuda_read_bandwidth, read_bandwidth  # noqa: PLC0415
    from profiling.devices.here.look import look  # noqa: PLC0415

    machine = look()
    measured = (cuda_read_bandwidth(), read_bandwidth(seconds)) if measure else (None, None)
    rows = hardware_rows(machine, *measured)
    for line in machine.not_found:
        err.print(f"Not found: {line}", style="dim")
    if not rows.height:
        raise typer.Exit(1)
    print_rows(rows, output_format, output)


def hardware_rows(machine: "Machine", of_gpu: "Bandwidth | None", of_memory: "Bandwidth | None") -> "pl.DataFrame":
    """One row per device of a machine that may run models.

    Args:
        machine: As `profiling.devices.here.look` finds it.
        of_gpu: Measured read bandwidth of the first graphics device; None: not measured.
        of_memory: Measured read bandwidth of main memory; None: not measured.
    """
    import polars as pl  # noqa: PLC0415

    from profiling.devices.accelerators import GIB  # noqa: PLC0415
    from profiling.devices.here.machine import known_devices  # noqa: PLC0415

    rows = []
    for place, part in enumerate(known_devices(machine)):
        is_processor = place >= len(machine.gpus)
        rate = of_memory if is_processor else of_gpu if place == 0 else None
        device = part.device
        memory = machine.memory_bytes if is_processor else machine.gpus[place].memory_bytes
        rows.append(
            {
                "part": "processor" if is_processor else "gpu",
                "name": part.name,
                "device": device.name if device else None,
                "memory_gib": memory / GIB if memory else device.total_memory_bytes / GIB if device else None,
                "usable_memory_gib": device.usable_memory_bytes / GIB if device else None,
                "bandwidth_gb_per_s": device.bandwidth_bytes_per_s / 1e9 if device else None,
                "measured_gb_per_s": rate.median_bytes_per_s / 1e9 if rate else None,
                "fp16_tflops": _tera(device.peaks.get("fp16")) if device else None,
                "reported_by": part.reported_by,
                "note": _device_words(memory, rate, is_processor)
                if rate and memory and not device
                else part.note or None,
            }
        )
    schema = {
        "part": pl.String, "name": pl.String, "device": pl.String, "memory_gib": pl.Float64,
        "usable_memory_gib": pl.Float64, "bandwidth_gb_per_s": pl.Float64, "measured_gb_per_s": pl.Float64,
        "fp16_tflops": pl.Float64, "reported_by": pl.String, "note": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def _device_words(memory_bytes: float, rate: "Bandwidth", is_processor: bool) -> str:
    """The words by which every command takes a device that the table lacks."""
    words = f"{memory_bytes / 1e9:.0f} GB at {rate.median_bytes_per_s / 1e9:.0f} GB/s{' cpu' if is_processor else ''}"
    return f'not in the table; ask about it as "other: {words}"'
