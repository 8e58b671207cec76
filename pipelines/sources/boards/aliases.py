"""Which model of the hub a name on a board means, with the evidence: links, whole names and review, never a part."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from pipelines.sources.boards.names import parsed_name, slug
from profiling.models.names import states_format, words
from warehouse.contracts.boards import MODEL_ALIASES
from warehouse.reference_files import reference_table

_HUB_LINK = re.compile(r"^https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?!(?:datasets|spaces|papers|blog|collections)/)"
                       r"([\w.-]+/[\w.-]+?)(?:\.git)?(?:[/?#].*)?$")  # fmt: skip
_HUB_ID = re.compile(r"^[\w-][\w.-]*/[\w-][\w.-]*$")
# A link to the base model beside a name that says it was instructed is a slip that boards make.
_INSTRUCTED = re.compile(r"(?<![a-z])(?:instruct|chat|it)(?![a-z])", re.IGNORECASE)
_INSTRUCTED_ENDS = ("-instruct", "-it", "-chat", "-chat-hf")
# Makers put themselves before the names of their models; boards mostly do not.
_MAKERS_PREFIX = re.compile(r"^(?:meta|nvidia|c4ai|ai21|ibm|google|openai|microsoft|moonshotai)-")
_HOSTED_ENDS = ("-instruct-turbo", "-tput")
_ON_DISK = re.compile(r"^(?:[/~\\]|\.{1,2}/|[A-Za-z]:\\)")
_TAG = re.compile(r"^[^:\s]+:\d[\w.-]*$")
"""As Ollama names models: `qwen2.5:32b` is the instructed one."""
_PRETRAINED = re.compile(r"(?<![a-z])(?:pt|pretrained|base)(?![a-z])", re.IGNORECASE)
_PRETRAINED_ENDS = ("-base", "-pt", "")
_SIZE = re.compile(r"(?<![a-z0-9.])(?:[ae]?\d+(?:\.\d+)?[bmt]|\d+x\d+b)(?![a-z0-9])", re.IGNORECASE)
_NUMBERED = re.compile(r"\d")
_SAID_OF_A_RELEASE = re.compile(r"(?<![a-z])(?:preview|latest|exp|beta|qat)(?![a-z])")
"""QwQ-32B-Preview is not QwQ-32B, though people name the one for the other."""


def hub_id_of(link: str) -> str | None:
    """The hub id that an address of the hub's names; None for any other address."""
    match = _HUB_LINK.match(link.strip())
    return match.group(1) if match else None


@dataclass(frozen=True)
class Resolved:
    """Which model a name means.

    Attributes:
        model_id: Hub id; None where nobody knows.
        evidence: Why, or what was tried.
        strength: As in the contract.
    """

    model_id: str | None
    evidence: str
    strength: str


def reviewed() -> pl.DataFrame:
    """Names with their models as collected and reviewed, columns as `core.model_aliases` without `results`."""
    return reference_table("model_aliases")


class Aliases:
    """Names of boards and the models that they mean."""

    def __init__(self, known_ids: Iterable[str]) -> None:
        """Prepare to resolve.

        Args:
            known_ids: Hub ids that exist, from links of sources and from the catalogue.
        """
        review = reviewed()
        self._reviewed = {
            (source, name): Resolved(model_id, evidence, strength)
            for source, name, model_id, evidence, strength in review.select(
                "source", "name_in_source", "model_id", "evidence", "strength"
            ).iter_rows()
        }
        self._ids: dict[str, str] = {}
        for model_id in [*review["model_id"].drop_nulls().unique().sort(), *sorted(known_ids)]:
            self._ids.setdefault(model_id.casefold(), model_id)
        self._by_slug: dict[str, set[str]] = {}
        for model_id in self._ids.values():
            own = slug(model_id)
            for spelling in {own, _MAKERS_PREFIX.sub("", own)}:
                self._by_slug.setdefault(spelling, set()).add(model_id)
        self._by_words: dict[tuple[frozenset[str], frozenset[str]], set[str]] = {}
        for model_id in self._ids.values():
            self._by_words.setdefault(_words(model_id), set()).add(model_id)
        self._reviewed_elsewhere: dict[str, set[tuple[str, str]]] = {}
        for (source, name), match in self._reviewed.items():
            # What a service calls by no number is another model every year: deepseek-chat.
            if match.model_id and _NUMBERED.search(name):
                self._reviewed_elsewhere.setdefault(slug(name), set()).add((match.model_id, source))

    def resolve(self, source: str, name: str, link: str | None = None, *, is_hub_id: bool = False) -> Resolved:
        """The model that a source means by a name.

        Args:
            source: Source.
            name: Name in it.
            link: Address that the source gives beside it.
            is_hub_id: Whether the source names models as the hub does.
        """
        if reviewed := self._reviewed.get((source, name)):
            return reviewed
        if is_hub_id and _HUB_ID.match(name):
            return Resolved(
                self._ids.get(name.casefold(), name), "the source names models as the hub does", "identical"
            )
        if link and (linked := hub_id_of(link)):
            return self._by_link(name, linked)
        if _HUB_ID.match(name) and (model_id := self._ids.get(name.casefold())):
            return Resolved(model_id, "the name is the hub id, but for case", "identical")
        return self._by_whole_name(name)

    def _by_link(self, name: str, linked: str) -> Resolved:
        model_id = self._ids.get(linked.casefold(), linked)
        if _is_of_another_size(name, model_id):
            named = self._by_whole_name(name)
            return Resolved(
                named.model_id, f"the source links {linked}, of another size; {named.evidence}", named.strength
            )
        if _INSTRUCTED.search(name) and not _INSTRUCTED.search(model_id.rsplit("/", 1)[-1]):
            for end in _INSTRUCTED_ENDS:
                if instructed := self._ids.get(f"{linked}{end}".casefold()):
                    return Resolved(
                        instructed, f"the source links {linked}, but names the instructed model", "inferred"
                    )
        return Resolved(model_id, "the source links it", "stated")

    def _by_whole_name(self, name: str) -> Resolved:
        """The one model whose whole name is the same, perhaps without what the board added to it."""
        several: set[str] = set()
        if _ON_DISK.match(name):
            return Resolved(None, "a path on somebody's disk names no model", "unmapped")
        for text, evidence in _slug_candidates(name):
            if text == self._instructed_slug(name):
                continue
            model, candidates = self._unique_model(text, name)
            if model:
                return Resolved(model, f"{evidence} is the name of one model", "inferred")
            several |= candidates
        if match := self._by_other_spelling(name):
            return match
        if several:
            return Resolved(None, f"several models have that name: {', '.join(sorted(several)[:4])}", "unmapped")
        return Resolved(None, "no known model has that name", "unmapped")

    def _by_other_spelling(self, name: str) -> Resolved | None:
        """The model that was reviewed under that name on another board, or whose name has the same words."""
        parsed = parsed_name(name)
        # What thinks or is pretrained may be a model of its own: Command A Reasoning is not Command A.
        is_own = parsed.mode == "thinking" or _PRETRAINED.search(" ".join(parsed.words))
        text = name if is_own else parsed.base
        reviews = self._reviewed_elsewhere.get(slug(text), set())
        if len({model_id for model_id, _ in reviews}) == 1:
            model_id, source = min(reviews)
            return Resolved(model_id, f"as reviewed for the same name of {source}", "inferred")
        models = self._by_words.get(_words(text), set())
        models = {model for model in models if not states_format(model)} or models
        if len(models) == 1:
            return Resolved(next(iter(models)), "its words are those of one model", "inferred")
        return None

    def _instructed_slug(self, name: str) -> str | None:
        """Slug of the instructed model where a pretrained one is meant, as of Qwen3-8B, of which none is -Instruct."""
        parsed = parsed_name(name)
        base = slug(parsed.base)
        is_asked = _PRETRAINED.search(" ".join(parsed.words))
        return base if is_asked and not any(f"{base}{end}" in self._by_slug for end in _INSTRUCTED_ENDS) else None

    def _unique_model(self, model_slug: str, name: str) -> tuple[str | None, set[str]]:
        """The only model of that slug; of several the one whose owner the name says, or whose own name it is whole."""
        candidates = self._by_slug.get(model_slug, set())
        if len(candidates) > 1:
            owner = name.split("/", 1)[0].casefold() if "/" in name else ""
            whole = {candidate for candidate in candidates if slug(candidate) == model_slug}
            owned = {candidate for candidate in candidates if candidate.split("/", 1)[0].casefold() == owner}
            for fewer in (owned, whole):
                if len(fewer) == 1:
                    candidates = fewer
                    break
        return (next(iter(candidates)), set()) if len(candidates) == 1 else (None, set(candidates))


def _is_of_another_size(name: str, model_id: str) -> bool:
    """Whether a name and the model that is linked beside it both say a size, and not the same."""
    said, linked = (frozenset(map(str.casefold, _SIZE.findall(text.replace("_", " ")))) for text in (name, model_id))
    return bool(said and linked) and not (said <= linked or linked <= said)


def _words(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words of a name in no order, and those said of a release."""
    return words(name), frozenset(_SAID_OF_A_RELEASE.findall(name.casefold()))


def _slug_candidates(name: str) -> list[tuple[str, str]]:
    """Slugs that the model may have, best first, each with what was done to the name."""
    parsed = parsed_name(name)
    base, words = slug(parsed.base), " ".join(parsed.words)
    tries = [(slug(name), "the whole name")]
    without = f"the whole name without {', '.join(parsed.words)}"
    if _PRETRAINED.search(words):
        return [*tries, *((f"{base}{end}", without) for end in _PRETRAINED_ENDS)]
    instructed = [
        (f"{base}{end}", f"the whole name and {end}, as boards ask the instructed model,") for end in _INSTRUCTED_ENDS
    ]
    if parsed.words:
        if parsed.mode == "thinking":
            tries.append((f"{base}-thinking", f"{without} and -thinking"))
        says_use = parsed.mode in {"thinking", "non-thinking"} or _INSTRUCTED.search(words)
        tries += [*instructed, (base, without)] if says_use else [(base, without), *instructed]
    elif _TAG.search(name):
        tries = [*instructed, *tries]
    else:
        tries += instructed
    for end in _HOSTED_ENDS:
        if base.endswith(end):
            tries.append((base.removesuffix(end.removeprefix("-instruct")), "the whole name without what a host added"))
    return tries


def alias_table(names: pl.DataFrame, aliases: Aliases, hub_named: Mapping[str, bool]) -> pl.DataFrame:
    """Rows of `core.model_aliases`.

    Args:
        names: `source`, `name_in_source`, `link` (first that the source gives, or null), `results`.
        aliases: The resolver.
        hub_named: Source → whether it names models as the hub does.
    """
    rows = []
    for source, name, link, results in names.select("source", "name_in_source", "link", "results").iter_rows():
        match = aliases.resolve(source, name, link, is_hub_id=hub_named.get(source, False))
        words = ", ".join(parsed_name(name).words) or None
        rows.append((source, name, match.model_id, match.evidence, match.strength, words, results))
    frame = pl.DataFrame(rows, schema=MODEL_ALIASES.polars_schema, orient="row")
    return frame.sort("source", "name_in_source")
