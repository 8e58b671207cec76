"""What may know of what, kept by reading the source; and what may not be in the repository at all."""

import ast
import csv
import re
import subprocess
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = frozenset({"analytics", "pipelines", "warehouse", "dashboards", "profiling", "api"})
# Room → rooms it may use. Whoever is not named here may use no other.
MAY_USE = {
    "analytics": {"analytics"},
    "profiling": {"profiling", "analytics"},
    "warehouse": {"warehouse", "analytics"},
    "pipelines": {"pipelines", "analytics", "warehouse", "profiling"},
    "dashboards": {"dashboards", "analytics", "warehouse", "profiling"},
    "api": {"api", "analytics", "pipelines", "warehouse", "dashboards", "profiling"},
}
LARGEST_FILE_BYTES = 1 << 20
MODULES = sorted(path for room in sorted(OURS) for path in (ROOT / room).rglob("*.py"))


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> tuple[tuple[str, str], ...]:
    """Every module that the file imports, anywhere in it, with each name that it takes from there."""
    pairs: list[tuple[str, str]] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            pairs += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{names(path)} imports by relative path, which hides what it uses"
            pairs += [(node.module or "", alias.name) for alias in node.names]
    return tuple(pairs)


def imported(path: Path) -> list[str]:
    """Every module that the file imports."""
    return list(dict.fromkeys(module for module, _ in imports(path)))


def top(module: str) -> str:
    return module.partition(".")[0]


def imports_beyond(paths: list[Path], allowed: set[str]) -> list[str]:
    """`file: module` of every import of ours outside the allowed rooms."""
    return [
        f"{names(path)}: {module}"
        for path in paths
        for module in imported(path)
        if top(module) in OURS and top(module) not in allowed
    ]


@pytest.mark.parametrize("room", sorted(OURS))
def test_a_room_uses_only_the_rooms_below_it(room: str) -> None:
    modules = [path for path in MODULES if path.is_relative_to(ROOT / room)]
    assert modules
    assert imports_beyond(modules, MAY_USE[room]) == []


def names_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def uses(path: Path, modules: frozenset[str]) -> set[str]:
    """Modules of ours that a file imports, inside functions too; but for what only annotations name."""
    imported, left = set(), [parsed(path)]
    while left:
        for node in ast.iter_child_nodes(left.pop()):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    imported.add(full if full in modules else str(node.module))
            elif not isinstance(node, ast.expr) and not (isinstance(node, ast.If) and names_types(node.test)):
                left.append(node)
    return imported & modules


def test_no_module_needs_itself_by_way_of_others() -> None:
    paths = {names(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in MODULES}
    graph = {module: uses(path, frozenset(paths)) - {module} for module, path in paths.items()}
    TopologicalSorter(graph).prepare()  # a circle is a CycleError that names its modules


def test_neither_the_warehouse_nor_profiling_knows_of_dagster_or_panel() -> None:
    below = [path for path in MODULES if names(path).startswith(("warehouse/", "profiling/"))]
    faults = [f"{names(p)}: {m}" for p in below for m in imported(p) if top(m).startswith(("dagster", "panel"))]
    assert faults == []


def test_mathematics_neither_reads_nor_writes_nor_knows_who_runs_it() -> None:
    outside = {"dagster", "duckdb", "httpx", "io", "json", "os", "pathlib", "socket", "subprocess", "warehouse"}
    pure = [path for path in MODULES if names(path).startswith("analytics/")]
    faults = [
        f"{names(path)}: {module}"
        for path in pure
        for module in imported(path)
        if top(module) in outside or (top(module) == "pipelines" and not module.startswith("analytics"))
    ]
    assert faults == []


def test_what_dagster_reads_at_run_time_keeps_its_annotations() -> None:
    read = {"assets.py", "shards.py", "sensors.py", "schedules.py", "checks.py", "resources.py", "jobs.py"}
    modules = [path for path in MODULES if names(path).startswith("pipelines/") and path.name in read]
    assert len(modules) > 5
    assert [names(path) for path in modules if "__future__" in imported(path)] == []


@pytest.mark.parametrize("package", ["torch", "panel", "dagster"])
def test_heavy_libraries_are_not_imported_where_the_command_starts(package: str) -> None:
    tree = parsed(ROOT / "pipelines" / "commands" / "app.py")
    at_start = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names_at_start = [a.name for n in at_start if isinstance(n, ast.Import) for a in n.names]
    names_at_start += [n.module or "" for n in at_start if isinstance(n, ast.ImportFrom)]
    assert package not in {top(name) for name in names_at_start}


def test_a_module_opens_with_a_sentence_on_what_it_is_for() -> None:
    assert [names(path) for path in MODULES if "." not in (ast.get_docstring(parsed(path)) or "")] == []


def test_a_private_name_is_used_in_its_own_module_only() -> None:
    faults = [
        f"{names(path)}: {module}.{name}"
        for path in MODULES
        for module, name in imports(path)
        if top(module) in OURS and name.startswith("_")
    ]
    assert faults == []


TAG = re.compile(
    r"</?(?:a|b|br|button|circle|code|dd|details|div|dl|dt|em|form|h[1-6]|i|iframe|img|input|li|ol|option|p|path|pre|rect"
    r"|script|section|select|small|span|strong|style|sub|summary|sup|svg|table|tbody|td|th|thead|tr|ul)(?:[\s/>]|$)"
)


@pytest.mark.parametrize("room", ["dashboards", "api"])
def test_html_stands_in_templates_and_never_in_strings_of_the_logic(room: str) -> None:
    faults = []
    for path in (path for path in MODULES if path.is_relative_to(ROOT / room)):
        tree = parsed(path)
        # An expression that finds HTML is no HTML; nor is what a docstring speaks of.
        exempt = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func)[:3] == "re."]
        exempt += [
            node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ]
        passed_over = {id(part) for node in exempt for part in ast.walk(node)}
        faults += [
            f"{names(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over
            if TAG.search(node.value)
        ]
    assert faults == []


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listed.returncode:
        pytest.skip("no git checkout, and only git tells which files are the project's")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_in_the_repository_is_large_enough_to_be_data() -> None:
    sizes = {names(path): path.stat().st_size for path in tracked() if path.is_file()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE_BYTES} == {}


@pytest.mark.data
def test_no_file_of_the_real_data_is_in_the_repository(shared_data: Path) -> None:
    real = {
        path.stat().st_size: path for path in shared_data.rglob("*") if path.is_file() and path.stat().st_size > 500
    }
    same = [
        f"{names(path)} = {real[size].name}"
        for path in tracked()
        if path.is_file() and (size := path.stat().st_size) in real and path.read_bytes() == real[size].read_bytes()
    ]
    assert same == []


@pytest.mark.parametrize(
    "table", sorted((ROOT / "warehouse" / "reference" / "leaderboards").glob("*.csv")), ids=lambda path: path.stem
)
def test_every_bundled_figure_says_where_it_is_from(table: Path) -> None:
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert all((row.get("source") or "").strip() for row in rows)
