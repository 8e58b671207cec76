"""A real object store for tests: OpenStack Swift, as Debian installs it, speaking S3 on ports of its own."""

import base64
import email.utils
import getpass
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server

USER, SECRET = "test:tester", "testing"
BUCKET = "lake"
_STORES = ("account", "container", "object")
_PATIENCE_S = 60.0
_SHARED = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
"""
_STORE = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = f"""
[pipeline:main]
pipeline = catch_errors cache s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_{USER.replace(":", "_")} = {SECRET} .admin
[filter:slo]
use = egg:swift#slo
"""


def installed() -> bool:
    """Whether `apt-get install swift-proxy swift-account swift-container swift-object` was done here."""
    return all(shutil.which(f"swift-{kind}-server") for kind in (*_STORES, "proxy"))


@contextmanager
def swift(folder: Path) -> Iterator[dict[str, str]]:
    """Serve a store with one bucket from the folder; the variables by which clients of S3 find it."""
    ports = dict(zip((*_STORES, "proxy"), _free_ports(4), strict=True))
    (folder / "devices" / "one").mkdir(parents=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
        "[storage-policy:0]\nname = only\ndefault = yes\n"
    )
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for kind, port in ports.items():
            if kind in _STORES:
                builder = str(folder / f"{kind}.builder")
                device = f"r1z1-127.0.0.1:{port}/one"
                for words in (["create", "8", "1", "1"], ["add", device, "1"], ["rebalance"]):
                    subprocess.run(["swift-ring-builder", builder, *words], check=True, capture_output=True)
            text = _SHARED + (_PROXY if kind == "proxy" else _STORE)
            named = {"port": port, "user": getpass.getuser(), "folder": folder, "kind": kind}
            configuration = folder / f"{kind}.conf"
            configuration.write_text(text.format(**named))
            with (folder / f"{kind}.log").open("wb") as log:
                processes.append(subprocess.Popen([f"swift-{kind}-server", str(configuration)], stdout=log, stderr=log))
        _make_bucket(ports["proxy"])
        yield {
            "AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['proxy']}",
        }  # fmt: skip
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _free_ports(how_many: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in range(how_many)]
        return [probe.getsockname()[1] for probe in held]


def _make_bucket(port: int) -> None:
    """Ask for a bucket until the servers are up; signed as S3 was at first, in version 2, which fits on a line."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        date = email.utils.formatdate(usegmt=True)
        signed = hmac.new(SECRET.encode(), f"PUT\n\n\n{date}\n/{BUCKET}".encode(), hashlib.sha1).digest()
        authorisation = f"AWS {USER}:{base64.b64encode(signed).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("PUT", f"/{BUCKET}", headers={"Date": date, "Authorization": authorisation})
            answer = connection.getresponse()
            if answer.status == http.client.OK:
                return
            problem = f"{answer.status}: {answer.read()[:300]!r}"
        except OSError as error:
            problem = str(error)
        finally:
            connection.close()
        if time.monotonic() > until:
            raise AssertionError(f"Swift makes no bucket: {problem}")
        time.sleep(0.5)


def stored_files(folder: Path) -> int:
    """Objects that the store holds on its disk."""
    return sum(name.endswith(".data") for _, _, names in os.walk(folder / "devices") for name in names)
