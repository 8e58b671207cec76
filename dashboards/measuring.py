"""Measurements that a visitor asks for: what the operator lets be measured, one at a time, in a process of its own."""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from profiling import systems
from profiling.measure.bundle import SUFFIX
from profiling.measure.endpoint import without_password
from profiling.measure.protocols import PROTOCOLS
from warehouse.settings import Settings

_PIECE = 4096


class CannotMeasure(Exception):
    """Nothing was measured; the message says why, in words for the visitor."""


class Server(NamedTuple):
    """A server that the operator named: its address, with what it may hold of a password, and how it is spoken to."""

    address: str
    protocol: str


class Measuring:
    """What may be measured from a page, and the measuring.

    A visitor chooses among what the operator named and never names a path or an address: the server would reach where
    the visitor cannot.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    @property
    def folder(self) -> Path | None:
        """Where the operator keeps checkpoints, if he named a folder."""
        return self._settings.measure_checkpoints

    @property
    def checkpoints(self) -> dict[str, Path]:
        """Checkpoints below the operator's folder, by their path in it (`name` or `organisation/name`)."""
        folder = self.folder
        if folder is None:
            return {}
        configs = sorted([*folder.glob("*/config.json"), *folder.glob("*/*/config.json")])
        return {str(config.parent.relative_to(folder)): config.parent.resolve() for config in configs}

    @property
    def scored(self) -> dict[str, Path]:
        """What quality may be asked of: the checkpoints, and GGUF files below the operator's folder."""
        folder = self.folder
        if folder is None:
            return {}
        files = sorted([*folder.glob("*.gguf"), *folder.glob("*/*.gguf")])
        return self.checkpoints | {str(file.relative_to(folder)): file.resolve() for file in files}

    @property
    def endpoints(self) -> dict[str, Server]:
        """Servers that the operator named, by their address without password and what they speak, if not OpenAI's."""
        servers = {}
        for endpoint in self._settings.measure_endpoints:
            name, _, address = endpoint.partition("=")
            server = Server(address, name) if name in PROTOCOLS else Server(endpoint, "openai")
            shown = without_password(server.address)
            servers[shown if server.protocol == "openai" else f"{shown} ({server.protocol})"] = server
        return servers

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
        name, answer = await self._measure(command, "prompt", prompt, lambda _: None)
        return json.loads(answer), name

    async def quality(
        self, checkpoints: Sequence[str], precisions: Sequence[str], questions: Sequence[Mapping[str, str]]
    ) -> tuple[list[dict[str, Any]], str]:
        """Hold checkpoints and formats against the first on the bundled text, and on questions where there are some.

        Returns:
            What `profile quality` prints, and the name of the bundle in the inbox.

        Raises:
            CannotMeasure: A checkpoint is not offered, another measurement runs, or this one failed.
        """
        offered = self.scored
        if unknown := [name for name in checkpoints if name not in offered]:
            raise CannotMeasure(f"{unknown[0]} is no checkpoint of this server.")
        command = ["quality", *(str(offered[name]) for name in checkpoints), "--precisions", ",".join(precisions)]
        lines = "\n".join(json.dumps(dict(each)) for each in questions)
        options = ["--questions", "-"] if questions else []
        name, answer = await self._measure([*command, *options], "quality", lines, lambda _: None)
        return json.loads(answer), name

    async def prompt(self, server: str, model: str, prompt: str, new_tokens: int) -> tuple[dict[str, Any], str]:
        """Let a server answer a prompt.

        Args:
            server: As offered.
            model: Name that the server knows.
            prompt: What is sent.
            new_tokens: Most tokens of the answer.

        Returns:
            What `profile endpoint --prompt` prints, and the name of the bundle in the inbox.

        Raises:
            CannotMeasure: The server is not offered, another measurement runs, or this one failed.
        """
        target = self._server(server)
        command = [*self._asking(target, model), "--prompt=-", f"--new-tokens={new_tokens}"]
        name, answer = await self._measure(command, "prompt", f"{target.address}\n{prompt}", lambda _: None)
        return json.loads(answer), name

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
        server = self._server(address)
        command = [*self._asking(server, model), "--json", *(f"--{name}={value}" for name, value in load.items())]
        name, answer = await self._measure(command, "served", server.address, report)
        return json.loads(answer), name

    def _server(self, shown: str) -> Server:
        server = self.endpoints.get(shown)
        if server is None:
            raise CannotMeasure(f"{shown} is no server that may be measured from here.")
        return server

    @staticmethod
    def _asking(server: Server, model: str) -> list[str]:
        return ["endpoint", "-", f"--model={model}", f"--protocol={server.protocol}"]

    async def _measure(
        self, command: Sequence[str], kind: str, stdin: str, report: Callable[[str], None]
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
                answer = await self._run([*command, "--out", str(made)], stdin, report)
                made.rename(inbox / name)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            return name, answer

    async def _run(self, command: Sequence[str], stdin: str, report: Callable[[str], None]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "profiling.measure", *command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        lines: list[str] = []
        try:
            async with asyncio.timeout(self._settings.measure_seconds):
                answer, _ = await asyncio.gather(_exchange(process, stdin), _follow(process.stderr, lines, report))
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
        return answer


async def _exchange(process: Any, stdin: str) -> bytes:
    """What a process answers to what it is told; one that ends without listening has its reason in its errors."""
    with contextlib.suppress(ConnectionError):
        process.stdin.write(stdin.encode())
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
