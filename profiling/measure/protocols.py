"""The protocols of model servers and clouds: address, authentication, request, and what their answers tell.

A protocol is one entry of `PROTOCOLS`; command line, documentation and tests read it there. What a request looks like
follows the makers' own references, named by `reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from profiling.measure.streams import Event, Reply, aws_events, aws_lines, document, events

AWS = "aws"
BEARER = "Authorization: Bearer"


class Piece(NamedTuple):
    """What an event tells.

    Attributes:
        has_text: Whether a part of the answer came.
        tokens: How many the server has counted so far.
        prompt_tokens: The same of the prompt.
        error: What went wrong, as the server says it.
        more: How many the server counted of this event alone.
        text: The part of the answer that came.
    """

    has_text: bool = False
    tokens: int | None = None
    prompt_tokens: int | None = None
    error: str | None = None
    more: int | None = None
    text: str = ""


class Key(NamedTuple):
    """A way to authenticate: a secret from a variable, sent in a header, or signing with `AWS` credentials."""

    header: str
    variable: str


@dataclass(frozen=True)
class Protocol:
    """How one kind of server is asked.

    Attributes:
        serves: Whose servers speak it.
        address: Base address, as it is given; an example.
        path: What is appended to it; `{model}` stands for the name of the model, percent-encoded.
        body: Model, prompt and most new tokens to what is sent as JSON.
        frames: Answer to its events.
        piece: Event to what it tells.
        keys: Ways to authenticate; the first whose variable is set is taken.
        key_needed: Whether nobody may ask without.
        service: Name to sign by, where AWS signs.
        streams: Whether the answer comes in pieces; else only the whole request is timed.
        counts: Where the number of tokens comes from.
        lacks: What is not measured, or only when the server is set up for it.
        reference: Documentation of the form.
    """

    serves: str
    address: str
    path: str
    body: Callable[[str, str, int], dict[str, Any]]
    frames: Callable[[Reply], Iterator[Event]]
    piece: Callable[[Event], Piece]
    reference: str
    counts: str
    keys: tuple[Key, ...] = ()
    key_needed: bool = False
    service: str | None = None
    streams: bool = True
    lacks: str = ""

    @property
    def measures(self) -> str:
        """What is measured, in words."""
        if not self.streams:
            return "whole request, requests per second, tokens per second where the server counts"
        return "first token, time per token, whole request, tokens and requests per second"


def described() -> list[dict[str, str]]:
    """A row per protocol in words, as commands and documentation show it."""
    rows = []
    for name, protocol in PROTOCOLS.items():
        ways = [
            f"signed with {key.variable} and AWS_SECRET_ACCESS_KEY" if key.header == AWS
            else f"{key.variable} as {key.header.rstrip(':')}"
            for key in protocol.keys
        ]  # fmt: skip
        rows.append({
            "protocol": name, "servers": protocol.serves, "address": protocol.address, "asked at": protocol.path,
            "secret": "; ".join(ways) + ("" if protocol.key_needed or not ways else "; may be missing"),
            "measured": protocol.measures, "tokens": protocol.counts, "not measured": protocol.lacks,
            "reference": protocol.reference,
        })  # fmt: skip
    return rows


def _completion(model: str, prompt: str, most: int) -> dict[str, Any]:
    return {
        "model": model, "prompt": prompt, "max_tokens": most, "stream": True, "temperature": 0,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def _chat(model: str, prompt: str, most: int) -> dict[str, Any]:
    return {
        "model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": most, "stream": True,
        "temperature": 0, "stream_options": {"include_usage": True},
    }  # fmt: skip


def _tgi(_: str, prompt: str, most: int) -> dict[str, Any]:
    return {"inputs": prompt, "parameters": {"max_new_tokens": most, "do_sample": False, "details": True}}


def _vertex(_: str, prompt: str, most: int) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    instance = {"@requestFormat": "chatCompletions", "messages": [message], "max_tokens": most, "temperature": 0}
    return {"instances": [instance]}


def _converse(_: str, prompt: str, most: int) -> dict[str, Any]:
    message = {"role": "user", "content": [{"text": prompt}]}
    return {"messages": [message], "inferenceConfig": {"maxTokens": most, "temperature": 0}}


def _triton(_: str, prompt: str, most: int) -> dict[str, Any]:
    return {
        "text_input": prompt, "max_tokens": most, "stream": True, "temperature": 0,
        "return_num_input_tokens": True, "return_num_output_tokens": True,
    }  # fmt: skip


def _kserve(_: str, prompt: str, most: int) -> dict[str, Any]:
    def tensor(name: str, datatype: str, value: object) -> dict[str, Any]:
        return {"name": name, "shape": [1, 1], "datatype": datatype, "data": [value]}

    return {
        "inputs": [tensor("text_input", "BYTES", prompt), tensor("max_tokens", "INT32", most)],
        "outputs": [{"name": "text_output"}],
    }


def _of_openai(event: Event) -> Piece:
    choices = event.get("choices") or [{}]
    delta = choices[0].get("delta") or choices[0].get("message") or {}
    parts = (delta.get(name) for name in ("reasoning_content", "reasoning", "content"))
    text = choices[0].get("text") or "".join(part for part in parts if isinstance(part, str))
    usage = event.get("usage") or {}
    return Piece(bool(text), usage.get("completion_tokens"), usage.get("prompt_tokens"), _error(event), text=text)


def _of_tgi(event: Event) -> Piece:
    details = event.get("details") or {}
    token = event.get("token")
    # The last event repeats the whole answer beside its token.
    text = token.get("text") if token else event.get("generated_text") or event.get("outputs")
    came = bool(token or text)
    return Piece(came, details.get("generated_tokens"), details.get("input_length"), _error(event), text=_text(text))


def _of_vertex(event: Event) -> Piece:
    predictions = event.get("predictions")
    first = predictions[0] if isinstance(predictions, list) and predictions else predictions
    return (
        _of_openai(first) if isinstance(first, Mapping) else Piece(bool(first), error=_error(event), text=_text(first))
    )


def _of_converse(event: Event) -> Piece:
    ((kind, body),) = event.items()
    if kind == "contentBlockDelta":
        delta = body.get("delta") or {}
        text = delta.get("text") or (delta.get("reasoningContent") or {}).get("text")
        return Piece(bool(text or delta.get("reasoningContent")), text=_text(text))
    if kind == "metadata":
        usage = body.get("usage") or {}
        return Piece(tokens=usage.get("outputTokens"), prompt_tokens=usage.get("inputTokens"))
    return Piece(error=f"{kind}: {body.get('message')}" if kind.endswith("Exception") else None)


def _of_triton(event: Event) -> Piece:
    return Piece(bool(event.get("text_output")), error=_error(event), text=_text(event.get("text_output")),
                 more=event.get("num_output_tokens"), prompt_tokens=event.get("num_input_tokens"))  # fmt: skip


def _of_kserve(event: Event) -> Piece:
    outputs = event.get("outputs") or []
    data = next((each.get("data") for each in outputs if each.get("name") == "text_output"), None) or [""]
    return Piece(bool(outputs), error=_error(event), text=_text(data[0]))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _error(event: Event) -> str | None:
    error = event.get("error")
    return f"the server says: {error}" if error else None


_GOOGLE = (Key(BEARER, "GOOGLE_OAUTH_ACCESS_TOKEN"),)
_AZURE = (Key("api-key:", "AZURE_OPENAI_API_KEY"), Key(BEARER, "AZURE_OPENAI_AD_TOKEN"))
_SIGNED = Key(AWS, "AWS_ACCESS_KEY_ID")
_USAGE = "usage of the last event; else the pieces"
_PIECES = "each gap between tokens where a piece holds several: the mean of the answer is used instead"

PROTOCOLS: Mapping[str, Protocol] = {
    "openai": Protocol(
        "vLLM, SGLang, llama.cpp, TensorRT-LLM, TGI and any other server of OpenAI's completions",
        "http://localhost:8000/v1", "/completions", _completion, events, _of_openai,
        "https://platform.openai.com/docs/api-reference/completions", _USAGE,
        (Key(BEARER, "OPENAI_API_KEY"),), lacks=_PIECES,
    ),
    "openai-chat": Protocol(
        "the same through chat, where a server offers nothing else",
        "http://localhost:8000/v1", "/chat/completions", _chat, events, _of_openai,
        "https://platform.openai.com/docs/api-reference/chat", _USAGE,
        (Key(BEARER, "OPENAI_API_KEY"),), lacks="the prompt without its chat template; " + _PIECES,
    ),
    "vertex-openai": Protocol(
        "Vertex AI, OpenAI-compatible: models as a service, and endpoints of one's own",
        "https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/endpoints/openapi",
        "/chat/completions", _chat, events, _of_openai,
        "https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/projects.locations.endpoints.chat/completions",
        _USAGE, _GOOGLE, key_needed=True, lacks="a token lasts an hour; " + _PIECES,
    ),
    "vertex": Protocol(
        "Vertex AI, its own predict form: an endpoint of Model Garden",
        "https://ENDPOINT.LOCATION-NUMBER.prediction.vertexai.goog/v1/projects/PROJECT/locations/LOCATION/endpoints/ENDPOINT",
        ":predict", _vertex, document, _of_vertex,
        "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict",
        "usage within the prediction; else none", _GOOGLE, key_needed=True, streams=False,
        lacks="first token and time per token: predict answers whole",
    ),
    "sagemaker": Protocol(
        "SageMaker real-time endpoints, container of TGI or LMI",
        "https://runtime.sagemaker.REGION.amazonaws.com", "/endpoints/{model}/invocations-response-stream",
        lambda model, prompt, most: {**_tgi(model, prompt, most), "stream": True}, aws_lines, _of_tgi,
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html",
        "details of the last event; else the tokens that came", (_SIGNED,), key_needed=True, service="sagemaker",
        lacks="tokens of the prompt, where the container does not report them",
    ),
    "sagemaker-chat": Protocol(
        "SageMaker real-time endpoints, container of vLLM or another that takes OpenAI's chat",
        "https://runtime.sagemaker.REGION.amazonaws.com", "/endpoints/{model}/invocations-response-stream",
        _chat, aws_lines, _of_openai,
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html",
        _USAGE, (_SIGNED,), key_needed=True, service="sagemaker", lacks=_PIECES,
    ),
    "bedrock": Protocol(
        "Bedrock, every model that converses",
        "https://bedrock-runtime.REGION.amazonaws.com", "/model/{model}/converse-stream", _converse, aws_events,
        _of_converse, "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html",
        "usage of the event metadata", (Key(BEARER, "AWS_BEARER_TOKEN_BEDROCK"), _SIGNED), key_needed=True,
        service="bedrock", lacks=_PIECES,
    ),
    "azure": Protocol(
        "Azure OpenAI and Foundry, address of a deployment",
        "https://RESOURCE.openai.azure.com", "/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
        _chat, events, _of_openai, "https://learn.microsoft.com/azure/ai-services/openai/reference", _USAGE, _AZURE,
        key_needed=True, lacks="models that refuse max_tokens (the o series); " + _PIECES,
    ),
    "azure-v1": Protocol(
        "Azure OpenAI and Foundry, address without versions",
        "https://RESOURCE.openai.azure.com/openai/v1", "/chat/completions", _chat, events, _of_openai,
        "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle", _USAGE, _AZURE, key_needed=True,
        lacks="models that refuse max_tokens (the o series); " + _PIECES,
    ),
    "tgi": Protocol(
        "Text Generation Inference", "http://localhost:8080", "/generate_stream", _tgi, events, _of_tgi,
        "https://huggingface.github.io/text-generation-inference", "details of the last event",
        lacks="tokens of the prompt, where the version does not report them",
    ),
    "triton": Protocol(
        "Triton with the back end of vLLM or TensorRT-LLM",
        "http://localhost:8000", "/v2/models/{model}/generate_stream", _triton, events, _of_triton,
        "https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_generate.md",
        "num_output_tokens of each event, where the back end reports it; else the pieces",
        lacks="tokens of the prompt, where the back end does not report them; " + _PIECES,
    ),
    "kserve": Protocol(
        "KServe's open inference protocol, version 2: Triton's ensembles and others that answer whole",
        "http://localhost:8000", "/v2/models/{model}/infer", _kserve, document, _of_kserve,
        "https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol", "none", streams=False,
        lacks="first token, time per token and number of tokens: infer answers whole and counts nothing",
    ),
}  # fmt: skip
