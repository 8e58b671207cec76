"""Serving the interface: alone, or in one process with the dashboards."""

import threading
from contextlib import suppress

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from api.app import create
from api.connections import PATIENCE_S, Places, connections
from warehouse import logs
from warehouse.guarded import Unguarded, is_open_to_all, require_no_empty_secret
from warehouse.listening import bound, listening_at
from warehouse.settings import Settings

_OTHER_PORT = "`skyline api --port` or SKYLINE_API_PORT"


def require_guarded(settings: Settings) -> None:
    """Refuse to let in everybody who reaches this machine, unless that is asked for in so many words.

    Raises:
        Unguarded: the interface would be open without a token beyond this machine, or a secret is empty.
    """
    require_no_empty_secret(settings)
    if settings.api_token is None and is_open_to_all(settings):
        raise Unguarded(
            f"Anyone who reaches {settings.address}:{settings.api_port} could use this. Set SKYLINE_API_TOKEN, or"
            " SKYLINE_OPEN_TO_ALL=true if that is meant."
        )


def serve(settings: Settings, *, pages: bool = False) -> None:
    """Serve until interrupted.

    Raises:
        Unguarded: as `require_guarded`, for the interface or the pages.
        CannotListen: the port of either is taken, or the address is not of this machine.

    Args:
        settings: Which home to read, and where to listen.
        pages: Whether the dashboards are served too, on their own port.
    """
    require_guarded(settings)
    logs.start(settings)
    root = f"http://{settings.address}:{settings.api_port}"
    places = Places(settings.trusted_proxies)
    server = uvicorn.Server(
        uvicorn.Config(
            create(settings), host=settings.address, port=settings.api_port, log_level="warning", server_header=False,
            log_config=None if settings.log_format == "json" else LOGGING_CONFIG,
            # Whom a proxy names, the guard knows; uvicorn would believe any on this machine.
            http=connections(places), ws="none", proxy_headers=False, timeout_keep_alive=int(PATIENCE_S),
        )
    )  # fmt: skip
    if pages:
        from dashboards.serving import require_guarded as require_guarded_pages  # noqa: PLC0415

        require_guarded_pages(settings)
    with listening_at(settings.address, settings.api_port, what="the interface", settings=_OTHER_PORT):
        listener = bound(settings.address, settings.api_port)
    print(f"Interface    {root}/api/v1/openapi.json", flush=True)
    if not pages:
        with suppress(KeyboardInterrupt):  # how people end it
            server.run([listener])
        return
    from dashboards.app import serve as serve_pages  # noqa: PLC0415 - panel takes seconds to load

    api_thread = threading.Thread(target=server.run, args=([listener],), name="api", daemon=True)
    api_thread.start()
    try:
        serve_pages(settings)
    finally:
        server.should_exit = True
        api_thread.join(timeout=10)
