"""Devices by the names people use: `4090`, `m3 max 64gb`, `2x3090`, `3090 + 3060`, or described in a line.

A name is resolved by its words: all that were said must be words of the device, and the device with the fewest unsaid
ones is meant (`4090` is the RTX 4090, not its laptop part). Nothing is resolved by a part of a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from profiling.devices.described import described, is_described
from profiling.devices.device import GIGA, Accelerator, folded
from profiling.devices.fleet import Fleet
from profiling.devices.shares import Share, parts, share_in
from profiling.devices.table import table
from profiling.errors import UnknownAccelerator, nearest
from profiling.reference_files import reference_rows

_NOISE = frozenset(
    {
        "nvidia", "geforce", "amd", "intel", "apple", "gpu", "graphics", "graphic", "card", "generation", "edition",
        "workstation", "tesla", "quadro", "instinct", "corporation", "inc", "processor", "cpu", "gen", "with", "hbm",
        "hbm2", "hbm2e", "hbm3", "hbm3e", "core", "cores", "series", "xeon", "platinum", "gold", "radeon", "the", "a",
        "an", "server", "system", "computer", "machine", "cix", "broadcom", "qualcomm", "aws", "google", "tpu",
        "oam", "vram",
    }
)  # fmt: skip
"""Words that may be said of a device without being in its name, in ours or in what drivers report."""
_BRANDS = frozenset(
    {"rtx", "gtx", "rx", "apple", "amd", "radeon", "ryzen", "arc", "core", "epyc", "xeon", "jetson", "quadro", "titan",
     "tpu"}
)  # fmt: skip
"""Words of our names that people leave out."""
_GENERATIONS = frozenset({"quadro", "ada", "blackwell"})
"""What tells workstation cards of one number apart, and is as often left out: `rtx 6000` is none of them alone."""
_VARIANT_WORDS = frozenset({"ti", "super", "laptop", "d", "v2", "mod"})
"""A card with such a word has one without it beside it, and a name without it means that one."""
_GLUED_AFTER = re.compile(
    r"(?<=\d)(ti|xtx|xt|gre|super|laptop|mobile|max|pro|ultra|mod|sff|ada|gb|gib|core|cores)(?=$|[^a-z]|\d)"
)
_GLUED_BEFORE = re.compile(r"\b(rtx|gtx|rx|epyc|xeon|ryzen|jetson|radeon)(?=\d)")
_SUPER = re.compile(r"\b((?:1650|1660|2060|2070|2080|4070|4080|4070 ?ti)) ?s\b")
"""Cards whose short name with an s is that of their SUPER, unless several are named (`two 4080s`)."""
_MEMORY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?= ?gi?b)|\d{1,3}(?= ?g\b)) ?(?:gb|gib|g)\b(?!/)")
_BARE_MEMORY = re.compile(r"(?<=\S)[ -](\d{1,3})$")
_CORES = re.compile(r"(?<![\w.])(\d+)[ -]?(?:gpu[ -])?(?:core|cores)\b")
_COUNTED = re.compile(
    r"^(\d{1,3}) ?[x×*] ?(?=\S)|^(\d{1,2}) (?!g(?:i?b)?\b|cores?\b)(?=(?:\S* )*?[a-z]*\d{1,4}[a-z]?s?\b)", re.IGNORECASE
)
_COUNTED_AFTER = re.compile(r"(?:(?<=\d)| )[x×*] ?(\d{1,4})$", re.IGNORECASE)
_MARKS = re.compile(r"\((?:r|tm|c)\)|[®™]|\bw/.*$|\b\d+th gen\b|\b\d+-core processor\b|(?<= )(?:cpu )?@ ?[\d.]+ ?ghz")
_PLURAL = re.compile(r"\b([a-z]*\d+[a-z]?)s\b")
"""`8 H100s`, `two 4080s`; an L40S is one of them."""
_RADEON_LAPTOP = re.compile(r"(?<=\b[67][678]00)s\b")
"""AMD's small laptop cards are told from those of the desktop by an s alone (RX 7600S)."""
_SYSTEMS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^(?:an?|my|the) (?=\S+ \S)"), r""),
    (re.compile(r"(?<=\S) \((?:gfx|radv|bmg|dg2|lnl|mtl|arl|ptl)[^)]*\)"), r""),
    (re.compile(r"\bgpu-(\d+)x-"), r"\1x "),
    (re.compile(r"\b(\d+) nodes? (?:of|with) "), r"\1x "),
    (re.compile(r"\b(mi|gaudi|trainium|inferentia) (?=\d)"), r"\1"),
    (re.compile(r"\b(?:dgx|hgx)[ -](?=[abh]\d{3}\b)"), r"8x "),
    (re.compile(r"\b(gb\d00)[ -]nvl ?(\d+)\b"), r"\2x \1"),
    (re.compile(r"\b(?:tpu )?v5litepod-(\d+)\b"), r"\1x tpu v5e"),
    (re.compile(r"\b(?:tpu )?(v[56]e)-(\d+)\b"), r"\2x tpu \1"),
    # Slices of these are numbered by their TensorCores, of which a chip has two.
    (re.compile(r"\b(?:tpu )?(v3|v4|v5p)-(\d+)\b"), lambda match: f"{int(match[2]) // 2}x tpu {match[1]}"),
    (re.compile(r"\b(m[1-9](?: (?:pro|max|ultra))?) (?:mac )?(?:mini|studio|air)\b"), r"\1"),
    (re.compile(r"\bmacbook(?: pro| air)?(?: 1[3-6](?:[- ]?inch|\")?)?(?= |$)"), r"apple"),
)
"""Systems that are said for the devices in them, and words that are written apart; as their makers name them."""
_NUMBERS = {"single": 1, "one": 1, "dual": 2, "two": 2, "triple": 3, "three": 3, "quad": 4, "four": 4, "eight": 8}
_HOST_MEMORY = re.compile(
    r"(?:\b(?:with|and) +)?\b(\d+) ?gi?b(?: of)?(?: (?:lp)?ddr\d\w?)?(?: (?:system|unified))? (?:ram|memory)\b"
)
_HOST = frozenset({"ram", "ddr3", "ddr4", "ddr5", "system", "memory", "host", "of"})
"""Words for memory that is on no card."""
_JOINED = re.compile(r"\s+\+\s+(?!\d+(?:[.,]\d+)? ?(?:[tp](?:fl)?ops|w\b)|link)", re.IGNORECASE)
"""What joins devices of which one is described; commas and `and` join what is said of one."""
_SAID_OTHER = re.compile(r"^\s*other:\s*", re.IGNORECASE)
_USUAL_SERVER = "EPYC-9654 (1 socket)"
"""What a server is taken to have of which only the memory is said."""
_EXAMPLE = "other: 16 GB at 288 GB/s, 30 TFLOPS"
_KINDS = {"cpu": "cpu", "processor": "cpu", "tpu": "tpu"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a text means: devices with their numbers, or none and the candidates to choose from."""

    text: str
    devices: tuple[tuple[Accelerator, int], ...]
    candidates: tuple[str, ...] = ()
    """What else could be meant; where `devices` is empty, what to say instead."""
    note: str = ""
    """What was assumed, or why nothing was found; empty where the text says it all."""

    @property
    def fleet(self) -> Fleet:
        """The devices together.

        Raises:
            UnknownAccelerator: The text names no device, or not one alone.
        """
        if not self.devices:
            raise UnknownAccelerator(self.note)
        return Fleet(self.devices)

    @property
    def fullest(self) -> Accelerator | None:
        """Where the candidates are variants of one chip (cores, memory): the largest; else None."""
        device_of_name = table()
        devices = (
            [device_of_name[name] for name in self.candidates if name in device_of_name] if not self.devices else []
        )
        if len({words(device.name) for device in devices}) != 1:
            return None
        return max(devices, key=lambda device: (max(device.peaks.values(), default=0), device.memory_bytes))


def resolve_device(text: str, known: Mapping[str, Accelerator] | None = None) -> Resolved:
    """The devices that a text names.

    Args:
        text: One or several devices, joined by `+` or commas, each with a number before it (`2x`) where that is not 1.
        known: Devices to choose from; the reviewed table where None. A user's own come first.
    """
    choices = table() if known is None else known
    if text in choices:
        return Resolved(text, ((choices[text], 1),))
    if is_described(text):
        return _of_described(text, choices)
    whole = [name for name in choices if folded(name) == folded(text)]
    if len(whole) == 1:
        return Resolved(text, ((choices[whole[0]], 1),))
    parts = [part for part in re.split(r"\s*(?:\+(?=\s|\d|[a-z])|,|&|\band\b)\s*", _normalised(text)) if part]
    alone = text.strip() if len(parts) == 1 else None
    resolved = [_resolve_name(part, choices, alone or part) for part in parts] or [_unknown(text, text, choices)]
    notes = "; ".join(note for note in (*_notes_on_names(text), *(part.note for part in resolved)) if note)
    candidates = tuple(dict.fromkeys(name for part in resolved for name in part.candidates))
    if any(not part.devices for part in resolved):
        return Resolved(text, (), candidates, notes)
    return Resolved(text, tuple(pair for part in resolved for pair in part.devices), candidates, notes)


def _of_described(text: str, choices: Mapping[str, Accelerator]) -> Resolved:
    """Devices of which one at least is described in a line; several are joined by a plus, a number stands before."""
    parts: list[Resolved] = []
    for part in _JOINED.split(text.strip()):
        if not is_described(part):
            parts.append(resolve_device(part, choices))
            continue
        count, rest = _counted(_SAID_OTHER.sub("", part))
        more, rest = _counted(_SAID_OTHER.sub("", rest))
        device = described(rest)
        parts.append(Resolved(part, ((device, count * more),), note=f"{device.name}: {device.flags}"))
    note = "; ".join(part.note for part in parts if part.note)
    candidates = tuple(name for part in parts for name in part.candidates)
    if any(not part.devices for part in parts):
        return Resolved(text, (), candidates, note)
    return Resolved(text, tuple(pair for part in parts for pair in part.devices), candidates, note)


def stated_count(text: str) -> int | None:
    """How many devices a text asks for: 8 for `8xH100`, 1 for `1xH100`, None for `H100`."""
    plain = _normalised(text)
    count, rest = _counted(plain)
    return count if rest != plain else None


def find(name: str, known: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """The accelerator of that name, in our words or in those that people and drivers use ("A6000", "RTX 4090").

    Raises:
        UnknownAccelerator: None or several match, or several devices are named; the message names the nearest.
    """
    answer = resolve_device(name, known)
    if not answer.devices:
        raise UnknownAccelerator(answer.note)
    if len(answer.devices) > 1 or answer.devices[0][1] > 1:
        raise UnknownAccelerator(
            f"{name!r} names {answer.fleet.name}; one kind of device is asked for, without a number"
        )
    return answer.devices[0][0]


def _normalised(text: str) -> str:
    """Lower case, single spaces, no marks that only registries use; systems and nicknames as the devices they mean."""
    plain = _MARKS.sub(" ", text.casefold())
    plain = " ".join(plain.replace("max+", "max").replace("_", "-").split())
    if text in table():  # no name of the table is another's nickname, and looking for that takes a tenth of a second
        return plain
    return _with_other_names(plain)


def _with_other_names(plain: str) -> str:
    for pattern, devices in (*_SYSTEMS, *_other_names()):
        plain = pattern.sub(devices, plain)
    return plain.strip()


@cache
def _other_names() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Rows of reference/device_names.csv: nicknames, computers with one chip, instances of clouds, drivers' names."""
    rows = reference_rows("device_names.csv")
    return tuple((re.compile(rf"(?<!\w)(?:{row['pattern']})(?!\w)"), row["means"]) for row in rows)


def _notes_on_names(text: str) -> list[str]:
    """What is said of a device that goes by a name of its own, where that is not all there is to know."""
    plain = _MARKS.sub(" ", text.casefold())
    rows = [row for row in reference_rows("device_names.csv") if row["note"]]
    return [row["note"] for row in rows if re.search(rf"(?<!\w)(?:{row['pattern']})(?!\w)", plain)]


@cache
def words(text: str) -> frozenset[str]:
    """Words of a name: `RTX-4080-SUPER-16GB` and `rtx4080 super` share rtx, 4080 and super; sizes are no words."""
    plain = re.sub(r"(?<=\d{4})d\b", " d", re.sub(r"(?<=\d{4})m\b", " laptop", _normalised(text)))
    plain = re.sub(r"(?<=-\d{4}) (?=v\d\b)", "", _RADEON_LAPTOP.sub("s laptop", plain))  # Xeon E5-2680 v4
    plain = re.sub(r"\bultra[ -][579][ -](?=\d{3}[a-z])", "ultra ", _GLUED_BEFORE.sub(r"\1 ", plain))
    plain = _GLUED_AFTER.sub(r" \1", plain)
    plain = _CORES.sub(" ", _MEMORY.sub(" ", plain.replace("-", " ").replace("/", " ")))
    plain = re.sub(r"\bddr\d? ?\d+\b|\bmrdimm ?\d+\b|\b1 socket\b", " ", plain)
    return frozenset(word for word in re.findall(r"[a-z0-9+.]+", plain.replace("+", " ")) if word != ".")


def _size(pattern: re.Pattern[str], text: str) -> float | None:
    plain = _GLUED_AFTER.sub(r" \1", _normalised(text).replace("-", " "))
    sizes = pattern.findall(plain)
    return float(sizes[-1]) if sizes else None


def _resolve_part(part: str, choices: Mapping[str, Accelerator], label: str) -> Resolved:
    count, rest = _counted(part)
    rest = _SUPER.sub(r"\1 super", rest) if count == 1 else _RADEON_LAPTOP.sub("", rest)
    if not _matching(words(rest), choices):
        rest = _PLURAL.sub(r"\1", rest)
    memory, cores, query = _size(_MEMORY, rest), _size(_CORES, rest), words(rest)
    # What names a kind alone names no device, though some have that word in their names.
    names = [] if query <= _KINDS.keys() or _is_brand(query, choices) else _matching(query, choices)
    if cores is not None and any(_size(_CORES, name) == cores for name in names):
        names = [name for name in names if _size(_CORES, name) == cores]
    if not names:
        # `m4 pro 48`: a last number that is no word of a name is one of its memories.
        bare = _BARE_MEMORY.search(rest)
        has_size = bare is not None and _has_memory(rest[: bare.start()], float(bare[1]), choices)
        return _resolve_part(f"{part}gb", choices, label) if has_size else _unknown(label, rest, choices)
    sized = [name for name in names if memory is None or _same_size(choices[name], memory)]
    chosen = _fewest_extra_words(query, sized or names)
    if not sized and memory is not None:
        if any(not _takes_any_memory(choices[name]) for name in chosen):
            note = f"no {label!r} with {memory:g} GB; there are {', '.join(chosen)}"
            return Resolved(label, (), tuple(chosen), note)
        if len(chosen) == 1:
            device = choices[chosen[0]].with_memory(memory)
            return Resolved(label, ((device, count),), note=f"{device.name}, with the memory that you stated")
    if memory is None and any(_extra_words(name, query) & _VARIANT_WORDS for name in chosen):
        return Resolved(label, (), tuple(chosen), _not_known(label, ", ".join(chosen), choices))
    made = _chosen(label, count, [choices[name] for name in chosen])
    others = tuple(name for name in names if name not in chosen)
    if made.devices and not made.note and others and _extra_words(chosen[0], query):
        note = f"{label!r} is taken as {chosen[0]}; others: {', '.join(others[:5])}"
        return replace(made, candidates=others, note=note)
    return made


def _resolve_name(part: str, choices: Mapping[str, Accelerator], label: str) -> Resolved:
    """Devices of one name with a number before it, whole or a part of a card."""
    count, rest = _counted(part)
    share = share_in(rest)
    return _resolve_share(share, count, choices, label) if share else _resolve_part(part, choices, label)


def _resolve_share(share: Share, count: int, choices: Mapping[str, Accelerator], label: str) -> Resolved:
    """A part of a card, MIG or vGPU; where the name fits several cards, the one that is usually meant."""
    answer = _resolve_part(share.card, choices, share.card)
    names = [name for name in choices if name in {device.name for device, _ in answer.devices} | {*answer.candidates}]
    fitting = parts(share, [choices[name] for name in names])
    if not fitting:
        why = f"{', '.join(names[:4])} cannot be divided so" if share.card and names else "name the card before it"
        return Resolved(label, (), tuple(names), f"{label!r} is a part of a card: {why}")
    others = tuple(part.name for part in fitting[1:])
    note = f"{label!r} is taken as {fitting[0].name}: {fitting[0].flags}"
    return Resolved(label, ((fitting[0], count),), others, f"{note}; others: {', '.join(others)}" if others else note)


def _is_brand(query: frozenset[str], choices: Iterable[str]) -> bool:
    """Whether a text says no more than what many devices are called (`rtx`), and no device is called so alone."""
    return bool(query) and query <= _BRANDS and not any(words(name) == query for name in choices)


def _has_memory(name: str, size_gb: float, choices: Mapping[str, Accelerator]) -> bool:
    """Whether a device of that name has so many GB."""
    return any(_same_size(choices[each], size_gb) for each in _matching(words(name), choices))


def _extra_words(name: str, query: frozenset[str]) -> frozenset[str]:
    """Words of a device that were not said and that tell it from others."""
    own = words(name) - ({"laptop"} if "mobile" in query else set())
    return _without_forms(own) - query - _BRANDS


def _chosen(part: str, count: int, devices: list[Accelerator]) -> Resolved:
    if len(devices) == 1:
        return Resolved(part, ((devices[0], count),))
    usual, why = _most_common(devices, count) if _one_chip(devices) else (None, "")
    names = tuple(device.name for device in devices)
    if usual is None:
        return Resolved(part, (), names, f"{part!r} could be {', '.join(names)}; name one of them")
    others = tuple(name for name in names if name != usual.name)
    note = f"{part!r} is taken as {usual.name}, {why}; others: {', '.join(others)}"
    return Resolved(part, ((usual, count),), others, note)


def _counted(part: str) -> tuple[int, str]:
    before, after = _COUNTED.match(part), _COUNTED_AFTER.search(part)
    if before:
        inner, rest = _counted(part[before.end() :])  # two nodes of eight: 2x8xH100
        return int(before[1] or before[2]) * inner, rest
    if after:
        return int(after[1]), part[: after.start()]
    first, _, rest = part.partition(" ")
    return (_NUMBERS[first], rest) if first in _NUMBERS and rest else (1, part)


def _saying(query: frozenset[str], choices: Iterable[str]) -> list[str]:
    if not query:
        return []
    return [name for name in choices if all(_says(words(name), word) for word in query)]


def _matching(query: frozenset[str], choices: Iterable[str]) -> list[str]:
    """Devices that have all words that were said; of noise among these, those with the most of it (`server`)."""
    if names := _saying(query, choices):
        return names
    names = _saying(query - _NOISE, choices)
    noise = {name: len(words(name) & query & _NOISE) for name in names}
    return [name for name in names if noise[name] == max(noise.values())]


def _says(own: frozenset[str], word: str) -> bool:
    # SXM2, 4 and 5 are sockets of one form each card has only once.
    return (
        word in own
        or (word == "mobile" and "laptop" in own)
        or (word == "sxm" and any(w.startswith("sxm") for w in own))
    )


def _fewest_extra_words(query: frozenset[str], names: list[str]) -> list[str]:
    little = _BRANDS | _GENERATIONS
    extra = {name: len(words(name) - query - little) for name in names}
    least = min(extra.values())
    formless = {name: len(_without_forms(words(name)) - query - little) for name in names}
    fewest = min(formless.values())
    # How a card is joined is a question to ask; what else it is called is not.
    return [name for name in names if formless[name] == fewest and (extra[name] == least or _has_form(name))]


def _without_forms(own: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in own if not re.fullmatch(r"sxm\d?|pcie|nvl", word))


def _has_form(name: str) -> bool:
    return _without_forms(words(name)) != words(name)


def _takes_any_memory(device: Accelerator) -> bool:
    """Whether its memory is put in beside it: a processor, or one with graphics whose name states no size."""
    return device.kind == "cpu" or (device.kind == "igpu" and not _MEMORY.search(_normalised(device.name)))


def _same_size(device: Accelerator, memory_gb: float) -> bool:
    return device.kind != "cpu" and abs(device.memory_bytes / GIGA / memory_gb - 1) < 0.03


def _most_common(devices: list[Accelerator], count: int) -> tuple[Accelerator | None, str]:
    """The one that is meant where nothing more is said, and why; None where that cannot be known."""
    if count > 1:
        fabric = {"nvlink", "infinity fabric"}
        joined = [device for device in devices if device.link_kind in fabric and device.node_size >= min(count, 8)]
        joined = [device for device in joined if device.in_grid] or joined
        if len(joined) == 1:
            return joined[0], "the form that is joined within a node"
    gridded = [device for device in devices if device.in_grid]
    if len(gridded) == 1:
        return gridded[0], "the most common form"
    cards = [device for device in devices if device.kind == "gpu" and device.extra.get("release_date")]
    if len(cards) == len(devices):
        dated = sorted(cards, key=lambda card: card.extra["release_date"])
        if dated[0].extra["release_date"] < dated[1].extra["release_date"]:
            return dated[0], "the first of that name"
    return None, ""


def _one_chip(devices: list[Accelerator]) -> bool:
    """Whether they differ in nothing but form and memory, so that one of them may be meant by the bare name."""
    return len({_without_forms(words(device.name)) for device in devices}) == 1


def _unknown(part: str, rest: str, choices: Mapping[str, Accelerator]) -> Resolved:
    of_kind = {_KINDS[word] for word in words(rest) if word in _KINDS}
    offered = tuple(name for name, device in choices.items() if device.kind in of_kind)
    memory = _size(_MEMORY, rest)
    if (host := _HOST_MEMORY.search(rest)) and (beside := " ".join(_HOST_MEMORY.sub(" ", rest).split())):
        whole = _resolve_part(f"{beside} {host[1]}gb", choices, part)
        kinds = {device.kind for device, _ in whole.devices} | {choices[name].kind for name in whole.candidates}
        if kinds and "gpu" not in kinds:
            return whole  # a processor or a chip that shares the machine's memory
        note = f"the {host[1]} GB are memory of the machine: ask for {beside!r} with --host-memory-gib {host[1]}"
        return Resolved(part, (), (), note)
    if memory and words(rest) <= _HOST:
        note = f"{part!r} is memory of the machine beside its cards: --host-memory-gib {memory:g}"
        return Resolved(part, (), (), note)
    if _USUAL_SERVER in offered and memory and "server" in words(rest) and not words(rest) - _NOISE:
        device = choices[_USUAL_SERVER].with_memory(memory)
        note = f"{part!r} is taken as {device.name}, since no processor is named; its bandwidth determines the speed"
        return Resolved(part, ((device, 1),), tuple(name for name in offered if name != _USUAL_SERVER), note)
    if offered and not words(rest) - _NOISE:
        hint = " For a server with any processor, add the word server." if memory and _USUAL_SERVER in offered else ""
        return Resolved(part, (), offered, f"{part!r} could be any of {', '.join(offered)}; name one of them.{hint}")
    called = tuple(_saying(words(rest), choices)) if _is_brand(words(rest), choices) else ()
    if called:
        which = f"{len(called)} devices have that in their names, such as {', '.join(called[:4])}"
        note = f"{part!r} alone is no device: {which}"
    else:
        near = nearest(rest, choices)
        called, note = tuple(near.split(", ")) if near else (), _not_known(part, near, choices)
    return Resolved(part, (), called, note)


def _not_known(part: str, near: str, choices: Mapping[str, Accelerator]) -> str:
    close = f"; nearest: {near}" if near else ""
    return f'no accelerator {part!r} among the {len(choices)} known{close}. Any other: "{_EXAMPLE}"'
