"""Serving the interface: alone, or in one process with the dashboards."""

import threading

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from api.app import create
from warehouse import logs
from warehouse.settings import Settings


def serve(settings: Settings, *, pages: bool = False) -> None:
    """Serve until interrupted.

    Args:
        settings: Which home to read, and where to listen.
        pages: Whether the dashboards are served too, on their own port.
    """
    logs.start(settings)
    root = f"http://{settings.address}:{settings.api_port}"
    # What a proxy says about its clients is believed only from this machine, which is uvicorn's default.
    server = uvicorn.Server(
        uvicorn.Config(
            create(settings), host=settings.address, port=settings.api_port, log_level="warning", server_header=False,
            log_config=None if settings.log_format == "json" else LOGGING_CONFIG,
            timeout_keep_alive=30, limit_concurrency=64, h11_max_incomplete_event_size=32_768,
        )
    )  # fmt: skip
    print(f"Interface    {root}/api/v1/openapi.json", flush=True)
    if not pages:
        server.run()
        return
    from dashboards.app import serve as serve_pages  # noqa: PLC0415 - panel takes seconds to load

    beside = threading.Thread(target=server.run, name="api", daemon=True)
    beside.start()
    try:
        serve_pages(settings)
    finally:
        server.should_exit = True
        beside.join(timeout=10)
