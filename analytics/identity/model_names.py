"""What a model's name says about its size and family, and where names mislead."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

BILLION = 1_000_000_000
# A mixture of N experts of a size shares attention and embeddings: its total is less than N times the size.
# Mixtral-8x7B has 46.7 billion parameters, 8x22B 140.6; in the first, 0.778 of a single model is copied.
_KNOWN_MIXTURES: Mapping[tuple[int, float], int] = {(8, 7.0): 46_702_792_704, (8, 22.0): 140_620_634_112}
_COPIED_SHARE = 0.778
_WHOLE_SIZES = frozenset({"13", "14", "20", "22", "27", "30", "32", "33", "34", "40", "65", "70", "72"})

_UNIT = {"b": BILLION, "m": 1_000_000}
_MIXTURE = re.compile(r"(?<![a-z0-9.])(\d{1,2})x(\d+(?:\.\d+)?)(b|m)(?![a-z0-9])")
_ACTIVE_OF_TOTAL = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b-(\d+(?:\.\d+)?)b(?![a-z0-9])")
_TOTAL_AND_ACTIVE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b-a(\d+(?:\.\d+)?)b(?![a-z0-9])")
_ACTIVE_ONLY = re.compile(r"moe-a(\d+(?:\.\d+)?)b(?![a-z0-9])")
_UNDERSCORED = re.compile(r"(?P<before>^|[a-z]*-|[a-z]+)(?P<whole>\d)_(?P<part>\d{1,2})b(?![a-z0-9])")
_PLAIN = re.compile(r"(?<![0-9.])(?<![a-z0-9]v)(\d+(?:\.\d+)?)\s?(b|m)(?![a-z0-9])")
_QUANTISED = re.compile(r"gptq|awq|(?<!\d)[2-8]-?bits?(?![a-z])|bnb|gguf|exl2|int[48](?!\d)|w4a16|w8a8|\bhqq|aqlm")


@dataclass(frozen=True)
class NamedSize:
    """Parameters that a name states: in all, and used per token; None where it does not say."""

    total: int | None
    active: int | None


def size_in_name(name: str) -> NamedSize:
    """Parameter counts in a model name, as `Qwen2-57B-A14B` or `stablelm-2-1_6b`.

    A name that states two different sizes states none. Context lengths (`128k`, `1M` beside a size in billions),
    bit widths (`4bit`) and versions (`v2`, `3.1`) are not sizes.

    Args:
        name: Model name, with or without its organisation.
    """
    text = name.rsplit("/", 1)[-1].lower()
    if match := _TOTAL_AND_ACTIVE.search(text):
        return NamedSize(_count(match.group(1)), _count(match.group(2)))
    if match := _ACTIVE_OF_TOTAL.search(text):
        active, total = sorted((_count(match.group(1)), _count(match.group(2))))
        return NamedSize(total, active)
    if match := _ACTIVE_ONLY.search(text):
        return NamedSize(None, _count(match.group(1)))
    if match := _MIXTURE.search(text):
        experts, each, unit = int(match.group(1)), float(match.group(2)), _UNIT[match.group(3)]
        if unit == BILLION and (experts, each) in _KNOWN_MIXTURES:
            return NamedSize(_KNOWN_MIXTURES[experts, each], None)
        return NamedSize(round(each * unit * (1 + (experts - 1) * _COPIED_SHARE)), None)
    text = _UNDERSCORED.sub(_join_decimal, text)
    stated = {(float(number), unit) for number, unit in _PLAIN.findall(text.replace("_", " "))}
    billions = {round(number * BILLION) for number, unit in stated if unit == "b" and 0 < number < 2000}
    millions = {round(number * 1_000_000) for number, unit in stated if unit == "m" and 10 <= number < 1000}
    sizes = billions or millions
    stated_once = sizes.pop() if len(sizes) == 1 else None
    return NamedSize(stated_once, stated_once)


def _count(billions: str) -> int:
    return round(float(billions) * BILLION)


def _join_decimal(match: re.Match[str]) -> str:
    """`-1_6b` is 1.6 billion; in `llama-3_8b` and `v2_7b` the first digit is a version."""
    before, whole, part = match.group("before", "whole", "part")
    is_version = before.startswith(("llama", "v")) or part in _WHOLE_SIZES
    after_dash = before.endswith("-") or not before
    if not is_version and (after_dash or len(part) == 2):
        return f"{before} {whole}.{part}b"
    return f"{before}{whole} {part}b"


def names_quantisation(name: str) -> bool:
    """Whether the name says that the stored weights are packed into fewer bits, so that counts mislead."""
    return bool(_QUANTISED.search(name.rsplit("/", 1)[-1].lower()))


# The first pattern found in the name decides; narrower generations stand before wider ones.
FAMILY_BY_NAME: Sequence[tuple[str, str]] = (
    (r"tiny-?llama", "tinyllama"),
    (r"code-?llama", "codellama"),
    (r"open[-_]?llama", "open-llama"),
    (r"deepseek.*distill.*qwen", "qwen2.5"),
    (r"deepseek.*distill.*llama", "llama-3.1"),
    (r"llama[-_ ]?4(?!\d*b|\.\d+b)(?!\d)", "llama-4"),
    (r"llama[-_ ]?3[._]?3(?!b)", "llama-3.3"),
    (r"llama[-_ ]?3[._]?2(?!b)", "llama-3.2"),
    (r"llama[-_ ]?3[._]?1(?!b)", "llama-3.1"),
    # Of llama-30b and llama-3b the digits are a size.
    (r"llama[-_ ]?3(?!\d*b|\.\d+b)(?!\d)|\bl3[-_]", "llama-3"),
    (r"llama[-_ ]?2(?!\d*b|\.\d+b)(?!\d)|\bl2[-_]", "llama-2"),
    (r"qwq|qwen[-_ ]?2[._]5", "qwen2.5"),
    (r"qwen[-_ ]?3(?!\d*b|\.\d+b)(?!\d)", "qwen3"),
    (r"qwen[-_ ]?2(?!\d*b|\.\d+b)(?!\d)", "qwen2"),
    (r"qwen[-_ ]?1[._]5", "qwen1.5"),
    (r"qwen", "qwen"),
    (r"mixtral", "mixtral"),
    (r"ministral", "ministral"),
    (r"mistral[-_ ]?nemo|nemo[-_ ]?12b", "mistral-nemo"),
    (r"mistral[-_ ]?small", "mistral-small"),
    (r"mistral[-_ ]?large", "mistral-large"),
    (r"mistral|zephyr-7b", "mistral"),
    (r"recurrent-?gemma", "recurrentgemma"),
    (r"gemma[-_ ]?3", "gemma-3"),
    (r"gemma[-_ ]?2(?![.0-9]*b)", "gemma-2"),
    (r"gemma", "gemma"),
    (r"phi[-_ ]?4", "phi-4"),
    (r"phi[-_ ]?3[._]5", "phi-3.5"),
    (r"phi[-_ ]?3", "phi-3"),
    (r"phi[-_ ]?2", "phi-2"),
    (r"phi[-_ ]?1", "phi-1"),
    (r"\byi[-_ ]?1[._]5", "yi-1.5"),
    (r"\byi-", "yi"),
    (r"falcon-?mamba", "falcon-mamba"),
    (r"falcon-?3", "falcon3"),
    (r"falcon", "falcon"),
    (r"olmoe", "olmoe"),
    (r"olmo-?2", "olmo-2"),
    (r"olmo", "olmo"),
    (r"granite", "granite"),
    (r"smollm-?2", "smollm2"),
    (r"smollm", "smollm"),
    (r"pythia", "pythia"),
    (r"bloom", "bloom"),
    (r"\bopt-(?:125m|350m|1\.3b|2\.7b|6\.7b|13b|30b|66b)", "opt"),
    (r"gpt-?neox", "gpt-neox"),
    (r"gpt-?neo", "gpt-neo"),
    (r"gpt-?j", "gpt-j"),
    (r"gpt-?2", "gpt2"),
    (r"\bmpt-", "mpt"),
    (r"stablelm-?2", "stablelm-2"),
    (r"stablelm", "stablelm"),
    (r"internlm-?2[._]5", "internlm2.5"),
    (r"internlm-?2", "internlm2"),
    (r"internlm", "internlm"),
    (r"baichuan-?2", "baichuan2"),
    (r"baichuan", "baichuan"),
    (r"deepseek-?(?:llm-)?v3|deepseek-?r1", "deepseek-v3"),
    (r"deepseek-?v2", "deepseek-v2"),
    (r"deepseek", "deepseek"),
    (r"solar", "solar"),
    (r"dbrx", "dbrx"),
    (r"command-?r|c4ai-command", "command-r"),
    (r"\baya", "aya"),
    (r"glm-?4", "glm-4"),
    (r"chatglm", "chatglm"),
    (r"minicpm", "minicpm"),
    (r"exaone", "exaone"),
    (r"rwkv", "rwkv"),
    (r"mamba", "mamba"),
    (r"starcoder", "starcoder"),
    (r"cerebras-gpt", "cerebras-gpt"),
    (r"vicuna.*v1\.5", "llama-2"),
    (r"vicuna|(?:alpaca|guanaco|wizardlm)-(?:7|13|30)b|\bllama-(?:7|13|30|33|65)b|llama", "llama"),
)

# Classes that one family alone uses. LlamaForCausalLM is not among them: Yi, SmolLM and others use it too.
FAMILY_BY_ARCHITECTURE: Mapping[str, str] = {
    "Gemma2ForCausalLM": "gemma-2",
    "Gemma3ForCausalLM": "gemma-3",
    "GemmaForCausalLM": "gemma",
    "RecurrentGemmaForCausalLM": "recurrentgemma",
    "MixtralForCausalLM": "mixtral",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2",
    "QWenLMHeadModel": "qwen",
    "Phi3ForCausalLM": "phi-3",
    "PhimoeForCausalLM": "phi-3.5",
    "PhiForCausalLM": "phi-2",
    "FalconForCausalLM": "falcon",
    "FalconMambaForCausalLM": "falcon-mamba",
    "RWForCausalLM": "falcon",
    "GPTNeoXForCausalLM": "gpt-neox",
    "GPTNeoForCausalLM": "gpt-neo",
    "GPTJForCausalLM": "gpt-j",
    "GPT2LMHeadModel": "gpt2",
    "BloomForCausalLM": "bloom",
    "OPTForCausalLM": "opt",
    "MPTForCausalLM": "mpt",
    "MptForCausalLM": "mpt",
    "StableLmForCausalLM": "stablelm",
    "InternLM2ForCausalLM": "internlm2",
    "InternLMForCausalLM": "internlm",
    "OlmoForCausalLM": "olmo",
    "Olmo2ForCausalLM": "olmo-2",
    "OlmoeForCausalLM": "olmoe",
    "GraniteForCausalLM": "granite",
    "CohereForCausalLM": "command-r",
    "DbrxForCausalLM": "dbrx",
    "ChatGLMModel": "chatglm",
    "BaichuanForCausalLM": "baichuan",
    "BaiChuanForCausalLM": "baichuan",
    "DeepseekForCausalLM": "deepseek",
    "ExaoneForCausalLM": "exaone",
    "RwkvForCausalLM": "rwkv",
}
MIXTURE_ARCHITECTURES = frozenset(
    {
        "MixtralForCausalLM",
        "Qwen2MoeForCausalLM",
        "DbrxForCausalLM",
        "OlmoeForCausalLM",
        "PhimoeForCausalLM",
        "DeepseekForCausalLM",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "JambaForCausalLM",
        "GraniteMoeForCausalLM",
    }
)
# First release of a family, where a name like its own may be older; announcements of the makers.
FAMILY_RELEASED: Mapping[str, dt.date] = {
    "llama-2": dt.date(2023, 7, 18),
    "codellama": dt.date(2023, 8, 24),
    "llama-3": dt.date(2024, 4, 18),
    "llama-3.1": dt.date(2024, 7, 23),
    "llama-3.2": dt.date(2024, 9, 25),
    "llama-3.3": dt.date(2024, 12, 6),
    "llama-4": dt.date(2025, 4, 5),
    "qwen": dt.date(2023, 8, 3),
    "qwen1.5": dt.date(2024, 2, 4),
    "qwen2": dt.date(2024, 6, 6),
    "qwen2.5": dt.date(2024, 9, 18),
    "qwen3": dt.date(2025, 4, 28),
    "mistral": dt.date(2023, 9, 27),
    "mixtral": dt.date(2023, 12, 8),
    "mistral-nemo": dt.date(2024, 7, 18),
    "gemma": dt.date(2024, 2, 21),
    "gemma-2": dt.date(2024, 6, 27),
    "gemma-3": dt.date(2025, 3, 12),
    "phi-2": dt.date(2023, 12, 12),
    "phi-3": dt.date(2024, 4, 23),
    "phi-3.5": dt.date(2024, 8, 20),
    "phi-4": dt.date(2024, 12, 12),
    "yi": dt.date(2023, 11, 2),
    "yi-1.5": dt.date(2024, 5, 13),
    "internlm2": dt.date(2024, 1, 17),
    "internlm2.5": dt.date(2024, 7, 3),
    "deepseek-v2": dt.date(2024, 5, 6),
    "deepseek-v3": dt.date(2024, 12, 26),
}
"""Family → day of its first release."""
# Weights lie on the hub, not yet open, weeks before their announcement.
_BEFORE_RELEASE = dt.timedelta(days=45)


def is_older_than(family: str, on: dt.date | None) -> bool:
    """Whether something of that day cannot be of the family, which was not yet released."""
    released = FAMILY_RELEASED.get(family)
    return on is not None and released is not None and on < released - _BEFORE_RELEASE


_COMPILED = tuple((re.compile(pattern), family) for pattern, family in FAMILY_BY_NAME)


@cache
def family_in_name(name: str) -> str | None:
    """Family that a model's own name states; its organisation says nothing about what it was made from."""
    text = name.rsplit("/", 1)[-1].lower()
    return next((family for pattern, family in _COMPILED if pattern.search(text)), None)
