"""Echo users of Locust on websocket-client: each sends when its answer is there.

They refuse to be started otherwise than by ``locust``; the measurement is in the
variable ``STINT``, in the words that other generators get as arguments.
"""

import os
import time
from typing import Any

import gevent
from locust import User, constant, events, task
from stint import read_stint, say
from websocket import WebSocket, create_connection

STINT = read_stint(os.environ["STINT"].split())
MESSAGE = "x" * STINT.size


class Echoed(User):
    """One connection."""

    wait_time = constant(0)
    _connection: WebSocket

    def on_start(self) -> None:
        """Open it."""
        self._connection = create_connection(STINT.url)

    @task
    def ask(self) -> None:
        """Send a message, wait for its answer, and tell Locust of it."""
        begun = time.perf_counter()
        self._connection.send(MESSAGE)
        answer = self._connection.recv()
        events.request.fire(
            request_type="WS",
            name="echo",
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=len(answer),
            exception=None,
            context={},
        )


@events.init.add_listener
def watch_when_all_are_there(environment: Any, **_: Any) -> None:
    """Measure once all users are there, and end."""

    def watch() -> None:
        total = environment.stats.total
        gevent.sleep(STINT.warm)
        before = total.num_requests, time.perf_counter(), time.process_time()
        gevent.sleep(STINT.seconds)
        after = total.num_requests, time.perf_counter(), time.process_time()
        done, seconds, cpu = (b - a for a, b in zip(before, after, strict=True))
        say(done / seconds, cpu / seconds)
        environment.runner.quit()

    events.spawning_complete.add_listener(lambda **_: gevent.spawn(watch))
