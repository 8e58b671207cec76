"""Fetching published files from the dataset hub: pinned by revision, resumed when cut off, whole or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import tenacity

from pipelines.sources.retrying import PatientClient, TryAgain, raise_if_later_helps
from warehouse.settings import Settings

Answer = TypeVar("Answer")

PARQUET_MAGIC = b"PAR1"


class HubUnavailable(ConnectionError):
    """The hub did not answer in time, or not with the whole file, however often it was asked."""


class NotOnHub(LookupError):
    """The hub has no such file or dataset at that revision."""


@dataclass(frozen=True)
class HubFile:
    """A file of a dataset at one commit.

    Attributes:
        dataset: Owner and name.
        path: Within the dataset.
        revision: Commit.
        sha256: Digest of its bytes, where the hub tells it beforehand.
    """

    dataset: str
    path: str
    revision: str
    sha256: str | None = None

    @property
    def uri(self) -> str:
        """Name that manifests carry."""
        return f"hf://datasets/{self.dataset}@{self.revision}/{self.path}"


# Both boards are frozen; these commits are their last.
PUBLISHED_TABLES = (
    HubFile(
        "open-llm-leaderboard-old/contents",
        "data/train-00000-of-00001-96886cb34a7bc800.parquet",
        "791ca1c841030008c6c266562c2b88c9b7196550",
    ),
    HubFile(
        "open-llm-leaderboard/contents",
        "data/train-00000-of-00001.parquet",
        "9c09a7cae43334062a82cb164f2ef255013dafa2",
    ),
)
# Published anew several times a week; each refresh asks for the commit of the day.
ARENA_DATASET = "lmarena-ai/leaderboard-dataset"
RESULT_TREES = ("open-llm-leaderboard-old/results", "open-llm-leaderboard/results")


class Hub(PatientClient):
    """A client of the dataset hub."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] | None = None) -> None:
        super().__init__(
            settings, sleep, tenacity.stop_after_attempt(settings.http_attempts), base_url=settings.hub_url
        )

    def download(self, file: HubFile) -> bytes:
        """All bytes of the file.

        Raises:
            NotOnHub: there is no such file.
            HubUnavailable: no whole copy came, though tried `http_attempts` times.
        """
        return self._whole(f"/datasets/{file.dataset}/resolve/{file.revision}/{file.path}", file.uri)

    def model_facts(self, model_id: str) -> dict[str, object]:
        """What the hub says of a model: its newest commit (`sha`), its card, and more.

        Raises:
            NotOnHub, HubUnavailable: as `download`.
        """
        answer, _ = self._json(f"/api/models/{model_id}")
        if not isinstance(answer, dict):
            raise NotOnHub(f"The hub's answer about {model_id} is no object.")
        return answer

    def model_file(self, model_id: str, revision: str, path: str) -> bytes:
        """All bytes of a file of a model at a commit.

        Raises:
            NotOnHub, HubUnavailable: as `download`.
        """
        return self._whole(f"/{model_id}/resolve/{revision}/{path}", f"hf://{model_id}@{revision}/{path}")

    def commit(self, dataset: str) -> str:
        """The newest commit of the dataset.

        Raises:
            NotOnHub, HubUnavailable: as `download`.
        """
        answer, _ = self._json(f"/api/datasets/{dataset}")
        return str(answer["sha"]) if isinstance(answer, dict) and "sha" in answer else "main"

    def files(self, dataset: str, revision: str, suffix: str, prefix: str = "") -> Iterator[HubFile]:
        """Files of that suffix below a folder of the dataset, page after page.

        Raises:
            NotOnHub, HubUnavailable: as `download`.
        """
        address: str | None = f"/api/datasets/{dataset}/tree/{revision}/{prefix}".rstrip("/") + "?recursive=true"
        while address:
            page, address = self._json(address)
            for item in page:
                if isinstance(item, dict) and item.get("type") == "file" and str(item.get("path", "")).endswith(suffix):
                    stored = item.get("lfs")
                    sha256 = str(stored["oid"]) if isinstance(stored, dict) and "oid" in stored else None
                    yield HubFile(dataset, str(item["path"]), revision, sha256)

    def _whole(self, address: str, description: str) -> bytes:
        received = bytearray()

        def attempt() -> bytes:
            self._receive(address, received)
            if address.endswith(".parquet") and not (
                len(received) > 12 and received[:4] == received[-4:] == PARQUET_MAGIC
            ):
                received.clear()
                raise TryAgain("the Parquet file is cut short")
            return bytes(received)

        return self._with_retries(attempt, description)

    def _receive(self, address: str, received: bytearray) -> None:
        # The bytes as they are stored: a compressed answer could neither be counted nor gone on with.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={len(received)}-"} if received else {})
        try:
            with self._client.stream("GET", address, headers=headers) as answer:
                _raise_for(answer, address)
                if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                    received.clear()
                expected = answer.headers.get("Content-Length")
                before = len(received)
                for block in answer.iter_raw():
                    received.extend(block)
                if expected is not None and len(received) - before != int(expected):
                    raise TryAgain(f"{len(received) - before} of {expected} bytes came")
        except httpx.TransportError as error:
            raise TryAgain(str(error) or type(error).__name__) from error

    def _json(self, address: str) -> tuple[Any, str | None]:
        """What the hub answers, and the address at which that goes on."""

        def attempt() -> tuple[Any, str | None]:
            try:
                answer = self._client.get(address)
                _raise_for(answer, address)
                return answer.json(), answer.links.get("next", {}).get("url")
            except httpx.TransportError as error:
                raise TryAgain(str(error) or type(error).__name__) from error
            except ValueError as error:
                raise TryAgain(f"the answer is not JSON ({error})") from error

        return self._with_retries(attempt, address)

    def _with_retries(self, attempt: Callable[[], Answer], description: str) -> Answer:
        try:
            return self._retrying(attempt)
        except tenacity.RetryError as error:
            last = error.last_attempt.exception()
            raise HubUnavailable(
                f"{description} could not be fetched in {error.last_attempt.attempt_number} tries: {last}."
                " Check the network, or use --source bundled or a folder."
            ) from last


def _raise_for(answer: httpx.Response, address: str) -> None:
    if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise NotOnHub(f"The hub answers {answer.status_code} to {address}: no such public file or dataset.")
    raise_if_later_helps(answer, "the hub")
    if answer.is_error:
        raise NotOnHub(f"The hub answers {answer.status_code} to {address}.")
