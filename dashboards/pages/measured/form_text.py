"""What the forms of the page of measurements say, as HTML; everything from a server or a model is escaped."""

from typing import Any

from analytics.units import GIB
from dashboards.parts import formats, page
from dashboards.parts.formats import escape

PROMPT = "A checkpoint on this machine or a server answers; you see the text and what it took. The text is not kept."
ENDPOINT = "This machine sends requests to a server, in the form that it takes, and times what a client sees."
_MODULES = 12
_MS = 1e3


def answer(found: dict[str, Any], bundle: str) -> str:
    """Text of a model and what it took; of a checkpoint its memory and slowest modules too."""
    facts = {
        "Time to first token": _ms(found["ttft_p50_s"]),
        "Time per token after it, median": _ms(found["inter_token_p50_s"]),
        "Tokens per second": formats.MISSING if found["tokens_per_s"] is None
        else formats.significant(found["tokens_per_s"]),
        "Tokens": f"{found['context']}{_counted(found)} of the prompt, {_new(found['tokens'])}",
    }  # fmt: skip
    modules = ""
    if "layers" in found:
        facts |= _of_checkpoint(found)
        slowest = sorted(found["layers"], key=lambda layer: -layer["time_s"])[:_MODULES]
        lines = [
            [formats.significant(layer["time_s"] * _MS), str(layer["path"]), str(layer["kind"])] for layer in slowest
        ]
        modules = f"<h3>Slowest modules over the prompt</h3>{page.table(('Time (ms)', 'Module', 'Kind'), lines)}"
    else:
        facts |= {"Whole request": _ms(found["request_p50_s"]), "Run by": "the server, with its network and queue"}
    return (
        f"<h3>Answer</h3><pre style='white-space:pre-wrap;overflow-wrap:anywhere'>{escape(found['text'])}</pre>"
        f"<h3>Time and memory</h3>{page.table(('', ''), [[name, value] for name, value in facts.items()])}"
        f"{modules}{_landed(bundle)}"
    )


def _of_checkpoint(found: dict[str, Any]) -> dict[str, str]:
    peak = found.get("allocated_peak_bytes") or found["host_peak_bytes"]
    return {
        "Weights": _size(found["weights_bytes"]),
        "Memory at most": f"{_size(peak)} {'of the device' if found.get('allocated_peak_bytes') else 'of the process'}",
        "Device in use": _share(found),
        "Energy per token": _energy(found),
        "Run by": {"plain": "our plain torch model", "transformers": "transformers"}[found["backend"]],
    }


def _counted(found: dict[str, Any]) -> str:
    return " words" if found.get("prompt_tokens_source") == "words" else ""


def _new(tokens: int | None) -> str:
    return "an answer that nobody counted" if tokens is None else f"{tokens} new"


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
    return f"<h3>Time and memory</h3>{page.table(header, lines)}{_landed(bundle)}"


def _errors(row: dict[str, Any]) -> str:
    reasons = "; ".join(f"{count} × {reason}" for reason, count in row["error_reasons"].items())
    return f"{row['errors']} of {row['requests']}" + (f": {reasons}" if reasons else "")


def _ms(seconds: float | None) -> str:
    return formats.MISSING if seconds is None else f"{formats.significant(seconds * _MS)} ms"


def _share(found: dict[str, Any]) -> str:
    share = found.get("utilisation_share")
    return str(found.get("utilisation_share_why", formats.MISSING)) if share is None else f"{share:.0%} of its cores"


def _energy(found: dict[str, Any]) -> str:
    joules = found.get("joules_per_token")
    return str(found.get("energy_why", formats.MISSING)) if joules is None else f"{formats.significant(joules)} J"


def _size(size_bytes: float) -> str:
    unit, size = ("GiB", GIB) if size_bytes >= GIB else ("MiB", 1 << 20)
    return f"{formats.significant(size_bytes / size)} {unit}"


def _landed(bundle: str) -> str:
    return page.caption(f"{bundle} lies in the inbox; with Dagster's sensors on it is in the warehouse in a minute.")
