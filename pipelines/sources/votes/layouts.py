"""How published files of pairwise votes are laid out: declared tables, no reading.

A file is recognised by the columns it has; what each column means is one row of `FIELDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reading = Literal["text", "number", "flag", "total", "epoch", "instant", "turns"]
"""How a value is read: as text, number or flag; as the sum over a struct of counts or flags; as seconds since
1970 or as a date and time; or as the user's turns of a conversation."""


@dataclass(frozen=True)
class VoteLayout:
    """One form in which votes are published.

    Attributes:
        name: For reports.
        recognised_by: Columns that a file of this layout has; it may have more.
        one_hot: Three 0/1 columns (first won, second won, tie) in place of one label.
        raw_names: Model names are those of the serving log, to which the declared renames apply.
    """

    name: str
    recognised_by: frozenset[str]
    one_hot: tuple[str, str, str] | None = None
    raw_names: bool = False


_ONE_HOT = ("winner_model_a", "winner_model_b", "winner_tie")

VOTE_LAYOUTS: tuple[VoteLayout, ...] = (
    VoteLayout(
        "arena_battle_log",  # clean_battle_YYYYMMDD.json and chatbot_arena_conversations
        frozenset({"model_a", "model_b", "winner", "tstamp", "anony"}),
        raw_names=True,
    ),
    VoteLayout(
        "arena_human_preference",  # arena-human-preference-140k, whole or flattened
        frozenset({"model_a", "model_b", "winner", "timestamp", "evaluation_session_id"}),
    ),
    VoteLayout(
        "one_hot",  # the 55k competition set
        frozenset({"model_a", "model_b", *_ONE_HOT}),
        one_hot=_ONE_HOT,
    ),
    VoteLayout(
        "labelled",  # the multilingual competition set, and anybody's own file
        frozenset({"model_a", "model_b", "winner"}),
    ),
)
"""Tried in order; the first whose columns are all there is taken."""

EPOCH_2100 = 4_102_444_800
"""Seconds beyond are of no vote; they would be of years that no calendar has."""

OUTCOMES: Mapping[str, float] = {
    "modela": 1.0,
    "modelb": 0.0,
    "tie": 0.5,
    "tiebothbad": 0.5,
    "bothbad": 0.5,
}
"""Outcome for the model shown first of every label that counts, in lower case and without what is between its words:
`model_a`, `Model A`, `tie (bothbad)`, `both_bad`. A label may also be the name of one of the two models; any other is a
rejected row."""
BETWEEN_WORDS = r"[\s_()-]+"


@dataclass(frozen=True)
class Field:
    """One property of a vote and where files keep it.

    Attributes:
        name: Our name.
        reading: How the value is read.
        places: Paths of a column and fields of its struct, tried in order; the first that the file has is taken.
    """

    name: str
    reading: Reading
    places: tuple[str, ...]


def _side(name: str, metadata: str) -> tuple[Field, Field]:
    """A count of style for both answers, flat or inside `conv_metadata`."""
    return (
        Field(f"{name}_a", "total", (f"conv_metadata/{metadata}_a", f"{metadata}_a")),
        Field(f"{name}_b", "total", (f"conv_metadata/{metadata}_b", f"{metadata}_b")),
    )


FIELDS: tuple[Field, ...] = (
    Field("battle_at", "epoch", ("tstamp",)),
    Field("battle_instant", "instant", ("timestamp",)),
    Field("judge", "text", ("judge", "evaluation_session_id", "voter", "annotator", "user_id")),
    Field("anonymous", "flag", ("anony",)),
    Field("sampled", "flag", ("dedup_tag/sampled",)),
    Field("prompt_text", "text", ("prompt",)),
    Field("prompt_turns", "turns", ("conversation_a",)),
    Field("language", "text", ("language",)),
    Field("is_code", "flag", ("is_code",)),
    Field("is_refusal", "flag", ("is_refusal",)),
    Field("user_tokens", "number", ("conv_metadata/sum_user_tokens", "sum_user_tokens")),
    Field("turns", "number", ("turn", "conv_metadata/turns", "turns")),
    Field("criteria", "total", ("category_tag/criteria_v0.1", "criteria_tag", "n_criteria")),
    Field("math", "flag", ("category_tag/math_v0.1/math", "math")),
    Field("instruction_following", "flag", ("category_tag/if_v0.1/if", "instruction_following")),
    Field(
        "creative_writing",
        "flag",
        ("category_tag/creative_writing_v0.1/creative_writing", "creative_writing"),
    ),
    Field("length_a", "number", ("conv_metadata/sum_assistant_a_tokens", "sum_assistant_a_tokens")),
    Field("length_b", "number", ("conv_metadata/sum_assistant_b_tokens", "sum_assistant_b_tokens")),
    *_side("headers", "header_count"),
    *_side("lists", "list_count"),
    *_side("bold", "bold_count"),
)

STYLE_FIELDS = tuple(f"{feature}_{side}" for side in ("a", "b") for feature in ("length", "headers", "lists", "bold"))

LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "english": ("english", "en"),
    "chinese": ("chinese", "zh", "zh-hant"),
    "russian": ("russian", "ru"),
    "german": ("german", "de"),
    "japanese": ("japanese", "ja"),
    "korean": ("korean", "ko"),
    "spanish": ("spanish", "es"),
    "french": ("french", "fr"),
    "polish": ("polish", "pl"),
    "portuguese": ("portuguese", "pt"),
    "vietnamese": ("vietnamese", "vi"),
    "italian": ("italian", "it"),
    "turkish": ("turkish", "tr"),
}
"""Spellings of a language, in lower case; logs hold names, newer sets hold ISO codes."""


@dataclass(frozen=True)
class Category:
    """A subset of votes by what was asked.

    Attributes:
        needs: Fields that the file has to have.
        condition: SQL over those fields.
    """

    needs: tuple[str, ...]
    condition: str


CATEGORIES: Mapping[str, Category] = {
    "overall": Category((), "true"),
    "hard_6": Category(("criteria",), "criteria >= 6"),
    "hard_english_6": Category(("criteria", "language"), "criteria >= 6 AND lower(language) IN ('english', 'en')"),
    "math": Category(("math",), "math"),
    "if": Category(("instruction_following",), "instruction_following"),
    "creative_writing": Category(("creative_writing",), "creative_writing"),
    "coding": Category(("is_code",), "is_code"),
    "long_user": Category(("user_tokens",), "user_tokens >= 500"),
    "multiturn": Category(("turns",), "turns >= 2"),
    "no_tie": Category(("outcome",), "outcome <> 0.5"),
    "no_short": Category(("user_tokens",), "user_tokens >= 5"),
    "no_refusal": Category(("is_refusal",), "NOT is_refusal"),
    **{
        language: Category(("language",), f"lower(language) IN ({', '.join(repr(s) for s in spellings)})")
        for language, spellings in LANGUAGES.items()
    },
}
"""Categories of the Arena by the names in its files; `full` there is `overall` here."""
