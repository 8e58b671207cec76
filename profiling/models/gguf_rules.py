"""Which block type llama.cpp's quantiser gives a tensor, by its role, its layer and the width of its rows.

The rules are those of `src/llama-quant.cpp` at commit 007dbbf of ggml-org/llama.cpp (MIT), in words of our own:
a file type names a base type; some roles get more or fewer bits in some layers; rows that are no multiple of the
type's block fall back to a type of smaller blocks; embeddings and output are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter
from typing import Literal

from profiling.errors import UnsupportedPrecision, nearest
from profiling.reference_files import reference_rows

Role = Literal[
    "embedding", "output", "query", "key", "value", "attention_output", "up", "gate", "down", "other", "whole", "f32"
]
"""What the quantiser distinguishes. Never quantised are `whole`, small matrices at 16 bits, and `f32`, at 32: norms,
biases, routers, small convolutions."""

LOW_BITS = frozenset({"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m"})
"""File types with rules of their own: every attention value at 4 bits, tables at 5."""

_ALIASES = {"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m", "mxfp4": "mxfp4_moe", "fp16": "f16", "fp32": "f32"}

_FALLBACK = {
    **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_xs"), "iq4_nl"),
    **dict.fromkeys(("q2_0", "q2_k", "q3_k", "tq1_0", "tq2_0"), "q4_0"),
    "q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BlockType:
    """A tensor type of ggml: `block_bytes` for each `block_size` numbers of a row."""

    name: str
    block_size: int
    block_bytes: int

    @property
    def bits(self) -> float:
        """Bits per number, scales included."""
        return 8 * self.block_bytes / self.block_size


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its model a tensor is, as far as the rules ask."""

    first_eighth: bool = False
    first_sixteenth: bool = False
    more_bits: bool = False
    """In the first or last eighth of the layers, or every third between."""
    middle: bool = False
    """Neither in the first nor in the last eighth."""
    first_two: bool = False
    first_four: bool = False
    counted_first_eighth: bool = False
    """Among the first of all `down` tensors, an eighth of the layers in number: shared and routed count apart."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rules ask of the whole model."""

    many_queries: bool
    """At least four query heads to a key-value head."""
    experts: int
    tied: bool
    """The output is computed with the embedding table."""
    falcon: bool = False
    llama_70b: bool = False


@lru_cache(maxsize=1 << 14)
def place_of(index: int, count: int, counted: int | None = None) -> Place:
    """The place of the `index`-th of `count` layers (or of tensors of a role, where the quantiser counts these).

    `counted` is the tensor's number among those of its role where that differs from `index`.
    """
    eighth = count // 8
    late = index >= 7 * count // 8
    return Place(
        first_eighth=index < eighth,
        first_sixteenth=index < count // 16,
        more_bits=index < eighth or late or (index - eighth) % 3 == 2,
        middle=eighth <= index and not late,
        first_two=index < 2,
        first_four=index < 4,
        counted_first_eighth=(index if counted is None else counted) < eighth,
    )


@cache
def reference() -> Mapping[tuple[str, str], Mapping[str, str]]:
    """The rows of reference/gguf_types.csv by kind and name."""
    return {(row["kind"], row["name"]): row for row in reference_rows("gguf_types.csv")}


@cache
def block_types() -> Mapping[str, BlockType]:
    """Every tensor type by name."""
    return {
        name: BlockType(name, int(row["block_size"]), int(row["block_bytes"]))
        for (kind, name), row in reference().items()
        if kind == "tensor type"
    }


@dataclass(frozen=True, slots=True)
class FileType:
    """A named GGUF format."""

    name: str
    mix: str
    """The mix of llama.cpp that it is, or starts from."""
    base: str
    """The tensor type that most matrices of the mix get."""
    tables: str | None = None
    """Type of embeddings and output where the publisher raises both."""
    dynamic: bool = False
    """Types were chosen per layer and model by the publisher; no rule says which."""


@lru_cache(maxsize=512)
def file_type(name: str) -> FileType:
    """The file type of that name, in any case, with or without `gguf-` before it.

    Raises:
        UnsupportedPrecision: There is none; the message names the nearest.
    """
    folded = name.strip().casefold().removeprefix("gguf-").removeprefix("gguf:")
    dynamic = folded.startswith(("ud-", "ud_"))
    folded = folded[3:].replace("-", "_") if dynamic else folded.replace("-", "_")
    folded = _ALIASES.get(folded, folded)
    rules = reference()
    if dynamic and (row := rules.get(("dynamic mix", f"ud-{folded}"))):
        mix = row["base_type"]
        return FileType(f"ud-{folded}", mix, rules["file type", mix]["base_type"], dynamic=True)
    if not dynamic and (row := rules.get(("file type", folded))):
        return FileType(folded, folded, row["base_type"])
    if not dynamic and (row := rules.get(("raised tables", folded))):
        mix = row["base_type"]
        return FileType(folded, mix, rules["file type", mix]["base_type"], tables="q8_0")
    if not dynamic and folded.endswith("_xl") and ("dynamic mix", f"ud-{folded}") in rules:
        return file_type(f"ud-{folded}")
    raise UnsupportedPrecision(
        f"{name!r} is not a GGUF format known here; nearest: {nearest(folded, file_types())}; "
        f"known are {len(file_types())}, from {file_types()[0]} to {file_types()[-1]}"
    )


def least_bits(form: str) -> float:
    """Bits per number that a file of this format holds at the least on average, whatever the model.

    Rules give few tensors a type below the format's own (IQ3_XS: 6 % over the file), and a model's experts may stay in
    the format that they are published in.

    Raises:
        UnsupportedPrecision: No such format.
    """
    types = block_types()
    return 0.9 * min(types[file_type(form).base].bits, types["mxfp4"].bits)


@cache
def file_types() -> tuple[str, ...]:
    """Names of all GGUF formats known here."""
    return tuple(name for kind, name in reference() if kind in {"file type", "raised tables", "dynamic mix"})


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a condition of the table may ask."""

    place: Place
    traits: Traits
    importance: bool


_When = Callable[[_Case], bool]
_Rules = Mapping[str, Sequence[tuple[_When, str]]]


def _always(_case: _Case) -> bool:
    return True


def _many_queries_or_experts(case: _Case) -> bool:
    return case.traits.many_queries or case.traits.experts >= 4


def _by_guess(case: _Case) -> bool:
    """Without an importance matrix."""
    return not case.importance


def _early_by_guess(case: _Case) -> bool:
    return case.place.first_eighth and not case.importance


def _early_informed(case: _Case) -> bool:
    return case.place.first_eighth and case.importance


_many_queries = attrgetter("traits.many_queries")
_first_eighth = attrgetter("place.first_eighth")
_counted_first_eighth = attrgetter("place.counted_first_eighth")
_first_sixteenth = attrgetter("place.first_sixteenth")
_more_bits = attrgetter("place.more_bits")
_first_two = attrgetter("place.first_two")
_first_four = attrgetter("place.first_four")
_middle = attrgetter("place.middle")

_LOWEST = ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs")
_LOW_VALUE = (_many_queries_or_experts, "q4_k")

_DOWN: _Rules = {
    "q2_k": [(_always, "q3_k")],
    "q2_k_s": [(_first_eighth, "q4_k")],
    "q3_k_m": [(_first_sixteenth, "q5_k"), (_always, "q4_k")],
    "q3_k_l": [(_always, "q5_k")],
    "q4_k_s": [(_first_eighth, "q5_k")],
    "q4_k_m": [(_more_bits, "q6_k")],
    "q5_k_m": [(_more_bits, "q6_k")],
    "q4_0": [(_early_informed, "q4_1")],
    "q5_0": [(_early_informed, "q5_1")],
    "iq3_xxs": [(_early_by_guess, "q4_k"), (_by_guess, "q3_k")],
    "iq3_m": [(_first_eighth, "q4_k")],
    "iq4_nl": [(_early_by_guess, "q5_k")],
    "iq4_xs": [(_early_by_guess, "q5_k")],
    **{key: [(_counted_first_eighth, "q2_k")] for key in _LOWEST},
    **{key: [(_counted_first_eighth, "iq3_s")] for key in ("iq2_s", "iq2_m")},
}

_ATTENTION_OUTPUT: _Rules = {
    "q2_k": [(_always, "q3_k")],
    "q3_k_m": [(_always, "q4_k")],
    "q3_k_l": [(_always, "q5_k")],
    "iq3_xxs": [(_always, "iq3_s")],
    "iq3_m": [(_always, "q4_k")],
    **{key: [(_always, "iq2_xxs")] for key in ("iq1_s", "iq1_m")},
    **{key: [(_always, "iq3_s")] for key in ("iq2_s", "iq2_m")},
}

_BY_ROLE: Mapping[str, _Rules] = {
    "embedding": {
        **{key: [(_always, "q2_k")] for key in _LOWEST},
        **{key: [(_always, "iq3_s")] for key in ("iq2_s", "iq2_m", "iq3_xxs")},
        **{key: [(_always, "q4_k")] for key in ("tq1_0", "tq2_0", "q2_0")},
    },
    "output": {
        **{key: [(_always, "q5_k")] for key in (*LOW_BITS, "iq3_xxs")},
        "q8_0": [],
    },
    "query": {"iq3_xs": [(_always, "iq3_xxs")], "iq3_xxs": [(_always, "iq2_s")]},
    "key": {"iq3_xs": [(_always, "iq3_xxs")], "iq3_xxs": [(_always, "iq2_s")]},
    "value": {
        "q2_k": [(_many_queries, "q4_k"), (_always, "q3_k")],
        "q2_k_s": [(_many_queries, "q4_k")],
        "q3_k_m": [(_first_two, "q5_k"), (_always, "q4_k")],
        "q3_k_l": [(_always, "q5_k")],
        "q4_k_s": [(_first_four, "q5_k")],
        "q4_k_m": [(_more_bits, "q6_k")],
        "q5_k_m": [(_more_bits, "q6_k")],
        "iq3_xxs": [(_many_queries, "q4_k"), (_by_guess, "iq3_s")],
        "iq3_xs": [(_many_queries, "q4_k")],
        "iq3_s": [(_many_queries, "q4_k")],
        "iq3_m": [(_always, "q4_k")],
        "iq4_nl": [(_many_queries, "q5_k")],
        "iq4_xs": [(_many_queries, "q5_k")],
        **{key: [_LOW_VALUE, (_always, "q2_k")] for key in _LOWEST},
        **{key: [_LOW_VALUE, (_always, "iq3_s")] for key in ("iq2_s", "iq2_m")},
    },
    "attention_output": _ATTENTION_OUTPUT,
    "gate": {"iq3_xs": [(_middle, "iq3_xxs")]},
    "up": {"iq3_xs": [(_middle, "iq3_xxs")]},
    "down": _DOWN,
}
"""For each role and mix, the first condition that holds gives the type; none: the base type of the mix."""

_EIGHT_EXPERTS: Mapping[str, _Rules] = {
    # Mixtral: keys and values are small beside eight experts.
    "key": {key: [(_always, "q4_k")] for key in LOW_BITS},
    "attention_output": {
        key: [(_always, "q5_k")]
        for key in (*LOW_BITS, "q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m",
                    "iq3_xxs", "iq3_xs", "iq3_s", "iq3_m", "iq4_nl", "iq4_xs")
    },
    "down": {**_DOWN, "iq3_m": [(_first_eighth, "q4_k"), (_more_bits, "q4_k")]},
}  # fmt: skip

_FALCON: Mapping[str, _Rules] = {
    "attention_output": {"q3_k_l": [(_always, "q4_k")]},
    "down": {
        **_DOWN,
        "q3_k_m": [(_first_sixteenth, "q5_k"), (_more_bits, "q4_k")],
        "q3_k_l": [(_always, "q4_k")],
        "q4_k_s": [],
        "q4_k_m": [(_first_sixteenth, "q6_k"), (_more_bits, "q5_k")],
    },
}


@lru_cache(maxsize=1 << 16)
def tensor_type(
    form: FileType, role: Role, place: Place, traits: Traits, row_width: int, *, importance: bool, routed: bool = False
) -> BlockType:
    """The block type of a tensor.

    Args:
        form: The file's format; of a dynamic one the mix it starts from.
        role: The tensor's role.
        place: Its layer.
        traits: Its model.
        row_width: Numbers per row: what blocks are cut from.
        importance: An importance matrix was at hand, as most publishers use.
        routed: It holds one matrix per expert.
    """
    types = block_types()
    if role == "f32" or form.base == "f32":
        return types["f32"]
    if role == "whole" or form.base in {"f16", "bf16"}:
        return types["bf16"]
    is_output = role == "output" or (role == "embedding" and traits.tied)
    if form.tables and role in {"embedding", "output"}:
        chosen = form.tables
    elif is_output and (traits.falcon or row_width % types[form.base].block_size):
        chosen = "q8_0"
    elif form.mix == "mxfp4_moe":
        chosen = "mxfp4" if routed else "q8_0"
    else:
        chosen = _chosen(form, "output" if is_output else role, _Case(place, traits, importance))
    for candidate in (chosen, _FALLBACK.get(chosen, "f16")):
        if row_width % types[candidate].block_size == 0:
            return types[candidate]
    return types["f16"]


def _chosen(form: FileType, role: Role, case: _Case) -> str:
    special = _FALCON if case.traits.falcon else _EIGHT_EXPERTS if case.traits.experts == 8 else {}
    eight = case.traits.experts == 8 and form.mix not in LOW_BITS
    if eight and role in {"key", "value"}:
        return "q8_0"
    otherwise = "q6_k" if role == "output" and form.mix not in _BY_ROLE["output"] else form.base
    rules = special.get(role, _BY_ROLE.get(role, {})).get(form.mix, ())
    chosen = next((name for holds, name in rules if holds(case)), otherwise)
    if role == "value" and case.traits.llama_70b and chosen in {"q3_k", "q4_k"} and form.mix not in LOW_BITS:
        return "q5_k"
    return chosen
