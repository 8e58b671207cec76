"""What pip is told for good, uv is told too; where uv has no word for it, pip installs."""

from deploy.install import UV_LOCK, as_uv_takes_it, configured

LISTING = """\
global.cert='/etc/ssl/of-the-house.crt'
global.constraint='/etc/pip/house.txt /etc/pip/more.txt'
global.extra-index-url='\\nhttps://mirror.example/simple\\nfile:///opt/more'
global.find-links='/never/read'
install.no-compile='true'
:env:.find-links='/opt/wheels https://wheels.example/all'
"""


def test_uv_looks_where_pip_would_and_a_variable_counts_more_than_a_file() -> None:
    assert as_uv_takes_it(configured(LISTING)) == (
        {
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "SSL_CERT_FILE": "/etc/ssl/of-the-house.crt",
            "UV_INDEX": "https://mirror.example/simple file:///opt/more",
            "UV_FIND_LINKS": "/opt/wheels,https://wheels.example/all",
        },
        ["/etc/pip/house.txt", "/etc/pip/more.txt"],
    )


def test_an_option_that_uv_does_not_know_leaves_it_to_pip() -> None:
    assert as_uv_takes_it(configured(LISTING + "global.target='/somewhere/else'\n")) is None
    assert as_uv_takes_it(configured("install.no-binary=':all:'\n")) is None


def test_uv_itself_is_locked_by_digest() -> None:
    locked = [line for line in UV_LOCK.read_text("utf-8").splitlines() if not line.startswith(" ")]
    assert [line.partition("==")[0] for line in locked] == ["uv"]
    assert "--hash=sha256:" in UV_LOCK.read_text("utf-8")
