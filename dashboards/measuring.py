"""Measurements that a visitor asks for: what the operator lets be measured, one at a time, in a process of its own."""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from profiling import systems
from profiling.measure.bundle import SUFFIX
from profiling.measure.endpoint import without_password
from warehouse.settings import Settings

_PIECE = 4096


class CannotMeasure(Exception):
    """Nothing was measured; the message says why, in words for the visitor."""


class Measuring:
    """What may be measured from a page, and the measuring.

    A visitor chooses among what the operator named and never names a path or an address: the server would reach where
    the visitor cannot.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    @property
    def checkpoints(self) -> dict[str, Path]:
        """Checkpoints below the operator's folder, by their path in it (`name` or `organisation/name`)."""
        folder = self._settings.measure_checkpoints
        if folder is None:
            return {}
        found = sorted([*folder.glob("*/config.json"), *folder.glob("*/*/config.json")])
        return {str(config.parent.relative_to(folder)): config.parent.resolve() for config in found}

    @property
    def endpoints(self) -> dict[str, str]:
        """Servers that the operator named, by their address without what it may hold of a password."""
        return {without_password(address): address for address in self._settings.measure_endpoints}

    async def generate(
        self, checkpoint: str, prompt: str, new_tokens: int, precision: str
    ) -> tuple[dict[str, Any], str]:
        """Let a checkpoint answer a prompt.

        Returns:
            What `profile generate` prints, and the name of the bundle in the inbox.

        Raises:
            CannotMeasure: The checkpoint is not offered, another measurement runs, or this one failed.
        """
        folder = self.checkpoints.get(checkpoint)
        if folder is None:
            raise CannotMeasure(f"{checkpoint} is no checkpoint of this server.")
        # By standard input, as an address with its password: a command line can be read by everybody on the machine.
        command = ["generate", str(folder), "--prompt", "-", "--new-tokens", str(new_tokens), "--precision", precision]
        name, told = await self._measure(command, "prompt", prompt, lambda _: None)
        return json.loads(told), name

    async def endpoint(
        self, address: str, model: str, load: dict[str, str], report: Callable[[str], None]
    ) -> tuple[list[dict[str, Any]], str]:
        """Measure a server at the loads.

        Args:
            address: As offered.
            model: Name that the server knows.
            load: Options of `profile endpoint` by name.
            report: Told of every load that is done.

        Returns:
            What `profile endpoint --json` prints, and the name of the bundle in the inbox.

        Raises:
            CannotMeasure: The server is not offered, another measurement runs, or this one failed.
        """
        url = self.endpoints.get(address)
        if url is None:
            raise CannotMeasure(f"{address} is no server that may be measured from here.")
        options = [f"--{name}={value}" for name, value in load.items()]
        command = ["endpoint", "-", f"--model={model}", "--json", *options]
        name, told = await self._measure(command, "served", url, report)
        return json.loads(told), name

    async def _measure(
        self, command: Sequence[str], kind: str, said: str, report: Callable[[str], None]
    ) -> tuple[str, bytes]:
        if self._turn.locked():
            raise CannotMeasure("Another measurement is running; each would disturb the other. Try again when it ends.")
        async with self._turn:
            name = f"{kind}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}{SUFFIX}"
            inbox = self._settings.inbox.resolve()
            # Beside the inbox until it is whole, so that nothing half made ever lies in it.
            made = inbox.parent / "measuring" / name
            try:
                made.parent.mkdir(parents=True, exist_ok=True)
                inbox.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CannotMeasure(f"This server may not write where measurements go: {error.strerror}.") from error
            try:
                told = await self._run([*command, "--out", str(made)], said, report)
                made.rename(inbox / name)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            return name, told

    async def _run(self, command: Sequence[str], said: str, report: Callable[[str], None]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "profiling.measure", *command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        lines: list[str] = []
        try:
            async with asyncio.timeout(self._settings.measure_seconds):
                told, _ = await asyncio.gather(_exchange(process, said), _follow(process.stderr, lines, report))
                code = await process.wait()
        except TimeoutError:
            raise CannotMeasure(f"It was ended after {self._settings.measure_seconds:g} s. Ask for less.") from None
        finally:
            # Whoever gives up, and however: nothing of it goes on.
            with contextlib.suppress(ProcessLookupError):
                systems.end_group(process.pid)
            await process.wait()
        if code:
            why = next((line.removeprefix("Error: ") for line in reversed(lines) if line), f"exit code {code}")
            raise CannotMeasure(f"It failed: {why}")
        return told


async def _exchange(process: Any, said: str) -> bytes:
    """What a process answers to what it is told; one that ends without listening has its reason in its errors."""
    with contextlib.suppress(ConnectionError):
        process.stdin.write(said.encode())
        await process.stdin.drain()
    process.stdin.close()
    answered: bytes = await process.stdout.read()
    return answered


async def _follow(stream: Any, lines: list[str], report: Callable[[str], None]) -> None:
    """Keep what a process says, line by line, and pass it on."""
    rest = ""
    while piece := await stream.read(_PIECE):
        *whole, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
        for line in whole:
            lines.append(line.strip())
            report(line.strip())
    lines.append(rest.strip())
