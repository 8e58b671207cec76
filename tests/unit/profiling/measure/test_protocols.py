"""Servers and clouds are asked in the form each of them takes, and what their answers tell is read from them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from profiling.measure import bundle
from profiling.measure.endpoint import BadEndpoint, Load, ask_endpoint, measure_endpoint
from profiling.measure.protocols import PROTOCOLS
from profiling.measure.signing import Credentials, signed
from profiling.measure.streams import TornFrame, aws_events
from tests.answering import answering
from tests.speaking import GAP_S, PROMPT_TOKENS, message, speaking

VERTEX = "/v1/projects/p/locations/eu/endpoints"
# Path after the address, name of the model, and what is in the environment.
ASKED: dict[str, tuple[str, str, dict[str, str]]] = {
    "openai-chat": ("/v1", "m", {}),
    "vertex-openai": (f"{VERTEX}/openapi", "meta/llama", {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.token"}),
    "vertex": (f"{VERTEX}/12", "m", {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.token"}),
    "sagemaker": ("", "my-endpoint", {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}),
    "sagemaker-chat": ("", "my-endpoint", {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}),
    "bedrock": ("", "meta.llama3-1-8b-instruct-v1:0", {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}),
    "azure": ("", "my-deployment", {"AZURE_OPENAI_API_KEY": "azure-key"}),
    "azure-v1": ("/openai/v1", "my-deployment", {"AZURE_OPENAI_API_KEY": "azure-key"}),
    "tgi": ("", "m", {}),
    "triton": ("", "ensemble", {}),
    "kserve": ("", "ensemble", {}),
}
SECRETS = {name for protocol in PROTOCOLS.values() for name in (key.variable for key in protocol.keys)}


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with speaking() as made:
        yield made


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"SECRET_ACCESS_KEY": "secret", "SESSION_TOKEN": "session-token", "REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return monkeypatch


def load(server: Any, protocol: str, **more: Any) -> Load:
    path, model, _ = ASKED[protocol]
    address = f"http://127.0.0.1:{server.server_address[1]}{path}"
    return Load(**{
        "url": address, "model": model, "protocol": protocol, "new_tokens": 6, "requests": 2, "timeout_s": 20, **more,
    })  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_every_protocol_is_measured_as_far_as_its_answers_tell(
    server: Any, environment: pytest.MonkeyPatch, tmp_path: Any, name: str
) -> None:
    for variable, value in ASKED[name][2].items():
        environment.setenv(variable, value)
    (row,) = measure_endpoint(load(server, name), tmp_path / "served.bundle")
    protocol = PROTOCOLS[name]
    assert (row["errors"], row["requests"]) == (0, 2)
    assert row["request_p50_s"] >= 2 * GAP_S
    if protocol.streams:
        assert (row["tokens"], row["tokens_source"]) == (12, "server")
        assert 2 * GAP_S <= row["ttft_p50_s"] < row["request_p50_s"]
        # No least gap: on busy cores tokens that were sent apart are read together.
        assert 0 < row["inter_token_p50_s"] < row["request_p50_s"]
    else:
        assert (row["ttft_p50_s"], row["inter_token_p50_s"], row["inter_token_source"]) == (None, None, None)
    if name == "kserve":
        assert (row["tokens"], row["tokens_per_s"], row["prompt_tokens_source"]) == (None, None, "as asked")
    else:
        assert (row["context"], row["prompt_tokens_source"], row["tokens"]) == (PROMPT_TOKENS, "server", 12)
    stored = bundle.contents_of(tmp_path / "served.bundle")
    secrets = [value.encode() for value in (*ASKED[name][2].values(), "session-token")]
    assert not any(secret in content for content in stored.values() for secret in secrets)
    assert bundle.verify(tmp_path / "served.bundle").environment["protocol"] == name


# What the server of the tests answers to six tokens, in the words of each protocol.
ANSWERS = {
    **dict.fromkeys(("openai-chat", "vertex-openai", "azure", "azure-v1"), " two words" * 3),
    **dict.fromkeys(("sagemaker-chat", "bedrock", "triton"), " word" * 6),
    **dict.fromkeys(("sagemaker", "tgi"), " 0 1 2 3 4 5"),
    **dict.fromkeys(("vertex", "kserve"), "words"),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_prompt_of_ones_own_is_answered_and_stays_out_of_the_bundle(
    server: Any, environment: pytest.MonkeyPatch, tmp_path: Any, name: str
) -> None:
    for variable, value in ASKED[name][2].items():
        environment.setenv(variable, value)
    row = ask_endpoint(load(server, name), "mine alone", tmp_path / "asked.bundle")
    assert row["text"] == ANSWERS[name]
    assert (row["requests"], row["errors"]) == (1, 0)
    counted = (2, "words") if name == "kserve" else (PROMPT_TOKENS, "server")
    assert (row["context"], row["prompt_tokens_source"]) == counted
    (point,) = bundle.verify(tmp_path / "asked.bundle").final_points()
    assert point["point_id"] == row["point_id"]
    assert "text" not in point
    assert b"mine alone" not in b"".join(bundle.contents_of(tmp_path / "asked.bundle").values())


def test_every_declared_protocol_is_spoken_here() -> None:
    assert set(PROTOCOLS) == {"openai", *ASKED}


def test_pieces_of_several_tokens_give_the_mean_of_an_answer(server: Any, environment: pytest.MonkeyPatch) -> None:
    (row,) = measure_endpoint(load(server, "openai-chat", requests=1))
    # Three pieces of two tokens: five steps lie between the first and the last token.
    assert row["inter_token_source"] == "mean of each answer"  # noqa: S105 - no secret
    assert row["inter_token_p50_s"] == pytest.approx((row["request_p50_s"] - row["ttft_p50_s"]) / 5)
    (row,) = measure_endpoint(load(server, "tgi", requests=1))
    assert (row["inter_token_source"], len(row["inter_token_values_s"])) == ("each piece", 5)


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if protocol.key_needed])
def test_who_has_no_secret_is_told_which_variable_holds_it(
    server: Any, environment: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(BadEndpoint, match=PROTOCOLS[name].keys[0].variable):
        measure_endpoint(load(server, name))


def test_bedrock_takes_its_own_key_too_and_an_error_in_the_middle_counts(
    server: Any, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key")
    (row,) = measure_endpoint(load(server, "bedrock"))
    assert row["errors"] == 0
    with pytest.raises(BadEndpoint, match="throttlingException: Too many requests"):
        measure_endpoint(load(server, "bedrock", model="throttled-v1:0"))


def test_a_refusal_is_shown_in_the_words_of_the_server(server: Any, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AZURE_OPENAI_API_KEY", "another")
    with pytest.raises(BadEndpoint, match=r"HTTP 400, .*PermissionDenied"):
        measure_endpoint(load(server, "azure"))
    assert server.seen[-1][0].endswith("?api-version=2024-10-21")


def test_a_server_that_is_not_there_is_told_by_the_reason_of_the_system() -> None:
    with pytest.raises(BadEndpoint, match="does not answer: ConnectionRefusedError"):
        ask_endpoint(Load("http://127.0.0.1:9/v1", "model"), "Hello")


def test_a_secret_does_not_follow_to_another_address(environment: pytest.MonkeyPatch) -> None:
    import http.server  # noqa: PLC0415 - for this alone
    import threading  # noqa: PLC0415

    with answering() as other:

        class Elsewhere(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{other.server_address[1]}/v1/completions")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        sending = http.server.HTTPServer(("127.0.0.1", 0), Elsewhere)
        threading.Thread(target=sending.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{sending.server_address[1]}/v1"
        with pytest.raises(BadEndpoint, match="HTTP 302"):
            measure_endpoint(Load(url=address, model="good", key="secret", timeout_s=10))
        sending.shutdown()
        sending.server_close()
        assert other.seen == []


# Of the suite that AWS publishes for Signature Version 4, and of botocore 1.44.8 for the paths of the two services.
SUITE = ("https://example.amazonaws.com/", b"", {}, None, "us-east-1", "service")
JSON = {"Content-Type": "application/json", "Accept": "*/*"}
BEDROCK = (
    "https://bedrock-runtime.eu-west-1.amazonaws.com/model/meta.llama3-1-70b-instruct-v1%3A0/converse-stream",
    b'{"a":1}', JSON, None, "eu-west-1", "bedrock",
)  # fmt: skip
SAGEMAKER = (
    "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/my-endpoint/invocations-response-stream",
    b'{"inputs":"x"}', JSON, "TOKEN/abc=", "us-east-1", "sagemaker",
)  # fmt: skip
ORDERED = ("https://example.amazonaws.com/?Param2=value2&Param1=value1", *SUITE[1:])


@pytest.mark.parametrize(
    ("asked", "method", "signature"),
    [
        (SUITE, "GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (SUITE, "POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (ORDERED, "GET", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        (BEDROCK, "POST", "33b9be4edb9dcf86db54922ea7aa446b31e8f106dec1f926dba082c7afddb963"),
        (SAGEMAKER, "POST", "d695d9dbe5b353685d9e199f53cd3db96612feae9d02a2ba44353815870c66c9"),
    ],
)
def test_requests_are_signed_as_amazon_signs_them(asked: Any, method: str, signature: str) -> None:
    url, body, headers, token, region, service = asked
    who = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    sent = signed(
        url, body, headers, who, region=region, service=service, method=method, at="20150830T123600Z"
    )  # fmt: skip
    assert sent["Authorization"].endswith(f"Signature={signature}")


def test_messages_of_the_event_stream_are_read_whole_or_not_at_all() -> None:
    # Message of the makers' own suite: a JSON body and no header.
    published = bytes.fromhex("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936")
    assert message(b"{'foo':'bar'}") == published
    whole = message(b'{"role": "assistant"}', event_type="messageStart")
    assert list(aws_events(io.BytesIO(whole))) == [{"messageStart": {"role": "assistant"}}]
    for torn in (whole[:-1], whole[:5], whole[:20] + b"?" + whole[21:], b"?" + whole[1:], whole + b"x"):
        with pytest.raises(TornFrame):
            list(aws_events(io.BytesIO(torn)))
