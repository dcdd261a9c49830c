"""Streams are split at their borders, however their bytes arrive."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavetank.chaos.framing import MAX_HEAD, Splitter, measure
from wavetank.chaos.toxic import Bytes, Direction, Frame, Head, Item, data_of
from wavetank.errors import LocalError
from wavetank.wire.frames import encode_frame

CHUNKS = b"4\r\nHTTP\r\n6;x=y\r\n/1.1 2\r\n0\r\nA: b\r\n\r\n"
UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM
REQUEST = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MASK = b"\x37\xfa\x21\x3d"
HELLO = encode_frame(0x1, b"Hello")
STARTS = {UP: REQUEST, DOWN: AGREED}

directions = st.sampled_from([UP, DOWN])
frames = st.builds(
    encode_frame,
    st.integers(0, 15),
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([125, 126, 127, 300, 1100]).map(bytes),
    ),
    fin=st.booleans(),
    mask=st.sampled_from([None, MASK]),
    length_form=st.sampled_from([None, 64]),
)
cuts = st.lists(st.integers(1, 8) | st.integers(1, 400), min_size=1)


def framed(direction: Direction = DOWN, max_frame: int = 1000) -> Splitter:
    """Return a splitter behind the opening handshake."""
    splitter = Splitter(direction, max_frame=max_frame)
    assert splitter.feed(STARTS[direction]) == [Head(STARTS[direction])]
    return splitter


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a stream into pieces of these sizes, again and again."""
    found, start, turn = [], 0, 0
    while start < len(stream):
        found.append(stream[start : start + sizes[turn % len(sizes)]])
        start += len(found[-1])
        turn += 1
    return found


def joined(items: list[Item]) -> list[Item]:
    """Return the items with neighbouring bytes as one: where they are cut is free."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Bytes) and found and isinstance(found[-1], Bytes):
            found[-1] = Bytes(found[-1].data + item.data)
        else:
            found.append(item)
    return found


def feed_all(splitter: Splitter, chunks: list[bytes]) -> list[Item]:
    """Feed chunks, then end the stream."""
    items = [item for chunk in chunks for item in splitter.feed(chunk)]
    return joined([*items, *splitter.release()])


def raw(items: list[Item]) -> bytes:
    """Return the bytes of items."""
    return b"".join(map(data_of, items))


# Sizes


@pytest.mark.parametrize(
    ("start", "sizes"),
    [
        (b"", (0, 2)),
        (b"\x81", (0, 2)),
        (b"\x81\x05", (2, 7)),
        (b"\x81\x85", (6, 11)),
        (b"\x81\x7e\x01", (0, 4)),
        (b"\x81\x7e\x01\x00", (4, 260)),
        (b"\x81\xfe\x01\x00", (8, 264)),
        (b"\x81\x7f" + bytes(7), (0, 10)),
        (b"\x81\xff" + b"\xff" * 8, (14, 2**64 + 13)),
    ],
)
def test_size_is_known_as_soon_as_the_length_is_there(
    start: bytes, sizes: tuple[int, int]
) -> None:
    """Each length form says how large the frame is, or how much is needed to know."""
    assert measure(b"??" + start, 2) == sizes


# The handshake


def test_splitter_splits_head_and_frames_of_one_chunk() -> None:
    """What came in one read is told apart."""
    splitter = Splitter(DOWN)
    ping = encode_frame(0x9)
    assert splitter.feed(AGREED + HELLO + ping) == [
        Head(AGREED),
        Frame(HELLO, 2),
        Frame(ping, 2),
    ]
    assert splitter.upgraded is True
    assert splitter.frames == 2
    assert "downstream frames" in repr(splitter)


def test_upstream_splits_frames_before_it_is_told() -> None:
    """A client that does not wait for the response is split too."""
    splitter = framed(UP)
    frame = encode_frame(0x1, b"Hello", mask=MASK)
    assert splitter.feed(frame) == [Frame(frame, 6)]
    assert splitter.tell(upgraded=True) == []
    assert splitter.feed(frame) == [Frame(frame, 6)]


def test_upstream_hands_out_what_it_kept_when_the_upgrade_is_refused() -> None:
    """What looked like the start of a frame goes by once there are none."""
    splitter = framed(UP)
    assert splitter.feed(b"\x81\xfe") == []
    assert splitter.held == 2
    assert splitter.tell(upgraded=False) == [Bytes(b"\x81\xfe")]
    assert splitter.feed(b"anything") == [Bytes(b"anything")]
    assert splitter.held == 0


def test_upstream_waits_for_the_response_where_no_upgrade_was_asked_for() -> None:
    """A request's body goes by at once; a surprising 101 makes frames of the rest."""
    splitter = Splitter(UP)
    assert splitter.feed(PLAIN + b"body") == [Head(PLAIN), Bytes(b"body")]
    assert not splitter.is_framed
    splitter.tell(upgraded=True)
    assert splitter.feed(HELLO) == [Frame(HELLO, 2)]


def test_upstream_hands_out_its_head_when_it_is_refused_early() -> None:
    """A target may answer before the request is complete."""
    splitter = Splitter(UP)
    assert splitter.feed(REQUEST[:20]) == []
    assert splitter.tell(upgraded=False) == [Bytes(REQUEST[:20])]
    assert splitter.feed(REQUEST[20:]) == [Bytes(REQUEST[20:])]


def test_upstream_completes_its_head_when_it_is_agreed_to_early() -> None:
    """A target may agree before the request is complete."""
    splitter = Splitter(UP)
    splitter.feed(PLAIN[:20])
    splitter.tell(upgraded=True)
    assert splitter.feed(PLAIN[20:] + HELLO) == [Head(PLAIN), Frame(HELLO, 2)]


@pytest.mark.parametrize(
    "response",
    [
        REFUSED,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_downstream_becomes_bytes_unless_it_agrees(response: bytes) -> None:
    """Behind any other response there are no frames."""
    splitter = Splitter(DOWN)
    assert splitter.feed(response + HELLO) == [Head(response), Bytes(HELLO)]
    assert splitter.upgraded is False


@pytest.mark.parametrize(
    ("refusal", "body"),
    [
        (REFUSED, b""),
        (b"HTTP/1.1 401 No\r\ncontent-length : 5\r\n\r\n", b"HTTP/"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b""),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS),
        (b"HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 3\r\n\r\n", b"\n\n\n"),
    ],
)
@pytest.mark.parametrize("skips", [False, True])
@given(sizes=cuts)
def test_who_was_refused_may_ask_again(
    refusal: bytes, body: bytes, skips: bool, sizes: list[int]
) -> None:
    """As with a password, behind 401: the next response may agree."""
    up, down = framed(UP), Splitter(DOWN)
    items: list[Item] = []
    for chunk in pieces(refusal + body, sizes):
        if skips:
            down.skip(chunk)
        else:
            items += down.feed(chunk)
    assert joined(items) == (
        [] if skips else [Head(refusal), *([Bytes(body)] if body else [])]
    )
    assert (down.upgraded, down.has_refused) == (None, True)
    down.has_refused = False
    assert up.begin_again()
    assert joined(
        [item for one in pieces(REQUEST, sizes) for item in up.feed(one)]
    ) == [Head(REQUEST)]
    assert feed_all(down, pieces(AGREED + HELLO, sizes)) == [
        Head(AGREED),
        Frame(HELLO, 2),
    ]
    assert down.upgraded is True
    frame = encode_frame(0x1, b"Hello", mask=MASK)
    assert up.feed(frame) == [Frame(frame, 6)]


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.0 401 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 401 No\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 401 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 401 No\r\n\r\n",
        REFUSED + REFUSED,
        REFUSED + b"\x81",
    ],
)
def test_a_refusal_is_the_end_where_nobody_can_tell_what_follows(
    refusal: bytes,
) -> None:
    """What has no counted body, and what answers twice, goes by as bytes for ever."""
    splitter = Splitter(DOWN)
    assert raw(splitter.feed(refusal)) == refusal
    assert splitter.upgraded is False
    assert splitter.feed(AGREED) == [Bytes(AGREED)]


def test_refusals_are_bounded() -> None:
    """Who asks again and again goes by as bytes in the end."""
    splitter = Splitter(DOWN)
    for _ in range(8):
        assert splitter.feed(REFUSED) == [Head(REFUSED)]
        assert splitter.upgraded is None
        splitter.has_refused = False
    assert splitter.feed(REFUSED) == [Head(REFUSED)]
    assert splitter.upgraded is False


@pytest.mark.parametrize("skips", [False, True])
@given(sizes=cuts)
def test_a_refusal_whose_chunks_are_wrong_is_told_from_then_on(
    skips: bool, sizes: list[int]
) -> None:
    """Upstream looks for another request by then, and has to stop that."""
    up, down = framed(UP), Splitter(DOWN)
    down.feed(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert up.begin_again()
    wrong = b"2\r\nabc" + AGREED + HELLO
    seen = b""
    for one in pieces(wrong, sizes):
        if skips:
            down.skip(one)
        else:
            seen += raw(down.feed(one))
    assert seen == (b"" if skips else wrong)
    assert down.upgraded is False
    assert up.tell(upgraded=False) == []
    assert up.feed(REQUEST) == [Bytes(REQUEST)]


refusals = st.one_of(
    st.binary(max_size=60).map(
        lambda body: (
            b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(body),
            body,
        )
    ),
    st.lists(st.binary(min_size=1, max_size=40), max_size=4).map(
        lambda chunks: (
            b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks)
            + b"0\r\n\r\n",
        )
    ),
    st.just((b"HTTP/1.1 204 No\r\n\r\n", b"")),
)


@given(said=st.lists(refusals, max_size=7), sizes=cuts, frame=frames)
def test_the_same_items_come_out_however_refusals_and_frames_are_cut(
    said: list[tuple[bytes, bytes]], sizes: list[int], frame: bytes
) -> None:
    """A client that asks again and again, until the target agrees."""
    up, down = Splitter(UP), Splitter(DOWN)
    for head, body in said:
        assert feed_all(up, pieces(REQUEST, sizes)) == [Head(REQUEST)]
        came = feed_all(down, pieces(head + body, sizes))
        assert came == [Head(head), *([Bytes(body)] if body else [])]
        assert (down.upgraded, down.has_refused) == (None, True)
        down.has_refused = False
        assert up.begin_again()
    assert feed_all(up, pieces(REQUEST, sizes)) == [Head(REQUEST)]
    came = feed_all(down, pieces(AGREED + frame, sizes))
    assert came[0] == Head(AGREED)
    assert isinstance(came[1], Frame)
    assert raw(came[1:]) == frame
    assert up.tell(upgraded=True) == []
    assert isinstance(feed_all(up, pieces(frame, sizes))[0], Frame)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        REQUEST + b"\x81",
        REQUEST + HELLO,
        PLAIN + b"body",
        b"POST /x HTTP/1.1\r\n\r\n",
        REQUEST[:9],
        b"\x00",
    ],
)
def test_who_did_not_wait_for_the_response_cannot_begin_again(
    said: bytes, skips: bool
) -> None:
    """What was said meanwhile is half a frame, a body, or another request."""
    splitter = Splitter(UP)
    if skips:
        splitter.skip(said)
    else:
        splitter.feed(said)
    assert not splitter.begin_again()


def test_downstream_takes_an_agreement_without_its_field() -> None:
    """A 101 that leaves out Upgrade is wrong, and followed by frames."""
    splitter = Splitter(DOWN)
    response = b"HTTP/1.1 101 Yes\r\n\r\n"
    assert splitter.feed(response + HELLO) == [Head(response), Frame(HELLO, 2)]


def test_downstream_waits_for_the_last_response() -> None:
    """100 Continue and its like come before the answer."""
    splitter = Splitter(DOWN)
    assert splitter.feed(CONTINUE + AGREED + HELLO) == [
        Head(CONTINUE),
        Head(AGREED),
        Frame(HELLO, 2),
    ]


def test_downstream_gives_up_on_endless_responses() -> None:
    """A target that only says 100 Continue makes nothing grow."""
    splitter = Splitter(DOWN)
    items = joined(splitter.feed(CONTINUE * 5000))
    assert items == [Head(CONTINUE)] * 9 + [Bytes(CONTINUE * 4991)]
    assert splitter.upgraded is False


@pytest.mark.parametrize(
    ("direction", "start"),
    [
        (UP, b"\x16\x03\x01"),
        (UP, b"get / HTTP/1.1\r\n"),
        (UP, b"SUBSCRIBE x\r\n"),
        (UP, b"ABCDEFGHIJKLMNOPQRSTU"),
        (UP, b"GET / HTTP/2.0\r\n"),
        (UP, b"\r\n"),
        (DOWN, b"SSH-2.0"),
        (DOWN, b"HTTX"),
        (DOWN, b"HTTP/2"),
        (DOWN, b"HTTP/1.1 020 No\r\n"),
        (DOWN, b"\x81"),
    ],
)
def test_splitter_lets_other_protocols_by_at_once(
    direction: Direction, start: bytes
) -> None:
    """What cannot become HTTP is not kept, since somebody may wait for it."""
    splitter = Splitter(direction)
    assert feed_all(splitter, [start, HELLO]) == [Bytes(start + HELLO)]
    assert splitter.upgraded is (None if direction is UP else False)


@pytest.mark.parametrize(("direction", "start"), list(STARTS.items()))
def test_splitter_keeps_each_beginning_of_a_head(
    direction: Direction, start: bytes
) -> None:
    """However few bytes of it are there, a head is put together."""
    for size in range(1, len(start)):
        splitter = Splitter(direction)
        assert splitter.feed(start[:size]) == []
        assert splitter.held == size
        assert splitter.feed(start[size:]) == [Head(start)]


@pytest.mark.parametrize("sizes", [[1_000_000], [1000], [MAX_HEAD], [MAX_HEAD + 1]])
def test_splitter_gives_up_on_an_endless_head(sizes: list[int]) -> None:
    """More than 64 KiB before the empty line is no head, and goes by."""
    stream = b"GET / HTTP/1.1\r\nA: " + b"a" * (MAX_HEAD - 20) + b"\r\n\r\n"
    splitter = Splitter(UP)
    assert feed_all(splitter, pieces(stream, sizes)) == [Bytes(stream)]
    assert splitter.held == 0


def test_splitter_takes_a_head_of_64_kib() -> None:
    """The bound itself is allowed."""
    start, end = b"GET / HTTP/1.1\r\nA: ", b"\r\n\r\n"
    stream = start + b"a" * (MAX_HEAD - len(start + end)) + end
    assert Splitter(UP).feed(stream) == [Head(stream)]


# Frames


@settings(deadline=None, database=None)
@given(directions, st.lists(frames, max_size=8), st.binary(max_size=20), cuts)
def test_splitter_returns_the_same_however_the_bytes_are_cut(
    direction: Direction, many: list[bytes], rest: bytes, sizes: list[int]
) -> None:
    """Each frame comes out whole, and nothing is lost, added or moved."""
    stream = STARTS[direction] + b"".join(many) + rest
    whole = feed_all(Splitter(direction, max_frame=1000), [stream])
    cut = feed_all(Splitter(direction, max_frame=1000), pieces(stream, sizes))
    assert cut == whole
    assert raw(cut) == stream
    expected = [frame for frame in many if len(frame) <= 1000]
    assert [item.data for item in cut if isinstance(item, Frame)][: len(expected)] == (
        expected
    )


@settings(deadline=None, database=None)
@given(directions, st.binary(max_size=300), cuts)
@example(UP, REQUEST + b"\xff" * 60, [1])
@example(DOWN, AGREED + b"\x81\xff" + b"\xff" * 60, [3])
def test_splitter_takes_any_bytes(
    direction: Direction, stream: bytes, sizes: list[int]
) -> None:
    """Hostile bytes never raise, never vanish, and come out the same however cut."""
    for start in (b"", STARTS[direction]):
        whole = feed_all(Splitter(direction, max_frame=50), [start + stream])
        splitter = Splitter(direction, max_frame=50)
        cut = feed_all(splitter, pieces(start + stream, sizes))
        assert cut == whole
        assert raw(cut) == start + stream
        assert splitter.held == 0


@settings(deadline=None, database=None)
@given(
    directions,
    st.lists(frames, min_size=1, max_size=8),
    cuts,
    st.lists(st.booleans(), min_size=1),
)
def test_skipping_and_splitting_agree_on_the_borders(
    direction: Direction, many: list[bytes], sizes: list[int], turns: list[bool]
) -> None:
    """Whatever was skipped before, what comes out as a frame is one of the stream's."""
    stream = STARTS[direction] + b"".join(many)
    borders = {}
    start = len(STARTS[direction])
    for frame in many:
        borders[start] = frame
        start += len(frame)
    splitter = Splitter(direction)
    place, handed_on = 0, b""
    for number, chunk in enumerate(pieces(stream, sizes)):
        if turns[number % len(turns)]:
            items = splitter.release()
            splitter.skip(chunk)
            items.append(Bytes(chunk))
        else:
            items = splitter.feed(chunk)
        for item in items:
            if isinstance(item, Frame):
                assert borders[place] == item.data
            place += len(data_of(item))
        handed_on += raw(items)
    assert handed_on + raw(splitter.release()) == stream
    assert splitter.frames == len(many)
    assert splitter.feed(HELLO) == [Frame(HELLO, 2)]


@pytest.mark.parametrize("size", range(1, 15))
def test_splitter_goes_on_at_the_next_border_behind_skipped_bytes(size: int) -> None:
    """The rest of a frame whose begin was skipped goes by as bytes."""
    splitter = framed(max_frame=100_000)
    large = encode_frame(0x2, bytes(70_000), mask=MASK)
    splitter.skip(large[:size])
    assert splitter.feed(large[size:] + HELLO) == [
        Bytes(large[size:]),
        Frame(HELLO, 2),
    ]


def test_splitter_goes_on_in_a_header_that_is_skipped_byte_by_byte() -> None:
    """A header in pieces is put together, whoever takes its last piece."""
    splitter = framed()
    frame = encode_frame(0x2, bytes(300), mask=MASK)
    for place in range(3):
        splitter.skip(frame[place : place + 1])
    assert splitter.feed(frame[3:4]) == [Bytes(frame[3:4])]
    splitter.skip(frame[4:] + HELLO)
    assert splitter.frames == 2
    assert splitter.feed(HELLO) == [Frame(HELLO, 2)]


def test_splitter_skips_a_header_that_came_in_two_reads() -> None:
    """The frame behind it is followed too."""
    splitter = framed()
    splitter.skip(HELLO[:1])
    splitter.skip(HELLO[1:] + HELLO)
    assert splitter.frames == 2
    assert splitter.feed(HELLO) == [Frame(HELLO, 2)]


def test_splitter_says_when_kept_bytes_would_be_overtaken() -> None:
    """Skipping while bytes are kept would change their order: release them first."""
    splitter = framed()
    splitter.feed(HELLO[:4])
    with pytest.raises(LocalError, match="release"):
        splitter.skip(HELLO[4:])
    assert splitter.release() == [Bytes(HELLO[:4])]
    assert splitter.release() == []
    splitter.skip(HELLO[4:])
    assert splitter.feed(HELLO) == [Frame(HELLO, 2)]


def test_splitter_skips_a_head() -> None:
    """The handshake is followed without being kept from anybody."""
    splitter = Splitter(DOWN)
    splitter.skip(AGREED[:30])
    assert splitter.held == 0
    assert splitter.feed(AGREED[30:40]) == []
    assert splitter.release() == [Bytes(AGREED[30:40])]
    assert splitter.feed(AGREED[40:] + HELLO) == [
        Bytes(AGREED[40:]),
        Frame(HELLO, 2),
    ]


def test_splitter_skips_head_and_frames_of_one_chunk() -> None:
    """What is behind the head is followed at once."""
    splitter = Splitter(DOWN)
    splitter.skip(AGREED + HELLO + HELLO[:3])
    assert splitter.upgraded is True
    assert splitter.feed(HELLO[3:] + HELLO) == [Bytes(HELLO[3:]), Frame(HELLO, 2)]


def test_splitter_skips_what_is_no_http() -> None:
    """Another protocol is followed no further."""
    splitter = Splitter(DOWN)
    splitter.skip(b"HT")
    splitter.skip(b"ML: no")
    splitter.skip(HELLO)
    assert splitter.upgraded is False
    assert splitter.feed(HELLO) == [Bytes(HELLO)]
    half = Splitter(DOWN)
    half.skip(b"HT")
    assert half.feed(b"ML") == [Bytes(b"ML")]


def test_splitter_hands_on_oversized_frames_in_pieces() -> None:
    """A frame above the bound is never put together; the next one is split again."""
    splitter = framed(max_frame=50)
    large = encode_frame(0x2, bytes(60))
    assert splitter.feed(large[:10]) == [Bytes(large[:10])]
    assert splitter.held == 0
    assert splitter.feed(large[10:] + HELLO) == [Bytes(large[10:]), Frame(HELLO, 2)]
    assert splitter.feed(large + HELLO) == [Bytes(large), Frame(HELLO, 2)]
    assert splitter.statistics() == {
        "held": 0,
        "frames": 4,
        "oversized": 2,
        "left": 0,
    }


def test_splitter_keeps_nothing_of_an_absurd_frame() -> None:
    """A header that announces 16 EiB makes everything behind it bytes."""
    splitter = framed()
    splitter.feed(b"\x82\x7f" + b"\xff" * 8)
    for _ in range(100):
        assert splitter.feed(bytes(1000)) == [Bytes(bytes(1000))]
        assert splitter.held == 0


def test_splitter_returns_nothing_for_nothing() -> None:
    """An empty read is no item, wherever the stream is."""
    splitter = Splitter(DOWN)
    assert splitter.feed(b"") == []
    splitter.skip(b"")
    splitter.feed(AGREED)
    assert splitter.feed(b"") == []
    splitter.skip(HELLO[:3])
    assert splitter.feed(b"") == []
