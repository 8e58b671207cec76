"""The inference engines that time is predicted for: names, the units their products run on, how prompts are cut."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from profiling.devices.accelerators import Accelerator
from profiling.errors import InvalidWorkload, UnsupportedPrecision
from profiling.memory.engines import known_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine on one kind of backend."""

    name: str
    family: str
    """Engines of one family share host code; their backends differ."""
    micro_batch: int | None = None
    """Most prompt tokens of one pass over the weights, where the engine cuts prompts by default."""
    parts_in_flight: int = 1
    """Most parts of a prompt that stages on several devices work on at once: llama.cpp keeps four copies of a graph's
    inputs, and hands over 2,048 tokens, four parts, at a time; on AMD and by Vulkan two cards were measured to read a
    prompt no faster than one."""
    integer_products: bool = False
    """Whether quantised weights are multiplied as 8-bit integers, with activations quantised on the way."""
    launch_s: float
    """What a kernel costs beyond its own work, before what was fitted: a microsecond or less where a step is captured
    once as a graph, a few where kernels follow one another in a queue, tens where Python launches each; on processors
    for every core that waits for the others at its end."""
    eager_launch_s: float = 0.0
    """What it costs besides in steps that read prompts, which serving engines do not capture: Python launches each."""
    composes_steps: bool = False
    """Whether steps without a kernel of their own are made of many small ones."""
    composes_delta_rule: bool = False
    """Whether the gated delta rule is among them, as in early builds of llama.cpp."""
    integer_efficiency: float = 0.18
    """Share of the rate of 8-bit integers that such products reach by default."""
    half_efficiency: float | None = None
    """Share of the fp16 rate that products of opened weights reach by default; None: as everywhere."""
    vector_attention: float | None = None
    """Share of the rate of the vector units that attention over prompts reaches by default, where it does not run on
    the matrix units; None: it does."""
    opening_operations: float = 1.0
    """Operations of the vector units per stored number, at the rate that data sheets count: where products of few
    tokens run on vector units, numbers are shifted, masked, scaled and multiplied there, some three integer operations
    at a quarter of that rate; kernels on matrix units do it on the side, processors several numbers in a lane."""
    opens_integers: bool = False
    """Whether 8-bit integer weights are opened to 16 bits before they are multiplied."""
    eight_bit_experts: bool = False
    """Whether experts in MXFP4 are multiplied by activations of 8 bits where the device multiplies the two."""
    half_sums: bool = False
    """Whether products of 16 bits may be summed in 16 bits, twice the rate on GeForce."""
    some_integer_products: bool = False
    """Whether some builds, or some of its kernels, multiply quantised weights as 8-bit integers: what bounds them."""
    some_half_sums: bool = False
    """Whether some of them sum products of 16 bits in 16."""
    separate_prefill: bool = False
    """Whether prompts are read in steps of their own, which go first, and not in the steps that make tokens."""
    reference_kernels: bool = False
    """Whether calibrations (measured cuBLAS and flash attention kernels) are of the kernels that it runs."""


def _llama_cpp(
    backend: str, *, launch_s: float, opening: float, integer: bool = False, half_efficiency: float | None = None,
    vector_attention: float | None = None,
) -> Engine:  # fmt: skip
    return Engine(
        name=f"llama.cpp-{backend}", family="llama.cpp", micro_batch=512, integer_products=integer,
        parts_in_flight=4 if backend == "cuda" else 1,
        # `mmq` by WMMA and MFMA (HIP), integer dot products (Vulkan, SYCL); `f16acc` pipelines of Vulkan
        some_integer_products=backend in {"rocm", "vulkan", "sycl"}, some_half_sums=backend == "vulkan",
        half_sums=backend == "cuda", half_efficiency=half_efficiency, vector_attention=vector_attention,
        launch_s=launch_s, composes_steps=True, opening_operations=opening,
    )  # fmt: skip


def _library(
    name: str, *, launch_s: float = 0.7e-6, reference_kernels: bool = True, composes_steps: bool = False,
    separate_prefill: bool = False, eager_launch_s: float = 0.0, eight_bit_experts: bool = False,
) -> Engine:  # fmt: skip
    return Engine(
        name=name, family=name, reference_kernels=reference_kernels, composes_steps=composes_steps,
        opens_integers=not reference_kernels, launch_s=launch_s, separate_prefill=separate_prefill,
        eager_launch_s=eager_launch_s, eight_bit_experts=eight_bit_experts,
    )  # fmt: skip


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        _llama_cpp("cuda", launch_s=1.5e-6, opening=10, integer=True),
        _llama_cpp("rocm", launch_s=2.5e-6, opening=3, half_efficiency=0.29, vector_attention=0.19),
        _llama_cpp("vulkan", launch_s=2e-6, opening=3, half_efficiency=0.29, vector_attention=0.12),
        _llama_cpp("metal", launch_s=2.5e-6, opening=10),
        _llama_cpp("sycl", launch_s=6e-6, opening=10, half_efficiency=0.29, vector_attention=0.15),
        _llama_cpp("cpu", launch_s=0.15e-6, opening=1, integer=True),
        _library("vllm", eager_launch_s=8e-6, eight_bit_experts=True),
        # `get_next_batch_to_run`; `--enable-mixed-chunk` is off by default
        _library("sglang", separate_prefill=True, eager_launch_s=8e-6, eight_bit_experts=True),
        _library("tensorrt-llm", eager_launch_s=8e-6, eight_bit_experts=True),
        _library("lmdeploy", launch_s=0.5e-6),
        _library("transformers", launch_s=28e-6, composes_steps=True),
        _library("autoawq", launch_s=1.5e-6, reference_kernels=False, composes_steps=True),
        _library("mlx", launch_s=1.5e-6, reference_kernels=False, composes_steps=True),
        # opens weights and calls `cublasHgemm`
        replace(_library("exllamav2", launch_s=1e-6, reference_kernels=False), some_half_sums=True),
        _library("mlc", launch_s=1e-6, reference_kernels=False),
        # quantises what goes into a product where the GPU has matrix units (`DynamicQuantizeFullyConnected`)
        replace(
            _library("openvino", launch_s=5e-6, reference_kernels=False, composes_steps=True),
            some_integer_products=True,
        ),
        _library("optimum-habana", reference_kernels=False),
        _library("transformers-neuronx", reference_kernels=False),
    )
}
"""Every engine with a name of its own, by that name."""

_WORDS = (
    # The first that occurs in a name decides.
    ("lmdeploy|turbomind", "lmdeploy"),
    ("vllm|\\btgi\\b", "vllm"),
    ("sglang", "sglang"),
    ("tensorrt|trt-?llm|nim\\b", "tensorrt-llm"),
    ("exllama", "exllamav2"),
    ("autoawq", "autoawq"),
    ("openvino", "openvino"),
    ("habana", "optimum-habana"),
    ("neuron", "transformers-neuronx"),
    ("\\bmlx|^mlx", "mlx"),
    ("\\bmlc\\b|^mlc", "mlc"),
    ("llama[._-]?cpp|llama-bench|ollama|llamafile|localscore|lm[ -]?studio|gguf", "llama.cpp"),
    ("transformers|optimum|pytorch", "transformers"),
)
_BACKENDS = (
    ("vulkan|radv|amdvlk", "vulkan"),
    ("rocm|hip", "rocm"),
    ("cuda|cublas", "cuda"),
    ("metal|mtl|mps", "metal"),
    ("sycl|oneapi|level.?zero", "sycl"),
    ("cpu|blas|neon|avx", "cpu"),
)
_VENDOR_BACKENDS = {"nvidia": "cuda", "amd": "rocm", "apple": "metal", "intel": "sycl", "moore threads": "cuda"}
"""Backends that llama.cpp is built with for a vendor's devices; MUSA is its CUDA code built for Moore Threads."""


def _of_words(folded: str) -> str | None:
    return next((backend for pattern, backend in _WORDS if re.search(pattern, folded)), None)


def _maker(accelerator: Accelerator) -> str:
    """Who makes a device; a card described without a maker is taken for the kind with most measurements, a GeForce."""
    vendor = accelerator.vendor.casefold()
    return "nvidia" if not vendor and accelerator.kind == "gpu" else vendor


COMPOSED_DELTA_RULE_BUILD = 7946
"""The last build of llama.cpp that is known to make the gated delta rule of small operations: it is the "before" of
ggml-org/llama.cpp pull request 19375 (February 2026), and the operation itself was proposed a week later (19504)."""


def of_version(engine: Engine, version: str) -> Engine:
    """The engine as it was at a version; only builds of llama.cpp by number (`7423`, `b9033`) differ."""
    build = re.fullmatch(r"b?(\d{4,5})(?: .*)?", version.strip())
    early = engine.family == "llama.cpp" and build is not None and int(build[1]) <= COMPOSED_DELTA_RULE_BUILD
    return replace(engine, composes_delta_rule=True) if early else engine


def engine_of(name: str, accelerator: Accelerator, backend: str = "") -> Engine:
    """The engine a name means on a device: "vLLM 0.9", "vllm-v1", "ollama" or "llama.cpp-vulkan".

    llama.cpp without a backend is that of the device's vendor (CUDA, ROCm, Metal, SYCL, the processor).

    Raises:
        InvalidWorkload: The name is not known; the message names the nearest.
    """
    folded = name.strip().casefold()
    if folded in ENGINES:
        return ENGINES[folded]
    try:
        engine_name = known_engine(folded)
    except InvalidWorkload:  # a file of measurements may say more of an engine than its name
        if _of_words(folded) is None:
            raise
        engine_name = folded
    engine = _of_words(engine_name) or engine_name
    if engine != "llama.cpp":
        return ENGINES[engine]
    if accelerator.kind == "cpu":
        return ENGINES["llama.cpp-cpu"]
    text = f"{folded.removeprefix('llama.cpp')} {backend.casefold()}"
    stated = next((each for pattern, each in _BACKENDS if re.search(pattern, text)), None)
    if stated is None or stated == "cpu" or (stated == "cuda" and accelerator.vendor.casefold() != "nvidia"):
        stated = _VENDOR_BACKENDS.get(_maker(accelerator), "cpu")
    return ENGINES[f"llama.cpp-{stated}"]


def product_rate(engine: Engine | None, accelerator: Accelerator, product_format: str, weight_bits: float) -> float:
    """Operations per second of the unit that the engine usually runs its products on.

    llama.cpp on NVIDIA cards and processors multiplies weights below 16 bits as 8-bit integers, and on NVIDIA cards
    sums products of 16 bits in 16 bits; GeForce halves only the rate with 32-bit sums, which is the one that the table
    gives as fp16.
    """
    rate = accelerator.peak(product_format)
    if engine is None or product_format != "fp16":
        return rate
    if engine.integer_products and weight_bits < 16:
        return max(rate, accelerator.peaks.get("int8", 0.0))
    return max(rate, accelerator.peaks_with_fp16_sums.get("fp16", 0.0)) if engine.half_sums else rate


def fastest_rate(engine: Engine | None, accelerator: Accelerator, product_format: str, weight_bits: float) -> float:
    """Operations per second of the fastest unit that any build of the engine uses for its products: their bound."""
    rate = product_rate(engine, accelerator, product_format, weight_bits)
    if engine is None or product_format != "fp16":
        return rate
    if engine.some_integer_products and weight_bits < 16:
        rate = max(rate, accelerator.peaks.get("int8", 0.0))
    return max(rate, accelerator.peaks_with_fp16_sums.get("fp16", 0.0)) if engine.some_half_sums else rate


_MXFP4_BITS = 4.25
"""A number of four bits and its part of a scale of eight over 32 of them (OCP Microscaling Formats 1.0)."""


def opens_to_eight_bits(engine: Engine, accelerator: Accelerator, expert_bits: float) -> bool:
    """Whether the engine multiplies these experts by activations of 8 bits: MXFP4 on Blackwell of data centres.

    TensorRT-LLM does so by itself (`W4A8_MXFP4_MXFP8`), vLLM and SGLang by a switch that the public benchmark sets; the
    kernels are for compute capability 10 alone.
    """
    is_blackwell = "fp4" in accelerator.peaks and device_class(accelerator) == "nvidia hopper and blackwell"
    return engine.eight_bit_experts and is_blackwell and expert_bits == _MXFP4_BITS


def device_class(accelerator: Accelerator) -> str:  # noqa: PLR0911 - a list of classes
    """The class that an unmeasured device shares its figures with."""
    vendor, name = _maker(accelerator), accelerator.name.casefold()
    if accelerator.kind == "cpu":
        return "processor"
    if not accelerator.vendor and vendor == "nvidia":
        return "geforce"
    if vendor == "apple":
        return "apple"
    if vendor == "intel":
        return "intel gpu" if "gaudi" not in name else "asic"
    if vendor == "amd":
        return "amd data centre" if re.match(r"(instinct-)?mi\d", name) else "radeon"
    if vendor == "nvidia":
        if re.match(r"(jetson|gb10|dgx-spark|thor|orin)", name):
            return "nvidia edge"
        if re.match(r"(geforce-)?(gtx|rtx-?\d|titan)", name) and not re.search(r"ada|a\d000|pro|blackwell", name):
            return "geforce"
        if re.match(r"(h|gh|b|gb)\d", name):
            return "nvidia hopper and blackwell"
        if re.match(r"(a\d+|v100|l4|l40|t4|p40|p100|a800|l20)", name) and "rtx" not in name:
            return "nvidia data centre"
        return "nvidia workstation"
    return "asic"


def issues_in_turn(accelerator: Accelerator) -> bool:
    """Whether vector units shift and mask numbers in turn with what they multiply, and not at once.

    Apple's do both at once from M3 on (16 and 32 bits and integers, up to twice the rate: developer.apple.com, Tech
    Talk 111375). On M1 and M2 formats whose numbers take most work to open (K-quants) are the slowest for their size.
    """
    return re.match(r"apple-m[12]\b", accelerator.name.casefold()) is not None


_CORE = 1e11
"""Operations of 32 bits per second of a core, where how many there are is not stated: 32 a clock at 3 GHz."""


def launch_s_of(engine: Engine, accelerator: Accelerator) -> float:
    """What a kernel costs beyond its own work: on a processor all cores meet at its end, one after another."""
    if accelerator.kind != "cpu":
        return engine.launch_s
    cores = float(accelerator.extra.get("units") or max(1.0, vector_rate(accelerator) / _CORE))
    return engine.launch_s * cores


def opening_rate(engine: Engine, accelerator: Accelerator) -> float:
    """Stored numbers per second that the engine's vector units open and scale, as `opening_operations` says."""
    return vector_rate(accelerator) / engine.opening_operations


def vector_rate(accelerator: Accelerator) -> float:
    """Operations per second of the vector units: the fp32 peak, or a fifteenth of the fp16 peak where it is unknown.

    A fifteenth is the ratio on the data centre cards of NVIDIA since Hopper, the only ones without a known fp32 peak.

    Raises:
        UnsupportedPrecision: No peak of the device is known.
    """
    if not accelerator.peaks:
        raise UnsupportedPrecision(
            f"{accelerator.name}: none of its peaks is known, so its memory is answered for and its time is not"
        )
    return accelerator.peaks.get("fp32") or accelerator.peaks.get("fp16", max(accelerator.peaks.values())) / 15
