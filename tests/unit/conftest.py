"""The command as its entry point runs it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: object
    out: str
    err: str


Skyline = Callable[..., Done]


@pytest.fixture
def skyline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Skyline:
    """The command in an empty folder, on a home of its own or the one that is given."""
    # Not at the top: most tests of these folders run no command.
    from pipelines.commands.app import main  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYLINE_HOME", str(tmp_path / "home"))

    def run(*arguments: str | Path, home: Path | None = None) -> Done:
        if home is not None:
            monkeypatch.setenv("SKYLINE_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["skyline", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return run
