"""What words on pages mean, read from `glossary.toml`; the browser explains them wherever they occur."""

import hashlib
import json
import re
import tomllib
from functools import cache
from pathlib import Path

from tornado.web import RequestHandler

_FILE = Path(__file__).with_name("glossary.toml")
_UNIT = re.compile(r"\s*\([^)]*\)")


@cache
def entries() -> dict[str, dict[str, str]]:
    """Names as written, of one thing separated by `|`, and what they mean: `terms` everywhere, `heads` of columns."""
    return tomllib.loads(_FILE.read_text("utf-8"))


@cache
def heads() -> dict[str, str]:
    """What each name means at the head of a column or as the name of a choice, in small letters without its unit."""
    both = [*entries()["terms"].items(), *entries()["heads"].items()]
    return {name.casefold(): meaning for names, meaning in both for name in names.split("|")}


def explained(head: str) -> str | None:
    """What a head of a column means; None where nothing is known."""
    return heads().get(_UNIT.sub("", head).strip().casefold())


def named(text: str) -> list[tuple[str, str]]:
    """Terms and meanings whose name holds a text."""
    part = text.casefold()
    return [
        (names.split("|")[0], meaning)
        for names, meaning in entries()["terms"].items()
        if any(part in name.casefold() for name in names.split("|"))
    ]


@cache
def as_json() -> str:
    """Everything for the browser."""
    terms = {name: meaning for names, meaning in entries()["terms"].items() for name in names.split("|")}
    return json.dumps({"terms": terms, "heads": heads()}, ensure_ascii=False)


@cache
def version() -> str:
    """Changes with the text, so that browsers may keep it."""
    return hashlib.sha256(as_json().encode()).hexdigest()[:12]


class Words(RequestHandler):
    """`/glossary.json`."""

    def get(self) -> None:
        """Everything, to be kept for a year under its version."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.write(as_json())
