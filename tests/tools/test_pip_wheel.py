"""Pip comes from where pip itself would look, and is what it has to be."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pip_wheel import (
    PIP,
    NotFoundError,
    Wheel,
    config_files,
    obtain_pip,
    places,
    read_links,
    read_settings,
)

DATA = b"a wheel, as far as anybody here knows"
WHEEL = Wheel("pip-1-py3-none-any.whl", hashlib.sha256(DATA).hexdigest())
NO_FILES = {"PIP_CONFIG_FILE": "/dev/null"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["https://pypi.org/simple/pip/"]),
        ({"index-url": "https://a/simple/"}, ["https://a/simple/pip/"]),
        (
            {"index-url": "https://a", "extra-index-url": "https://b\nfile:///c"},
            ["https://a/pip/", "https://b/pip/", "file:///c/pip/"],
        ),
        (
            {"no-index": "true", "find-links": "/w https://d/"},
            ["file:///w", "https://d/"],
        ),
        ({"no-index": "1"}, []),
        ({"no-index": "false", "index-url": "https://a"}, ["https://a/pip/"]),
    ],
)
def test_places_are_those_of_pip(settings: dict[str, str], expected: list[str]) -> None:
    """Index, extra indexes and folders are looked at in pip's own order."""
    assert places(settings) == expected


def test_settings_of_a_command_are_stronger_than_global_ones(tmp_path: Path) -> None:
    """The environment wins over files, a later file over one before it."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("[global]\nindex_url = https://a\ncert = /c\n[other]\nx = 1\n")
    second.write_text("[install]\n--index-url = https://b\n[global]\nfind-links = /w\n")
    files = [first, tmp_path / "missing", second]
    expected = {"index-url": "https://b", "cert": "/c", "find-links": "/w"}
    assert read_settings({}, files) == expected
    environ = {"PIP_INDEX_URL": "https://c", "PIP_CERT": "", "HOME": "/h"}
    assert read_settings(environ, files) == expected | {"index-url": "https://c"}


def test_settings_name_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A broken configuration is told with its name, not as a traceback."""
    file = tmp_path / "pip.conf"
    file.write_text("index-url without a section\n")
    with pytest.raises(NotFoundError, match=r"pip\.conf"):
        read_settings({}, [file])


def test_configuration_stands_where_pip_looks_for_it() -> None:
    """Shared files come first, the user's later, the one that is named last."""
    environ = {"HOME": "/h", "XDG_CONFIG_DIRS": "/x:/y", "PIP_CONFIG_FILE": "/own"}
    assert [str(file) for file in config_files(environ)] == [
        "/x/pip/pip.conf",
        "/y/pip/pip.conf",
        "/etc/pip.conf",
        "/h/.pip/pip.conf",
        "/h/.config/pip/pip.conf",
        "/own",
    ]
    assert config_files(NO_FILES) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            '<a href="../f/pip-1.whl#sha256=aa">pip</a> <a>none</a><b href="x">',
            "text/html",
        ),
        (
            '{"files": [{"url": "../f/pip-1.whl", "filename": "pip-1.whl"}]}',
            "application/vnd.pypi.simple.v1+json; charset=utf-8",
        ),
    ],
)
def test_links_are_read_from_both_kinds_of_index(body: str, kind: str) -> None:
    """HTML and JSON pages give the same name and address."""
    links = read_links(body, kind, "https://a/simple/pip/")
    name, url = links.popitem()
    assert name == "pip-1.whl"
    assert url.partition("#")[0] == "https://a/simple/f/pip-1.whl"
    assert links == {}


def test_pip_comes_from_a_folder(tmp_path: Path) -> None:
    """A folder of wheels is enough; nothing is asked of the network."""
    (tmp_path / WHEEL.name).write_bytes(DATA)
    environ = NO_FILES | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    assert obtain_pip(environ, WHEEL).read() == DATA


def test_pip_comes_from_an_index_on_the_disk(tmp_path: Path) -> None:
    """A file:// index works with its index.html, and without one."""
    page = tmp_path / "simple" / "pip"
    page.mkdir(parents=True)
    (tmp_path / WHEEL.name).write_bytes(DATA)
    (page / "index.html").write_text(f'<a href="../../{WHEEL.name}">x</a>')
    environ = NO_FILES | {"PIP_INDEX_URL": (tmp_path / "simple").as_uri()}
    assert obtain_pip(environ, WHEEL).read() == DATA
    (page / "index.html").unlink()
    (page / WHEEL.name).write_bytes(DATA)
    assert obtain_pip(environ, WHEEL).read() == DATA


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """The next place is asked, and the reason is told if none has the right one."""
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.mkdir()
    good.mkdir()
    (bad / WHEEL.name).write_bytes(DATA + b"!")
    environ = NO_FILES | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{bad} {good}"}
    with pytest.raises(NotFoundError, match=r"has sha256 .*\n.*has no pip-1"):
        obtain_pip(environ, WHEEL)
    (good / WHEEL.name).write_bytes(DATA)
    assert obtain_pip(environ, WHEEL).read() == DATA


def test_nowhere_to_look_is_told() -> None:
    """Where pip's configuration names no place at all, that is what is said."""
    with pytest.raises(NotFoundError, match="names no index"):
        obtain_pip(NO_FILES | {"PIP_NO_INDEX": "1"}, WHEEL)


LOGIN = "Basic " + base64.b64encode(b"me:p@ss").decode()


class Index(http.server.BaseHTTPRequestHandler):
    """An index over HTTP: /private asks for a login, and every page sends on."""

    def do_GET(self) -> None:
        """Answer as the path asks for it."""
        needs_login = self.path.startswith("/private/")
        if needs_login and self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="wheels"')
            self.end_headers()
        elif self.path.endswith("/simple/pip/"):
            self.send_response(302)
            self.send_header("Location", self.path + "moved/")
            self.end_headers()
        elif self.path.endswith("/moved/"):
            page = json.dumps({"files": [{"url": "../../" + WHEEL.name}]})
            self._send(page.encode(), "application/vnd.pypi.simple.v1+json")
        elif self.path.endswith(WHEEL.name):
            self._send(DATA, "application/zip")
        else:
            self.send_error(404)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def index() -> Iterator[str]:
    """Give the address of an index that listens."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pip_comes_from_an_index_over_http(index: str) -> None:
    """Pages, redirects and relative links are followed."""
    environ = NO_FILES | {"PIP_INDEX_URL": f"http://{index}/simple"}
    assert obtain_pip(environ, WHEEL).read() == DATA


def test_pip_comes_from_an_index_with_a_login(index: str) -> None:
    """A login in the URL counts for the pages and files of that server."""
    url = f"http://me:p%40ss@{index}/private/simple"
    assert obtain_pip(NO_FILES | {"PIP_INDEX_URL": url}, WHEEL).read() == DATA


def test_a_login_is_never_shown(index: str) -> None:
    """What is told of a server that refuses leaves out how one logs in."""
    url = f"http://me:wrong@{index}/private/simple"
    with pytest.raises(NotFoundError, match="401") as caught:
        obtain_pip(NO_FILES | {"PIP_INDEX_URL": url}, WHEEL)
    assert "wrong" not in str(caught.value)


def test_what_an_index_answers_is_told_when_pip_is_not_there(index: str) -> None:
    """A page that is missing is told with its address, and so is a server."""
    environ = {"PIP_INDEX_URL": f"http://{index}/none http://127.0.0.1:1/none"}
    with pytest.raises(NotFoundError, match=r"none/pip/: HTTP Error 404.*\n.*refused"):
        obtain_pip(NO_FILES | environ, WHEEL)


def test_a_wheel_of_no_sensible_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never ends is not read to its end."""
    monkeypatch.setattr("pip_wheel._MOST_BYTES", 5)
    (tmp_path / WHEEL.name).write_bytes(DATA)
    environ = NO_FILES | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(NotFoundError, match="more than 5 bytes"):
        obtain_pip(environ, WHEEL)


def test_the_pinned_wheel_is_one_that_every_python_can_use() -> None:
    """The pin names a pure wheel of pip by its full SHA-256."""
    assert PIP.name.startswith("pip-")
    assert PIP.name.endswith("-py3-none-any.whl")
    assert len(bytes.fromhex(PIP.sha256)) == 32
