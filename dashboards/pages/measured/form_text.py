"""What the forms of the page of measurements say."""

from collections.abc import Iterable, Mapping
from typing import Any

from analytics.units import GIB
from dashboards.parts import formats
from dashboards.parts.templates import render

PROMPT = (
    "A checkpoint on this machine or a server answers. You see the text, which is not stored, and the time it took."
)
ENDPOINT = "This machine sends requests to a server, in its protocol, and measures what a client sees."
QUALITY = (
    "Computes the perplexity of every checkpoint on a bundled text in the public domain. Quantised ones are read "
    "as stored."
)
_MODULES = 12
_MS = 1e3


def no_checkpoint(folder: str) -> str:
    """What is missing where the operator named a folder of checkpoints that holds none."""
    return (
        f"There is no checkpoint in the folder “{folder}” (SKYLINE_MEASURE_CHECKPOINTS). Put a model's folder there,"
        " with config.json, tokenizer and safetensors, or a GGUF file, and reload this page."
    )


def answer(result: dict[str, Any], bundle: str) -> str:
    """Text of a model and what it took; of a checkpoint its memory and slowest modules too."""
    rate = result["tokens_per_s"]
    facts = {
        "Time to first token": _ms(result["ttft_p50_s"]),
        "Time per token after it, median": _ms(result["inter_token_p50_s"]),
        "Tokens per second": formats.MISSING if rate is None else formats.significant(rate),
        "Tokens": f"{result['context']}{_counted(result)} of the prompt, {_new(result['tokens'])}",
    }
    modules = []
    if "layers" in result:
        facts |= _of_checkpoint(result)
        slowest = sorted(result["layers"], key=lambda layer: -layer["time_s"])[:_MODULES]
        modules = [(formats.significant(layer["time_s"] * _MS), layer["path"], layer["kind"]) for layer in slowest]
    else:
        facts |= {"Whole request": _ms(result["request_p50_s"]), "Run by": "the server, with its network and queue"}
    return render(
        __file__, "answered.html", found=result, header=("", ""), lines=facts.items(), bundle=bundle, modules=modules
    )


def _of_checkpoint(result: dict[str, Any]) -> dict[str, str]:
    peak = result.get("allocated_peak_bytes") or result["host_peak_bytes"]
    return {
        "Weights": _size(result["weights_bytes"]),
        "Peak memory": f"{_size(peak)} {'of the device' if result.get('allocated_peak_bytes') else 'of the process'}",
        "Utilisation": _share(result),
        "Energy per token": _energy(result),
        "Run by": {"plain": "our plain torch model", "transformers": "transformers"}[result["backend"]],
    }


def _counted(result: dict[str, Any]) -> str:
    return " words" if result.get("prompt_tokens_source") == "words" else ""


def _new(tokens: int | None) -> str:
    return "an answer of unknown length" if tokens is None else f"{tokens} new"


def served(rows: list[dict[str, Any]], bundle: str) -> str:
    """What a server took at every load."""
    header = (
        "In flight", "Prompt tokens", "First token, median", "99 % below", "Between tokens, median", "Tokens/s",
        "Requests/s", "Errors",
    )  # fmt: skip
    lines = [
        [
            formats.count(row["batch"]), formats.count(row["context"]), _ms(row["ttft_p50_s"]), _ms(row["ttft_p99_s"]),
            _ms(row["inter_token_p50_s"]), formats.significant(row["tokens_per_s"]),
            formats.significant(row["requests_per_s"]), _errors(row),
        ]
        for row in rows
    ]  # fmt: skip
    return render(__file__, "answered.html", found=None, modules=(), header=header, lines=lines, bundle=bundle)


def scored(rows: list[dict[str, Any]], bundle: str) -> str:
    """What checkpoints and formats lost against the first."""
    return render(
        __file__, "answered.html", found=None, title="Quality", modules=(), header=QUALITY_HEADER,
        lines=quality_lines(rows),
        bundle=bundle,
    )  # fmt: skip


QUALITY_HEADER = (
    "Model", "Format", "Perplexity", "Over the first", "Bits per byte", "Exact match", "Weights", "Tokens/s read",
)  # fmt: skip


def quality_lines(rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of `skyline profile quality`, or of stage quality in `marts.profile_points`, as cells."""
    return [
        [
            str(row["model"]), str(row["precision"]), formats.significant(row["perplexity"]),
            _cell(row["perplexity_over_first"], "{:.4f}"), f"{row['bits_per_byte']:.4f}",
            _cell(row.get("exact_match"), "{:.0%}"), _size(row["weights_bytes"]),
            _cell(row.get("prompt_tokens_per_s", row.get("tokens_per_s")), "{:,.0f}"),
        ]
        for row in rows
    ]  # fmt: skip


def _cell(value: float | None, form: str) -> str:
    return formats.MISSING if value is None else form.format(value)


def _errors(row: dict[str, Any]) -> str:
    reasons = "; ".join(f"{count} × {reason}" for reason, count in row["error_reasons"].items())
    return f"{row['errors']} of {row['requests']}" + (f": {reasons}" if reasons else "")


def _ms(seconds: float | None) -> str:
    return formats.MISSING if seconds is None else f"{formats.significant(seconds * _MS)} ms"


def _share(result: dict[str, Any]) -> str:
    share = result.get("utilisation_share")
    return (
        str(result.get("utilisation_share_why", formats.MISSING))
        if share is None
        else f"{100 * share:.0f} % of its cores"
    )


def _energy(result: dict[str, Any]) -> str:
    joules = result.get("joules_per_token")
    if joules is None:
        return str(result.get("energy_why", formats.MISSING))
    source = [str(result["energy_of"])] if "energy_of" in result else []
    return ", ".join([f"{formats.significant(joules)} J", *source])


def _size(size_bytes: float) -> str:
    unit, size = ("GiB", GIB) if size_bytes >= GIB else ("MiB", 1 << 20)
    return f"{formats.significant(size_bytes / size)} {unit}"
