"""Commands to copy: the one that runs a model so, and the one whose output checks the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profiling.devices.accelerators import Accelerator
from profiling.memory.engines import known_engine, runs_on
from profiling.models.architecture import Architecture

PROMPT = 2048
"""Tokens of the prompt whose time is said and checked."""
_NEW_TOKENS = 128


@dataclass(frozen=True, slots=True)
class _Server:
    """How a server is started, and the tool of its own whose file `skyline accuracy` reads back.

    In the words: `{model}` is a checkpoint, `{context}`, `{users}` and `{all}` are tokens of one user, users, and
    tokens of all of them; `{split}` stands for `several` where there are more devices than one.
    """

    run: str
    several: str = ""
    port: int = 8000
    check: str = ""
    path: str = "v1"
    quantises: bool = False
    """Whether it makes 8 bits of a checkpoint of 16 as it starts."""


_VLLM = _Server(
    "vllm serve {model} --max-model-len {context}{split}", " --tensor-parallel-size {devices}", quantises=True,
    check="vllm bench serve --model {model} --random-input-len {prompt} --random-output-len {new}"
    " --max-concurrency {users} --save-result",
)  # fmt: skip
_SERVERS: Mapping[str, _Server] = {
    "vllm-v1": _VLLM,
    "vllm-v0": _VLLM,
    "sglang": _Server(
        "python -m sglang.launch_server --model-path {model} --context-length {context}{split}", " --tp {devices}",
        quantises=True,
        check="python -m sglang.bench_serving --backend sglang --model {model} --dataset-name random"
        " --random-range-ratio 1 --random-input-len {prompt} --random-output-len {new} --max-concurrency {users}"
        " --num-prompts {requests} --output-file check.jsonl",
    ),
    "tensorrt-llm": _Server(
        "trtllm-serve {model} --max_seq_len {context} --max_batch_size {users}{split}", " --tp_size {devices}"
    ),
    "lmdeploy": _Server("lmdeploy serve api_server {model} --session-len {context}{split}", " --tp {devices}", 23333),
    "tgi": _Server(
        "text-generation-launcher --model-id {model} --max-total-tokens {context}{split}", " --num-shard {devices}",
        3000,
    ),
    "transformers": _Server("transformers serve"),
    "openvino": _Server(
        "ovms --source_model {model} --model_repository_path models --task text_generation --rest_port 8000", path="v3"
    ),
    "exllama": _Server(
        "python main.py --model-name {model} --max-seq-len {context} --cache-size {all}", "", 5000
    ),
}  # fmt: skip
"""By engine; one that is not here is started as the engine that computes for it."""


_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "llama.cpp": {"batched_tokens": "-ub {}"},
    "vllm-v1": {
        "gpu_memory_utilization": "--gpu-memory-utilization {:g}", "batched_tokens": "--max-num-batched-tokens {}",
        "eager": "--enforce-eager",
    },
    "sglang": {
        "gpu_memory_utilization": "--mem-fraction-static {:g}", "batched_tokens": "--chunked-prefill-size {}",
        "eager": "--disable-cuda-graph",
    },
    "tensorrt-llm": {"batched_tokens": "--max_num_tokens {}"},
}  # fmt: skip
"""Flags of options, by engine as it is started."""
_CACHES: Mapping[str, Mapping[float, str]] = {
    "llama.cpp": {
        bits: f"-ctk {name} -ctv {name}"
        for bits, name in ((8.5, "q8_0"), (6, "q5_1"), (5.5, "q5_0"), (5, "q4_1"), (4.5, "q4_0"), (32, "f32"))
    },
    "vllm-v1": {8: "--kv-cache-dtype fp8"},
    "sglang": {8: "--kv-cache-dtype fp8_e4m3"},
    "lmdeploy": {8: "--quant-policy 8", 4: "--quant-policy 4"},
}
"""Flags of a cache of so many bits, likewise; 16 need none."""
_OPTION_NAMES: Mapping[str, str] = {
    "gpu_memory_utilization": "the part of memory that it may use", "batched_tokens": "the tokens of a step",
    "eager": "running without captured graphs",
}  # fmt: skip


def _started(engine: str, cache_bits: float, options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Flags of an engine, and what it has none for."""
    said = "vllm-v1" if engine == "vllm" else engine
    known, caches = _OPTIONS.get(said, {}), _CACHES.get(said, {})
    flags = [known[name].format(value) for name, value in options.items() if name in known]
    missing = [_OPTION_NAMES[name] for name in options if name not in known]
    if cache_bits != 16:
        flags += [caches[cache_bits]] if cache_bits in caches else []
        missing += [] if cache_bits in caches else [f"a KV cache of {cache_bits:g} bits"]
    return " ".join(flags), missing


def started(pair: tuple[str, str], engine: str, cache_bits: float, options: Mapping[str, object]) -> tuple[str, str]:
    """What `commands` gives with flags for options of the engine (`Need.options`) and its cache.

    Raises:
        InvalidWorkload: No such engine.
    """
    flags, _ = _started(known_engine(engine), cache_bits, options)
    run, check = pair
    # llama-bench starts the engine itself; all other checks ask what the first command has started.
    return f"{run} {flags}".rstrip(), f"{check} {flags}".rstrip() if check.startswith("llama-bench") else check


def unsaid(engine: str, cache_bits: float, options: Mapping[str, object]) -> list[str]:
    """What of an engine's options the commands do not say, as sentences.

    Raises:
        InvalidWorkload: No such engine.
    """
    _, missing = _started(known_engine(engine), cache_bits, options)
    return [f"The commands do not set {each}: no flag of {engine} for it is known here." for each in missing]


def commands(
    model: Architecture, weight_format: str, engine: str, device: Accelerator, *, devices: int = 1, context: int,
    users: int = 1, flags: str | None = None,
) -> tuple[str, str]:  # fmt: skip
    """The command that runs the model so, and the one that measures what was predicted.

    Files and checkpoints go by their usual names (`NAME-Q4_K_M.gguf`, `NAME-AWQ`); whoever published them adds its own.

    Args:
        model: The model.
        weight_format: How its weights are stored.
        engine: What runs it.
        device: One of the devices.
        devices: How many.
        context: Tokens of each user.
        users: Slots.
        flags: Where llama.cpp puts layers and experts; None: everything on the devices.

    Raises:
        InvalidWorkload: No such engine.
    """
    said, computes = known_engine(engine), runs_on(engine)
    name = model.name.rsplit("/", maxsplit=1)[-1]
    if computes == "llama.cpp":
        where = flags if flags is not None else "" if device.kind == "cpu" else "-ngl 99"
        return _llama_cpp(said, f"{name}-{_stored(weight_format).upper()}.gguf", where, context, users)
    if computes == "mlx":
        return _mlx(model.name, name, weight_format, users)
    return _served(_SERVERS.get(said) or _SERVERS.get(computes, _SERVERS["transformers"]), model, weight_format, {
        "context": context, "users": users, "all": context * users, "devices": devices, "requests": 16 * users,
        "prompt": PROMPT, "new": _NEW_TOKENS,
    })  # fmt: skip


def _stored(weight_format: str) -> str:
    return weight_format.removeprefix("gguf-").split()[0]


def _llama_cpp(said: str, file: str, where: str, context: int, users: int) -> tuple[str, str]:
    words = where.split()
    # llama-bench separates devices of -ts by slashes, as commas separate its tests.
    benched = [
        word.replace(",", "/") if before == "-ts" else word for before, word in zip(["", *words], words, strict=False)
    ]
    check = " ".join([
        "llama-bench", "-m", file, f"-p {PROMPT} -n {_NEW_TOKENS} -d {max(context - _NEW_TOKENS, 0)}", *benched,
        "-fa 1 -o json",
    ])  # fmt: skip
    short = file.removesuffix(".gguf").casefold()
    if said == "ollama":
        layers = words[words.index("-ngl") + 1] if "-ngl" in words else "0"
        lines = f"FROM ./{file}\\nPARAMETER num_ctx {context}\\nPARAMETER num_gpu {layers}\\n"
        serve = "" if users == 1 else f"OLLAMA_NUM_PARALLEL={users} ollama serve & "
        return (
            f"{serve}printf '{lines}' > Modelfile && ollama create {short} -f Modelfile && ollama run {short}",
            f"ollama run {short} --verbose 'Describe Lisbon in 300 words.'",
        )
    if said == "lm-studio":
        load = f"lms load {short} --context-length {context * users} --gpu {'max' if words else 'off'}"
        return f"lms import {file} && {load} && lms server start", check
    return " ".join(["llama-server", "-m", file, f"-c {context * users} -np {users}", *words, "-fa on"]), check


def _mlx(address: str, name: str, weight_format: str, users: int) -> tuple[str, str]:
    bits, _, group = weight_format.removeprefix("mlx-").partition("bit")
    check = f"mlx_lm.benchmark --model {{}} -p {PROMPT} -g {_NEW_TOKENS} -b {users}"
    if not bits.isdigit():
        return f"mlx_lm.server --model {address}", check.format(address)
    made = f"{name}-{bits}bit"
    grouped = f" --q-group-size {group.removeprefix('-g')}" if group else ""
    convert = f"mlx_lm.convert --hf-path {address} -q --q-bits {bits}{grouped} --mlx-path {made}"
    return f"{convert} && mlx_lm.server --model {made}", check.format(made)


def _served(server: _Server, model: Architecture, weight_format: str, numbers: Mapping[str, int]) -> tuple[str, str]:
    address, stored = model.name, _stored(weight_format)
    quantised = server.quantises and stored == "fp8"
    if weight_format != model.published_format.name and not quantised and stored not in {"fp16", "bf16"}:
        ending = stored if stored.startswith("exl") else stored.partition("-")[0].upper()
        address = f"{address.rsplit('/', maxsplit=1)[-1]}-{ending}"
    split = server.several if numbers["devices"] > 1 else ""
    run = server.run.replace("{split}", split).format(model=address, **numbers)
    check = server.check or (
        "skyline profile endpoint http://localhost:{port}/{path} --model {model} --prompt-lengths {prompt}"
        " --new-tokens {new} --concurrency {users} --out check.bundle"
    )
    return (
        f"{run} --quantization fp8" if quantised else run,
        check.format(model=address, port=server.port, path=server.path, **numbers),
    )
