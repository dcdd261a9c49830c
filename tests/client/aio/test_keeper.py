"""Keeper: keeps a connection for whoever uses it."""

import asyncio
from typing import Any

import pytest

import wavetank.client.aio.keeper as module
from wavetank.client.aio.keeper import Keeper
from wavetank.client.aio.link import Link, Message
from wavetank.client.failures import GaveUp
from wavetank.client.lifecycle import Cause, Ending
from wavetank.errors import LocalError, WavetankError
from wavetank.protocol import Event, Ping

pytestmark = pytest.mark.anyio

WAIT = 20.0


class Notes:
    """A party that only takes notes."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.fault: Exception | None = None

    def opened(self, link: Link) -> None:
        """Note it."""
        self.queue.put_nowait(("opened", link))

    def heard(self, message: Message) -> None:
        """Note it."""
        if self.fault is not None:
            raise self.fault
        self.queue.put_nowait(("heard", message))

    def lost(self, ending: Ending) -> None:
        """Note it."""
        self.queue.put_nowait(("lost", ending))

    def failed(self, ending: Ending) -> None:
        """Note it."""
        self.queue.put_nowait(("failed", ending))

    def finished(self, error: WavetankError) -> None:
        """Note it."""
        self.queue.put_nowait(("finished", error))

    async def next(self, what: str) -> Any:
        """Return the next note, which has to be of this kind."""
        async with asyncio.timeout(WAIT):
            kind, value = await self.queue.get()
        assert kind == what, value
        return value


@pytest.fixture
def notes() -> Notes:
    """Give a party."""
    return Notes()


@pytest.fixture
async def keep(hub: Any, quick: dict[str, Any], notes: Notes) -> Any:
    """Give a function that starts a keeper."""
    keepers: list[Keeper] = []

    def start(*, is_forgiving: bool = False, **options: Any) -> Keeper:
        given = quick | options
        keeper = Keeper(hub.url, notes, given, is_forgiving=is_forgiving)  # type: ignore[arg-type] # any option
        keepers.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in keepers:
        await keeper.close()


async def test_keeper_connects_again_after_every_kind_of_end(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """A close, a cut, garbage before the welcome, a refused handshake."""
    keeper = keep()
    call = await hub.greeted()
    await notes.next("opened")
    await call.close(1012, "restart")
    assert (await notes.next("lost")).code == 1012
    call = await hub.greeted()
    await notes.next("opened")
    call.cut()
    assert (await notes.next("lost")).code is None
    call = await hub.call()
    await call.raw("garbage")
    assert (await notes.next("failed")).cause is Cause.FOREIGN
    await hub.greeted()
    await notes.next("opened")
    assert keeper.connections == 3
    with pytest.raises(LocalError, match="started before"):
        keeper.start()


async def test_keeper_hands_on_what_the_hub_says(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """And what the party says reaches the hub."""
    keep()
    call = await hub.greeted()
    link = await notes.next("opened")
    link.tell(Ping(id=1))
    assert (await call.read("ping"))["id"] == 1
    await call.send({"type": "event", "topic": "a", "seq": 1, "ts": 1, "data": 1})
    assert isinstance(await notes.next("heard"), Event)


async def test_keeper_gives_up_where_the_hub_says_so(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """With a code that is final, and the words; nobody waits for ever."""
    keeper = keep()
    with pytest.raises(TimeoutError):
        await keeper.ready(0.01)
    call = await hub.greeted()
    await notes.next("opened")
    await call.close(4001, "bad token")
    await notes.next("lost")
    error = await notes.next("finished")
    assert isinstance(error, GaveUp)
    assert error.code == 4001
    assert "bad token" in str(error)
    await keeper.ready(1.0)  # there was one


async def test_keeper_gives_up_after_so_many_retries(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """Whoever waits for the first connection learns it."""
    await hub.stop()
    keeper = keep(max_retries=2)
    waiting = asyncio.create_task(keeper.ready())
    for _ in range(3):
        assert (await notes.next("failed")).cause is Cause.UNREACHED
    error = await notes.next("finished")
    assert str(error).startswith("gave up after 3 attempts")
    with pytest.raises(GaveUp):
        await waiting


async def test_keeper_forgives_who_was_only_hasty(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """1008 is final for one party, and a pause for another."""
    keep(is_forgiving=True)
    call = await hub.greeted()
    await notes.next("opened")
    await call.close(1008, "too many errors")
    await notes.next("lost")
    await hub.greeted()
    await notes.next("opened")


async def test_keeper_asks_for_a_new_token_when_one_has_expired(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """4201: at once, with what the function returns now."""
    tokens = iter(["old", "new"])
    keep(token=lambda: next(tokens))
    for token in ("old", "new"):
        call = await hub.greeted(auth="required")
        command = await call.read("auth")
        assert command["token"] == token
        await call.send(
            {"type": "authenticated", "id": "auth", "user": "u", "expires_at": None}
        )
        await notes.next("opened")
        if token == "old":
            await call.close(4201, "token expired")
            await notes.next("lost")


async def test_keeper_ends_with_a_token_that_cannot_be_renewed(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """The same one would be refused again."""
    keep(token="old")
    call = await hub.greeted(auth="required")
    await call.read("auth")
    await call.close(4201, "token expired")
    await notes.next("failed")
    assert (await notes.next("finished")).code == 4201


async def test_keeper_refreshes_a_token_before_it_ends(
    hub: Any, keep: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    """On the same connection; what fails is tried again while there is time."""
    monkeypatch.setattr(module, "refresh_after", lambda *_: 0.001)
    tokens = iter(["first", OSError("away"), "second", "third"])

    def take() -> str:
        token = next(tokens)
        if isinstance(token, OSError):
            raise token
        return token

    keep(token=take)
    call = await hub.greeted(auth="required")
    reply = {"type": "authenticated", "user": "u", "expires_at": 9e12}
    await call.read("auth")
    await call.send(reply | {"id": "auth"})
    await notes.next("opened")
    command = await call.read("auth")
    assert command["token"] == "second"
    await call.refuse(command["id"], "internal", retryable=True)
    command = await call.read("auth")
    assert command["token"] == "third"
    await call.send(reply | {"id": command["id"], "expires_at": None})
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    await notes.next("heard")
    reasons = [e["reason"] for e in lines.events if e["event"] == "token_not_refreshed"]
    assert reasons == ["no token could be had: away", "internal"]


async def test_keeper_stops_refreshing_when_the_connection_ends(
    hub: Any, keep: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question that was open is broken off, and nothing is left behind."""
    monkeypatch.setattr(module, "refresh_after", lambda *_: 0.001)
    keep(token=lambda: "t")
    call = await hub.greeted(auth="required")
    await call.read("auth")
    await call.send(
        {"type": "authenticated", "id": "auth", "user": "u", "expires_at": 9e12}
    )
    await notes.next("opened")
    await call.read("auth")
    call.cut()
    await notes.next("lost")


NOTICE = {"type": "notice", "code": "going_away", "deadline_ms": 30_000}


async def test_keeper_moves_before_a_hub_goes_away(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """The new connection is open before the old one is closed; nothing was lost."""
    keeper = keep()
    old = await hub.greeted()
    await notes.next("opened")
    await old.send(NOTICE | {"reconnect_after_ms": 1}, NOTICE)
    await notes.next("heard")
    await notes.next("heard")
    new = await hub.greeted()
    link = await notes.next("opened")
    assert await old.closed() == 1000
    link.tell(Ping(id=1))
    await new.read("ping")
    assert keeper.connections == 2


async def test_keeper_stays_until_somebody_else_takes_it_in(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """Attempts that are in vain are tried again, and the old connection goes on."""
    keep()
    old = await hub.greeted()
    await notes.next("opened")
    await old.send(NOTICE)
    await notes.next("heard")
    for _ in range(3):
        await (await hub.call()).close(4100, "busy")
    await old.send({"type": "event", "topic": "a", "seq": 1, "ts": 1, "data": 1})
    assert isinstance(await notes.next("heard"), Event)
    await old.close(4200, "drain")
    assert (await notes.next("lost")).code == 4200


async def test_keeper_closes_a_successor_that_comes_too_late(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """Closing while it is on the way leaves no connection behind."""
    keeper = keep()
    old = await hub.greeted()
    await notes.next("opened")
    await old.send(NOTICE)
    await notes.next("heard")
    successor = await hub.call()
    await keeper.close()
    assert await successor.closed() in {1000, 1006}
    assert await old.closed() == 1000


async def test_keeper_closes_a_successor_that_nobody_has_taken(
    hub: Any, keep: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was open already when the end came."""
    keeper = keep()
    old = await hub.greeted()
    await notes.next("opened")
    closing: list[asyncio.Task[None]] = []
    loop, door = asyncio.get_running_loop(), keeper._door
    really_open = door.open

    async def open_and_close() -> Link:
        link = await really_open()
        loop.call_soon(lambda: closing.append(loop.create_task(keeper.close())))
        return link

    monkeypatch.setattr(door, "open", open_and_close)
    await old.send(NOTICE)
    successor = await hub.greeted()
    assert await successor.closed() == 1000
    assert await old.closed() == 1000
    await closing[0]
    assert keeper.connections == 1


async def test_keeper_passes_over_other_notices(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """A code that nobody knows changes nothing."""
    keep()
    call = await hub.greeted()
    await notes.next("opened")
    await call.send({"type": "notice", "code": "degraded"})
    await notes.next("heard")
    assert hub.calls.empty()


async def test_keeper_tells_of_its_own_mistakes(
    hub: Any, keep: Any, notes: Notes, lines: Any
) -> None:
    """Whoever waits for items must not wait for ever because of them."""
    notes.fault = ZeroDivisionError("oops")
    keep()
    call = await hub.greeted()
    await notes.next("opened")
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    error = await notes.next("finished")
    assert "oops" in str(error)
    assert "client_crashed" in lines.names


async def test_keeper_closes_whatever_it_is_doing(
    hub: Any, keep: Any, notes: Notes
) -> None:
    """While waiting, while opening, and twice; the hub gets a clean close."""
    keeper = keep()
    call = await hub.greeted()
    await notes.next("opened")
    await keeper.close()
    await keeper.close()
    assert await call.closed() == 1000
    opening = keep()
    call = await hub.call()
    await opening.close()
    assert await call.closed() == 1006


async def test_keeper_closes_while_a_connection_of_it_ends(
    hub: Any, keep: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told to go on, and hung for ever where a hub and its client ended at once.

    The hub had announced its end, so that a successor was on its way, and the wait
    for the end of that took the keeper's own cancellation for the successor's.
    """
    keeper = keep()
    call = await hub.greeted()
    await notes.next("opened")
    opening, leaving, may_leave = (asyncio.Event() for _ in range(3))

    async def open_slowly() -> None:
        opening.set()
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()
            await may_leave.wait()

    monkeypatch.setattr(keeper._door, "open", open_slowly)
    await call.send(NOTICE)
    async with asyncio.timeout(WAIT):
        await opening.wait()
        await call.close(4200, "drain")
        await leaving.wait()
        closing = asyncio.create_task(keeper.close())
        await asyncio.sleep(0)
        may_leave.set()
        await closing


async def test_keeper_that_was_never_started_closes_too(
    hub: Any, quick: dict[str, Any], notes: Notes
) -> None:
    """Closing is always possible."""
    await Keeper(hub.url, notes, quick).close()  # type: ignore[arg-type] # any option
