"""Which library runs a point: plain torch, or transformers where the point asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiling.measure.subject import PlainSubject, Subject


def subject_of(point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> Subject:
    """The model of a point, through what its `backend` names."""
    if point.get("backend") == "transformers":
        from profiling.measure.through_transformers import TransformersSubject  # noqa: PLC0415 - optional

        return TransformersSubject(point, config, device)
    return PlainSubject(point, config, device)
