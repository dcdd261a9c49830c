"""How fast masked frames are read, beside the sans-I/O reader of websockets.

It refuses to know sockets: bytes in memory in, frames or messages out.

    python benchmarks/frame_reader.py [--json FILE] [--rounds N] [--frames N]
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import websockets.protocol
import websockets.server
from machine import describe_machine

from wavetank.wire import FrameReader, MessageLimits, MessageReader, Opcode
from wavetank.wire.frames import apply_mask, encode_frame

LIMIT = 2**20
REFERENCE = "websockets"
WITH_TEXT = "websockets, UTF-8"
CHUNKS = {"one frame a feed": None, "64 KiB reads": 65_536, "1,460 byte reads": 1460}


class Reader(NamedTuple):
    """A way to read: a name, and what takes one chunk after the other."""

    name: str
    make: Callable[[], Callable[[bytes], int]]


def read_with_websockets() -> Callable[[bytes], int]:
    """Return a reader made of ``websockets.server.ServerProtocol``."""
    protocol = websockets.server.ServerProtocol(
        state=websockets.protocol.OPEN, max_size=LIMIT
    )

    def read(chunk: bytes) -> int:
        protocol.receive_data(chunk)
        return len(protocol.events_received())

    return read


def read_text_with_websockets() -> Callable[[bytes], int]:
    """Return the same, with the text decoded as its connections do."""
    protocol = websockets.server.ServerProtocol(
        state=websockets.protocol.OPEN, max_size=LIMIT
    )

    def read(chunk: bytes) -> int:
        protocol.receive_data(chunk)
        events = protocol.events_received()
        for event in events:
            event.data.decode()  # type: ignore[union-attr]  # all are text frames
        return len(events)

    return read


def read_frames() -> Callable[[bytes], int]:
    """Return a strict FrameReader, as a server has it."""
    reader = FrameReader(expect_mask=True, max_payload=LIMIT)
    return lambda chunk: len(reader.feed(chunk))


def read_messages() -> Callable[[bytes], int]:
    """Return a MessageReader, as a server has it; it checks UTF-8, too."""
    limits = MessageLimits(message_bytes=LIMIT, fragments=1024)
    reader = MessageReader(expect_mask=True, limits=limits)
    return lambda chunk: len(reader.feed(chunk))


READERS = (
    Reader(REFERENCE, read_with_websockets),
    Reader(WITH_TEXT, read_text_with_websockets),
    Reader("FrameReader", read_frames),
    Reader("MessageReader", read_messages),
)


def masked_frames(count: int, size: int, rng: random.Random) -> list[bytes]:
    """Return text frames of one size, each with its own mask."""
    alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789{}[]":,'
    payload = "".join(rng.choices(alphabet, k=size)).encode()
    return [
        encode_frame(Opcode.TEXT, payload, mask=rng.randbytes(4)) for _ in range(count)
    ]


def cut(frames: Sequence[bytes], size: int | None) -> list[bytes]:
    """Return the stream in chunks; None cuts at the frames."""
    if size is None:
        return list(frames)
    stream = b"".join(frames)
    return [stream[place : place + size] for place in range(0, len(stream), size)]


def time_once(reader: Reader, chunks: Sequence[bytes], expected: int) -> float:
    """Return the seconds that one reader takes for all chunks."""
    read = reader.make()
    begun = time.perf_counter()
    seen = 0
    for chunk in chunks:
        seen += read(chunk)
    took = time.perf_counter() - begun
    if seen != expected:
        raise SystemExit(f"{reader.name} read {seen} of {expected} frames")
    return took


def measure(chunks: Sequence[bytes], frames: int, rounds: int) -> dict[str, float]:
    """Return nanoseconds a frame, medians of interleaved rounds, by reader."""
    took: dict[str, list[float]] = {reader.name: [] for reader in READERS}
    for turn in range(rounds):
        order = READERS[turn % len(READERS) :] + READERS[: turn % len(READERS)]
        for reader in order:
            took[reader.name].append(time_once(reader, chunks, frames))
    return {name: statistics.median(all_) / frames * 1e9 for name, all_ in took.items()}


def measure_unmasking(size: int, rounds: int) -> dict[str, float]:
    """Return bytes a second of unmasking, alone and inside a FrameReader."""
    payload = os.urandom(size)
    frame = encode_frame(Opcode.BINARY, payload, mask=b"\x12\x34\x56\x78")
    alone, inside = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        apply_mask(payload, b"\x12\x34\x56\x78")
        middle = time.perf_counter()
        FrameReader(expect_mask=True, max_payload=size).feed(frame)
        alone.append(middle - begun)
        inside.append(time.perf_counter() - middle)
    return {
        "apply_mask": size / statistics.median(alone),
        "FrameReader": size / statistics.median(inside),
    }


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure everything that was asked for."""
    rng = random.Random(arguments.seed)
    rows = []
    for size in arguments.sizes:
        count = max(64, min(arguments.frames, 32 * 2**20 // size))
        frames = masked_frames(count, size, rng)
        for name, chunk_size in CHUNKS.items():
            took = measure(cut(frames, chunk_size), count, arguments.rounds)
            ratios = {key: took[REFERENCE] / value for key, value in took.items()}
            rows.append(
                {
                    "payload_bytes": size,
                    "chunks": name,
                    "frames": count,
                    "nanoseconds_per_frame": took,
                    "times_as_fast": ratios,
                }
            )
    return {
        "machine": {
            **describe_machine(["websockets"]),
            "apply_mask": f"{apply_mask.__module__}.{apply_mask.__name__}",
        },
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "reading": rows,
        "unmasking_bytes_per_second": measure_unmasking(2**20, arguments.rounds * 20),
    }


def show(result: dict[str, object]) -> str:
    """Return the result as a small table."""
    names = [reader.name for reader in READERS]
    lines = [
        "masked text frames, ns a frame (median) and times as fast as websockets",
        f"{'payload':>8}  {'chunks':<18}" + "".join(f"{name:>19}" for name in names),
    ]
    rows = result["reading"]
    assert isinstance(rows, list)
    for row in rows:
        took, ratios = row["nanoseconds_per_frame"], row["times_as_fast"]
        cells = [f"{took[name]:>12,.0f} {ratios[name]:>5.2f}x" for name in names]
        lines.append(f"{row['payload_bytes']:>8}  {row['chunks']:<18}" + "".join(cells))
    speeds = result["unmasking_bytes_per_second"]
    assert isinstance(speeds, dict)
    lines += [
        f"unmasking 1 MiB: {name} {speed / 1e9:.2f} GB/s"
        for name, speed in speeds.items()
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it there, too")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds")
    parser.add_argument("--frames", type=int, default=5000, help="frames a round")
    parser.add_argument("--seed", type=int, default=1, help="of masks and payloads")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[16, 128, 4096, 65_536],
        help="payload sizes in bytes",
    )
    arguments = parser.parse_args(argv)
    result = run(arguments)
    print(show(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
