"""Every model family known here, by the `model_type` of its `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from profiling.architecture import Architecture
from profiling.families import encoders, gated, mixtures, plain
from profiling.families.assembly import Config

FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    **gated.FAMILIES,
    **mixtures.FAMILIES,
    **plain.FAMILIES,
    **encoders.FAMILIES,
}
