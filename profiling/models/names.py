"""Models by the names people use: `llama 3.1 8b`, `qwen2.5:14b`, hub addresses, GGUF files and repositories.

A name is resolved by its words, as devices are: all that were said must be words of the model's name on the hub, and
the model with the fewest unsaid ones is meant. Nothing is resolved by a part of a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from profiling.errors import ProfilingError, UnknownModel, nearest
from profiling.models import ollama
from profiling.models.formats_in_text import format_in_short, is_gguf, stated_format, unknown_type
from profiling.models.other_kinds import ANSWERED, other_work
from profiling.models.sources import catalogue, same_shapes

_ADDRESS = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:api/models/)?([^?#\s]+)", re.IGNORECASE)
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
_HUB_TAG = re.compile(r"^([a-z0-9][\w.-]*/[\w.-]+):([\w.-]+)$", re.IGNORECASE)
_SHOWN_FILE = re.compile(r"[?&]show_file_info=([\w./-]+\.gguf)", re.IGNORECASE)
"""Which file of a repository an address shows."""
_FORMAT_WORDS = re.compile(
    r"(?<![a-z0-9])(?:gguf|(?:awq|gptq(?:model)?|fp[48]|nvfp4(?:a16)?)(?:-v\d|-\db-\d+g|-kv)?|autoround|auto|round|hqq"
    r"|calib|vortex-v\d|mlx|exl[23]|bnb|bitsandbytes|nf4|mxfp[468](?:_moe)?|w\d+a\d+|dwq"
    r"|(?:ud[-_ ])?(?:iq|tq|q)\d(?:_[a-z0-9]+)*|(?:b?f|fp)(?:16|32)|int[48]|[2-8][-_]?bits?(?:gs\d+)?"
    r"|\d(?:[._]\d+)?[-_]?bpw(?:[-_]h\d)?|i1|imatrix|imat|dynamic|g(?:32|64|128))(?![a-z0-9])"
)
_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}")
_SUFFIX = re.compile(r"\.(?:gguf|safetensors|bin)$")
_SAME = {"it": "instruct", "chat": "instruct", "pt": "base", "reasoning": "thinking", "think": "thinking"}
"""Words that publishers use for the same thing."""
_SILENT = frozenset(
    {
        "meta", "hf", "mistralai", "official", "model", "the", "llm", "preview", "latest", "quantized", "nvidia",
        "c4ai", "ai", "qat", "unsloth", "unquantized",
    }
)  # fmt: skip
"""Words that some addresses of a model have and others leave out (`Meta-Llama-3.1-8B`, `Llama-2-7b-hf`)."""
_TRAINING = frozenset(
    {"instruct", "base", "thinking", "sft", "dpo", "rlhf", "abliterated", "uncensored", "heretic", "derestricted"}
)
"""How weights were trained: their shapes are those of the model without the word."""
_MODES = frozenset(
    {"non", "no", "turbo", "highspeed", "fast", "free", "fc", "prompt", "prev", "tput", "32k", "128k", "256k"}
)
"""Words of boards and services that say how a model is run, not which it is."""
_SIZE = re.compile(r"\d+(?:\.\d+)?[bmt]|\d+x\d+b|[ae]\d+(?:\.\d+)?b")
_VERSION = re.compile(r"v?\d+(?:\.\d+)*")
_DATE = re.compile(r"2[0-9](?:0[1-9]|1[0-2])|0[1-9][0-3][0-9]|1[0-2][0-3][0-9]|0[1-9]|20[2-9][0-9]")
_NUMBERED = re.compile(r"-v(\d+(?:\.\d+)+)(?=-|$)")
_ASIDE = re.compile(
    r"\([^()]*\)|\[[^\[\]]*\]|_(?:thinking|high|medium|low|max|minimal|xhigh|none|unknown)\b", re.IGNORECASE
)
"""What boards put beside a name: modes in brackets, the effort after a line."""
_MONTHS = {month: place for place, month in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
)}  # fmt: skip
_MONTH = re.compile(rf"\(({'|'.join(_MONTHS)})[a-z]* ?(?:20|')(\d\d)\)", re.IGNORECASE)
"""A release as boards date it, `(Jul '24)`; publishers write 2407."""
_SIZE_TOLERANCE = 0.06
"""How far a size that people say may lie from the parameters counted: `phi-4 14b` has 14.7."""


SAME_SHAPES = "same shapes as"
"""How evidence begins where another model is taken for its shapes alone."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a text means: a model, the format it is stored in where the text says so, and on what that rests."""

    text: str
    model_id: str | None
    """Its address on the hub, as said or as in the catalogue; None where the text is ambiguous or unknown."""
    catalogue_id: str | None
    """The model of the catalogue that has its shapes; None where only the hub knows it."""
    weight_format: str | None = None
    """The stored format that the text names."""
    candidates: tuple[str, ...] = ()
    """What else could be meant, or the nearest."""
    evidence: str = ""
    """On what the answer rests, or why there is none; in words."""

    def require(self) -> str:
        """The model of the catalogue.

        Raises:
            UnknownModel: The text names none, or several.
        """
        if self.catalogue_id is None:
            raise UnknownModel(self.evidence)
        return self.catalogue_id


def resolve_model(text: str, known: Collection[str] | None = None, *, suggest: bool = True) -> ModelName:
    """The model that a text names.

    Args:
        text: A hub address or identifier, an Ollama tag, a GGUF file or repository, or words.
        known: Names to choose from; the catalogue where None.
        suggest: Whether what is unknown gets the names that are spelled most like it, which takes a while.
    """
    choices = catalogue().keys() if known is None else dict.fromkeys(known).keys()
    alike = {name: base for name, (base, _) in same_shapes().items() if base in choices and name not in choices}
    answer = _resolve(text, {**dict.fromkeys(choices), **alike}.keys())
    if not answer.evidence and suggest:
        return _with_nearest(answer, choices)
    if answer.catalogue_id and answer.weight_format is None and (unknown := unknown_type(text)):
        why = f"{text!r} is of {answer.catalogue_id}, in {unknown}, which is no type of llama.cpp's known here"
        return replace(answer, catalogue_id=None, evidence=f"{why}; ask for the model with --weight-format")
    if answer.catalogue_id and answer.weight_format is None and (short := format_in_short(text)):
        answer = replace(answer, weight_format=short[0], evidence=f"{answer.evidence}; {short[1]}")
    named = answer.catalogue_id
    if named in alike:
        evidence = f"{answer.evidence}; shapes of {alike[named]} ({same_shapes()[named][1]})"
        answer = replace(answer, model_id=named, catalogue_id=alike[named], evidence=evidence)
    if named and states_format(named) and answer.weight_format is None and not states_format(text):
        # Only somebody's narrower copy is known: its shapes are meant, not its format.
        answer = replace(answer, weight_format="bf16", evidence=f"{answer.evidence}, taken at 16 bits")
    elif named and states_format(named) and stated_format(named) != answer.weight_format:
        answer = replace(answer, evidence=f"{answer.evidence}; shapes of {named}, a copy in another format")
    return answer


def states_format(name: str) -> bool:
    """Whether a name says in which format the weights are stored, as that of a copy does."""
    return stated_format(name) is not None


def _resolve(text: str, choices: Collection[str]) -> ModelName:
    """The answer, without evidence where the text means nothing that is known."""
    whole = text.strip().rstrip("/")
    query = ollama.without_command(whole)
    if query in choices:
        return ModelName(text, query, query, evidence="its name in the catalogue")
    address = _ADDRESS.match(query)
    path = address[1] if address else query
    if address and (shown := _SHOWN_FILE.search(query)):
        path = f"{path}/{shown[1]}"
    tag = ollama.tag_of(whole)
    if tag and "/" not in tag[0]:
        return _of_tag(text, *tag, choices)
    if hub_tag := _HUB_TAG.match(path):  # hf.co/owner/name-GGUF:Q4_K_M, as Ollama and llama.cpp take it
        path = hub_tag[1]
    file = path.rsplit("/", 1)[-1] if path.count("/") > 1 or path.casefold().endswith(".gguf") else ""
    of_gguf = is_gguf(query)
    stated = (hub_tag[2] if hub_tag else "", file, "/".join(path.split("/")[:2]))
    form = next((match for each in stated if each and (match := stated_format(each, of_gguf=of_gguf))), None)
    if path.count("/") and (address or not file.casefold().endswith(".gguf") or path.count("/") > 1):
        parts = path.split("/")
        # Services put their own name before an address: openrouter/meta-llama/llama-3.3-70b-instruct.
        both = ("/".join(parts[:2]), "/".join(parts[-2:]))
        named = [_of_hub_id(text, each, form, choices) for each in dict.fromkeys(both) if _HUB_ID.match(each)]
        if named:
            return next((candidate for candidate in named if candidate.catalogue_id), named[0])
    return _of_words(text, file or path, form, choices)


def _with_nearest(answer: ModelName, choices: Collection[str]) -> ModelName:
    hub_id = answer.model_id
    if does := other_work(hub_id or answer.text):
        return replace(answer, evidence=f"{hub_id or answer.text!r} {does}; {ANSWERED}")
    bare = _by_spelling(frozenset(choices))
    close = nearest(_spelled(hub_id or answer.text), [*bare])
    near = ", ".join(bare[name] for name in close.split(", ")) if close else ""
    tail = f"; nearest: {near}" if near else ""
    where = f"among the {len(choices)} models known here"
    evidence = (
        f"{hub_id!r} is not {where}{tail}; --online asks the hub" if hub_id else f"{answer.text!r} is not {where}{tail}"
    )
    return replace(answer, candidates=tuple(near.split(", ")) if near else (), evidence=evidence)


@lru_cache(maxsize=8)
def _by_spelling(choices: frozenset[str]) -> Mapping[str, str]:
    """Names by their spelling; of those that are spelled alike the original."""
    return {_spelled(name): name for name in _originals_first(choices)[::-1]}


def _spelled(name: str) -> str:
    """A name as it is compared by its letters: without publisher, and words that some addresses leave out."""
    parts = re.split(r"[-_ ]+", name.rsplit("/", maxsplit=1)[-1].casefold())
    return "-".join(part for part in parts if part not in _SILENT)


@cache
def words(name: str) -> frozenset[str]:
    """Words of a model's name, without its publisher and its storage format."""
    bare = re.sub(r"^(?:[\w.-]+/)+", "", _SUFFIX.sub("", _SHARD.sub("", name.casefold())))
    bare = _FORMAT_WORDS.sub(" ", bare)
    # "Llama-3_3" and "glm-4p7" are versions with a point; "Command-R+" has a name of its own.
    bare = re.sub(r"(?<=\d)[_p](?=\d)", ".", re.sub(r"\+(?![a-z0-9])", "-plus", bare))
    parts = []
    bare = re.sub(r"(?<=\d)\.0(?![0-9.])", "", bare.replace("gptoss", "gpt-oss"))  # "Granite 4.0" and "granite 4"
    for word in re.findall(r"[a-z0-9]+(?:\.[0-9]+[a-z]*)*", bare.replace("_", "-")):
        # "qwen2.5" and "Qwen-2.5" are one; sizes ("8b", "a3b", "8x7b") and versions ("v0.3", "r1") stay whole.
        split = re.fullmatch(r"([a-z]{2,})(\d+(?:\.\d+)*[a-z]?)([a-z]*)", word)
        if split and split[3]:  # "qwen2.5vl"
            parts += [split[1], split[2][:-1], split[2][-1] + split[3]]
        else:
            parts += [split[1], split[2]] if split and not _SIZE.fullmatch(word) else [word]
    return frozenset(_SAME.get(word, word) for word in parts) - _SILENT


def _matching(query: frozenset[str], choices: Collection[str]) -> list[str]:
    """Names that have all the words that were said, and the fewest others."""
    if not query - _TRAINING:
        return []
    extras = {name: words(name) - query for name in choices if query <= words(name)}
    extras = extras or {name: words(name) - query for name in choices if query - _owner(name) <= words(name)}
    # A letter alone is another model (Granite 4.0 H), as is another size.
    extras = {name: extra for name, extra in extras.items() if not any(len(w) == 1 and w.isalpha() for w in extra)}
    if not extras:
        return []
    # A word that is neither size nor version nor training is that of another model: Qwen3-Next is not Qwen3-Coder-Next.
    least = min((len(_plain(extra)), len(extra)) for extra in extras.values())
    return _originals_first(name for name, extra in extras.items() if (len(_plain(extra)), len(extra)) == least)


@cache
def _owner(name: str) -> frozenset[str]:
    """Words of the publisher's own name, which people say before a model's."""
    publisher = name.split("/", maxsplit=1)[0] if "/" in name else ""
    return frozenset(re.findall(r"[a-z0-9]+", publisher.casefold()))


def _originals_first(names: Iterable[str]) -> list[str]:
    """Models as published before copies in another format, the shortest names first."""
    return sorted(names, key=lambda name: (stated_format(name) is not None, len(name), name))


def _of_tag(text: str, family: str, tag: str, choices: Collection[str]) -> ModelName:
    form, why = ollama.format_of(family, tag)
    release = ollama.release_of(family, tag)
    evidence = f"Ollama's tag; {why}"
    if hub_id := ollama.hub_id_of(family, release):
        named = _of_hub_id(text, hub_id, form, choices)
        return replace(named, evidence=f"{evidence}; {named.evidence}") if named.evidence else named
    named = _of_release(text, f"{family}-{release}", form, choices)
    return replace(named, evidence=f"{evidence}; {named.evidence}") if named.evidence else named


def _of_release(text: str, release: str, form: str | None, choices: Collection[str]) -> ModelName:
    """What a tag of Ollama's in full means by its words, which are those of a tuned model unless they say otherwise."""
    rest: list[frozenset[str]] = []
    # yi:34b-chat-v1.5 is Yi-1.5-34B-Chat
    for phrase in dict.fromkeys((release, _NUMBERED.sub(r"-\1", release))):
        query = words(phrase)
        if "text" in query:  # what Ollama calls weights that nobody tuned
            trained = [query - {"text"}, query - {"text"} | {"base"}]
        elif query & {"instruct", "base", "thinking"}:
            trained = [query]
        else:
            trained = [query | {"instruct"}, query]
        for reading in trained:
            named = _of_words(text, "-".join(sorted(reading)), form, choices, exact=True)
            if named.catalogue_id:
                return named
        rest.append(trained[-1])
    answers = [_of_words(text, "-".join(sorted(reading)), form, choices) for reading in rest]
    return next((named for named in answers if named.catalogue_id), answers[0])


def _of_hub_id(text: str, hub_id: str, form: str | None, choices: Collection[str]) -> ModelName:
    small = hub_id.casefold()
    folded = [hub_id] if hub_id in choices else [name for name in choices if name.casefold() == small]
    if len(folded) == 1:
        case = "" if folded[0] == hub_id else ", but for upper and lower case"
        return ModelName(text, folded[0], folded[0], form, evidence=f"its address on the hub{case}")
    query = words(hub_id)
    owner = hub_id.split("/", maxsplit=1)[0].casefold()
    same = _originals_first(name for name in choices if words(name) == query) or _spelled_with_a_line(hub_id, choices)
    if own := [name for name in same if name.split("/")[0].casefold() == owner] or same:
        how = "renamed on the hub" if own[0].split("/")[0].casefold() == owner else f"the same name as {own[0]}"
        stored = f", stored as {form}" if form else ""
        return ModelName(text, hub_id, own[0], form, evidence=f"{how}{stored}")
    dated = any(_DATE.fullmatch(word) for word in query)
    if dated and (named := _named(text, query, form, choices, exact=False)) and named.catalogue_id:
        return named
    if shaped := _of_same_shape(query, choices):
        evidence = f"{SAME_SHAPES} {shaped}: the names differ in training or date only"
        return ModelName(text, hub_id, shaped, form, evidence=evidence)
    # Services number releases by date (mistral-large-2411) and name ways of running (…-turbo).
    for reading, why in _readings(hub_id):
        numbered = any(_VERSION.fullmatch(word) for word in reading)
        exact = not (numbered and any(_DATE.fullmatch(word) or _SIZE.fullmatch(word) for word in reading))
        named = _named(text, reading, form, choices, exact=exact)
        if (why or not exact) and named is not None and named.catalogue_id is not None:
            return replace(named, evidence=f"{named.evidence}{why}")
    return ModelName(text, hub_id, None, form)


def _spelled_with_a_line(hub_id: str, choices: Collection[str]) -> list[str]:
    """The model that a copy is called by the address of: `bartowski/openai_gpt-oss-120b-GGUF`."""
    original = re.sub(r"^[^/]+/([^_/]+)_", r"\1/", hub_id)
    publisher = f"{original.split('/')[0]}/".casefold()
    return [name for name in choices if name.casefold().startswith(publisher) and words(name) == words(original)]


def _readings(phrase: str) -> Iterator[tuple[frozenset[str], str]]:
    """What may be meant, from the letter on: all words, those outside of brackets, those that name a model."""
    query, outside = words(phrase), words(_ASIDE.sub(" ", phrase))
    if month := _MONTH.search(phrase):
        release = frozenset({f"{month[2]}{_MONTHS[month[1].casefold()]:02d}"})
        why = f"; {month[0]} is its release {next(iter(release))}"
        yield outside | release, why
        yield frozenset(word for word in outside if not word.isdigit()) | release, why
    yield query, ""
    if outside != query:
        yield outside, "; the rest of the text is ignored"
    mode = outside & _MODES
    if mode & {"no", "non"}:
        mode |= outside & {"thinking"}
    if mode:
        yield outside - mode, f"; {', '.join(sorted(mode))} says how it is run"


def _of_words(text: str, phrase: str, form: str | None, choices: Collection[str], *, exact: bool = False) -> ModelName:
    for reading, why in _readings(phrase):
        if (resolved := _named(text, reading, form, choices, exact=exact)) is not None:
            return replace(resolved, evidence=f"{resolved.evidence}{why}")
    return ModelName(text, None, None, form)


def _named(
    text: str, query: frozenset[str], form: str | None, choices: Collection[str], *, exact: bool
) -> ModelName | None:
    """The model of these words, or the candidates where they are words of several; None where they are of none."""
    names = _matching(query, choices)
    if exact:
        names = [name for name in names if words(name) == query]
    if not names and not exact:
        names = _by_parameters(query, choices)
    named_whole = bool(names) and words(names[0]) == query
    if names and _plain(words(names[0]) - query) and (shaped := _of_same_shape(query, choices)):
        names = []  # a word left unsaid is that of another model: Qwen2 7B Instruct is not Qwen2-VL
    if not exact and not named_whole and (shaped := _thought_about(query, choices)):
        evidence = f"by its words; {shaped} thinks where it is asked to"
        return ModelName(text, shaped, shaped, form, evidence=evidence)
    kinds = {words(name) - _TRAINING for name in names}
    if names and len(kinds) == 1 and (named_whole or not _is_open(query, choices)):
        evidence = "by its words" if named_whole else f"by its words; {names[0]} has the fewest unsaid"
        return ModelName(text, names[0], names[0], form, tuple(names[1:]), evidence)
    if names and not exact:
        plain = [name for name in choices if _shape(words(name)) == _shape(query)]
        if len(plain) == 1 and any(_SIZE.fullmatch(word) for word in query):
            evidence = f"{SAME_SHAPES} {plain[0]}: the names differ in training or date only"
            return ModelName(text, plain[0], plain[0], form, evidence=evidence)
        offered = sorted(
            {*names, *_matching_all(query, choices)}, key=lambda name: (name not in names, len(name), name)
        )
        which = "give one of them" if len(offered) > 1 else "give that name if so"
        return ModelName(
            text, None, None, form, tuple(offered), f"{text!r} could be {', '.join(offered[:12])}; {which}"
        )
    if not exact and (shaped := _of_same_shape(query, choices)):
        evidence = f"{SAME_SHAPES} {shaped}: the names differ in training or date only"
        return ModelName(text, shaped, shaped, form, evidence=evidence)
    return None


def _thought_about(query: frozenset[str], choices: Collection[str]) -> str | None:
    """The model that is meant by its name and `thinking`, where one training does both: its name states none."""
    rest = query - {"thinking"}
    if rest == query or not rest:
        return None
    same = [name for name in choices if words(name) == rest and "preview" not in name.casefold()]
    return next(iter(_originals_first(same)), None) if not rest & _TRAINING else None


def _by_parameters(query: frozenset[str], choices: Collection[str]) -> list[str]:
    """Models whose name has no size where one was said that is their number of parameters (`phi-4 14b`)."""
    size = next((word for word in query if re.fullmatch(r"\d+(?:\.\d+)?[bmt]", word)), None)
    if size is None or not query - _TRAINING - {size}:
        return []
    parameters = float(size[:-1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[size[-1]]
    unsized = [name for name in choices if not any(_SIZE.fullmatch(word) for word in words(name))]
    # `r1 671b` leaves out no more than its maker, DeepSeek; r1-1776 is another's.
    rest = query - {size}
    makers = [name for name in unsized if rest <= words(name) <= rest | _owner(name)]
    named = makers or _matching(rest, unsized)
    return [name for name in named if abs(_parameters(name) / parameters - 1) < _SIZE_TOLERANCE]


@cache
def _parameters(name: str) -> float:
    """Parameters of a model whose shapes are known; 0 where its family is not known."""
    named, _ = same_shapes().get(name, (name, None))
    try:
        return catalogue()[named].architecture().parameters_total if named in catalogue() else 0.0
    except ProfilingError:
        return 0.0


def _is_open(query: frozenset[str], choices: Collection[str]) -> bool:
    """Whether a size or a version was left out that tells models apart: `qwen 3` is no model, `smollm` not SmolLM2."""
    named = [words(name) for name in _matching_all(query - _TRAINING, choices)]
    if alike := [own for own in named if not _plain(own - query)]:
        named = alike  # a word left unsaid that is neither size nor version nor training is that of another model
    sizes = {frozenset(word for word in own if _SIZE.fullmatch(word)) for own in named}
    versions = {word for own in named for word in own if re.fullmatch(r"\d+(?:\.\d+)*", word)}
    of_size = len(sizes) > 1 and not any(_SIZE.fullmatch(word) for word in query)
    return of_size or (
        any(not _DATE.fullmatch(word) for word in versions) and not any(_VERSION.fullmatch(word) for word in query)
    )


def _plain(own: frozenset[str]) -> frozenset[str]:
    """Words that are none of size, version, date and training."""
    return frozenset(w for w in own - _TRAINING if not (_SIZE.fullmatch(w) or _VERSION.fullmatch(w)))


def _matching_all(query: frozenset[str], choices: Collection[str]) -> list[str]:
    return sorted(name for name in choices if query <= words(name))


def _of_same_shape(query: frozenset[str], choices: Collection[str]) -> str | None:
    """A model whose name differs in nothing but how and when its weights were trained, or None."""
    if any(_SIZE.fullmatch(word) for word in query):
        same = [name for name in choices if _shape(words(name)) == _shape(query)]
    elif any(word[-1].isdigit() for word in query):  # DeepSeek-R1-0528; what thinks may have another format
        same = [name for name in choices if _undated(words(name)) == _undated(query)]
    else:
        return None
    return next(iter(_originals_first(same)), None)


@cache
def _undated(own: frozenset[str]) -> frozenset[str]:
    """Words without dates and those of plain training."""
    return frozenset(word for word in own - {"instruct", "base"} if not _DATE.fullmatch(word))


@cache
def _shape(own: frozenset[str]) -> frozenset[str]:
    """Words without those of training and date."""
    return frozenset(word for word in own - _TRAINING if not _DATE.fullmatch(word))
