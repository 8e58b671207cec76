"""What a reader has chosen on a page, and how that is written into and read from the address.

A value from an address is hostile until it is one of the choices offered; what is not falls back to the default
and leaves a note. No data is read here, and nothing is drawn.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, parse_qsl, urlencode

import param

_LONGEST_TEXT = 200
_MOST_FIELDS = 200
EITHER, ONLY, WITHOUT = "any", "only", "without"


class Statement(param.String[Any]):
    """SQL: longer than other texts, and of several lines."""

    LONGEST = 4_000


class UrlState(param.Parameterized):
    """Choices of one page. Parameters that take part in the address are those that the subclass declares."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)  # type: ignore[no-untyped-call]
        self._query: dict[str, list[str]] = {}
        self._defaults: dict[str, Any] = {}

    @classmethod
    def from_address(cls, search: str) -> Self:
        """A state that remembers what the address asks for; `offer` and `settle` then grant it or not."""
        state = cls()
        try:
            state._query = parse_qs(search.lstrip("?"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            state._query = {}
        return state

    @classmethod
    def keys(cls) -> list[str]:
        """Names that may stand in the address."""
        return [name for name in cls.param if name != "name"]

    def offer(self, name: str, options: Mapping[str, Any] | Sequence[Any], default: Any) -> list[str]:
        """Set what can be chosen, keep the present choice where it still is one, and say where it is not.

        Args:
            name: A Selector or ListSelector of this state.
            options: Values, or labels and values.
            default: Choice when the present one is not offered.
        """
        values = list(options.values()) if isinstance(options, Mapping) else list(options)
        parameter = self.param[name]
        stated = self._query.pop(name, None)
        notes: list[str] = []
        if isinstance(parameter, param.ListSelector):
            # An address writes “none” as an empty value.
            wanted = [text for text in stated if text] if stated is not None else list(getattr(self, name))
            valid = [value for value in wanted if value in values]
            if len(valid) < len(wanted):
                notes.append(_refused(name, [value for value in wanted if value not in values], "left out"))
            chosen: Any = valid if valid or (stated is not None and not wanted) else default
        else:
            wanted_one = stated[-1] if stated else getattr(self, name)
            chosen = wanted_one if wanted_one in values else default
            if wanted_one not in values and wanted_one not in (None, ""):
                notes.append(_refused(name, [wanted_one], f"showing “{chosen}” instead"))
        with param.parameterized.batch_call_watchers(self):
            parameter.objects = dict(options) if isinstance(options, Mapping) else values
            setattr(self, name, chosen)
        return notes

    def settle(self, *later: str) -> list[str]:
        """Take the remaining values of the address that hold, and say which do not.

        Args:
            later: Choices that are not offered yet; what the address asks of them waits for `offer`.
        """
        notes: list[str] = []
        for name, texts in self._query.items():
            if name in later:
                continue
            if name not in self.keys():
                notes.append(f"The address names “{_short(name)}”, which this page does not recognise; it was ignored.")
                continue
            try:
                setattr(self, name, _parse(self.param[name], texts[-1]))
            except ValueError:
                notes.append(_refused(name, texts, "showing the default instead"))
        self._query = {name: texts for name, texts in self._query.items() if name in later}
        return notes

    def address(self) -> str:
        """Query string of what differs from the defaults, empty where nothing does."""
        pairs: list[tuple[str, str]] = []
        for name in self.keys():
            present = getattr(self, name)
            if present is None or present == self._default(name):
                continue
            if isinstance(present, list):
                pairs.extend((name, str(value)) for value in present or [""])
            else:
                pairs.append((name, _write(present)))
        return f"?{urlencode(pairs)}" if pairs else ""

    def _default(self, name: str) -> Any:
        return self._defaults.get(name, self.param[name].default)

    def offer_with_default(self, name: str, options: Mapping[str, Any] | Sequence[Any], default: Any) -> list[str]:
        """As `offer`, where the default depends on the data, so that it is not written into the address."""
        self.remember_default(name, default)
        return self.offer(name, options, default)

    def remember_default(self, name: str, value: Any) -> None:
        """A default that depends on the data, so that it is not written into the address."""
        self._defaults[name] = value


def _refused(name: str, values: Sequence[object], outcome: str) -> str:
    listed = ", ".join(f"“{_short(value)}”" for value in values[:3]) + (" …" if len(values) > 3 else "")
    return f"{name.replace('_', ' ')}: {listed} is not a choice here; {outcome}."


def _short(value: object) -> str:
    text = "".join(character for character in str(value) if character.isprintable())
    return text if len(text) <= 40 else text[:39] + "…"


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "..".join(f"{bound:g}" for bound in value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _parse(parameter: Any, text: str) -> Any:
    """The value of a parameter that is not chosen from a list.

    Raises:
        ValueError: the text is no value of it.
    """
    if isinstance(parameter, param.Boolean):
        if text not in ("yes", "no"):
            raise ValueError(text)
        return text == "yes"
    if isinstance(parameter, param.Integer):
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return int(text)
    if isinstance(parameter, param.Number):
        number = float(text)
        least, most = parameter.bounds or (None, None)
        if not math.isfinite(number) or (least is not None and number < least) or (most is not None and number > most):
            raise ValueError(text)
        return number
    if isinstance(parameter, param.Range):
        lower, separator, upper = text.partition("..")
        bounds = (float(lower), float(upper)) if separator else (math.nan, math.nan)
        low, high = parameter.bounds or (-math.inf, math.inf)
        if not (math.isfinite(bounds[0]) and math.isfinite(bounds[1]) and low <= bounds[0] <= bounds[1] <= high):
            raise ValueError(text)
        return bounds
    if isinstance(parameter, param.Selector):
        for value in parameter.objects:  # of numbers the address has the text
            if _write(value) == text:
                return value
        raise ValueError(text)
    is_sql = isinstance(parameter, Statement)
    if len(text) > (Statement.LONGEST if is_sql else _LONGEST_TEXT) or not (is_sql or text.isprintable()):
        raise ValueError(text)
    return text


class EntriesState(UrlState):
    """Choices of a page's view of one leaderboard, beside its view of ability, which is the default.

    The address names the board only where nothing else tells it from one of the other view.
    """

    SHARED: ClassVar[frozenset[str]] = frozenset({"board", "search", "size", "axis"})
    board: Any = param.Selector(default="ability", objects=["ability", "open_llm"])

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"board": "open_llm", **values})

    def address(self) -> str:
        """As of any page, without the board where a choice that only entries have says it."""
        pairs = parse_qsl(super().address().lstrip("?"), keep_blank_values=True)
        if any(name not in self.SHARED for name, _ in pairs):
            pairs = [pair for pair in pairs if pair[0] != "board"]
        return f"?{urlencode(pairs)}" if pairs else ""


class LeaderboardState(EntriesState):
    """Choices of the leaderboard page."""

    snapshot: Any = param.Selector(objects=[], doc="Snapshot, by its identity.")
    search: Any = param.String(default="", doc="Search text, see `filters.parse_search`.")
    type: Any = param.ListSelector(default=[], objects=[], doc="Kinds of training; none means all.")
    architecture: Any = param.ListSelector(default=[], objects=[])
    family: Any = param.ListSelector(default=[], objects=[])
    precision: Any = param.ListSelector(default=[], objects=[])
    licence: Any = param.ListSelector(default=[], objects=[])
    size: Any = param.Range(default=(-4.0, 11.0), bounds=(-4.0, 11.0), doc="log2 of the size in GiB.")
    unknown_size: Any = param.Boolean(default=True, doc="Whether entries without a size are shown.")
    merged: Any = param.Selector(default=EITHER, objects=[EITHER, ONLY, WITHOUT])
    moe: Any = param.Selector(default=EITHER, objects=[EITHER, ONLY, WITHOUT])
    flagged: Any = param.Selector(default=WITHOUT, objects=[EITHER, ONLY, WITHOUT])
    on_hub: Any = param.Selector(default=EITHER, objects=[EITHER, ONLY, WITHOUT])
    x: Any = param.Selector(objects=[])
    y: Any = param.Selector(objects=[])
    colour: Any = param.Selector(objects=[])
    point_size: Any = param.Selector(objects=[])
    log_x: Any = param.Boolean(default=True)
    log_y: Any = param.Boolean(default=False)
    scores: Any = param.Selector(default="normalised", objects=["normalised", "raw"])
    columns: Any = param.ListSelector(default=[], objects=[])
    entry: Any = param.String(default="", doc="Entry whose card is open.")


class ParetoState(EntriesState):
    """Choices of the Pareto page."""

    snapshot: Any = param.Selector(objects=[])
    quality: Any = param.Selector(objects=[])
    against: Any = param.Selector(objects=[])
    within: Any = param.Selector(objects=[], doc="Column that the board is divided by.")
    segment: Any = param.Selector(objects=[])
    over: Any = param.Selector(default="submissions", objects=["submissions", "snapshots"])
    day: Any = param.Selector(objects=[], doc="Frame of the player.")


class ScalingState(EntriesState):
    """Choices of the scaling page."""

    snapshot: Any = param.Selector(objects=[])
    size: Any = param.Selector(objects=[], doc="Which count of parameters.")
    measure: Any = param.Selector(objects=[])
    axis: Any = param.Selector(default="log", objects=["log", "linear"])


class PatternsState(EntriesState):
    """Choices of the patterns page."""

    snapshot: Any = param.Selector(objects=[])
    group: Any = param.Selector(objects=[], doc="Column whose values are the groups.")
    only: Any = param.ListSelector(default=[], objects=[], doc="Groups that are drawn; none means all.")
    values: Any = param.Selector(
        default="z_in_board", objects=["score", "z_in_board", "z_in_size_band", "z_in_quarter"]
    )
    rows: Any = param.Selector(default="models", objects=["models", "groups"], doc="What the rows of the heatmap are.")
    correlation: Any = param.Selector(default="spearman", objects=["spearman", "pearson"])
