"""The pages: a new one is written as a module here and added to `PAGES`, from which navigation and addresses come."""

from dashboards.pages import (
    advisor,
    arena,
    compare,
    footprint,
    home,
    leaderboard,
    measured,
    open_vs_proprietary,
    pareto,
    patterns,
    roofline,
    scaling,
    sql,
    which_gpu,
)
from dashboards.pages.page import Content, Page

PAGES: tuple[Page, ...] = (
    Page("home", "Home", "", home.build),
    Page(
        "advisor",
        "Advisor",
        "advisor",
        advisor.build,
        "Which models fit my hardware, which is best, how fast, at what cost, and why not the others.",
    ),
    Page(
        "leaderboard",
        "Leaderboard",
        "leaderboard",
        leaderboard.build,
        "Every evaluated configuration: filter, search, plot anything against anything.",
    ),
    Page(
        "pareto",
        "Pareto",
        "pareto",
        pareto.build,
        "Models that no other beats on both quality and cost, with noise, and how that moved.",
    ),
    Page(
        "patterns",
        "Patterns",
        "patterns",
        patterns.build,
        "Which models resemble each other, which benchmarks say the same, and whether there are kinds of models.",
    ),
    Page(
        "scaling",
        "Scaling",
        "scaling",
        scaling.build,
        "What bigger brings: points per doubling, who punches above its size, and density over time.",
    ),
    Page(
        "arena",
        "Arena ratings",
        "arena",
        arena.build,
        "What people preferred: ratings with intervals, ranks, and who wins against whom.",
    ),
    Page(
        "open_vs_proprietary",
        "Open vs proprietary",
        "open-vs-proprietary",
        open_vs_proprietary.build,
        "How far open models are behind, in points and in months, and what each step costs to serve.",
    ),
    Page(
        "roofline",
        "Roofline",
        "roofline",
        roofline.build,
        "What binds each operator of a model on an accelerator, and how long it takes.",
    ),
    Page(
        "which_gpu",
        "Which GPU?",
        "which-gpu",
        which_gpu.build,
        "How many of which accelerator a model needs, and what serving it then costs.",
    ),
    Page(
        "compare",
        "Compare",
        "compare",
        compare.build,
        "A few models side by side, and which of their differences are more than noise.",
    ),
    Page(
        "footprint",
        "Footprint",
        "footprint",
        footprint.build,
        "What evaluating cost the boards, and what a million tokens cost in energy and carbon as models grow.",
    ),
    Page(
        "measured",
        "Measured",
        "measured",
        measured.build,
        "What models took on a device at hand, module by module, beside what was predicted.",
    ),
    Page(
        "sql", "SQL", "sql", sql.build, "Ask the warehouse yourself: every table and column, and a chart of the answer."
    ),
)

__all__ = ["PAGES", "Content", "Page"]
