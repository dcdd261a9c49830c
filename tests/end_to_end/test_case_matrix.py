"""Every case is seen failing: on some server that is broken on purpose."""

import importlib
import pkgutil
from collections.abc import Callable

import msgspec
import pytest

import wavetank.lab.conformance
from wavetank.dialects import Echo
from wavetank.lab.conformance.aio.conforming import Conformer
from wavetank.lab.conformance.case import Case
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.wire import DeflateParameters, Refusal, Request, Upgrade, Violation
from wavetank.wrecks import SoundServer
from wavetank.wrecks.connection import Connection, Reader, Unit
from wavetank.wrecks.lax import LaxReader
from wavetank.wrecks.sound import MAX_MESSAGE

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

WITHIN = 0.4
"""Seconds for a reaction; who needs longer on a busy machine fails, as all do here."""


class Forgiving(SoundServer):
    """It overlooks every broken rule, and agrees to a compression that it has not."""

    def make_reader(self) -> Reader:
        """Overlook everything."""
        return LaxReader(lambda _: True, max_message=MAX_MESSAGE)

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Agree."""
        judged = super().judge(request)
        if isinstance(judged, Refusal):
            return judged
        if "Sec-WebSocket-Extensions" not in request.headers:
            return judged
        return msgspec.structs.replace(judged, deflate=DeflateParameters())


class Touchy(Forgiving):
    """It fails every connection at the first thing that comes."""

    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Have enough."""
        self.leave(connection)
        connection.fail(1011, "enough")


class Cheerful(Forgiving):
    """It fails connections as it should, and says that all was well."""

    def make_reader(self) -> Reader:
        """See every broken rule."""
        return SoundServer.make_reader(self)

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Call it normal."""
        normal = Violation(1000, violation.reason, violation.clause)
        super().on_violation(connection, normal)


class Deaf(Forgiving):
    """It opens, and does nothing from then on; a FIN does not end it either."""

    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Do nothing."""

    def on_connected(self, connection: Connection) -> None:
        """Stay open where the peer has ended its side."""
        super().on_connected(connection)
        connection.eof_received = lambda: True  # type: ignore[method-assign]


def tables() -> list[Case]:
    """Return the cases of every table, found by their name."""
    room = wavetank.lab.conformance
    modules = [
        importlib.import_module(f"{room.__name__}.{found.name}")
        for found in pkgutil.iter_modules(room.__path__)
    ]
    return [case for module in modules for case in getattr(module, "CASES", ())]


async def caught_by(make: Callable[[], SoundServer], cases: list[Case]) -> set[str]:
    """Return the ids of the cases that do not simply pass."""
    async with make() as server:
        await server.start()
        peers = Peers(
            Target(url=f"ws://127.0.0.1:{server.port}/echo", dialect=Echo()),
            check="kills",
            record=lambda _: None,
            now=lambda: 0.0,
        )
        results = await Conformer(peers, within=WITHIN).run(cases)
        await peers.close()
    judged = [each for each in results if each.judgement is not None]
    return {
        each.case.id
        for each in judged
        if each.judgement is not None
        and (each.judgement.verdict == "FAIL" or each.judgement.note)
    }


async def test_each_case_is_seen_failing() -> None:
    """Or its note: a case that nothing can miss would prove nothing."""
    cases = tables()
    assert len({case.id for case in cases}) == len(cases)
    left = cases
    for wreck in (Forgiving, Touchy, Cheerful, Deaf):
        caught = await caught_by(wreck, left)
        left = [case for case in left if case.id not in caught]
    assert [f"{case.id} {case.title}" for case in left] == []
