"""Pages that are made from the code whenever the site is built: commands, settings, tables, functions, HTTP.

MkDocs calls `on_files`; each page is Markdown in memory, so that nothing generated is ever committed.
"""

import inspect
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from api.app import VERSION, create
from dashboards import glossary
from pipelines.commands.app import app
from profiling.answers.known_models import models
from profiling.devices.accelerators import GIB, table
from profiling.engines.table import ENGINES
from profiling.measure.arguments import COMMANDS
from profiling.measure.arguments import parser as measuring
from profiling.measure.protocols import described
from profiling.memory.engines import ALIASES, PROFILES, default_engine
from profiling.models.families import FAMILIES
from profiling.models.gguf_rules import file_types
from profiling.models.sources import catalogue
from profiling.roofline.workload import weight_formats
from warehouse.contracts import BY_RELATION, TABLES, VIEWS
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
WHAT = {
    "leaderboards": "What leaderboards said, when, and how re-scoring changed it.",
    "boards": "Boards: results, the models they refer to, and how up to date each source is.",
    "ability": "Every evaluated model on one scale, with its error and recent changes.",
    "frontier": "Pareto fronts: members, history, and which member beats each other entry.",
    "efficiency": "Quality for its size, and the time evaluations took.",
    "arena": "Votes, ratings, licences and release dates.",
    "catalogue": "Architectures, accelerators, prices and the carbon of grids.",
    "calibration": "Measured kernels, and the time laws fitted to them, with held-out error.",
    "performance": "Bounds, predictions, memory, cost and carbon.",
    "profiles": "Measurements, and the error of predictions for them.",
    "accuracy": "Published measurements of passes, and the error of predictions for them.",
    "quantisation": "Loss of quality from stored formats: measured losses, predictions, and their error.",
    "statistics": "Statistics over the scores of a board.",
    "choices": "One row per model, precision and accelerator.",
    "accounts": "What was read, and what was rejected, with the reason.",
    "warehouse": "The dictionary, and the functions for SQL.",
}
PYTHON: Mapping[str, tuple[str, ...]] = {
    "analytics": tuple(
        f"analytics.fronts.{name}"
        for name in (
            "pareto", "dominance", "nondominated", "frontier", "history", "hypervolume", "normalisation", "efficiency",
            "effort",
        )
    ),
    "ratings": tuple(
        f"analytics.ratings.{name}"
        for name in ("comparisons", "bradley_terry", "standing", "intervals", "ranks", "elo", "style", "win_rates",
                     "drift", "open_gap")
    ),
    "statistics": tuple(
        f"analytics.statistics.{name}"
        for name in ("resampling", "summaries", "components", "clusters", "scaling", "quantile_lines", "density")
    ),
    "profiling": tuple(
        f"profiling.{name}"
        for name in ("answers.door", "answers.question", "answers.answer", "answers.advise", "answers.processors",
                     "answers.cost", "models.sources", "models.architecture", "devices.accelerators", "memory.need",
                     "memory.requirements", "roofline.workload", "roofline.operators", "roofline.roof",
                     "roofline.operator_time", "roofline.estimate", "roofline.grid", "calibration.calibrate")
    ),
    "measure": tuple(f"profiling.measure.{name}" for name in ("plan", "sweep", "bundle", "gates", "ceilings")),
    "warehouse": ("warehouse.reader", "warehouse.console", "warehouse.publish", "warehouse.versions", "warehouse.lake",
                  "warehouse.contracts.table", "warehouse.settings"),
}  # fmt: skip
"""Modules whose public functions are worth calling from elsewhere, by page."""
_AT_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    icon = ROOT / "dashboards" / "assets" / "skyline.svg"
    files.append(File.generated(config, "images/skyline.svg", abs_src_path=str(icon)))
    return files


def pages() -> dict[str, str]:
    """Every generated file of the site by its path."""
    description = create(Settings()).openapi()
    made = {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/glossary.md": words(),
        "reference/http.md": http(description),
        "reference/known.md": known(),
        "reference/protocols.md": protocols(),
        f"reference/openapi-{VERSION}.json": json.dumps(description, indent=1),
        "reference/python/index.md": python_index(),
    }
    made |= {target: at_root((ROOT / name).read_text("utf-8")) for name, target in _AT_ROOT.items()}
    made |= {f"reference/python/{page}.md": python(page) for page in PYTHON}
    return made | tables()


def words() -> str:
    """The glossary, as the pages have it."""
    lines = ["# Glossary", "", "Meaning of the terms on the pages, as the pages explain them."]
    for part, heading in (("terms", "Terms"), ("heads", "Columns and choices")):
        lines += ["", f"## {heading}", "", "| name | meaning |", "|---|---|"]
        for names, meaning in sorted(glossary.entries()[part].items(), key=lambda each: each[0].casefold()):
            lines.append(f"| {', '.join(names.split('|'))} | {meaning} |")
    return "\n".join(lines) + "\n"


def at_root(text: str) -> str:
    """A page that lives beside docs/, its links as seen from within."""
    for name, target in _AT_ROOT.items():
        text = text.replace(f"]({name}", f"]({target}")
    for folder, page in (
        ("decisions", "decisions/index"),
        ("how-to", "how-to/own-files"),
        ("explanation", "explanation/fronts"),
    ):
        text = text.replace(f"](docs/{folder})", f"]({page}.md)")
    return text.replace("](docs/", "](")


def commands() -> str:
    """Every command as typer itself writes it down, and those of measured profiling as their parser does."""
    root = typer.main.get_command(app)
    text = get_docs_for_click(obj=root, ctx=typer.Context(root, info_name="skyline"), name="skyline")
    text = re.sub(r"^Example: (.+)$", r"Example:\n\n```console\n$ \1\n```", text, flags=re.MULTILINE)
    choices = next(action for action in measuring("skyline profile")._actions if action.choices)
    assert isinstance(choices.choices, dict)  # noqa: S101 - sub-parsers by name
    for name in COMMANDS:
        usage = choices.choices[name].format_help().strip()
        heading = f"### `skyline profile {name}`\n"
        if name != "calibrate":  # which has options of its own, written down above
            before, _, after = text.partition(heading)
            rest = after.partition("\n##")
            text = f"{before}{heading}\n```text\n{usage}\n```\n{rest[1]}{rest[2]}"
    return text.replace("# `skyline`", "# Commands", 1)


def settings() -> str:
    """Every setting with its default and meaning, from the class that reads them."""
    text = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes:")[2]
    meanings = dict(re.findall(r"^ {4}(\w+): (.+?)(?=^ {4}\w+: |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    lines = [
        "# Settings",
        "",
        (
            "Variables of the environment, or lines of `skyline.toml` in the working directory (`keep_releases = 5`);"
            " variables win."
        ),
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        lines.append(f"| `SKYLINE_{name.upper()}` | {default} | {_cell(meanings[name])} |")
    return "\n".join(lines) + "\n"


def known() -> str:
    """Families, formats, engines and devices, from the tables that answers are computed with."""
    by_family: dict[str, list[str]] = {}
    for name in catalogue():
        if name in models():
            by_family.setdefault(models()[name].model_type, []).append(name)
    counts = (
        f"{len(models())} models of {len(by_family)} families, {len(weight_formats()) + len(file_types())} stored "
        f"formats, {len(table())} devices and {len(ENGINES)} engines, from the tables that answers are computed with."
    )
    lines = [
        "# What is known", "", counts, "", "## Families", "",
        "| `model_type` | models of the catalogue | one of them |", "|---|---|---|",
    ]  # fmt: skip
    lines += [f"| `{family}` | {len(names)} | {names[0]} |" for family, names in sorted(by_family.items())]
    lines += ["", f"Read as well: {', '.join(f'`{name}`' for name in sorted(FAMILIES) if name not in by_family)}."]
    lines += ["", "## Formats", "", "| format | bits per weight | products run in |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {float(row['bits_per_weight']):.4g} | {row['compute_format']} |"
        for name, row in weight_formats().items()
    ]
    lines += ["", f"GGUF, sized tensor by tensor: {', '.join(f'`{name}`' for name in file_types())}."]
    lines += ["", "## Engines", "", "| memory profile | basis |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(profile.basis)} |" for name, profile in PROFILES.items()]
    lines += ["", f"Names for the same: {', '.join(f'`{alias}` ({name})' for alias, name in ALIASES.items())}."]
    lines += ["", f"Timed by a fit of their own: {', '.join(f'`{name}`' for name in ENGINES)}."]
    lines += [
        "",
        "## Devices",
        "",
        "| device | kind | memory (GiB, usable) | GB/s | default engine |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one.kind} | {one.usable_memory_bytes / GIB:.1f} | {one.bandwidth_bytes_per_s / 1e9:,.0f} | "
        f"`{default_engine(one)}` |"
        for name, one in sorted(table().items())
    ]
    return "\n".join(lines) + "\n"


def protocols() -> str:
    """Servers and clouds that can be measured, from the declarations that the measuring reads."""
    rows = described()
    shown = [name for name in rows[0] if name not in {"protocol", "reference"}]
    lines = [
        "# Protocols of servers",
        "",
        (
            "Protocols of `skyline profile endpoint --protocol NAME`, as `skyline profile protocols` prints them."
            " How to use it: [Measure a server](../how-to/servers.md)."
        ),
        "",
        f"| protocol | {' | '.join(shown)} |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for row in rows:
        cells = [f"`{row[name]}`" if name in {"address", "asked at"} else _cell(row[name]) for name in shown]
        lines.append(f"| [{row['protocol']}]({row['reference']}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def http(description: Mapping[str, object]) -> str:
    """Routes of the HTTP interface from its own OpenAPI description."""
    routes = description["paths"]
    assert isinstance(routes, dict)  # noqa: S101 - OpenAPI says so
    lines = [
        "# HTTP interface",
        "",
        (
            f"Made from [the OpenAPI description](openapi-{VERSION}.json), which a server gives at"
            f" `/api/{VERSION}/openapi.json`. How to use it: [HTTP](../how-to/http.md)."
        ),
    ]
    for path, methods in routes.items():
        for method, route in methods.items():
            lines += ["", f"## {method.upper()} {path}", "", route["summary"] + ".", "", route["description"], ""]
            parameters = route.get("parameters", [])
            if parameters:
                lines += ["| parameter | required | default | meaning |", "|---|---|---|---|"]
                lines += [_parameter(one) for one in parameters]
            body = route.get("requestBody")
            if body is not None:
                schema = body["content"]["application/json"]["schema"]
                lines += ["", f"Body: `{schema.get('$ref', '').rpartition('/')[2]}` of the description."]
    return "\n".join(lines) + "\n"


def _parameter(one: Mapping[str, object]) -> str:
    schema = one["schema"]
    assert isinstance(schema, dict)  # noqa: S101 - OpenAPI says so
    default = schema.get("default")
    meaning = one.get("description") or schema.get("description") or schema.get("title", "")
    shown = "" if default is None else f"`{default}`"
    return f"| `{one['name']}` | {'yes' if one.get('required') else ''} | {shown} | {_cell(str(meaning))} |"


def python_index() -> str:
    """What of the code can be called from elsewhere."""
    lines = ["# Python", "", "Functions that you can call from your own program, from their docstrings.", ""]
    lines += [f"- [{page}]({page}.md): {', '.join(f'`{module}`' for module in PYTHON[page])}" for page in PYTHON]
    return "\n".join(lines) + "\n"


def python(page: str) -> str:
    """Directives for mkdocstrings."""
    return f"# Python: {page}\n" + "".join(f"\n::: {module}\n" for module in PYTHON[page])


def tables() -> dict[str, str]:
    """Pages of tables, read from the comments of a warehouse that is published for this, empty."""
    with tempfile.TemporaryDirectory() as folder:
        release = publish(Lake(Path(folder) / "lake"), TABLES, Path(folder), "docs", views=VIEWS)
        with duckdb.connect(str(release.path), read_only=True) as connection:
            return dict(_table_pages(connection))


def _table_pages(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    relations = connection.sql(
        "SELECT schema_name || '.' || table_name AS relation, comment, 'table' AS kind FROM duckdb_tables()"
        " UNION ALL SELECT schema_name || '.' || view_name, comment, 'view' FROM duckdb_views() WHERE NOT internal"
        " ORDER BY relation"
    ).fetchall()
    columns = connection.sql(
        "SELECT schema_name || '.' || table_name, column_name, data_type, comment FROM duckdb_columns()"
        " WHERE NOT internal ORDER BY 1, column_index"
    ).fetchall()
    texts: dict[str, list[str]] = {
        capability: [f"# {capability.title()}", "", what] for capability, what in WHAT.items()
    }
    index = ["# Tables", "", (f"{len(relations)} tables and views, {len(columns)} columns, as the published warehouse"
             " describes them in its comments (`meta.tables`, `meta.columns`)."), "",
             "| relation | what a row is |", "|---|---|"]  # fmt: skip
    for relation, meaning, kind in relations:
        contract = BY_RELATION.get(relation)
        page = contract.capability if contract else "warehouse"
        anchor = relation.replace(".", "")
        index.append(f"| [{relation}]({page}.md#{anchor}) | {_cell(meaning or '')} |")
        text = texts[page]
        text += ["", f"## {relation} {{#{anchor}}}", "", f"{_sentence(meaning or '')} ({kind})"]
        if contract:
            text += ["", f"Key: {', '.join(f'`{name}`' for name in contract.key)}."]
        text += ["", "| column | type | meaning [unit] | always there | values |", "|---|---|---|---|---|"]
        for of, name, dtype, comment in columns:
            if of == relation:
                promised = contract.column(name) if contract else None
                required = "yes" if promised and promised.required else ""
                text.append(f"| `{name}` | {dtype} | {_cell(comment or '')} | {required} | {_values(relation, name)} |")
    texts["warehouse"] += ["", "## Functions for SQL", "", "```sql-source", _macros(), "```"]
    yield "reference/tables/index.md", "\n".join(index) + "\n"
    for capability, text in texts.items():
        yield f"reference/tables/{capability}.md", "\n".join(text) + "\n"


def _values(relation: str, name: str) -> str:
    contract = BY_RELATION.get(relation)
    if contract is None:
        return ""
    column = contract.column(name)
    if column.allowed:
        return ", ".join(f"`{value}`" for value in column.allowed)
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'≥ {low:g}'} {'' if high is None else f'≤ {high:g}'}".strip()


def _macros() -> str:
    return (ROOT / "warehouse" / "macros.sql").read_text("utf-8").strip()


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
