"""A model by whatever names it: a name people use, or a path."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from profiling.models.architecture import Architecture
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue, from_path, is_path, same_shapes, under_name


def load(model: str | Path) -> Architecture:
    """The architecture of a name or a path.

    Names are those people use (`profiling.models.names`): of the catalogue, of the hub, of Ollama, of GGUF files.

    Raises:
        UnknownModel: None of these, or several; the message names the nearest in the catalogue.
    """
    text = str(model)
    if text in catalogue():
        return catalogue()[text].architecture()
    if text in same_shapes():
        return _alike(text)
    if is_path(text):
        return from_path(text)
    match = resolve_model(text)
    name = match.require()
    return _alike(str(match.model_id)) if match.model_id in same_shapes() else catalogue()[name].architecture()


@cache
def _alike(name: str) -> Architecture:
    """A model without a config of its own, with the shapes of another."""
    return under_name(catalogue()[same_shapes()[name][0]].architecture(), name)
