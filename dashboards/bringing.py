"""How a visitor's files arrive over HTTP: `POST own/file` with the bytes, `POST own/remove`; answers are JSON.

Not by the websocket of a page: it carries no large files, and a message beyond its limit ends the page.
"""

from typing import Any
from urllib.parse import unquote

from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import stream_request_body

from dashboards.own_files import COOKIE, STATED_FIELDS, NotTaken, OwnFiles
from dashboards.places import address_of
from dashboards.room import Room

# No form of another site can send it, and no script of one may.
_OURS = "X-Skyline"
_ROOM_BYTES = 1 << 12
_LONGEST_NAME = 200


class _Ours(AuthRequestHandler):
    """Requests of our own pages, by whoever may see them."""

    def initialize(self, files: OwnFiles, room: Room) -> None:
        """Remember who holds files, and the room for those that are on their way."""
        self.files, self.room = files, room

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
        self._pieces, self._gave_way = bytearray(), False
        self._share = self.room.share(address_of(self.request, self.files.settings.trusted_proxies), self._give_way)
        await super().prepare()
        if self._finished:
            return
        limit = self.files.settings.own_file_mib << 20
        connection: Any = self.request.connection
        connection.set_max_body_size(limit + _ROOM_BYTES)
        connection.set_body_timeout(self.files.settings.own_file_seconds)
        if int(self.request.headers.get("Content-Length") or 0) > limit:
            self._refuse(413, f"The most is {self.files.settings.own_file_mib} MiB.")

    def data_received(self, chunk: bytes) -> None:
        """Collect what comes; what there is no room for is heard to its end, so that the answer is heard too."""
        if not self._gave_way and self._share.take(len(chunk)):
            self._pieces += chunk

    def _give_way(self) -> None:
        self._pieces, self._gave_way = bytearray(), True

    def on_finish(self) -> None:
        """Give back the room; what still comes is not kept."""
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """Give back what came of a file whose sender left."""
        self._give_way()
        self._share.free()

    async def post(self) -> None:
        """Say what was read, or why nothing can be shown."""
        if self._gave_way:
            self.set_header("Retry-After", "60")
            self._refuse(503, "Too much is being sent to this server right now; try again in a minute.")
            return
        payload, self._pieces = bytes(self._pieces), bytearray()
        self._share.free()  # of those who are read there are a few
        name = unquote(self.get_query_argument("name", ""))[-_LONGEST_NAME:]
        stated = {key: self.get_query_argument(key, "")[:_LONGEST_NAME] for key in STATED_FIELDS}
        is_for_inbox = self.get_query_argument("keep", "") == "yes"
        try:
            token, own_file = await self.files.take(self.token, name, payload, stated, is_for_inbox=is_for_inbox)
        except NotTaken as error:
            self._refuse(422, str(error))
            return
        # Until the browser is closed; the server holds nothing longer than a page of his is open.
        self.set_cookie(
            COOKIE, token, httponly=True, samesite="Strict", path="/", secure=self.request.protocol == "https"
        )
        self.write({"name": own_file.name, "places": own_file.places()})


class Remove(_Ours):
    """A file that is to be shown no more."""

    async def post(self) -> None:
        """Remove it."""
        self.files.remove(self.token, self.get_query_argument("id", ""))
        self.write({})


def patterns(files: OwnFiles, room: Room) -> list[tuple[Any, ...]]:
    """What the server is to answer beside the pages."""
    given = {"files": files, "room": room}
    return [("/own/file", Take, given), ("/own/remove", Remove, given)]
