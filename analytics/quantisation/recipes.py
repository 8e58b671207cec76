"""What measured losses are grouped by: recipes of quantisers, bits of the layers, tasks, and how much runs differ."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache

import polars as pl

RECIPES: Mapping[str, str] = {
    "mixed": "GGUF k- and i-quants with an importance matrix",
    "mixed_uninformed": "GGUF k- and i-quants without an importance matrix",
    "legacy": "GGUF Q4_0 to Q8_0",
    "dynamic": "GGUF with types chosen per layer (Unsloth dynamic and the like)",
    "tuned_mixed": "GGUF types with values found by AutoRound",
    "trellis": "EXL3 and other trellis codes",
    "codebook": "trained or vector-quantised codes: AQLM, VPTQ, QuIP#, EfficientQAT",
    "calibrated": "GPTQ, AWQ, OmniQuant, EXL2",
    "autoround": "AutoRound",
    "rounded": "round to nearest in groups: RTN, HQQ, MLX",
    "bitsandbytes": "bitsandbytes NF4 and int8",
    "fp8": "8-bit floating point",
    "fp4": "4-bit floating point, weights and activations",
    "tuned_fp4": "4-bit floating point with values found by training or AutoRound",
    "rotated": "4-bit integers, weights and activations, after rotation: QuaRot, SpinQuant, FlatQuant",
}
"""Recipes by name: what a quantiser does matters as much as its bits."""

TASKS = ("knowledge", "common sense", "maths", "code", "reasoning", "instructions")
"""Kinds of benchmark with measured losses."""

UNMEASURED_TASKS: Mapping[str, str] = {
    "long context": "No loss at long context has been measured in a form that could be carried here. Reports reach "
    "from none to −59 % on inputs beyond 64K at 4 bits (arXiv 2505.20276): try it on your own inputs.",
    "tool use": "No loss in tool use has been measured in a form that could be carried here.",
    "languages": "Losses in languages other than English and Chinese have hardly been measured.",
}
"""Kinds that people ask for and nobody has measured, and what to say of each."""

_TASK_OF = (
    (r"^(MMLU|C-Eval|CMMLU|TriviaQA)", "knowledge"),
    (r"^(GSM8K|MATH)", "maths"),
    (r"^(AIME|GPQA)", "reasoning"),
    (r"^(MBPP|HumanEval|LiveCode|Aider|EvalPlus|BigCode)", "code"),
    (r"^IFEval", "instructions"),
)

_CHANCE = {
    "MMLU": 25.0, "C-Eval val": 25.0, "CMMLU": 25.0, "HellaSwag": 25.0, "ARC-Challenge": 25.0, "WinoGrande": 50.0,
    "TruthfulQA mc2": 40.0, "GPQA Diamond": 25.0, "RACE-high": 25.0, "RACE-middle": 25.0,
}  # fmt: skip
_CHANCE_OF_TASK = {"knowledge": 25.0, "common sense": 35.0, "reasoning": 10.0}

_RUN_NOISE = {
    "MMLU": 0.55, "HellaSwag": 0.5, "ARC-Challenge": 0.9, "WinoGrande": 1.0, "GSM8K": 1.0, "TruthfulQA mc2": 0.6,
    "AIME 2024": 5.0, "AIME 2025": 5.0,
}  # fmt: skip
"""Standard deviation, in points, of the difference of two runs of the same weights: 250 models that the Open LLM
Leaderboard v1 scored in bfloat16 and in float16; repeats of AIME 2024."""

_NOISE_OF_TASK = {
    "knowledge": 0.67, "common sense": 0.7, "maths": 1.0, "code": 1.5, "reasoning": 2.5, "instructions": 1.6,
}  # fmt: skip
"""The same where no pair of runs is known: 80 pairs of one study (0.67), else binomial with shared items."""

LAYER_BITS: Mapping[str, float] = {
    "q4_0": 4.517, "q4_1": 5.0, "q5_0": 5.517, "q5_1": 6.0, "q2_k": 2.942, "q2_k_s": 2.724, "q3_k_s": 3.438,
    "q3_k_m": 3.844, "q3_k_l": 4.191, "q4_k_s": 4.536, "q4_k_m": 4.797, "q5_k_s": 5.5, "q5_k_m": 5.653, "q6_k": 6.562,
    "q8_0": 8.5, "iq1_s": 1.693, "iq1_m": 1.856, "iq2_xxs": 2.128, "iq2_xs": 2.365, "iq2_s": 2.479, "iq2_m": 2.697,
    "iq3_xxs": 3.071, "iq3_xs": 3.27, "iq3_s": 3.458, "iq3_m": 3.575, "iq4_xs": 4.274, "iq4_nl": 4.519,
}  # fmt: skip
"""Bits per number in the layers of Llama-3.1-8B by GGUF file type. A file's bits per weight hold its tables as well,
which weigh much in small models with large vocabularies (Salamandra-2B: Q4_K_M 7.6) and hardly change what is lost."""

BITS_CLASSES = (
    (0.0, 2.7, "below 2.7"),
    (2.7, 3.9, "2.7 to 3.9"),
    (3.9, 5.05, "3.9 to 5.05"),
    (5.05, 9.5, "5.05 to 9.5"),
)
"""Ranges within which losses are of one order: low and high end, and a name."""


def bits_class(bits: float) -> str:
    """The range that these bits lie in; above the last, its name."""
    return next((name for low, high, name in BITS_CLASSES if low <= bits < high), BITS_CLASSES[-1][2])


@cache
def task_of(benchmark: str) -> str:
    """The kind of task that a benchmark, or a kind itself, stands for; `common sense` where nothing else is known."""
    if benchmark in TASKS or benchmark in UNMEASURED_TASKS:
        return benchmark
    return next((task for pattern, task in _TASK_OF if re.match(pattern, benchmark)), "common sense")


def chance_of(benchmark: str) -> float:
    """Points that guessing gets in a benchmark."""
    if benchmark.startswith("MMLU-Pro"):
        return 10.0
    if benchmark in _CHANCE:
        return _CHANCE[benchmark]
    is_task = benchmark in TASKS or benchmark.startswith("mean")
    return _CHANCE_OF_TASK.get(task_of(benchmark), 0.0) if is_task else 0.0


def run_noise(benchmark: str) -> float:
    """Standard deviation in points of the difference of two single runs of the same weights."""
    if benchmark.startswith("mean"):
        return 0.4
    return _RUN_NOISE.get(benchmark, _NOISE_OF_TASK[task_of(benchmark)])


@cache
def recipe_of(
    method: str, form: str = "", imatrix: str | None = None, activation_bits: int | None = None
) -> str | None:
    """The recipe of a quantiser or of a stored format, or None where it is not one of those measured.

    Args:
        method: A quantiser as sources name it (`GGUF k-quant`, `GPTQ`), a recipe of `RECIPES`, or a stored format as
            people name it (`q4_k_m`, `UD-Q4_K_XL`, `awq-4bit-g128`, `exl3-4.0bpw`, `mlx-4bit`, `nf4`, `fp8`).
        form: The format, where the method alone does not tell.
        imatrix: How its importance matrix was made; `none` for without.
        activation_bits: Width of activations, where they are quantised too.
    """
    name = method.casefold().removeprefix("gguf-")
    if method in RECIPES:
        recognised: str | None = method
    elif name == "cast" or "kv" in name.split():
        recognised = None
    elif activation_bits == 4 or "w4a4" in form.casefold():
        tuned = "tuned_fp4" if "autoround" in name or "qat" in name else "fp4"
        recognised = "rotated" if name in {"quarot", "spinquant", "flatquant"} else tuned
    elif name.startswith("gguf"):
        recognised = _gguf_recipe(name, imatrix)
    else:
        recognised = next((recipe for pattern, recipe in _METHODS if re.search(pattern, name)), None)
    return "fp8" if recognised is None and "fp8" in form.casefold() and name != "cast" else recognised


_METHODS = (
    (r"aqlm|vptq|efficientqat|quip", "codebook"),
    (r"exl3|trellis", "trellis"),
    (r"^ud[-_]", "dynamic"),
    (r"^(q4_0|q4_1|q5_0|q5_1|q8_0)$", "legacy"),
    (r"^(i?q|tq)\d_", "mixed"),
    (r"autoround", "autoround"),
    (r"rtn|hqq|mlx|01-ai|round", "rounded"),
    (r"bitsandbytes|bnb|nf4", "bitsandbytes"),
    (r"fp8|mxfp8", "fp8"),
    (r"nvfp4|mxfp4", "fp4"),
    (r"gptq|awq|omniquant|exl2|quarot|spinquant|flatquant|llm compressor|w4a16|w8a8|int8|calibrated", "calibrated"),
)


def _gguf_recipe(name: str, imatrix: str | None) -> str:
    if "autoround" in name:
        return "tuned_mixed"
    if "trellis" in name:
        return "trellis"
    if "legacy" in name:
        return "legacy"
    if "dynamic" in name:
        return "dynamic"
    return "mixed_uninformed" if imatrix == "none" and "optimised" not in name else "mixed"


def layer_bits(form: str, bits: float, *, method: str = "", bits_basis: str = "") -> float:
    """Bits per number in the layers: those of the GGUF file type where one is named, else as stated.

    Args:
        form: Format as its source names it.
        bits: Bits per weight as stated.
        method: Quantiser; a `pure` one gives every tensor the same type.
        bits_basis: What the stated bits are; those that are of the layers already stay.
    """
    name = form.casefold().split(" ")[0].removeprefix("gguf-")
    is_mix = (method.startswith("GGUF") or not method) and "pure" not in method and "pure" not in form
    return LAYER_BITS.get(name, bits) if is_mix and not bits_basis.startswith("type bits") else bits


def prepared(measurements: pl.DataFrame) -> pl.DataFrame:
    """The measurements with what fits ask: `recipe`, `layer_bits`, `task`, `chance`, `run_noise` and flags.

    Args:
        measurements: Columns of `core.quantisation_measurements`.
    """
    rows = measurements.to_dicts()
    per_channel = [
        "per channel" in row["bits_basis"] or "per-channel" in row["format"] or row["format"] == "W4G-1" for row in rows
    ]
    return measurements.with_columns(
        pl.Series(
            "recipe",
            [recipe_of(row["method"], row["format"], row["imatrix"], row["activation_bits"]) for row in rows],
            pl.String,
        ),
        pl.Series(
            "layer_bits",
            [
                layer_bits(row["format"], row["bits_per_weight"], method=row["method"], bits_basis=row["bits_basis"])
                for row in rows
            ],
            pl.Float64,
        ),
        pl.Series("task", [task_of(row["benchmark"]) for row in rows], pl.String),
        pl.Series("chance", [chance_of(row["benchmark"]) for row in rows], pl.Float64),
        pl.Series("run_noise", [run_noise(row["benchmark"]) for row in rows], pl.Float64),
        pl.Series("is_per_channel", per_channel, pl.Boolean),
        pl.Series("is_mxfp4", ["mxfp4" in row["format"].casefold() for row in rows], pl.Boolean),
        pl.Series("is_llama_3", [is_llama_3(row["model"]) for row in rows], pl.Boolean),
        pl.col("architecture").eq("moe").alias("is_mixture"),
        pl.Series(
            "effective_b",
            [
                effective_billions(
                    row["model_parameters_b"], row["active_parameters_b"], is_mixture=row["architecture"] == "moe"
                )
                for row in rows
            ],
            pl.Float64,
        ),
    )


_ACTIVE_SHARE = 0.1
"""Active part of a mixture's parameters where it is not stated; 0.04 to 0.28 in the measured ones."""


def effective_billions(total: float, active: float | None, *, is_mixture: bool) -> float:
    """Size that losses go by, in the unit given: of a mixture the geometric mean of all and active parameters.

    Mixtures lose like dense models of that size: with it, an effect of mixtures of their own is small.
    """
    if not is_mixture:
        return total
    return math.sqrt(total * (active or _ACTIVE_SHARE * total))


@cache
def is_llama_3(model: str) -> bool:
    """Whether the model is of the Llama-3 family, which loses more per bit in perplexity than any other measured."""
    return re.search(r"llama-?3", model.casefold()) is not None
