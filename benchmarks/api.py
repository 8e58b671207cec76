"""How many answers a second the HTTP interface gives at 16 connections, and how evenly; measured in one run.

Asked are `/models` and `/fit`: always the same question, which is answered from memory after the first time, and a
question that was never asked before, which is answered from the warehouse or computed. Clients run in a process of
their own and speak HTTP by hand, so that they cost little. The processor time of the server for one answer says more
than the answers a second where others use the machine too.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONNECTIONS, SECONDS = 16, float(os.environ.get("SKYLINE_BENCH_S", "5"))
QUESTIONS = {
    "models, asked before": "/api/v1/models?search=llama&limit=20",
    "models, new": "/api/v1/models?search={n}&limit=20",
    "fit, asked before": "/api/v1/fit?model=Meta-Llama-3.1-8B&accelerator=L40S",
    "fit, new": "/api/v1/fit?model=Meta-Llama-3.1-8B&accelerator=L40S&seq={n}",
}


async def client(port: int, path: str, numbers: list[int], until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        numbers[0] += 1
        began = time.perf_counter()
        writer.write(f"GET {path.format(n=numbers[0])} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        times.append(time.perf_counter() - began)
    writer.close()


async def measured(port: int, path: str) -> list[float]:
    times: list[float] = []
    numbers = [1]
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(client(port, path, numbers, until, times) for _ in range(CONNECTIONS)))
    return times


def processor_s(process: int) -> float:
    """Processor seconds of a process, its threads together."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def main(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    variables = {
        "SKYLINE_HOME": str(home), "SKYLINE_API_PORT": str(port), "SKYLINE_API_REQUESTS_PER_MINUTE": "100000000",
    }  # fmt: skip
    server = subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | variables)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        print(f"{'':<22} {'a second':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99/p50':>8} {'processor ms':>13}")
        for name, path in QUESTIONS.items():
            asyncio.run(measured(port, path)) if name.endswith("before") else None
            before = processor_s(server.pid)
            times = sorted(asyncio.run(measured(port, path)))
            each_ms = (processor_s(server.pid) - before) / len(times) * 1e3
            p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
            print(f"{name:<22} {len(times) / SECONDS:>9.0f} {p50 * 1e3:>8.1f} {p99 * 1e3:>8.1f} {p99 / p50:>8.1f}"
                  f" {each_ms:>13.2f}")  # fmt: skip
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if given := os.environ.get("SKYLINE_HOME"):
        main(Path(given))
    else:
        from pipelines.runs.refresh import refresh
        from warehouse.settings import Settings

        with tempfile.TemporaryDirectory() as folder:
            refresh(["bundled"], Settings(home=Path(folder)))
            main(Path(folder))
