"""Commands to copy: the one that runs a model so, and the one whose output checks the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from profiling.answers.cache_flags import WHOLE, cache_flags
from profiling.devices.accelerators import Accelerator
from profiling.engines.families import not_read
from profiling.engines.formats import not_stored, owner_of
from profiling.memory.engines import cannot_run, known_engine, runs_on
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism

PROMPT = 2048
"""Tokens of the prompt whose time is said and checked."""
_NEW_TOKENS = 128


@dataclass(frozen=True, slots=True)
class _Server:
    """How a server is started, and the tool of its own whose file `skyline accuracy` reads back.

    In the words: `{model}` is a checkpoint, `{context}`, `{users}` and `{all}` are tokens of one user, users, and
    tokens of all of them; `{split}` stands for what `split` says of each kind of ways of which there are several.
    """

    run: str
    split: Mapping[str, str] = field(default_factory=dict)
    """By name of `Parallelism`, whose numbers may stand in the words."""
    port: int = 8000
    check: str = ""
    path: str = "v1"
    quantises: bool = False
    """Whether it makes 8 bits of a checkpoint of 16 as it starts."""
    of_gguf: str = ""
    """What its commands say besides where the model is a file of llama.cpp's; `{address}` is that of the checkpoint."""


_VLLM = _Server(
    "vllm serve {model} --max-model-len {context}{split}",
    {
        "tensor": " --tensor-parallel-size {tensor}", "pipeline": " --pipeline-parallel-size {pipeline}",
        "data": " --data-parallel-size {data}", "expert": " --enable-expert-parallel",
    },
    quantises=True,
    of_gguf=" --tokenizer {address}",
    check="vllm bench serve --model {model} --random-input-len {prompt} --random-output-len {new}"
    " --max-concurrency {users} --save-result",
)  # fmt: skip
_SERVERS: Mapping[str, _Server] = {
    "vllm-v1": _VLLM,
    "vllm-v0": _VLLM,
    "sglang": _Server(
        "python -m sglang.launch_server --model-path {model} --context-length {context}{split}",
        {
            "ways": " --tp {ways}", "pipeline": " --pp-size {pipeline}", "data": " --dp {data} --enable-dp-attention",
            "expert": " --ep {expert}",
        },
        quantises=True,
        check="python -m sglang.bench_serving --backend sglang --model {model} --dataset-name random"
        " --random-range-ratio 1 --random-input-len {prompt} --random-output-len {new} --max-concurrency {users}"
        " --num-prompts {requests} --output-file check.jsonl",
    ),
    "tensorrt-llm": _Server(
        "trtllm-serve {model} --max_seq_len {context} --max_batch_size {users}{split}",
        {
            "ways": " --tp_size {ways}", "pipeline": " --pp_size {pipeline}", "expert": " --ep_size {expert}",
            "data": " --extra_llm_api_options <(echo 'enable_attention_dp: true')",
        },
    ),
    "lmdeploy": _Server(
        "lmdeploy serve api_server {model} --session-len {context}{split}", {"tensor": " --tp {tensor}"}, port=23333
    ),
    "tgi": _Server(
        "text-generation-launcher --model-id {model} --max-total-tokens {context}{split}",
        {"tensor": " --num-shard {tensor}"}, port=3000,
    ),
    "transformers": _Server("transformers serve"),
    "openvino": _Server(
        "ovms --source_model {model} --model_repository_path models --task text_generation --rest_port 8000", path="v3"
    ),
    "exllama": _Server(
        "python main.py --model-name {model} --max-seq-len {context} --cache-size {all}", port=5000
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
_OPTION_NAMES: Mapping[str, str] = {
    "gpu_memory_utilization": "the part of memory that it may use", "batched_tokens": "the tokens of a step",
    "eager": "running without captured graphs",
}  # fmt: skip


def _of_options(engine: str) -> Mapping[str, str]:
    program = known_engine(engine)
    return _OPTIONS.get("vllm-v1" if program.startswith("vllm") else program, {})


def unset_options(engine: str, options: Mapping[str, object]) -> list[str]:
    """What of an engine's options (`Need.options`) the commands do not say, as sentences.

    Raises:
        InvalidWorkload: No such engine.
    """
    missing = [label for name, label in _OPTION_NAMES.items() if name in options and name not in _of_options(engine)]
    return [f"The commands do not set {each}: no flag of {engine} for it is known here." for each in missing]


def commands(  # noqa: PLR0913 - one option of a server each
    model: Architecture, weight_format: str, engine: str, device: Accelerator, *, split: Parallelism | None = None,
    context: int, users: int = 1, flags: str | None = None, kv: str = WHOLE,
    options: Mapping[str, object] | None = None,
) -> tuple[str, str]:  # fmt: skip
    """The command that runs the model so, and the one that measures what was predicted.

    Files and checkpoints go by their usual names (`NAME-Q4_K_M.gguf`, `NAME-AWQ`); whoever published them adds its own.
    Where the engine is not known to read the model's family, its files cannot hold the format or it does not run on the
    device, a remark says so in place of either.

    Args:
        model: The model.
        weight_format: How its weights are stored.
        engine: What runs it.
        device: One of the devices.
        split: How it is laid out on several; None: on one.
        context: Tokens of each user.
        users: Slots.
        flags: Where llama.cpp puts layers and experts; None: everything on the devices.
        kv: Format of the KV cache.
        options: How the engine is started, by name as `Question` has them; those it has no flag for are left out.

    Raises:
        InvalidWorkload: No such engine, or it has no such cache.
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    if why := not_read(engine, model) or not_stored(engine, model, weight_format) or cannot_run(engine, device):
        return f"# {why}", f"# {why}"
    run, check = _started(model, weight_format, engine, device, split or Parallelism(), context, users, flags, kv)
    flag_of_option = _of_options(engine)
    extras = " ".join(
        flag_of_option[name].format(value) for name, value in (options or {}).items() if name in flag_of_option
    )
    # llama-bench starts the engine itself; all other checks ask what the first command has started.
    return f"{run} {extras}".rstrip(), f"{check} {extras}".rstrip() if check.startswith("llama-bench") else check


def split_flags(engine: str, split: Parallelism) -> str:
    """The flags that split a model so where a server is started; empty on one device.

    Raises:
        InvalidWorkload: No such engine.
    """
    return _split_words(_server_of(engine), split).strip()


def _server_of(engine: str) -> _Server:
    return _SERVERS.get(known_engine(engine)) or _SERVERS.get(runs_on(engine), _SERVERS["transformers"])


def _started(  # noqa: PLR0913, PLR0917 - everything that a command says
    model: Architecture, weight_format: str, engine: str, device: Accelerator, split: Parallelism, context: int,
    users: int, flags: str | None, kv: str,
) -> tuple[str, str]:  # fmt: skip
    cache = cache_flags(engine, kv)
    program, computes = known_engine(engine), runs_on(engine)
    name = model.name.rsplit("/", maxsplit=1)[-1]
    if computes == "llama.cpp":
        where = flags if flags is not None else "" if device.kind == "cpu" else "-ngl 99"
        return _llama_cpp(program, f"{name}-{_stored(weight_format).upper()}.gguf", where, cache, context, users)
    if computes == "mlx":
        return _mlx(model.name, name, weight_format, users)
    server = _server_of(engine)
    return _served(server, model, weight_format, _split_words(server, split), {
        "context": context, "users": users, "all": context * users, "requests": 16 * users, "prompt": PROMPT,
        "new": _NEW_TOKENS,
    }, cache)  # fmt: skip


def _split_words(server: _Server, split: Parallelism) -> str:
    names = ("tensor", "pipeline", "expert", "data", "ways")
    numbers = {name: getattr(split, name) for name in names}
    return "".join(words.format(**numbers) for name, words in server.split.items() if numbers[name] > 1)


def _stored(weight_format: str) -> str:
    return weight_format.removeprefix("gguf-").split()[0]


def _llama_cpp(program: str, file: str, where: str, cache: str, context: int, users: int) -> tuple[str, str]:
    words = where.split()
    # Ollama is told by its environment, which a benchmark of llama.cpp does not read.
    cached = cache.split() if program == "llama.cpp" else []
    # llama-bench separates devices of -ts by slashes, as commas separate its tests.
    benched = [
        word.replace(",", "/") if before == "-ts" else word for before, word in zip(["", *words], words, strict=False)
    ]
    check = " ".join([
        "llama-bench", "-m", file, f"-p {PROMPT} -n {_NEW_TOKENS} -d {max(context - _NEW_TOKENS, 0)}", *benched,
        *cached, "-fa 1 -o json",
    ])  # fmt: skip
    short = file.removesuffix(".gguf").casefold()
    if program == "ollama":
        layers = words[words.index("-ngl") + 1] if "-ngl" in words else "0"
        lines = f"FROM ./{file}\\nPARAMETER num_ctx {context}\\nPARAMETER num_gpu {layers}\\n"
        variables = " ".join(filter(None, (cache, f"OLLAMA_NUM_PARALLEL={users}" if users > 1 else "")))
        serve = f"{variables} ollama serve & " if variables else ""
        return (
            f"{serve}printf '{lines}' > Modelfile && ollama create {short} -f Modelfile && ollama run {short}",
            f"ollama run {short} --verbose 'Describe Lisbon in 300 words.'",
        )
    if program == "lm-studio":
        load = f"lms load {short} --context-length {context * users} --gpu {'max' if words else 'off'}"
        return f"lms import {file} && {load} && lms server start", check
    return " ".join(["llama-server", "-m", file, f"-c {context * users} -np {users}", *words, *cached,
                     "-fa on"]), check  # fmt: skip


def _mlx(address: str, name: str, weight_format: str, users: int) -> tuple[str, str]:
    bits, _, group = weight_format.removeprefix("mlx-").partition("bit")
    check = f"mlx_lm.benchmark --model {{}} -p {PROMPT} -g {_NEW_TOKENS} -b {users}"
    if not bits.isdigit():
        return f"mlx_lm.server --model {address}", check.format(address)
    made = f"{name}-{bits}bit"
    grouped = f" --q-group-size {group.removeprefix('-g')}" if group else ""
    convert = f"mlx_lm.convert --hf-path {address} -q --q-bits {bits}{grouped} --mlx-path {made}"
    return f"{convert} && mlx_lm.server --model {made}", check.format(made)


def _served(
    server: _Server, model: Architecture, weight_format: str, laid_out: str, numbers: Mapping[str, int],
    cache: str,
) -> tuple[str, str]:  # fmt: skip
    address, stored = model.name, _stored(weight_format)
    quantised = server.quantises and stored == "fp8"
    if weight_format != model.published_format.name and not quantised and stored not in {"fp16", "bf16"}:
        ending = stored if stored.startswith("exl") else stored.partition("-")[0].upper()
        address = f"{address.rsplit('/', maxsplit=1)[-1]}-{ending}"
    more = ""
    if owner_of(weight_format) == "llama.cpp":
        address, more = f"./{model.name.rsplit('/', 1)[-1]}-{stored.upper()}.gguf", server.of_gguf
        more = more.format(address=model.name)
    run = server.run.format(model=address, split=laid_out, **numbers) + more
    check = server.check or (
        "skyline profile endpoint http://localhost:{port}/{path} --model {model} --prompt-lengths {prompt}"
        " --new-tokens {new} --concurrency {users} --out check.bundle"
    )
    return (
        " ".join(filter(None, (run, "--quantization fp8" if quantised else "", cache))),
        check.format(model=address, port=server.port, path=server.path, **numbers) + (more if server.check else ""),
    )
