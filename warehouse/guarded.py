"""Whether a server may start: an empty secret protects nothing, and strangers come in only where that is said."""

from pydantic import SecretStr

from warehouse.addresses import is_loopback
from warehouse.settings import Settings


class Unguarded(ValueError):
    """A server would let in whom nobody meant to let in."""


def require_no_empty_secret(settings: Settings) -> None:
    """Refuse secrets that are set to nothing, as a line of a file of variables that nobody filled in sets them.

    Raises:
        Unguarded: one is empty.
    """
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and not any(map(_is_visible, value.get_secret_value())):
            variable = f"SKYLINE_{name.upper()}"
            raise Unguarded(f"{variable} is empty, which protects nothing; give it a value, or do not set it.")


def _is_visible(character: str) -> bool:
    """Whether somebody who looks at it sees a character: neither a space nor of no width."""
    return character.isprintable() and not character.isspace()


def is_open_to_all(settings: Settings) -> bool:
    """Whether others than this machine reach the address, and nobody said that this is meant."""
    return not is_loopback(settings.address) and not settings.open_to_all
