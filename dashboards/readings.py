"""How each chart is read: the two sentences of `readings.toml`, beneath the chart and in its files."""

import tomllib
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("readings.toml")


@cache
def readings() -> dict[str, str]:
    """How to read each chart, by the name of its figure."""
    entries = tomllib.loads(_FILE.read_text("utf-8"))
    return {name: reading for names, reading in entries.items() for name in names.split("|")}


def reading(chart: str) -> str:
    """How a chart is read.

    Args:
        chart: Name of its figure.

    Raises:
        KeyError: `readings.toml` says nothing of it; whoever adds a chart adds two sentences.
    """
    return readings()[chart]
