"""What towers hold, by reference/towers.json: the forms of their layers, and what leads from them to a decoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from profiling.models import shapes
from profiling.models.families.assembly import family_defaults
from profiling.reference_files import reference_text

_CHANNELS = ("num_channels", "in_channels")
_KV_HEADS = ("num_key_value_heads",)
_USUAL_MERGE, _USUAL_WIDENING = 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerForm:
    """What a tower of some `model_type` holds, in the words of `profiling.models.shapes`."""

    parts: Mapping[str, str] = field(default_factory=dict)
    """Lines of shapes by how often a tower has them."""
    projector: Mapping[str, str] = field(default_factory=dict)
    """The same of what makes the decoder's tokens of its patches."""
    stages: Mapping[str, str] = field(default_factory=dict)
    """Lines that every stage has, of as many as `depths` lists: fields that are lists stand for the stage's own there,
    and `before.field` for that of the stage before, of the first the colours. The projector follows the last."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Words of its own, by what they stand for."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """Towers within it: the field that describes each, and its form."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields as transformers fills them in."""
    like: str = ""
    counted: tuple[tuple[Mapping[str, Any], int], ...] = ()
    """Parameters by the fields that decide them, for towers whose widths follow no such words: as many as the library
    builds, of other fields nothing is known. A field that is left out is the one counted."""

    @property
    def is_gated(self) -> bool:
        """Whether its feed-forward blocks have a gate: two matrices from the hidden size to their width."""
        found = (each for text in self.parts.values() for each in shapes.shapes(text))
        return any((each.inside, each.outside) == ("h", "w") and each.times > 1 for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tower's place in a whole model."""

    usual: str = ""
    """Its form where the config does not name a known one."""
    form: str = ""
    """Its form whatever the config names."""
    name: str = ""
    projector: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the tower that the family decides."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the whole as transformers fills them in."""
    times: int = 1
    patches_per_token: float = 0
    """Patches that become one token, where no field says it; 0: one does."""
    unstated: bool = False
    """Whether models of the family have the tower though a config says nothing of it."""


@cache
def _read() -> Mapping[str, Any]:
    read: dict[str, Any] = json.loads(reference_text("towers.json"))
    return read


@cache
def form_of(kind: str) -> TowerForm | None:
    """The form of a tower by its `model_type`; None where it is not known."""
    stated = _read()["towers"].get(kind)
    if stated is None:
        return None
    counted = tuple((fields, parameters) for fields, parameters in stated.get("counted", ()))
    form, model = TowerForm(**{**stated, "counted": counted}), form_of(stated["like"]) if "like" in stated else None
    if model is None:
        return form
    return replace(model, like=form.like, defaults={**model.defaults, **form.defaults})


@cache
def places_of(model_type: str) -> Mapping[str, Place]:
    """Where the towers of a family stand, by the field of its config that describes each."""
    return {key: Place(**stated) for key, stated in _read()["places"].get(model_type, {}).items()}


def form_name(tower: Mapping[str, Any], place: Place) -> str:
    """The form of a tower in its place; empty where none is known."""
    named = (place.form, str(tower.get("model_type", "")), str(tower.get("model_name", "")), place.usual)
    return next((each for each in named if each and form_of(each) is not None), "")


class Sizes:
    """The sizes of a tower by the words of `profiling.models.shapes`.

    A field is what the tower states, else what transformers fills in, else what the whole config states or has filled
    in. Beside the letters of `LETTERS`: `c` the numbers of a patch, `q` patches along a side and `g` in all, `a` and
    `k` the widths of queries and of keys, `m` that of merged patches, `t` that of the decoder.
    """

    def __init__(
        self, tower: Mapping[str, Any], form: TowerForm, config: Mapping[str, Any], place: Place, decoder_width: int
    ) -> None:
        self._stated = {**tower, **place.fields}
        self._form, self._config, self._whole_defaults = form, config, place.defaults
        self._decoder_width = decoder_width
        self.stage = 0
        """Which element of a field that is a list is meant."""

    def __call__(self, word: str) -> int:
        """The size that a word stands for.

        Raises:
            NotStated: No field and no default states it.
        """
        if word in self._form.names:
            return shapes.product(self._form.names[word], self)
        if word in _DERIVED:
            return _DERIVED[word](self)
        found = self._of_stage(self._value(*shapes.LETTERS[word])) if word in shapes.LETTERS else self._named(word)
        if found is None:
            raise shapes.NotStated(word)
        return found

    def optional(self, word: str) -> int:
        """The same, 0 where it is not stated."""
        try:
            return self(word)
        except (shapes.NotStated, ZeroDivisionError):
            return 0

    def _value(self, *names: str, whole: bool = False) -> Any:
        sources = [self._stated, self._form.defaults]
        sources += [self._config, self._whole_defaults] if whole else []
        found = (source[name] for source in sources for name in names if source.get(name) is not None)
        return next(found, None)

    def _named(self, word: str) -> int | None:
        word, wanted, is_compared = word.partition("=")[0], word.partition("=")[2], "=" in word
        part, _, inner = word.removeprefix("#").partition(".")
        value = self._value(part, whole=True)
        if inner:
            stated = {**self._whole_defaults, **self._config} if part == "whole" else self._config.get(part)
            stated = stated if isinstance(stated, Mapping) else {}
            filled_in = family_defaults(str(stated.get("model_type"))).get(inner)
            value = stated.get(inner, self._whole_defaults.get(f"{part}.{inner}", filled_in))
        if part == "before":
            listed = self._value(*shapes.LETTERS.get(inner, (inner,)))
            return shapes.number(listed[self.stage - 1] if self.stage else self._value(*_CHANNELS))
        if is_compared:
            return shapes.count_of(wanted, value)
        if word.startswith("#"):
            return len(value) if isinstance(value, list) else int(value is not None)
        return self._of_stage(value)

    def _of_stage(self, value: Any) -> int | None:
        return shapes.number(value[self.stage] if isinstance(value, list) and len(value) > self.stage else value)

    def stages(self) -> int:
        """How many stages there are.

        Raises:
            NotStated: No field lists them.
        """
        listed = self._value("depths")
        if not isinstance(listed, list):
            raise shapes.NotStated("depths")
        return len(listed)

    def decoder_width(self) -> int:
        """Hidden size of the decoder.

        Raises:
            NotStated: It was not given.
        """
        if not self._decoder_width:
            raise shapes.NotStated("t")
        return self._decoder_width

    def feed_forward(self) -> int:
        """Width of the feed-forward blocks: as stated, else by a ratio, else four times the hidden size."""
        for source in (self._stated, self._form.defaults):
            stated = next((source[name] for name in shapes.LETTERS["w"] if source.get(name)), None)
            if width := shapes.number(stated):
                return width
            ratio = source.get("mlp_ratio")
            if isinstance(ratio, int | float):
                return int(self("h") * ratio)
        return _USUAL_WIDENING * self("h")

    def head_width(self) -> int:
        """Width of a head."""
        return self._beside_heads(*shapes.LETTERS["d"]) or self("h") // self("n")

    def keys(self) -> int:
        """Width of all keys."""
        return self._beside_heads(*_KV_HEADS) * self("d") or self("a")

    def _beside_heads(self, *names: str) -> int:
        """A field whose default holds only for a config that leaves its heads to the default as well; else 0."""
        stated = next((self._stated[name] for name in names if self._stated.get(name)), None)
        if stated is None and not any(self._stated.get(name) for name in shapes.LETTERS["n"]):
            stated = next((self._form.defaults[name] for name in names if self._form.defaults.get(name)), None)
        return shapes.number(stated) or 0

    def numbers_of_a_patch(self) -> int:
        """Its pixels times their colours."""
        return (shapes.number(self._value(*_CHANNELS)) or 3) * self("p") ** 2

    def stated_merge(self) -> int:
        """Patches along a side that make a token; 0 where no field says it."""
        return shapes.number(self._value(*shapes.LETTERS["s"], whole=True)) or 0

    def shuffled(self) -> float:
        """The part of a side that remains where pixels are shuffled into channels; 0 where no field says it."""
        ratio = self._value("pixel_shuffle_ratio", "downsample_ratio", whole=True)
        return float(ratio) if isinstance(ratio, float) and 0 < ratio < 1 else 0.0

    def merge(self) -> int:
        """Patches along a side that make a token, where no field says otherwise two."""
        shuffled = self.shuffled()
        return self.stated_merge() or (round(1 / shuffled) if shuffled else _USUAL_MERGE)

    def experts(self) -> int:
        """Experts of all layers that have some, where layers may have more or fewer of them."""
        kinds, usual = self._value("mlp_layer_types") or (), self._value("num_local_experts") or 0
        own = self._value("per_layer_config") or {}
        sparse = (str(index) for index, kind in enumerate(kinds) if kind == "sparse")
        return sum(int(own.get(index, {}).get("num_local_experts", usual)) for index in sparse)


_DERIVED: Mapping[str, Callable[[Sizes], int]] = {
    "t": Sizes.decoder_width, "w": Sizes.feed_forward, "d": Sizes.head_width, "k": Sizes.keys, "s": Sizes.merge,
    "c": Sizes.numbers_of_a_patch, "experts": Sizes.experts,
    "a": lambda sizes: sizes("n") * sizes("d"), "m": lambda sizes: sizes("h") * sizes("s") ** 2,
    "q": lambda sizes: sizes("image_size") // sizes("p"), "g": lambda sizes: sizes("q") ** 2,
}  # fmt: skip


def tower_parameters(
    tower: Mapping[str, Any], config: Mapping[str, Any], place: Place, decoder_width: int
) -> int | None:
    """Parameters of a tower and of what leads from it to the decoder, as the checkpoint stores them.

    Args:
        tower: The part of the config that describes it.
        config: The whole config.
        place: Where in the whole it stands.
        decoder_width: Hidden size of the decoder; 0 where there is none.

    Returns:
        None: its form is not known, or a size that it needs is not stated.
    """
    form = form_of(form_name(tower, place))
    if form is None:
        return None
    sizes = Sizes(tower, form, config, place, decoder_width)
    whole = next((parameters for fields, parameters in form.counted if _states(tower, fields)), None)
    if form.counted and whole is None:
        return None
    try:
        count = place.times * ((whole or 0) + shapes.parameters(form.parts, sizes))
        for stage in range(sizes.stages() if form.stages else 0):
            sizes.stage = stage
            count += place.times * shapes.parameters(form.stages, sizes)
        count += place.times * shapes.parameters(form.projector, sizes)
        count += shapes.parameters(place.projector, sizes)
    except (shapes.NotStated, ZeroDivisionError):
        return None
    for path, kind in form.inside.items():
        inner: Any = tower
        for key in path.split("/"):
            inner = inner.get(key, {}) if isinstance(inner, Mapping) else {}
        within = tower_parameters(inner, config, Place(form=kind), decoder_width)
        if within is None:
            return None
        count += within
    return count


def _states(tower: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Whether a config says nothing else than these fields, of its parts as of itself."""
    return all(
        _states(tower.get(name) or {}, value)
        if isinstance(value, Mapping)
        else tower.get(name) is None or tower[name] == value
        for name, value in fields.items()
    )


def projector_of(
    tower: Mapping[str, Any], config: Mapping[str, Any], place: Place, decoder_width: int
) -> tuple[tuple[int, int], ...]:
    """Widths in and out of the matrices from a tower's patches to the decoder; none where they are not known."""
    form = form_of(form_name(tower, place)) or TowerForm()
    sizes = Sizes(tower, form, config, place, decoder_width)
    try:
        return tuple(pair for parts in (form.projector, place.projector) for pair in shapes.matrices(parts, sizes))
    except (shapes.NotStated, ZeroDivisionError):
        return ()
