"""What each of Locust's clients does; started by `load.py`, which sets the ``LOAD_*`` variables.

Every client posts one picture after another. With ``LOAD_UNIQUE`` each upload gets bytes of its own
behind the picture's end, so that no answer comes from the store. Every answer is compared with what
the command line said about the same picture; ``LOAD_OUT`` gets one JSON object in the end.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task
from locust.exception import StopUser

PICTURES = [Path(name) for name in json.loads(Path(os.environ["LOAD_PICTURES"]).read_text())]
EXPECTED: dict[str, dict[str, Any]] = json.loads(Path(os.environ["LOAD_EXPECTED"]).read_text())
PATH = os.environ["LOAD_PATH"]
UNIQUE = os.environ.get("LOAD_UNIQUE") == "1"
MOST = int(os.environ["LOAD_REQUESTS"])
FIELDS = ("verdict", "p_fake", "category", "category_confidence")

numbers = itertools.count()
milliseconds: list[float] = []
outcome = {"answered": 0, "lost": 0, "mixed_up": 0, "from_store": 0}
last = {"at": 0.0, "first": 0.0}


class Client(FastHttpUser):
    """One of the concurrent clients."""

    wait_time = constant(0)
    network_timeout = connection_timeout = 120.0

    @task
    def ask(self) -> None:
        """Post the next picture and check the answer."""
        number = next(numbers)
        if number >= MOST:
            raise StopUser
        path = PICTURES[number % len(PICTURES)]
        data = path.read_bytes() + (os.urandom(12) if UNIQUE else b"")
        name = f"{number}-{path.name}"
        started = time.perf_counter()
        last["first"] = last["first"] or started
        with self.client.post(
            PATH, files={"file": (name, data, "image/jpeg")}, catch_response=True, name=PATH
        ) as response:
            last["at"] = time.perf_counter()
            if response.status_code not in (200, 201):
                outcome["lost"] += 1
                response.failure(f"status {response.status_code}: {response.text}")
                return
            milliseconds.append(1000 * (last["at"] - started))
            outcome["answered"] += 1
            if EXPECTED:
                self.check(response, name, EXPECTED[str(path)])

    def check(self, response: Any, name: str, expected: dict[str, Any]) -> None:
        """Compare an answer with the command line's."""
        (answer,) = response.json()["detections"]
        outcome["from_store"] += answer["from_store"]
        if answer["name"] != name or any(answer[one] != expected[one] for one in FIELDS):
            outcome["mixed_up"] += 1
            response.failure("another picture's answer")
        else:
            response.success()


@events.test_start.add_listener
def watch(environment: Any, **_: Any) -> None:
    """Quit when all is answered; not from a client, which would then wait for itself."""

    def wait() -> None:
        while outcome["answered"] + outcome["lost"] < MOST:
            gevent.sleep(0.2)
        environment.runner.quit()

    gevent.spawn(wait)


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    """Write what was measured."""
    seconds = last["at"] - last["first"]
    Path(os.environ["LOAD_OUT"]).write_text(
        json.dumps({**outcome, "seconds": seconds, "milliseconds": milliseconds})
    )
