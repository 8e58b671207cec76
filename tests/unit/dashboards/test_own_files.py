"""Files of visitors: held for each alone, at most so many, given back with his last page, kept only where allowed."""

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dashboards import own_files
from dashboards.data import Data
from dashboards.own_files import ADDRESS, MOST_FILES, NotTaken, OwnFile, OwnFiles
from profiling.models.architecture import Architecture
from profiling.models.sources import catalogue
from warehouse.settings import Settings

BOARD = Path(__file__).resolve().parents[3] / "warehouse" / "reference" / "leaderboards" / "open_llm_v1_2024-06-15.csv"
CONFIG = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 1024, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128, "intermediate_size": 2048,
    "vocab_size": 32000, "max_position_embeddings": 4096, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnFiles:
    """Of a home without a release; tables are read by nobody, since each test says what was read."""
    settings = Settings.model_validate({"home": str(tmp_path), "own_file_mib": 1})

    async def read(_files: OwnFiles, name: str, payload: bytes, *_rest: Any) -> OwnFile:
        rows = {"core.models": pl.DataFrame({"model_id": [payload.decode()]})}
        return OwnFile(name, "votes", name, "votes", 1, 1, rows=rows)

    monkeypatch.setattr(OwnFiles, "_in_a_process", read)
    return OwnFiles(settings, Data(settings))


def take(
    files: OwnFiles, token: str = "", name: str = "votes.csv", payload: str = "x", **more: Any
) -> tuple[str, OwnFile]:
    """Bring a file."""
    return asyncio.run(files.take(token, name, payload.encode(), {}, **more))


def test_what_was_brought_is_seen_by_its_visitor_and_given_back_with_his_last_page(files: OwnFiles) -> None:
    token, own_file = take(files)
    assert own_file.places() == [("Arena ratings", "arena?source=votes:votes.csv"), ("SQL", "sql")]
    assert files.data_of(token).own_files == (own_file,)
    assert files.data_of("").own_files == files.data_of("another").own_files == ()
    assert files.enter(token)
    assert files.enter(token)
    files.leave(token)
    assert len(files) == 1
    files.leave(token)
    assert len(files) == 0
    assert files.data_of(token).own_files == ()


def test_files_never_looked_at_are_given_back_too(files: OwnFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    token, _ = take(files)
    later = own_files.time.monotonic() + 61
    monkeypatch.setattr(own_files.time, "monotonic", lambda: later)
    assert not files.enter(token)
    assert len(files) == 0


def test_a_config_is_a_model_of_its_visitor_and_a_broken_one_is_refused(files: OwnFiles) -> None:
    token, own_file = take(files, name="config.json", payload=json.dumps(CONFIG))
    assert isinstance(own_file.model, Architecture)
    assert own_file.places()[0] == ("Model", "model?id=your%20model")
    assert files.data_of(token).own_files == (own_file,)
    with pytest.raises(NotTaken, match="hidden_size"):
        take(files, name="config.json", payload=json.dumps(CONFIG | {"hidden_size": "wide"}))


def test_a_server_whose_disk_is_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_named: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/skyline-own-x")  # noqa: S108 - not made

    monkeypatch.setattr(own_files.tempfile, "TemporaryDirectory", full)
    settings = Settings.model_validate({"home": str(tmp_path)})
    with pytest.raises(NotTaken, match=r"^The disk of this server is full, .*; tell whoever runs it\.$"):
        take(OwnFiles(settings, Data(settings)))


def test_an_address_on_the_hub_is_asked_only_where_the_operator_allows_it(
    files: OwnFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotTaken, match="SKYLINE_OWN_MODELS_ONLINE"):
        take(files, name=ADDRESS, payload="https://huggingface.co/someone/Nobody-Knows-8B")
    _, own_file = take(files, name=ADDRESS, payload="https://huggingface.co/Qwen/Qwen3-8B")
    assert (own_file.key, own_file.model) == ("Qwen/Qwen3-8B", None), "it has a page here, and nobody is asked"
    known = catalogue()["Qwen/Qwen3-8B"].architecture()
    monkeypatch.setattr(own_files, "from_hub", lambda model_id, timeout_s: known)  # noqa: ARG005 - as it is called
    files.settings.own_models_online = True
    _, own_file = take(files, name=ADDRESS, payload="https://huggingface.co/someone/Nobody-Knows-8B")
    assert (own_file.key, own_file.model) == ("someone/Nobody-Knows-8B", known)


def test_rows_that_take_more_memory_than_is_left_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    files = OwnFiles(settings, Data(settings))
    board = BOARD.read_text("utf-8").splitlines(keepends=True)
    payload = "".join(board[:50])
    token, own_file = take(files, name=BOARD.name, payload=payload)
    assert own_file.held_bytes > 0.9 * sum(frame.estimated_size() for frame in own_file.rows.values()) > len(payload)
    for limit, reason in (
        ("_MOST_BYTES_OF_VISITOR", "take 0 MiB of memory; the most"), ("_MOST_BYTES", "already holds"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(own_files, limit, own_file.held_bytes * 3 // 2)
            with pytest.raises(NotTaken, match=reason):
                take(files, token, name="other.csv", payload=payload)
    monkeypatch.setattr(own_files, "_MOST_BYTES", own_file.held_bytes * 3 // 2)
    files.leave(token)
    assert take(files, name=BOARD.name, payload=payload)[1].rows_loaded == own_file.rows_loaded


def test_limits_hold(files: OwnFiles) -> None:
    with pytest.raises(NotTaken, match="the most is 1 MiB"):
        take(files, payload="x" * (1 << 20) + "y")
    with pytest.raises(NotTaken, match="nothing in it"):
        take(files, payload=" \n")
    token, _ = take(files)
    for number in range(1, MOST_FILES):
        take(files, token, f"{number}.csv")
    with pytest.raises(NotTaken, match="remove one first"):
        take(files, token, "more.csv")
    files.remove(token, files.data_of(token).own_files[0].id)
    take(files, token, "more.csv")


def test_a_file_is_kept_only_where_operator_and_visitor_want_it(files: OwnFiles, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    take(files, is_for_inbox=True)
    assert not inbox.exists()
    files.settings.own_files_kept = True
    take(files)
    assert not inbox.exists()
    _, own_file = take(files, name="../../etc/my votes.csv", is_for_inbox=True)
    assert own_file.is_in_inbox
    (file,) = inbox.iterdir()
    assert file.name.endswith("-my_votes.csv")
    assert file.read_text("utf-8") == "x"
