"""Clients that others wrote for Toxiproxy drive our proxy, through their own examples.

Two packages from PyPI: `toxiproxy-python`, which Toxiproxy's own page names, and
`chaostoolkit-toxiproxy`, the driver of the Chaos Toolkit.
"""

import contextlib
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chaostoxi.proxy import actions as proxy_actions
from chaostoxi.proxy import probes
from chaostoxi.toxic import actions as toxic_actions
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from wavetank.net import find_dynamic_port, release_port

PATIENCE = 20.0
"""Seconds that a test waits for what is expected."""


@pytest.fixture
def place(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, int]]:
    """Where a proxy that nobody has told anything listens for Toxiproxy's clients."""
    monkeypatch.setenv("NO_PROXY", "*")
    with start("proxy", "--control", "127.0.0.1:0") as process:
        printed = ""
        for line in process.stdout:
            printed += line
            if "ready" in line:
                break
        found = re.search(r"http://([\d.]+):(\d+)", printed)
        assert found, printed
        yield found[1], int(found[2])
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(PATIENCE) == 0


@pytest.fixture
def toxiproxy(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Toxiproxy]:
    """The client of toxiproxy-python; nothing of its test is left for the next one."""
    for name, value in zip(("host", "port"), place, strict=True):
        monkeypatch.setattr(APIConsumer, name, value)
    client = Toxiproxy()
    yield client
    client.destroy_all()
    assert client.proxies() == {}


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that sends back what comes, one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_echo, args=[server])
        thread.start()
        address = server.getsockname()
        yield f"localhost:{address[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def _echo(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    connection.sendall(data)


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Two ports that are free."""
    found = [find_dynamic_port(), find_dynamic_port()]
    yield found
    for port in found:
        release_port(port)


def dial(listen: str) -> socket.socket:
    """Connect to where a proxy listens."""
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def is_open(listen: str) -> bool:
    """Tell whether somebody listens."""
    try:
        dial(listen).close()
    except ConnectionRefusedError:
        return False
    return True


def say(listen: str, data: bytes) -> bytes:
    """Send bytes, and return what comes back before the end."""
    with dial(listen) as wire:
        wire.sendall(data)
        wire.shutdown(socket.SHUT_WR)
        told = b""
        while part := wire.recv(65536):
            told += part
        return told


# toxiproxy-python: what its own tests show, in their order.


def test_toxiproxy_python_creates_a_proxy(
    toxiproxy: Toxiproxy, ports: list[int]
) -> None:
    """It is as it was asked for, and a proxy of that name is found."""
    listen = f"127.0.0.1:{ports[0]}"
    proxy = toxiproxy.create(
        upstream="localhost:3306", name="mysql", enabled=False, listen=listen
    )
    assert (proxy.upstream, proxy.name) == ("localhost:3306", "mysql")
    assert (proxy.enabled, proxy.listen) == (False, listen)
    assert toxiproxy.get_proxy("mysql").upstream == "localhost:3306"
    assert toxiproxy.get_proxy("nobody") is None
    assert not is_open(listen)


def test_toxiproxy_python_destroys_a_proxy(toxiproxy: Toxiproxy) -> None:
    """Nobody listens any more; one that is none is not destroyed."""
    proxy = toxiproxy.create(upstream="localhost:3306", name="mysql")
    assert is_open(proxy.listen)
    assert toxiproxy.destroy(proxy)
    assert toxiproxy.proxies() == {}
    assert not is_open(proxy.listen)
    assert toxiproxy.destroy("mysql") is False
    with pytest.raises(NotFound):
        proxy.destroy()


def test_toxiproxy_python_takes_a_proxy_down(toxiproxy: Toxiproxy, echo: str) -> None:
    """For the time of a block; its address stays."""
    proxy = toxiproxy.create(upstream=echo, name="server")
    with proxy.down():
        assert proxy.enabled is False
        assert not is_open(proxy.listen)
    assert proxy.enabled is True
    assert say(proxy.listen, b"hello") == b"hello"
    assert toxiproxy.get_proxy("server").listen == proxy.listen


def test_toxiproxy_python_creates_no_name_twice(toxiproxy: Toxiproxy) -> None:
    """It looks first, and the server looks too."""
    toxiproxy.create(upstream="localhost:3306", name="mysql")
    with pytest.raises(ProxyExists):
        toxiproxy.create(upstream="localhost:3306", name="mysql")
    order = {"name": "mysql", "upstream": "localhost:3306"}
    with pytest.raises(ProxyExists):
        APIConsumer.post("/proxies", json=order)


def test_toxiproxy_python_populates(toxiproxy: Toxiproxy, ports: list[int]) -> None:
    """What stands already is left; what is to be elsewhere is made anew."""
    orders = [
        {"name": f"p{n}", "upstream": "localhost:3306", "listen": f"127.0.0.1:{port}"}
        for n, port in enumerate(ports)
    ]
    assert len(toxiproxy.populate(orders)) == 2
    assert all(is_open(order["listen"]) for order in orders)
    assert toxiproxy.populate(orders) == []
    (moved,) = toxiproxy.populate([{**orders[0], "listen": "127.0.0.1:0"}])
    assert is_open(moved.listen)
    assert not is_open(orders[0]["listen"])


def test_toxiproxy_python_asks_for_the_version(toxiproxy: Toxiproxy) -> None:
    """A server runs, and it has one."""
    assert toxiproxy.running() is True
    assert re.search(rb'"version":"2\.\d+\.\d+"', toxiproxy.version())


def test_toxiproxy_python_adds_and_destroys_toxics(
    toxiproxy: Toxiproxy, echo: str
) -> None:
    """They are shown, they are felt, and then they are gone."""
    proxy = toxiproxy.create(upstream=echo, name="server")
    proxy.add_toxic(type="latency", attributes={"latency": 123})
    latency = proxy.get_toxic("latency_downstream")
    assert latency.attributes["latency"] == 123
    assert (latency.stream, latency.toxicity) == ("downstream", 1)
    proxy.add_toxic(name="short", type="limit_data", attributes={"bytes": 3})
    assert set(proxy.toxics()) == {"latency_downstream", "short"}
    assert say(proxy.listen, b"hello") == b"hel"
    assert proxy.destroy_toxic("short")
    assert say(proxy.listen, b"hello") == b"hello"
    assert proxy.destroy_toxic("latency_downstream")
    assert proxy.toxics() == {}
    assert proxy.get_toxic("latency_downstream") is None


def test_toxiproxy_python_resets(toxiproxy: Toxiproxy, echo: str) -> None:
    """Whoever was disabled is enabled, and no toxic is left."""
    proxy = toxiproxy.create(upstream=echo, name="server")
    proxy.disable()
    assert not is_open(proxy.listen)
    proxy.add_toxic(type="latency", attributes={"latency": 123})
    assert toxiproxy.reset()
    assert say(proxy.listen, b"hello") == b"hello"
    assert proxy.toxics() == {}


def test_toxiproxy_python_is_told_what_is_wrong(toxiproxy: Toxiproxy) -> None:
    """A toxic that nobody knows, one that is there, and one that is not."""
    proxy = toxiproxy.create(upstream="localhost:3306", name="mysql")
    with pytest.raises(InvalidToxic, match="invalid toxic type"):
        proxy.add_toxic(type="poison")
    proxy.add_toxic(type="noop")
    with pytest.raises(ProxyExists, match="toxic already exists"):
        proxy.add_toxic(type="noop")
    with pytest.raises(NotFound, match="toxic not found"):
        proxy.destroy_toxic("poison")


# chaostoolkit-toxiproxy: what its page shows.


@pytest.fixture
def configuration(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What an experiment has in its configuration."""
    monkeypatch.setenv("myproxy_PORT", "")  # The driver writes it; nothing is left.
    return {"toxiproxy_host": place[0], "toxiproxy_port": place[1]}


def test_chaostoolkit_sets_a_proxy_up(configuration: dict[str, Any], echo: str) -> None:
    """It gets its port back, takes the proxy down and up, leads it elsewhere, ends."""
    host, _, port = echo.rpartition(":")
    assert proxy_actions.create_proxy(
        proxy_name="myproxy",
        upstream_host=host,
        upstream_port=int(port),
        listen_host="127.0.0.1",
        configuration=configuration,
    )
    listen = f"127.0.0.1:{configuration['myproxy_PORT']}"
    given = {"proxy_name": "myproxy", "configuration": configuration}
    assert probes.proxy_exist(**given)
    assert probes.get_proxy_attribute(attribute="upstream", **given) == echo
    assert say(listen, b"hello") == b"hello"
    assert proxy_actions.disable_proxy(**given)
    assert not is_open(listen)
    assert proxy_actions.enable_proxy(**given)
    assert is_open(listen)
    assert proxy_actions.modify_proxy(upstream_address="127.0.0.1:9", **given)
    assert probes.get_proxy_attribute(attribute="upstream", **given) == "127.0.0.1:9"
    proxy_actions.delete_proxy(**given)
    assert not probes.proxy_exist(**given)


def test_chaostoolkit_creates_every_toxic_that_it_knows(
    configuration: dict[str, Any], echo: str
) -> None:
    """One that limits what comes is felt; a reset takes all of them away."""
    host, _, port = echo.rpartition(":")
    proxy_actions.create_proxy(
        proxy_name="myproxy",
        upstream_host=host,
        upstream_port=port,
        listen_host="127.0.0.1",
        configuration=configuration,
    )
    listen = f"127.0.0.1:{configuration['myproxy_PORT']}"
    given = {"for_proxy": "myproxy", "configuration": configuration}
    create = toxic_actions
    assert create.create_latency_toxic(toxic_name="a", latency=50, jitter=20, **given)
    assert create.create_bandwith_degradation_toxic(toxic_name="b", rate=1000, **given)
    assert create.create_slow_connection_close_toxic(toxic_name="c", delay=10, **given)
    assert create.create_slicer_toxic(
        toxic_name="d", average_size=4, size_variation=2, delay=10, **given
    )
    assert create.create_limiter_toxic(toxic_name="e", bytes_limit=3, **given)
    assert say(listen, b"hello") == b"hel"
    assert create.delete_toxic(toxic_name="e", **given)
    assert say(listen, b"hello") == b"hello"
    assert create.create_timeout_toxic(toxic_name="f", timeout=1, **given)
    assert create.create_toxic(toxic_name="g", toxic_type="reset_peer", **given)
    assert proxy_actions.reset(configuration=configuration)
    assert say(listen, b"hello") == b"hello"
