"""The pages: a new one is written as a module here and added to `PAGES`, from which navigation and addresses come."""

from functools import cache
from itertools import groupby

from dashboards.pages.advisor import page as advisor
from dashboards.pages.arena import page as arena
from dashboards.pages.chart import page as chart
from dashboards.pages.choices import page as choices
from dashboards.pages.compare import page as compare
from dashboards.pages.device import page as device
from dashboards.pages.footprint import page as footprint
from dashboards.pages.glossary import page as glossary
from dashboards.pages.home import page as home
from dashboards.pages.how_far_off import page as how_far_off
from dashboards.pages.leaderboard import page as leaderboard
from dashboards.pages.measured import page as measured
from dashboards.pages.model import page as model
from dashboards.pages.open_vs_proprietary import page as open_vs_proprietary
from dashboards.pages.own import page as own
from dashboards.pages.pareto import page as pareto
from dashboards.pages.patterns import page as patterns
from dashboards.pages.processors import page as processors
from dashboards.pages.roofline import page as roofline
from dashboards.pages.scaling import page as scaling
from dashboards.pages.serve import page as serve
from dashboards.pages.sql import page as sql
from dashboards.pages.which_gpu import page as which_gpu
from dashboards.parts.page import Content, Page, of_session

PAGES: tuple[Page, ...] = (
    Page("home", "Home", "", lambda data, _: home.build(data, PAGES)),
    Page(
        "advisor", "Advisor", "advisor", advisor.build,
        "What to run on your machine: the most capable model that fits, its format, speed, evidence and command.",
        answers="memory vram ram laptop mac gpu context quantisation gguf ollama llama.cpp vllm tokens per second",
        sidebar="My machine",
    ),
    Page(
        "which_gpu", "Which GPU?", "which-gpu", of_session(which_gpu.WhichGpu),
        "How many accelerators of each kind a model needs, and what buying them and serving it costs.",
        "Hardware", answers="memory vram price buy cheap cheaper cheapest carbon energy", sidebar="Filters",
    ),
    Page(
        "processors", "Processors", "processors", of_session(processors.Processors),
        "CPUs, GPUs, TPUs and NPUs under one load: time, energy, cost, and what limits each.",
        "Hardware", answers="latency price electricity power watts carbon bandwidth", sidebar="Load",
    ),
    Page(
        "serve", "Serve", "serve", of_session(serve.Serve),
        "How many devices of each kind meet latency targets for many users, and what a million tokens cost.",
        "Hardware", answers="price rent api buy cheap cheaper throughput energy electricity", sidebar="Traffic",
    ),
    Page(
        "choices", "Choices", "choices", choices.build,
        "Every rated model on your accelerators, within limits of speed, cost and carbon, and why others fail.",
        "Hardware", answers="memory vram price latency energy cheapest", sidebar="Filters",
    ),
    Page(
        "leaderboard", "Leaderboard", "leaderboard", leaderboard.build,
        "Every evaluated model, ranked, with intervals: filter, search, and plot any measure against any other.",
        "Quality", answers="benchmark score best ability compare licence size", sidebar="Filters",
    ),
    Page(
        "pareto", "Pareto", "pareto", pareto.build,
        "Models that no other beats on both quality and cost, allowing for noise, and how the front has moved.",
        "Quality", answers="price memory energy carbon frontier best trade-off",
    ),
    Page(
        "scaling", "Scaling", "scaling", scaling.build,
        "What size buys: points per doubling, models that are better than their size suggests, density over time.",
        "Quality", answers="parameters growth law",
    ),
    Page(
        "patterns", "Patterns", "patterns", patterns.build,
        "Which models resemble each other, which benchmarks agree, and whether models fall into clusters.",
        "Quality", answers="correlation components heatmap",
    ),
    Page(
        "compare", "Compare", "compare", compare.build,
        "A few models side by side, and which of their differences exceed noise.",
        "Quality", answers="versus difference formats quantisation", sidebar="Models",
    ),
    Page(
        "arena", "Arena ratings", "arena", arena.build,
        "What people prefer: ratings with intervals, ranks, and win rates.",
        "Preference", answers="elo votes lmarena chatbot bradley-terry", sidebar="Filters",
    ),
    Page(
        "open_vs_proprietary", "Open vs proprietary", "open-vs-proprietary", open_vs_proprietary.build,
        "How far open models trail proprietary ones, in points and in months, and what it takes to serve them.",
        "Preference", answers="gap closed weights", sidebar="Filters",
    ),
    Page(
        "roofline", "Roofline", "roofline", of_session(roofline.Roofline),
        "What limits each operator of a model on an accelerator, and how long it takes.",
        "Speed", answers="latency memory bandwidth bottleneck kernel tokens per second", sidebar="Filters",
    ),
    Page(
        "measured", "Measured", "measured", measured.build,
        "Measured time and memory on real devices, module by module, compared with predictions.",
        "Speed", answers="latency power energy profile benchmark", sidebar="Filters",
    ),
    Page(
        "how_far_off", "How far off", "how-far-off", of_session(how_far_off.HowFarOff),
        "Predictions compared with published measurements: error by engine and device, and where it is largest.",
        "Speed", answers="latency accuracy trust validation", sidebar="Stage",
    ),
    Page(
        "footprint", "Footprint", "footprint", footprint.build,
        "What the boards spent on evaluation, and what a million tokens cost in energy and carbon as models grow.",
        "Data", answers="electricity power price co2 emissions kwh climate", sidebar="Filters",
    ),
    Page(
        "sql", "SQL", "sql", of_session(sql.SqlPage),
        "Query the warehouse yourself: every table and column, with a chart of the result.",
        "Data", answers="duckdb download csv parquet export", sidebar="Tables", is_sidebar_last=True,
    ),
    Page(
        "own", "Bring your own", "own", own.build,
        "See your own leaderboard, votes, measurements or model next to the published ones; nobody else sees them.",
        "Data", answers="upload drop file config.json csv llama-bench vllm",
    ),
)  # fmt: skip
"""In the order of the navigation; pages of one group follow one another."""

SUBJECTS: tuple[Page, ...] = (
    Page("model", "Model", "model", of_session(model.ModelPage), sidebar="Model"),
    Page("device", "Device", "device", of_session(device.DevicePage), sidebar="Device"),
    Page("glossary", "Glossary", "glossary", glossary.build),
)
"""Pages about one model, one device and one word, which search and names lead to; navigation does not list them."""

CHART = Page(
    "chart", "Chart", "chart", lambda data, search: chart.build(data, search, (*PAGES, *SUBJECTS)),
    is_bare=chart.is_bare,
)  # fmt: skip
"""One chart of any page by itself."""


@cache
def groups() -> list[tuple[str, list[Page]]]:
    """Menus of the navigation with their pages; those without a menu stand under an empty name."""
    return [(group, list(members)) for group, members in groupby(PAGES, key=lambda each: each.group)]


__all__ = ["CHART", "PAGES", "SUBJECTS", "Content", "Page", "groups"]
