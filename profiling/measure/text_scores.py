"""How an answer agrees with the one wanted: exact match, BLEU and ROUGE-L, as they were first defined."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

_LONGEST = 4


def exact_match(answers: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of answers that are those wanted, apart from case and blanks."""
    return sum(_words(a) == _words(w) for a, w in zip(answers, wanted, strict=True)) / len(answers)


def bleu(answers: Sequence[str], wanted: Sequence[str]) -> float:
    """BLEU of the whole set with one reference each, words of 1 to 4 (Papineni et al. 2002, section 2.3), 0 to 1.

    Words are what blanks divide; other tokenisations give other figures.
    """
    matched, made = [0] * _LONGEST, [0] * _LONGEST
    length = reference = 0
    for answer, target in zip(map(_words, answers), map(_words, wanted), strict=True):
        length, reference = length + len(answer), reference + len(target)
        for place in range(_LONGEST):
            here, there = _grams(answer, place + 1), _grams(target, place + 1)
            made[place] += sum(here.values())
            matched[place] += sum((here & there).values())  # clipped counts
    if not all(matched):
        return 0.0
    brevity = min(0.0, 1.0 - reference / length)
    return math.exp(brevity + sum(math.log(m / n) for m, n in zip(matched, made, strict=True)) / _LONGEST)


def rouge_l(answers: Sequence[str], wanted: Sequence[str]) -> float:
    """Mean F-measure of the longest common subsequence of words (Lin 2004, section 3), 0 to 1."""
    return sum(_rouge_l(_words(a), _words(w)) for a, w in zip(answers, wanted, strict=True)) / len(answers)


def _rouge_l(answer: Sequence[str], target: Sequence[str]) -> float:
    row = [0] * (len(target) + 1)
    for word in answer:
        before = 0
        for place, other in enumerate(target, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    common = row[-1]
    return 2 * common / (len(answer) + len(target)) if common else 0.0


def _words(text: str) -> list[str]:
    return text.casefold().split()


def _grams(words: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[place : place + length]) for place in range(len(words) - length + 1))
