"""Memory that all who send to the pages share: where it is full, whoever takes most of it gives way.

What one address may send is bounded elsewhere; many addresses together are bounded here.
"""

from collections import Counter
from collections.abc import Callable

from warehouse.settings import Settings

_LEAST_BYTES = 256 << 20
_MESSAGES_PER_PAGE = 3
_PART_BYTES = 256
"""What Python and the server keep of a part of a message beside its own bytes, however short it is."""
_ORDINARY_BYTES = 1 << 10
"""Turning, dragging and choosing send no longer text, again and again in place of what was sent before."""
_OBJECT_BYTES = ((",", 64), ("[", 64), ("{", 192))
"""What becomes of JSON, at most, by the character that begins a value: a number or a short text with its place in a
list, a list, and a dictionary with one entry (CPython 3.11 to 3.13 on 64 bits; a test measures them)."""


def held_bytes(part: str | bytes) -> int:
    """What a part of a message may hold in memory once it was read, in bytes: of JSON up to 25 times its length."""
    held = _PART_BYTES + len(part)
    if isinstance(part, str) and len(part) > _ORDINARY_BYTES:
        held += sum(size * part.count(character) for character, size in _OBJECT_BYTES)
    return held


def room_for(settings: Settings) -> "Room":
    """Room for every page that may be open: the message that is coming, and twice as much that was sent before."""
    per_page = _MESSAGES_PER_PAGE * settings.websocket_mib << 20
    return Room(max(settings.most_sessions * per_page, _LEAST_BYTES))


class Room:
    """Bytes that what was sent holds, from everybody together."""

    def __init__(self, most_bytes: int) -> None:
        """Hold none yet."""
        self.most_bytes = most_bytes
        self.bytes = 0
        self._shares: set[Share] = set()

    def share(self, address: str, give_way: Callable[[], None]) -> "Share":
        """A part of the room, empty as yet.

        Args:
            address: Whose it is, as limits count it.
            give_way: Called once when others need it: lets go of what it holds.
        """
        return Share(self, address, give_way)

    def take(self, share: "Share", size: int) -> bool:
        """Give a share so many bytes more; return whether it has them, since others or the share itself gave way."""
        self._shares.add(share)
        share.bytes += size
        self.bytes += size
        while self.bytes > self.most_bytes:
            held: Counter[str] = Counter()
            for holder in self._shares:
                held[holder.address] += holder.bytes
            ((most, _),) = held.most_common(1)
            largest = max((share for share in self._shares if share.address == most), key=lambda holder: holder.bytes)
            self.free(largest)
            largest.give_way()
            if largest is share:
                return False
        return True

    def free(self, share: "Share") -> None:
        """Take back what a share has."""
        self._shares.discard(share)
        self.bytes -= share.bytes
        share.bytes = 0


class Share:
    """What one connection holds of the room."""

    def __init__(self, room: Room, address: str, give_way: Callable[[], None]) -> None:
        """Hold nothing yet."""
        self.address, self.give_way, self.bytes = address, give_way, 0
        self._room = room

    def take(self, size: int) -> bool:
        """Hold so many bytes more; return whether there was room."""
        return self._room.take(self, size)

    def free(self) -> None:
        """Hold nothing more."""
        self._room.free(self)
