"""Navigation of the documentation: every page that is committed is in it, as the strict build demands."""

import re

from .shown import ROOT


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"[\w/-]+\.md", navigation))
    assert {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - listed == set()
