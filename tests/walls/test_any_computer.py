"""Calls that only some systems have are made in one module, and everything else loads where they are absent."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("analytics", "api", "dashboards", "pipelines", "profiling", "warehouse")
# The one module for what differs; and the worker that the SQL page starts where it can be tied down.
ALLOWED = {"profiling/systems.py", "warehouse/console_worker.py"}
ABSENT_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty"}
ABSENT = {
    "os": {"fork", "killpg", "getuid", "geteuid", "setsid", "getloadavg", "sysconf", "nice", "statvfs", "uname"},
    "signal": {"SIGKILL", "SIGHUP", "SIGSTOP", "SIGCONT", "SIGALRM", "SIGUSR1", "alarm"},
}
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
WITHOUT = f"""
import builtins, importlib, os, signal, sys
absent, plain = {sorted(ABSENT_MODULES)!r}, builtins.__import__

def imported(name, globals=None, locals=None, fromlist=(), level=0):
    if name in absent and str((globals or {{}}).get("__name__")).partition(".")[0] in {ROOMS!r}:
        raise ImportError(f"no module {{name}} on this system, wanted by {{globals['__name__']}}")
    return plain(name, globals, locals, fromlist, level)

builtins.__import__ = imported
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(f"{{name}}: {{error}}")
sys.exit("\\n".join(failed) or 0)
"""


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def posix_only(path: Path) -> list[str]:
    """Attributes that Windows lacks, as the module uses them."""
    return [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        and node.attr in ABSENT.get(node.value.id, ())
    ]  # fmt: skip


def test_what_only_some_systems_have_is_called_in_one_module() -> None:
    used = [use for path in SOURCES if path.relative_to(ROOT).as_posix() not in ALLOWED for use in posix_only(path)]
    assert used == []


@pytest.mark.slow
def test_every_module_loads_where_the_modules_of_posix_are_absent() -> None:
    pytest.importorskip("torch")  # measuring is written in it
    pytest.importorskip("ray")  # so are sweeps over many nodes
    apart = {"__main__", "_bound"}
    names = [dotted(path) for path in SOURCES if path.stem not in apart]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
