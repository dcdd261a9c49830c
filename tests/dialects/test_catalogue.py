"""The dialects by their names."""

from typing import Any

import pytest

from wavetank.dialects import SHIPPED, Bare, Dialect, Echo, Hub, named, recognise
from wavetank.errors import UsageError

WELCOME = (
    '{"type":"welcome","protocol":"wavetank.v1","connection":"c","node":"n",'
    '"version":"1","ts":1.0,"auth":"none","ping_interval_ms":20000,'
    '"limits":{"message_bytes":1,"payload_bytes":1,"topics":1,"commands_per_s":null,'
    '"publish_per_s":null,"first_command_ms":10000},"features":[]}'
)
FEED: dict[str, Any] = {"feed": {"path": "/feed", "event": {}}}


@pytest.mark.parametrize(
    ("name", "kind"), [("bare", Bare), ("echo", Echo), ("hub", Hub)]
)
def test_shipped_dialect_is_found_by_its_name(name: str, kind: type[Dialect]) -> None:
    """The three that need no description are there without a table."""
    assert isinstance(named(name), kind)
    assert named(name).name == name
    assert SHIPPED[name] is kind


def test_described_dialect_is_found_by_its_name() -> None:
    """A table of the user's file is a dialect of that name."""
    dialect = named("feed", FEED)
    assert (dialect.name, dialect.endpoint.path) == ("feed", "/feed")


@pytest.mark.parametrize(
    ("name", "tables", "problems"),
    [
        ("ecko", {}, ("no dialect is called 'ecko'; did you mean echo?",)),
        ("fed", FEED, ("no dialect is called 'fed'; did you mean feed?",)),
        ("zzz", FEED, ("no dialect is called 'zzz'",)),
        (
            "feed",
            FEED | {"hub": {}},
            ("wavetank.toml [dialect.hub]: this name is taken",),
        ),
        (
            "event",
            {"path": "/feed", "event": {}},
            (
                "wavetank.toml [dialect.path]: a description needs a name of its own,"
                " such as [dialect.mine]",
                "wavetank.toml [dialect.event]: a description needs a name of its own,"
                " such as [dialect.mine]",
            ),
        ),
        (
            "feed",
            {"feed": {"event": {"topik": "a"}, "pth": "/"}},
            (
                "wavetank.toml [dialect.feed] pth: unknown key; did you mean path?",
                "wavetank.toml [dialect.feed] event topik: unknown key;"
                " did you mean topic?",
            ),
        ),
    ],
)
def test_name_that_leads_nowhere_is_a_usage_error(
    name: str, tables: dict[str, Any], problems: tuple[str, ...]
) -> None:
    """An unknown name gets the nearest one, a bad table all of its mistakes."""
    with pytest.raises(UsageError) as caught:
        named(name, tables)
    assert caught.value.problems == problems


def test_place_of_a_mistake_is_in_the_file_that_was_read() -> None:
    """The file's own name stands in the problem."""
    with pytest.raises(UsageError, match=r"^lab\.toml \[dialect\.feed\] pth"):
        named("feed", {"feed": {"pth": "/", "event": {}}}, file="lab.toml")


@pytest.mark.parametrize(
    ("messages", "subprotocol"),
    [
        ([], "wavetank.v1"),
        ([WELCOME], None),
        (["hello", b"\xff", WELCOME], "chat"),
    ],
)
def test_hub_is_recognised_by_its_subprotocol_or_its_welcome(
    messages: list[str | bytes], subprotocol: str | None
) -> None:
    """Either of the two is enough."""
    assert isinstance(recognise(messages, subprotocol), Hub)


@pytest.mark.parametrize(
    ("messages", "subprotocol"),
    [
        ([], None),
        (["hello"], "chat"),
        ([b"\xff"], ""),
        (['{"type":"welcome"}'], None),
        ([WELCOME.replace("wavetank.v1", "other.v1")], None),
    ],
)
def test_stranger_is_not_recognised(
    messages: list[str | bytes], subprotocol: str | None
) -> None:
    """A target that says nothing of the kind is left to be asked."""
    assert recognise(messages, subprotocol) is None
