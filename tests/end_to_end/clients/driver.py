"""A driver as there is one for Autobahn's fuzzing server on nearly every library."""

import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect


def main(server: str) -> None:
    """Ask how many cases there are, run each, and have the report written."""
    with connect(f"{server}/getCaseCount") as connection:
        count = int(connection.recv())
    for number in range(1, count + 1):
        try:
            run(f"{server}/runCase?case={number}&agent=driver")
        except (WebSocketException, OSError, EOFError):
            continue
    with connect(f"{server}/updateReports?agent=driver"):
        pass


def run(url: str) -> None:
    """Run one case."""
    with connect(url, max_size=2**24) as connection:
        for message in connection:
            connection.send(message)


main(sys.argv[1])
