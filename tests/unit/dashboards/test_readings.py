"""How charts are read is said in two sentences each."""

import re

from dashboards.readings import readings

_END = re.compile(r"[.?!](?= [A-Z]|$)")


def test_a_chart_is_explained_in_two_sentences_that_fit_on_a_phone() -> None:
    texts = readings()
    assert len(texts) > 45
    assert {name: text for name, text in texts.items() if len(_END.findall(text)) != 2 or len(text) > 320} == {}
