"""From raw accuracies to the scores a board ranks by, and the binomial error of those scores.

Formulas: Hugging Face leaderboards documentation, `open_llm_leaderboard/normalization.md` (v2) and
`archive.md` (v1).
"""

from collections.abc import Mapping, Sequence

import polars as pl

BBH_CHOICES: Mapping[str, int] = {
    "boolean_expressions": 2,
    "causal_judgement": 2,
    "date_understanding": 6,
    "disambiguation_qa": 3,
    "formal_fallacies": 2,
    "geometric_shapes": 11,
    "hyperbaton": 2,
    "logical_deduction_five_objects": 5,
    "logical_deduction_seven_objects": 7,
    "logical_deduction_three_objects": 3,
    "movie_recommendation": 6,
    "navigate": 2,
    "object_counting": 19,
    "penguins_in_a_table": 5,
    "reasoning_about_colored_objects": 18,
    "ruin_names": 6,
    "salient_translation_error_detection": 6,
    "snarks": 2,
    "sports_understanding": 2,
    "temporal_sequences": 4,
    "tracking_shuffled_objects_five_objects": 5,
    "tracking_shuffled_objects_seven_objects": 7,
    "tracking_shuffled_objects_three_objects": 3,
    "web_of_lies": 2,
}
MUSR_CHOICES: Mapping[str, int] = {"murder_mysteries": 2, "object_placements": 5, "team_allocation": 3}
MMLU_TASKS = 57
GPQA_ITEMS: Mapping[str, int] = {"diamond": 198, "extended": 546, "main": 448}
MATH_HARD_ITEMS: Mapping[str, int] = {
    "algebra_hard": 307,
    "counting_and_prob_hard": 123,
    "geometry_hard": 132,
    "intermediate_algebra_hard": 280,
    "num_theory_hard": 154,
    "prealgebra_hard": 193,
    "precalculus_hard": 135,
}
"""Questions of each subtask, by which the harness weighs the mean of the group."""


class MissingTask(LookupError):
    """Raw results lack a task that the board's score is made of."""


def normalised(accuracy: float, chance: float) -> float:
    """Accuracy between chance (0) and perfect (100); below chance is 0.

    Args:
        accuracy: Fraction of right answers.
        chance: Fraction that guessing gets right.
    """
    # The board divides first and scales after; the last bit depends on it.
    return max(accuracy - chance, 0.0) / (1 - chance) * 100


def subtask_mean(accuracies: Mapping[str, float], choices: Mapping[str, int]) -> tuple[float, float]:
    """Score in points and raw accuracy of a benchmark of subtasks, each normalised by its own chance.

    Both are unweighted means over subtasks, as the board takes them; the harness's own group value weighs by
    questions and differs.

    Raises:
        MissingTask: a subtask is not among the accuracies.
    """
    if missing := sorted(set(choices) - set(accuracies)):
        raise MissingTask(f"no result for {', '.join(missing)}")
    scores = [normalised(accuracies[task], 1 / count) for task, count in choices.items()]
    raw = [accuracies[task] for task in choices]
    return sum(scores) / len(scores), sum(raw) / len(raw)


def group_mean(accuracies: Mapping[str, float], items: Mapping[str, int]) -> float:
    """Mean accuracy of a group weighted by the questions of its subtasks, as the harness wrote it until 2024-07.

    Raises:
        MissingTask: a subtask is not among the accuracies.
    """
    if missing := sorted(set(items) - set(accuracies)):
        raise MissingTask(f"no result for {', '.join(missing)}")
    return sum(accuracies[task] * count for task, count in items.items()) / sum(items.values())


def mmlu_from_all(mean_accuracy: float, others: Sequence[float]) -> float:
    """MMLU, as a fraction, from the mean accuracy over all tasks of a v1 result without its 57 tasks.

    The `all` entry of a v1 result is the unweighted mean of `acc` over the 57 MMLU tasks and those of the other
    tasks that have an `acc`; solving for the 57 gives their mean.

    Args:
        mean_accuracy: `acc` of the `all` entry.
        others: `acc` of each other task that has one.
    """
    return (mean_accuracy * (MMLU_TASKS + len(others)) - sum(others)) / MMLU_TASKS


def standard_error(score: pl.Expr, raw: pl.Expr, items: int, chance: Sequence[float]) -> pl.Expr:
    """Binomial standard error of a score, in points.

    With several chance levels the benchmark is a mean of subtasks; its questions are taken as evenly spread and
    equally hard, and the clipping at chance is ignored, which overstates the error of the weakest models.

    Args:
        score: Score in points.
        raw: Raw accuracy as a fraction; where null it is had back from the score.
        items: Questions.
        chance: Chance level of each subtask.
    """
    mean_chance = sum(chance) / len(chance)
    stretch = (sum(1 / (1 - c) ** 2 for c in chance) / len(chance)) ** 0.5
    accuracy = pl.coalesce(raw, mean_chance + score / 100 * (1 - mean_chance)).clip(0, 1)
    variance: pl.Expr = accuracy * (1 - accuracy) / items
    error: pl.Expr = 100 * stretch * variance.sqrt()
    return error
