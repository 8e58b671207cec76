"""What a model is, in one row: parameters, stored format, bytes of weights, of the cache and of fixed state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from profiling.devices.accelerators import GIB
from profiling.devices.names import resolve_device
from profiling.errors import UnknownModel
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.format_names import file_size_bytes, grouped_format
from profiling.models.gguf_header import read_gguf_header
from profiling.models.gguf_rules import file_type
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue, from_config, from_path, is_path, same_shapes, under_name
from profiling.models.stored import means_published
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import weight_formats


@dataclass(frozen=True, slots=True)
class Description:
    """A model as stored in a format."""

    name: str
    """As asked."""
    model_id: str
    model_type: str
    parameters_total: int
    parameters_active: int
    weight_format: str
    weights_gib: float
    """Loaded for the decoder; all tensors of the checkpoint where its index or header says their size."""
    file_size_gib: float | None
    """With what else the checkpoint holds; None where the size of a part is not known."""
    kv_bytes_per_token: float
    """At 16 bits, while every window is open."""
    state_bytes_per_sequence: float
    max_context: int | None
    not_counted: str
    notes: tuple[str, ...] = ()
    """How the model was read, where that needs saying."""

    def row(self) -> dict[str, object]:
        """Its columns."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = (
    "name", "model_id", "model_type", "parameters_total", "parameters_active", "weight_format", "weights_gib",
    "file_size_gib", "kv_bytes_per_token", "state_bytes_per_sequence", "max_context", "not_counted",
)  # fmt: skip
"""Columns of a description, in order."""


def describe(
    text: str, weight_format: str | None = None, *, own_models: Mapping[str, Architecture] | None = None,
    look_up: Callable[[str], Architecture] | None = None,
) -> Description:  # fmt: skip
    """What a text names, described.

    Args:
        text: A name of the catalogue or of the hub, an Ollama tag, a GGUF file or its name, a `config.json` or its
            folder, a TOML file.
        weight_format: A stored format; None: the one that the text names, else the published one.
        own_models: Models beside those of the catalogue, by name: what was fetched from the hub before.
        look_up: Finds a model that is neither, by its address on the hub; None: nothing is looked up.

    Raises:
        ProfilingError: The text names no model, its config is not understood, or there is no such format.
    """
    model, named, notes = _resolved(text, own_models or {}, look_up)
    chosen = weight_format or named
    weights, file_size, format_name = _sizes(model, chosen)
    return Description(
        name=text,
        model_id=model.name,
        model_type=model.model_type,
        parameters_total=model.parameters_total,
        parameters_active=model.parameters_active,
        weight_format=format_name,
        weights_gib=weights / GIB,
        file_size_gib=None if file_size is None else file_size / GIB,
        kv_bytes_per_token=model.kv_bytes_per_token(),
        state_bytes_per_sequence=model.state_bytes_per_sequence(),
        max_context=model.max_position,
        not_counted="; ".join(str(part) for part in model.not_counted),
        notes=(*notes, *model.notes),
    )


def _resolved(
    text: str, own_models: Mapping[str, Architecture], look_up: Callable[[str], Architecture] | None
) -> tuple[Architecture, str | None, tuple[str, ...]]:
    """The model, the format that its name states, and what has to be said of how it was found."""
    if text in catalogue():
        return catalogue()[text].architecture(), None, ()
    if text in own_models:
        return own_models[text], None, ()
    if is_path(text):
        path = Path(text)
        return _of_file(path) if path.suffix.casefold() == ".gguf" else (from_path(path), None, ())
    match = resolve_model(text, [*catalogue(), *own_models])
    if match.catalogue_id is not None and match.catalogue_id in own_models:
        return own_models[match.catalogue_id], match.weight_format, (f"{text}: {match.evidence}",)
    if match.catalogue_id is not None:
        model = catalogue()[match.catalogue_id].architecture()
        notes = () if match.catalogue_id == text else (f"{text}: {match.evidence}",)
        alike = match.model_id in same_shapes()
        named = under_name(model, str(match.model_id)) if alike else replace(model, name=match.catalogue_id)
        return named, match.weight_format, notes
    if look_up and match.model_id:
        return look_up(match.model_id), match.weight_format, ()
    if (devices := resolve_device(text)).devices:
        raise UnknownModel(
            f"{text!r} is {devices.fleet.name}, which is not a model; `skyline devices` describes devices"
        )
    raise UnknownModel(match.evidence)


def _of_file(path: Path) -> tuple[Architecture, str | None, tuple[str, ...]]:
    """A GGUF file: shapes by its metadata, sizes by its tensors."""
    header = read_gguf_header(path)
    model = from_config(header.config())
    form = header.format or "gguf"
    if header.shards > 1:
        return (
            model,
            form,
            (f"{path.name} is one of {header.shards} files; sizes are those of all, by llama.cpp's rules",),
        )
    return replace(model, stored_bytes=header.tensor_bytes), f"gguf-{form}", ()


def _sizes(model: Architecture, form: str | None) -> tuple[float, float | None, str]:
    """Bytes of the weights and of the file, and the format's name."""
    published = model.published_format.name
    form = None if means_published(form, model.published_format) else form
    of_file = form is not None and form.startswith("gguf-") and model.stored_bytes is not None
    if model.stored_bytes is not None and (form is None or of_file):
        return model.stored_bytes, model.stored_bytes, form or published
    if form is not None:
        plain = form.casefold().removeprefix("gguf-")
        if grouped_format(plain) is None and (plain != form.casefold() or plain not in weight_formats()):
            size = file_size_bytes(model, plain)
            return size.tensor_bytes, size.bytes, f"gguf-{file_type(plain).name}"
    weights = float(weight_bytes(model, precision_for(model, form)))
    if any(part.parameters is None for part in model.not_counted):
        return weights, None, form or published
    share = weights / max(model.parameters_total, 1)
    not_counted = sum((part.parameters or 0) * (2 if part.is_tower else share) for part in model.not_counted)
    return weights, weights + not_counted, form or published
