"""How a visitor's files arrive over HTTP: `POST own/file` with the bytes, `POST own/remove`; answers are JSON.

Not by the websocket of a page: it carries no large files, and a message beyond its limit ends the page.
"""

from typing import Any
from urllib.parse import unquote

from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import stream_request_body

from dashboards.own_files import COOKIE, STATED_FIELDS, NotTaken, OwnFiles

# No form of another site can send it, and no script of one may.
_OURS = "X-Skyline"
_ROOM_BYTES = 1 << 12
_LONGEST_NAME = 200


class _Ours(AuthRequestHandler):
    """Requests of our own pages, by whoever may see them."""

    def initialize(self, files: OwnFiles) -> None:
        """Remember who holds files."""
        self.files = files

    async def prepare(self) -> None:
        """Refuse who may not see the pages, and what another site sends."""
        await super().prepare()  # type: ignore[no-untyped-call]
        if not self.current_user or self.request.headers.get(_OURS) is None:
            self._refuse(403, "This may only be asked from a page of this server.")

    def _refuse(self, status: int, why: str) -> None:
        self.set_status(status)
        self.finish({"problem": why})

    @property
    def token(self) -> str:
        """The visitor's; empty where he has none."""
        return self.get_cookie(COOKIE) or ""


@stream_request_body
class Take(_Ours):
    """A file, or the address of a model: read, and shown to its visitor from now on."""

    async def prepare(self) -> None:
        """Let as many bytes come as one file may have."""
        await super().prepare()
        self._pieces = bytearray()
        if self._finished:
            return
        limit = self.files.settings.own_file_mib << 20
        connection: Any = self.request.connection
        connection.set_max_body_size(limit + _ROOM_BYTES)
        connection.set_body_timeout(self.files.settings.own_file_seconds)
        if int(self.request.headers.get("Content-Length") or 0) > limit:
            self._refuse(413, f"The most is {self.files.settings.own_file_mib} MiB.")

    def data_received(self, chunk: bytes) -> None:
        """Collect what comes."""
        self._pieces += chunk

    async def post(self) -> None:
        """Say what was read, or why nothing can be shown."""
        name = unquote(self.get_query_argument("name", ""))[-_LONGEST_NAME:]
        stated = {key: self.get_query_argument(key, "")[:_LONGEST_NAME] for key in STATED_FIELDS}
        is_for_inbox = self.get_query_argument("keep", "") == "yes"
        try:
            token, found = await self.files.take(
                self.token, name, bytes(self._pieces), stated, is_for_inbox=is_for_inbox
            )
        except NotTaken as error:
            self._refuse(422, str(error))
            return
        # Until the browser is closed; the server holds nothing longer than a page of his is open.
        self.set_cookie(
            COOKIE, token, httponly=True, samesite="Strict", path="/", secure=self.request.protocol == "https"
        )
        self.write({"name": found.name, "places": found.places()})


class Remove(_Ours):
    """A file that is to be shown no more."""

    async def post(self) -> None:
        """Remove it."""
        self.files.remove(self.token, self.get_query_argument("id", ""))
        self.write({})


def patterns(files: OwnFiles) -> list[tuple[Any, ...]]:
    """What the server is to answer beside the pages."""
    return [("/own/file", Take, {"files": files}), ("/own/remove", Remove, {"files": files})]
