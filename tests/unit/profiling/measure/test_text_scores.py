"""Scores of text give what the papers that defined them compute."""

import math

import pytest

from profiling.measure.text_scores import bleu, exact_match, rouge_l

POLICE = "police killed the gunman"


def test_rouge_l_of_the_examples_of_lin_2004() -> None:
    assert rouge_l(["police kill the gunman"], [POLICE]) == pytest.approx(0.75)
    assert rouge_l(["the gunman kill police"], [POLICE]) == pytest.approx(0.5)


def test_bleu_clips_what_is_repeated_and_punishes_what_is_short() -> None:
    text = "the cat sat on the mat today"
    assert bleu([text], [text]) == pytest.approx(1.0)
    assert bleu(["the the the the the the the"], ["the cat is on the mat"]) == 0.0
    short = "the cat sat on the"
    assert bleu([short], [text]) == pytest.approx(math.exp(1 - 7 / 5))


def test_an_exact_match_looks_beyond_case_and_blanks() -> None:
    assert exact_match(["Paris ", "rome"], ["paris", "Berlin"]) == 0.5
