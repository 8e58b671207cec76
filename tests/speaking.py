"""A local server that speaks the protocols of model servers and clouds, and refuses what does not have their form.

What it expects and sends is written down from the makers' references, apart from the code under test.
"""

import json
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

GAP_S = 0.02
PROMPT_TOKENS = 17
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>\w+)/aws4_request, "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=[0-9a-f]{64}"
)


def message(payload: bytes, **headers: str) -> bytes:
    """One message of `application/vnd.amazon.eventstream`; underscores of names are read as hyphens."""
    packed = b""
    for name, value in headers.items():
        said = f":{name.replace('_', '-')}".encode()
        packed += bytes([len(said)]) + said + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + packed + payload + struct.pack("!I", zlib.crc32(prelude + packed + payload))


class Wrong(Exception):
    """A request that the server would refuse; the message is what it says."""


class Speaking(BaseHTTPRequestHandler):
    """Recognises the protocol by the path, as the servers themselves do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer in the form of whoever has that path."""
        self.said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = urlsplit(self.path)
        server: Any = self.server
        server.seen.append((self.path, dict(self.headers), self.said))
        try:
            answers = {answer: match for route, answer in ROUTES.items() if (match := re.fullmatch(route, parts.path))}
            self.need(answers, f"no route {parts.path}")
            ((answer, match),) = answers.items()
            answer(self, *match.groups())
        except Wrong as wrong:
            body = json.dumps({"message": str(wrong)}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def need(self, met: object, why: str) -> None:
        """Refuse what lacks something."""
        if not met:
            raise Wrong(why)

    def begin(self, kind: str) -> None:
        """The head of an answer in chunks."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        time.sleep(2 * GAP_S)

    def chunk(self, content: bytes) -> None:
        """A part of it; an empty one ends it."""
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()
        if content:
            time.sleep(GAP_S)

    def sse(self, events: list[dict[str, Any]], end: bytes = b"") -> None:
        """Server-sent events, one by one."""
        self.begin("text/event-stream")
        for event in events:
            self.chunk(f"data: {json.dumps(event)}\n\n".encode())
        self.chunk(end) if end else None
        self.chunk(b"")

    def whole(self, document: dict[str, Any]) -> None:
        """One JSON document."""
        time.sleep(2 * GAP_S)
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signed_for(self, service: str) -> None:
        """Refuse what is not signed for that service, with every header that counts."""
        signature = SIGNED.fullmatch(self.headers.get("Authorization", ""))
        self.need(
            signature and signature["service"] == service and signature["region"] == "eu-west-1",
            "SignatureDoesNotMatch",
        )
        assert signature is not None
        needed = {"host", "x-amz-date", "content-type", "x-amz-security-token"}
        self.need(needed <= set(signature["headers"].split(";")), "headers are not signed")
        self.need(self.headers.get("X-Amz-Security-Token") == "session-token", "no session token")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def chat(at: Speaking) -> None:
    """Chat completions: two tokens a piece, and the usage at the end."""
    said = at.said
    at.need(said["messages"][0]["role"] == "user" and said["stream"], "messages and stream are required")
    at.need(said["stream_options"]["include_usage"], "nobody asked for the usage")
    pieces: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
    pieces += [{"choices": [{"delta": {"content": " two words"}}]}] * (said["max_tokens"] // 2)
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": said["max_tokens"]}
    at.sse([*pieces, {"choices": [], "usage": usage}], b"data: [DONE]\n\n")


def google(at: Speaking) -> None:
    """Chat of a Vertex AI address."""
    at.need(at.headers.get("Authorization") == "Bearer ya29.token", "UNAUTHENTICATED")
    chat(at)


def predict(at: Speaking) -> None:
    """Vertex AI's own form, which answers whole."""
    at.need(at.headers.get("Authorization") == "Bearer ya29.token", "UNAUTHENTICATED")
    (instance,) = at.said["instances"]
    at.need(instance["@requestFormat"] == "chatCompletions" and instance["messages"], "no such form")
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": instance["max_tokens"]}
    prediction = {"choices": [{"message": {"role": "assistant", "content": "words"}}], "usage": usage}
    at.whole({"predictions": prediction, "deployedModelId": "1"})


def azure(at: Speaking, deployment: str) -> None:
    """A deployment: the version is asked for, and the key has a header of its own."""
    at.need(parse_qs(urlsplit(at.path).query).get("api-version"), "api-version is required")
    at.need(at.headers.get("api-key") == "azure-key", "PermissionDenied")
    at.need(deployment == "my-deployment", "DeploymentNotFound")
    chat(at)


def azure_v1(at: Speaking) -> None:
    """The address without versions."""
    at.need(not urlsplit(at.path).query, "api-version is not allowed")
    at.need(at.headers.get("api-key") == "azure-key", "PermissionDenied")
    chat(at)


def token(index: int, last: bool) -> dict[str, Any]:
    """An event of Text Generation Inference."""
    event = {"index": index, "token": {"id": index, "text": f" {index}", "logprob": -0.1, "special": False}}
    details = {"finish_reason": "length", "generated_tokens": index + 1, "input_length": PROMPT_TOKENS}
    return {**event, "generated_text": "all", "details": details} if last else {**event, "generated_text": None}


def tgi(at: Speaking) -> None:
    """One token an event, and details with the last."""
    most = at.said["parameters"]["max_new_tokens"]
    at.need(at.said["inputs"] and at.said["parameters"]["details"], "inputs and details")
    at.sse([token(index, index == most - 1) for index in range(most)])


def sagemaker(at: Speaking, endpoint: str) -> None:
    """What the container sends, in byte parts that end anywhere; of a chat the events of OpenAI."""
    at.signed_for("sagemaker")
    at.need(endpoint == "my-endpoint" and at.said["stream"], "Endpoint not found")
    if "messages" in at.said:
        most = at.said["max_tokens"]
        events: list[dict[str, Any]] = [{"choices": [{"delta": {"content": " word"}}]}] * most
        events += [{"choices": [], "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": most}}]
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
    else:
        most = at.said["parameters"]["max_new_tokens"]
        lines = [f"{json.dumps(token(index, index == most - 1))}\n".encode() for index in range(most)]
    at.begin("application/vnd.amazon.eventstream")
    for line in lines:
        for part in (line[:7], line[7:]):
            framed = message(part, event_type="PayloadPart", message_type="event")
            at.wfile.write(f"{len(framed):x}\r\n".encode() + framed + b"\r\n")
        at.wfile.flush()
        time.sleep(GAP_S)
    at.chunk(b"")


def bedrock(at: Speaking, model: str) -> None:
    """Every kind of event that a conversation has; one model is throttled in the middle."""
    if at.headers.get("Authorization") != "Bearer bedrock-key":
        at.signed_for("bedrock")
    at.need(":" not in model and unquote(model).endswith("-v1:0"), "The provided model identifier is invalid.")
    most = at.said["inferenceConfig"]["maxTokens"]
    at.need(at.said["messages"][0]["content"][0]["text"], "content is a list of blocks")
    usage = {"inputTokens": PROMPT_TOKENS, "outputTokens": most, "totalTokens": PROMPT_TOKENS + most}
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *[("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " word"}})] * most,
        ("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": "max_tokens"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 275}}),
    ]  # fmt: skip
    at.begin("application/vnd.amazon.eventstream")
    for kind, said in events:
        at.chunk(message(json.dumps(said).encode(), event_type=kind, message_type="event"))
        if "throttled" in model and kind == "contentBlockDelta":
            body = b'{"message": "Too many requests"}'
            at.chunk(message(body, exception_type="throttlingException", message_type="exception"))
            break
    at.chunk(b"")


def triton(at: Speaking, model: str) -> None:
    """A piece an event, with the back end's own counts."""
    at.need(model == "ensemble" and at.said["text_input"] and at.said["stream"], "unknown model")
    piece = {"model_name": model, "model_version": "1", "text_output": " word"}
    counts = {"num_input_tokens": PROMPT_TOKENS, "num_output_tokens": 1}
    at.sse([{**piece, **counts}] * at.said["max_tokens"])


def kserve(at: Speaking, model: str) -> None:
    """Tensors in, tensors out."""
    inputs = {tensor["name"]: tensor for tensor in at.said["inputs"]}
    at.need(inputs["text_input"]["datatype"] == "BYTES" and inputs["max_tokens"]["shape"] == [1, 1], "wrong tensors")
    output = {"name": "text_output", "datatype": "BYTES", "shape": [1, 1], "data": ["words"]}
    at.whole({"model_name": model, "model_version": "1", "outputs": [output]})


PLACE = r"/v1/projects/[\w-]+/locations/[\w-]+/endpoints/\w+"
ROUTES = {
    r"/v1/chat/completions": chat, rf"{PLACE}/chat/completions": google, rf"{PLACE}:predict": predict,
    r"/openai/deployments/([^/]+)/chat/completions": azure, r"/openai/v1/chat/completions": azure_v1,
    r"/generate_stream": tgi, r"/endpoints/([^/]+)/invocations-response-stream": sagemaker,
    r"/model/([^/]+)/converse-stream": bedrock, r"/v2/models/([^/]+)/generate_stream": triton,
    r"/v2/models/([^/]+)/infer": kserve,
}  # fmt: skip


@contextmanager
def speaking() -> Iterator[Any]:
    """A server that runs during the block; `seen` holds path, headers and body of every request."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Speaking)
    made.daemon_threads = True
    made.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()
