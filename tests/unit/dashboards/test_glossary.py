"""Every head of a column and every name of a choice that pages declare is explained, each once."""

import re
from collections import Counter
from pathlib import Path

import dashboards
from dashboards import glossary

_DECLARED = re.compile(
    r"""Fact\("([^"]+)"|controls\.\w+\([^,()]+, "\w+", "([^"]+)"|Measure\("\w+", "([^"]+)"|Kind\("\w+", "([^"]+)\""""
)


def test_every_declared_head_and_choice_is_explained() -> None:
    text = "".join(path.read_text("utf-8") for path in Path(dashboards.__file__).parent.rglob("*.py"))
    declared = {name for names in _DECLARED.findall(text) for name in names if name}
    assert len(declared) > 150
    assert sorted(name for name in declared if glossary.explained(name) is None) == []


def test_no_name_is_explained_twice_and_no_explanation_is_long() -> None:
    for part in glossary.entries().values():
        names = Counter(name.casefold() for names in part for name in names.split("|"))
        assert [name for name, count in names.items() if count > 1] == []
        assert [meaning for meaning in part.values() if len(meaning) > 200] == []


def test_terms_are_found_by_a_part_of_their_name() -> None:
    assert [term for term, _ in glossary.named("parallel")] == ["pipeline parallel", "tensor parallel"]
    assert glossary.explained("First token, 99 % (s)") == glossary.explained("first token, 90 %")
