"""How values are written for people (units, marks for what is missing) and for files (CSV, JSON)."""

import datetime as dt
import html
import io
import json
from typing import Any

import polars as pl

from analytics.units import decimal

MISSING = "–"


def escape(text: object) -> str:
    """Text that is safe inside HTML, as element or as quoted attribute."""
    return html.escape(str(text), quote=True)


def count(number: float | None) -> str:
    """A count with thousands separated."""
    return MISSING if number is None else decimal(number)


def parameters(number: float | None) -> str:
    """A parameter count in its usual multiple: `7.24 B`, `135 M`."""
    if number is None:
        return MISSING
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{significant(number / size)} {suffix}"
    return decimal(number)


def significant(number: float, digits: int = 3) -> str:
    """A number with that many significant digits; one below 0.0001 has an exponent."""
    if number == 0:
        return "0"
    magnitude = len(str(int(abs(number)))) if abs(number) >= 1 else 0
    if magnitude == 0:
        size = f"{abs(number):.{digits}g}" if abs(number) >= 1e-4 else f"{abs(number):.1e}"
        return f"−{size}" if number < 0 else size
    return decimal(number, max(digits - magnitude, 0))


def points(number: float | None, standard_error: float | None = None) -> str:
    """A score in points, with its standard error where there is one."""
    if number is None:
        return MISSING
    return decimal(number, 2) if standard_error is None else f"{decimal(number, 2)} ± {standard_error:.2f}"


def quantity(number: float | None, unit: str) -> str:
    """A number and its unit; counts of parameters in their usual multiple."""
    if number is None:
        return MISSING
    if unit == "parameters":
        return parameters(number)
    return f"{significant(number)} {unit}".rstrip()


def value(item: object) -> str:
    """Anything from a table, for reading."""
    if item is None or item == "":
        return MISSING
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        return decimal(item)
    if isinstance(item, float):
        return significant(item, 4)
    if isinstance(item, dt.datetime):
        return item.strftime("%Y-%m-%d %H:%M UTC")
    return str(item)


def label(name: str) -> str:
    """A vocabulary value for reading: `fine_tuned` becomes `fine tuned`."""
    return name.replace("_", " ")


_BOARDS = {
    "open_llm_v1": "Open LLM v1", "open_llm_v2": "Open LLM v2", "open_llm_v2_raw_results": "Open LLM v2, raw results",
    "arena": "Arena boards", "aider": "Aider polyglot", "artificial_analysis": "Artificial Analysis",
    "bfcl": "Berkeley Function Calling", "epoch": "Epoch AI Benchmarking Hub", "epoch_eci": "Epoch Capabilities Index",
    "helm_capabilities": "HELM Capabilities", "lechmazur_connections": "Extended NYT Connections",
    "livebench": "LiveBench", "livecodebenchpro": "LiveCodeBench Pro", "llm_stats": "llm-stats", "lmarena": "LMArena",
    "models_dev": "models.dev", "openevals": "OpenEvals", "swe_bench": "SWE-bench", "tau2": "τ²-bench",
    "teci": "TECI (small open models)", "vectara": "Vectara hallucinations",
}  # fmt: skip


def board(name: str) -> str:
    """A board or other source of snapshots for reading."""
    return _BOARDS.get(name) or label(name).capitalize()


def boards(names: str) -> str:
    """Short names of boards, with commas between them, for reading."""
    return ", ".join(_BOARDS.get(name, label(name)) for name in names.split(", "))


def running(text: str) -> str:
    """A label in the run of a sentence: small at its beginning, unless that is an abbreviation."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def age(moment: dt.datetime, now: dt.datetime | None = None) -> str:
    """How long ago a moment was, in the largest unit that fits."""
    seconds = ((now or dt.datetime.now(dt.UTC)) - moment).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number != 1 else ''} ago"
    return "just now"


def days_old(day: dt.date | None) -> str:
    """How old what is of that day is, as an addition to a sentence; nothing where no day is known."""
    if day is None:
        return ""
    days = (dt.datetime.now(dt.UTC).date() - day).days
    return f", {days:,} day{'' if days == 1 else 's'} old"


def to_json(frame: pl.DataFrame, about: dict[str, Any]) -> io.BytesIO:
    """The frame as JSON: what it is, then its rows; text is kept as it is."""
    document = {**about, "rows": frame.to_dicts()}
    return io.BytesIO(json.dumps(document, ensure_ascii=False, default=str, indent=1).encode("utf-8"))


def without_account(model: str) -> str:
    """Name of a model without the account that publishes it: `Qwen3-32B` of `Qwen/Qwen3-32B`."""
    return model.rsplit("/", maxsplit=1)[-1]
