"""Documents that the pages serve: each leads only where there is something, each page names one that there is."""

import re

from dashboards import documentation
from dashboards.pages import PAGES, SUBJECTS


def test_every_link_of_a_document_leads_to_a_document() -> None:
    documents = documentation.documents()
    assert {"index", "tutorial", "how-to/sql", "explanation/fronts", "changelog"} <= set(documents)
    for name in documents:
        assert not re.search(r"\$\$|\\[a-z]+\{", documentation._body(name)), name  # no formula as only TeX reads it
        for target in re.findall(r'<a href="([^":#]+)["#]', documentation._body(name)):
            up = "../" * name.count("/") or "./"
            assert target.removeprefix(up) in documents, f"{name}: {target}"


def test_every_page_names_a_document_that_explains_it() -> None:
    explained = {page.name for page in (*PAGES, *SUBJECTS)} - {"glossary"}
    assert {name for name in explained if not documentation.title(documentation.EXPLAINED.get(name, ""))} == set()
