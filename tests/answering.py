"""What answers prompts in tests: a server that streams as OpenAI's interface does, and a tiny checkpoint."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Streaming(BaseHTTPRequestHandler):
    """Answers completions as OpenAI's interface streams them; how depends on the model's name."""

    gap_s = 0.02

    def do_POST(self) -> None:
        """Stream as many words as were asked for."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: Any = self.server
        server.seen.append((body, self.headers.get("Authorization")))
        if body["model"] == "broken" or (body["model"] == "flaky" and len(server.seen) % 3 == 0):
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        time.sleep(self.gap_s * 2)
        try:
            for index in range(body["max_tokens"]):
                self._event({"choices": [{"text": f" {index}"}]})
                time.sleep(10 if body["model"] == "hanging" else self.gap_s)
            if body["model"] != "silent":
                usage = {"prompt_tokens": 33, "completion_tokens": body["max_tokens"]}
                self._event({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            return  # the client has had enough

    def _event(self, content: object) -> None:
        self.wfile.write(f"data: {json.dumps(content)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def answering() -> Iterator[Any]:
    """A server that runs during the block; `seen` holds every body and authorisation that it was sent."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Streaming)
    made.daemon_threads = True
    made.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def tiny_checkpoint(folder: Path, model_type: str) -> Path:
    """A tiny checkpoint of random weights with a tokenizer that knows a dozen words."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    tokenizers = pytest.importorskip("tokenizers")
    words = ["<end>", "<unknown>", *["the", "cat", "sat", "on", "a", "mat", "and", "saw", "one", "dog", "run", "far"]]
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unknown>")  # noqa: S106
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", unk_token="<unknown>")  # noqa: S106
    tokenizer.save_pretrained(folder)
    config = transformers.CONFIG_MAPPING[model_type](
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
        vocab_size=len(words), eos_token_id=0, head_dim=8, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(5)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def tiny_gguf(checkpoint: Path, file: Path, file_type: int = 7) -> Path:
    """The weights of `tiny_checkpoint`, of Llama, as llama.cpp stores them: in Q8_0 (7) or in float32 (0)."""
    gguf = pytest.importorskip("gguf")
    load_file = pytest.importorskip("safetensors.torch").load_file
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(file_type)
    words = ["<unk>", "<s>", "</s>", *"▁thecasonmd"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([-float(place) for place in range(len(words))])
    writer.add_token_types([2, 3, 3, *[1] * (len(words) - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    eight = gguf.GGMLQuantizationType.Q8_0
    for stored, weight in load_file(checkpoint / "model.safetensors").items():
        name, numbers = names.get_name(stored, try_suffixes=(".weight",)), weight.float().numpy()
        part = name.split(".")[-2]
        if part in heads:  # llama.cpp turns pairs that lie side by side
            halves = numbers.reshape(heads[part], 2, -1, numbers.shape[1])
            numbers = halves.swapaxes(1, 2).reshape(numbers.shape)
        if file_type and numbers.ndim == 2 and numbers.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(numbers, eight), raw_dtype=eight)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
