"""Gets pip from pip's own index, where Python comes without `ensurepip`.

It refuses to know environments: it hands back one file whose SHA-256 is known here,
so it does not matter whom that file came from.
"""

import configparser
import hashlib
import html.parser
import io
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["PIP", "NotFoundError", "Wheel", "obtain_pip"]


class Wheel(NamedTuple):
    """A file of an index and what it has to be."""

    name: str
    sha256: str


PIP = Wheel(
    "pip-26.2.1-py3-none-any.whl",
    "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e",
)

_DEFAULT_INDEX = "https://pypi.org/simple"
_MOST_BYTES = 20_000_000
_MOST_SECONDS = 30.0
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"


class NotFoundError(Exception):
    """No place had the file; one line for each place says why."""


def obtain_pip(environ: Mapping[str, str], wheel: Wheel = PIP) -> io.BytesIO:
    """Return the wheel of pip from where pip itself would look.

    Args:
        environ: Variables such as ``PIP_INDEX_URL`` and ``PIP_CONFIG_FILE``.
        wheel: Which file.

    Raises:
        NotFoundError: If no place has it, or has another one under its name.
    """
    settings = read_settings(environ, config_files(environ))
    problems = []
    for page in places(settings):
        try:
            data = _from_place(page, wheel, settings)
        except (OSError, ValueError, LookupError) as error:
            problems.append(f"{_without_login(page)}: {error}")
            continue
        return io.BytesIO(data)
    raise NotFoundError("\n".join(problems) or "pip's configuration names no index")


def config_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, the strongest last.

    ``PIP_CONFIG_FILE`` comes on top, and as ``/dev/null`` it switches all of them off.
    """
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return []
    home = Path(environ.get("HOME") or "~").expanduser()
    shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    private = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "darwin":  # pragma: no cover - decided by the machine
        shared = ["/Library/Application Support"]
        mac = home / "Library" / "Application Support"
        private = mac if (mac / "pip").is_dir() else private
    return [
        *(Path(folder, "pip", "pip.conf") for folder in shared if folder),
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        private / "pip" / "pip.conf",
        *([Path(own)] if own else []),
    ]


def read_settings(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    """Return pip's settings: files first, ``[install]`` over ``[global]``, then env."""
    settings: dict[str, str] = {}
    commands: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise NotFoundError(f"{file}: {error}") from None
        for section, found in (("global", settings), ("install", commands)):
            if parser.has_section(section):
                found.update(_named(parser.items(section)))
    settings.update(commands)
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings.update(_named([(name.removeprefix("PIP_").lower(), value)]))
    return settings


def _named(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in items:
        yield name.removeprefix("--").replace("_", "-"), value.strip()


def places(settings: Mapping[str, str]) -> list[str]:
    """Return the URLs of the pages and folders that list files, first one first."""
    found = []
    if settings.get("no-index", "").lower() not in {"1", "true", "yes", "on"}:
        indexes = settings.get("index-url", _DEFAULT_INDEX).split()
        indexes += settings.get("extra-index-url", "").split()
        found += [f"{index.rstrip('/')}/pip/" for index in indexes]
    for link in settings.get("find-links", "").split():
        is_url = "://" in link
        found.append(link if is_url else Path(link).expanduser().absolute().as_uri())
    return found


def _from_place(page: str, wheel: Wheel, settings: Mapping[str, str]) -> bytes:
    opener = _opener(page, settings.get("cert"))
    links = _folder(page)
    if links is None:
        links = _listed(_without_login(page), opener)
    if wheel.name not in links:
        raise LookupError(f"has no {wheel.name}")
    data = _read(_without_login(links[wheel.name]), opener)[0]
    seen = hashlib.sha256(data).hexdigest()
    if seen != wheel.sha256:
        raise ValueError(f"{wheel.name} has sha256 {seen}, not {wheel.sha256}")
    return data


def _opener(page: str, cert: str | None) -> urllib.request.OpenerDirector:
    """Return what opens URLs, with the login of a page for its own server alone."""
    parts = urllib.parse.urlsplit(page)
    logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username:
        name = urllib.parse.unquote(parts.username)
        word = urllib.parse.unquote(parts.password or "")
        server = _without_login(f"{parts.scheme}://{parts.netloc}/")
        logins.add_password(None, server, name, word)
    return urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(logins),
        urllib.request.HTTPSHandler(
            context=ssl.create_default_context(cafile=cert or None)
        ),
    )


def _folder(page: str) -> dict[str, str] | None:
    """Return the files of a local folder; None where there is a page to read."""
    parts = urllib.parse.urlsplit(page)
    folder = Path(urllib.request.url2pathname(parts.path))
    is_page = not folder.is_dir() or (folder / "index.html").is_file()
    if parts.scheme != "file" or is_page:
        return None
    return {file.name: file.as_uri() for file in folder.iterdir()}


def _listed(page: str, opener: urllib.request.OpenerDirector) -> dict[str, str]:
    parts = urllib.parse.urlsplit(page)
    if parts.scheme == "file" and parts.path.endswith("/"):
        page += "index.html"
    body, kind, address = _read(page, opener)
    return read_links(body.decode("utf-8", "replace"), kind, address)


def read_links(body: str, kind: str, address: str) -> dict[str, str]:
    """Return file name -> URL of a page of the simple index, HTML or JSON.

    Args:
        body: The page.
        kind: Its content type.
        address: Its URL, which its relative links are relative to.
    """
    if kind.split(";", maxsplit=1)[0].strip().endswith("json"):
        urls = [str(file["url"]) for file in json.loads(body)["files"]]
    else:
        reader = _Anchors()
        reader.feed(body)
        urls = reader.links
    full = [urllib.parse.urljoin(address, url) for url in urls]
    return {_file_name(url): url for url in full}


def _file_name(url: str) -> str:
    path = urllib.parse.urlsplit(url).path
    return urllib.parse.unquote(path.rpartition("/")[2])


class _Anchors(html.parser.HTMLParser):
    """Collects what the anchors of a page point to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the link of an anchor."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _read(url: str, opener: urllib.request.OpenerDirector) -> tuple[bytes, str, str]:
    """Return a URL's bytes, their content type, and the URL after redirects."""
    request = urllib.request.Request(url, headers={"Accept": _ACCEPT})
    with opener.open(request, timeout=_MOST_SECONDS) as answer:
        data: bytes = answer.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        return data, answer.headers.get_content_type(), answer.url


def _without_login(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
