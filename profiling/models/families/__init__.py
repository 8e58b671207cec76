"""Every model family known here, by the `model_type` of its `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from profiling.models.architecture import Architecture
from profiling.models.families import (
    compressed,
    differential,
    encoders,
    hybrids,
    images,
    latents,
    looped,
    recurrent,
    remote,
    special,
    traits,
    two_stacks,
    unusual,
)
from profiling.models.families.assembly import Config

_OWN: Mapping[str, Callable[[Config], Architecture]] = {
    **traits.FAMILIES,
    **hybrids.FAMILIES,
    **images.FAMILIES,
    **recurrent.FAMILIES,
    **unusual.FAMILIES,
    **special.FAMILIES,
    **encoders.FAMILIES,
    **two_stacks.FAMILIES,
    **latents.FAMILIES,
    **compressed.FAMILIES,
    **looped.FAMILIES,
    **remote.FAMILIES,
    **differential.FAMILIES,
}
FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    **{alias: _OWN[name] for alias, name in traits.ALIASES.items()},
    **_OWN,  # after them: a form may have a reader for configs that go beyond what it says
}
