"""`pip install`, several times as fast: uv does it where it can, from where pip would take the files; else pip does it.

`python deploy/install.py --require-hashes -r locks/base.txt`, in the environment that is installed into. Only the
standard library is needed: nothing is installed yet when this runs.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

UV_LOCK = Path(__file__).resolve().parent.parent / "locks" / "uv.txt"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off", "--no-compile"]

_SPACED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cache-dir": "UV_CACHE_DIR",
}
"""What pip may be told for good, and the variable of uv that says the same."""
_OF_NO_MATTER = {"disable-pip-version-check", "no-compile", "no-color", "no-input", "progress-bar", "quiet", "retries"}
"""What changes nothing about which files are installed."""


def configured(listing: str) -> dict[str, str]:
    """What pip is told by its files and variables, by option; a variable counts more than a file.

    Args:
        listing: What `pip config list` writes.
    """
    said = re.findall(r"^(global|install|:env:)\.([a-z-]+)=(.+)$", listing, flags=re.MULTILINE)
    said.sort(key=lambda setting: ("global", "install", ":env:").index(setting[0]))
    return {option: str(ast.literal_eval(value)) for _, option, value in said}


def as_uv_takes_it(options: dict[str, str]) -> tuple[dict[str, str], list[str]] | None:
    """Variables and constraints with which uv looks where pip would; None where uv has no word for an option of pip."""
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # the newest of all indexes, as pip does
    constraints: list[str] = []
    for option, value in options.items():
        if option in _SPACED:
            variables[_SPACED[option]] = " ".join(value.split())
        elif option == "find-links":
            variables["UV_FIND_LINKS"] = ",".join(value.split())
        elif option == "constraint":
            constraints += value.split()
        elif option not in _OF_NO_MATTER:
            return None
    return variables, constraints


def by_uv(arguments: list[str]) -> bool:
    """Whether uv is here or could be fetched, understood what pip is told, and installed what was asked for."""
    listing = subprocess.run([*PIP[:3], "config", "list"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    taken = as_uv_takes_it(configured(listing))
    if taken is None:
        return False
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists() and subprocess.run([*PIP, "--quiet", "--require-hashes", "-r", UV_LOCK], check=False).returncode:  # noqa: S603
        return False
    variables, constraints = taken
    if "--require-hashes" not in arguments:  # where all is locked, nothing is left to constrain
        arguments = [*(word for path in constraints for word in ("-c", path)), *arguments]
    command = [str(uv), "pip", "install", "--python", sys.executable, *arguments]
    return not subprocess.run(command, env=variables | os.environ, check=False).returncode  # noqa: S603


def main() -> int:
    """Install what the arguments, which pip and uv share, ask for."""
    arguments = sys.argv[1:]
    if by_uv(arguments):
        return 0
    print("uv did not install it; pip does", flush=True)
    return subprocess.run([*PIP, *arguments], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
