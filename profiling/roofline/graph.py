"""The operator graph: which operator reads what another one wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiling.roofline.operators import Operator


def edges(operators: Sequence[Operator]) -> list[tuple[str, str]]:
    """Edges of the operator graph as pairs of "place/name"; layers of a stack follow one another."""
    names = {f"{op.place}/{op.name}" for op in operators}
    result: list[tuple[str, str]] = []
    outputs: dict[str, str] = {op.place: op.name for op in operators}
    places = list(dict.fromkeys(op.place for op in operators))
    for op in operators:
        for source in op.inputs:
            node = f"{op.place}/{source}"
            if node not in names:
                node = _entering(op.place, source, places, outputs, names)
            if node in names and node != f"{op.place}/{op.name}":
                result.append((node, f"{op.place}/{op.name}"))
    return result


def _entering(
    place: str, source: str, places: list[str], outputs: Mapping[str, str], names: set[str]
) -> str:  # fmt: skip
    """The node behind "input", "layers" or "encoder", or the last part of an operator that was split up."""
    split_up = f"{place}/{source}_values"
    if split_up in names:
        return split_up
    earlier = places[: places.index(place)]
    if source == "encoder":
        earlier = [other for other in earlier if other.startswith("encoder")]
    else:
        role = place.split(".", maxsplit=1)[0]
        earlier = [other for other in earlier if other.startswith(role)]
    return f"{earlier[-1]}/{outputs[earlier[-1]]}" if earlier else ""
