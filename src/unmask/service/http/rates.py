"""How often each client may ask."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_CLIENTS = 50_000


class Rates:
    """Limits pictures a minute for each client, by the generic cell rate algorithm.

    A client may save up one minute's worth. The state of one client is one number, in the memory of
    one server process: where several processes serve, each counts for itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def wait(self, client: str, per_minute: float, count: int = 1) -> float:
        """Take ``count`` from a client's allowance.

        Returns:
            0 where the client may go on; else in how many seconds it may, and nothing is taken.
        """
        if per_minute <= 0:
            return 0.0
        now = self._clock()
        each = 60 / per_minute
        due = max(self._due.get(client, now), now)
        # More than a minute's worth at once is let through where the client has been quiet.
        after, most = due + each * count, max(60.0, each * count)
        if after - now > most:
            return float(after - now - most)
        if len(self._due) >= _MOST_CLIENTS:
            self._due = {name: at for name, at in self._due.items() if at > now}
            if len(self._due) >= _MOST_CLIENTS:
                self._due.clear()
        self._due[client] = after
        return 0.0
