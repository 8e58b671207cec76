"""What a board's model name says beyond the model: mode, effort, number format; and what is left of it without them."""

import re
from dataclasses import dataclass
from functools import lru_cache

_EFFORT = r"none|minimal|low|medium|high|xhigh|max|promax|\d{1,3}k"
_THINKS = r"thinking|reasoning|think|reasoner"
_NOT = r"non[- ]?thinking|non[- ]?reasoning|no[-_ ]?(?:think(?:ing)?|reasoning)|without (?:thinking|reasoning)|instant"
_PRECISION = r"fp32|fp16|bf16|fp8|nvfp4|mxfp4|fp4|int8|int4|8bit|4bit|awq|gptq|w4a16|w8a8|q[2-8]_[k0](?:_[sml])?"
# A word in brackets is said of the model's use, after a hyphen it may be part of its name: Qwen3-Max, Mistral-Medium.
_AFTER_UNDERSCORE = re.compile(rf"_(?P<word>{_EFFORT}|unknown|{_NOT}|{_THINKS})$", re.IGNORECASE)
_AFTER_HYPHEN = re.compile(
    rf"[-: ](?P<word>(?:{_NOT})|(?:thinking|reasoning)(?:-(?:\d{{1,3}}k|auto|minimal|low|medium|high|xhigh|max))?"
    rf"|\d{{1,3}}k(?=-)|(?:low|medium|high|xhigh|max)-effort|minimal|high|xhigh|low|no-?think|think"
    rf"|{_PRECISION}|fp8-tput)$",
    re.IGNORECASE,
)
_MEDIUM = re.compile(r"^(?:gpt|o\d|grok|gemini|claude)[\w.-]*-(?P<word>medium)$", re.IGNORECASE)
_SQUARE = re.compile(r"\s*\[(?P<words>.*)\]$")
_ROUND = re.compile(r"\s*\((?P<words>[^()]*)\)$")
_WORDS = re.compile(
    rf"^(?:{_EFFORT}|unknown|{_NOT}|{_THINKS}|{_PRECISION}|adaptive|auto|default|mode|effort|fc|prompt|prompting|it|pt"
    r"|diff|udiff|whole|diff-fenced|instruct|chat|base|tokens?|budget|free|preview-thinking)$",
    re.IGNORECASE,
)
_THINKS_ANYWHERE = re.compile(rf"(?<![a-z])(?:{_THINKS})(?![a-z])", re.IGNORECASE)
_NOT_ANYWHERE = re.compile(rf"(?<![a-z])(?:{_NOT})(?![a-z])", re.IGNORECASE)
_EFFORT_WORD = re.compile(rf"(?<![a-z0-9])(?P<effort>{_EFFORT})(?![a-z0-9])", re.IGNORECASE)
_PRECISION_WORD = re.compile(rf"(?<![a-z0-9])(?P<precision>{_PRECISION})(?![a-z0-9])", re.IGNORECASE)

_ZERO_MINOR = re.compile(r"(?<=\d)-0(?=-|$)")

_NO_SCORES = re.compile(
    r"rank|^#|#\d+$|^(?:no|nr|pos|position|index|idx|id)\.?$|^__index_level_\d+__$|param|size|date|year|cost|price|token|latency|speed|/s(?:ec)?$|votes?$"
    r"|count|license|context|_id$|std|stderr|standard.error|(?<![a-z])ci_|n_obs|comment|^notes?$|\.link$",
    re.IGNORECASE,
)


def holds_no_scores(column: str) -> bool:
    """Whether a column is by its name one of ranks, sizes, dates, prices or errors, or the second of its name."""
    return bool(_NO_SCORES.search(column))


@dataclass(frozen=True)
class Name:
    """A name taken apart.

    Attributes:
        base: The name without what it says of the use of the model.
        mode: thinking, non-thinking or hybrid-unknown, where it says.
        effort: Effort or budget of thinking.
        precision: Number format.
        words: What was taken off, for the account.
    """

    base: str
    mode: str | None
    effort: str | None
    precision: str | None
    words: tuple[str, ...]


@lru_cache(maxsize=65536)
def parsed_name(name: str) -> Name:
    """The name of a model without mode, effort and number format, and what these were."""
    base, words = name.strip(), list[str]()
    while end := _end_of(base):
        base, word = end
        words.append(word)
    text = " ".join(words)
    precision = _PRECISION_WORD.search(text)
    effort = _EFFORT_WORD.search(text)
    level = effort.group("effort").lower() if effort else None
    return Name(
        base,
        _mode(text, level) or ("thinking" if _THINKS_ANYWHERE.search(base) else None),
        level if level != "none" else None,
        precision.group("precision").lower() if precision else None,
        tuple(reversed(words)),
    )


def _end_of(base: str) -> tuple[str, str] | None:
    """What stands before the last word that is said of the use, and that word."""
    if match := _SQUARE.search(base):
        return _split(base, match.start(), match.group("words"))
    if match := _ROUND.search(base):
        words = [word for word in re.split(r"[\s,;/+]+", match.group("words")) if word]
        if (words and all(_WORDS.match(word) for word in words)) or _NOT_ANYWHERE.fullmatch(
            match.group("words").strip()
        ):
            return _split(base, match.start(), match.group("words"))
        return None
    for pattern in (_AFTER_UNDERSCORE, _AFTER_HYPHEN, _MEDIUM):
        if match := pattern.search(base):
            return _split(base, match.start("word") - 1, match.group("word"))
    return None


def _split(base: str, at: int, word: str) -> tuple[str, str] | None:
    before = base[:at].rstrip(" -_:")
    return (before, word.strip()) if before else None


def _mode(text: str, effort: str | None) -> str | None:
    if _NOT_ANYWHERE.search(text) or effort == "none":
        return "non-thinking"
    if _THINKS_ANYWHERE.search(text) or effort is not None:
        return "thinking"
    return "hybrid-unknown" if "unknown" in text.lower() else None


def slug(name: str) -> str:
    """The name without its owner, letters small, nothing but letters, digits and what keeps versions apart.

    `Qwen3.5-4B` and `qwen3-5-4b` are alike; 3.5 and 35 are not.
    """
    own = name.rsplit("/", 1)[-1].casefold()
    return re.sub(r"[\s_.:-]+", "-", own).strip("-")


def release_slug(name: str) -> str:
    """The slug with `3` for a version of `3.0`, as some boards write it: Gemini 3.0 Pro and Gemini 3 Pro are alike."""
    return _ZERO_MINOR.sub("", slug(name))
