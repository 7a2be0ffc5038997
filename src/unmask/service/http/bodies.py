"""Limits on the size of bodies, of all together, and on the time one takes to arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.service.http.problems import BAD_REQUEST, BUSY, TOO_LARGE, TOO_SLOW, Problem

# A client that is still sending when it is refused mostly never reads why. So much more is read and
# thrown away first, for so long.
_DRAIN_BYTES = 64 * 2**20
_DRAIN_SECONDS = 5.0


class BodyLimits:
    """Refuses bodies that are too large or too slow, before anybody holds them in memory.

    A body may take ``seconds``, and a second more for each MiB it says it has: a video over a slow
    line needs them.

    Args:
        app: What is protected.
        max_bytes: Of one body.
        seconds: Time one may take.
        max_held: Of all bodies together.
        others: Of one body, at other paths.

    Attributes:
        held: Bytes of the requests that are being received or answered now.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        seconds: float,
        max_held: int,
        others: Mapping[str, int] | None = None,
    ) -> None:
        self.app, self.max_bytes, self.seconds = app, max_bytes, seconds
        self.others = others or {}
        self.max_held, self.held = max_held, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on while it keeps to the limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.others.get(scope["path"], self.max_bytes)
        too_large = Problem(TOO_LARGE, f"A request may have at most {most / 2**20:.3g} MiB.")
        headers = dict(scope["headers"])
        try:
            declared = int(headers.get(b"content-length", b"0"))
        except ValueError:
            problem = Problem(BAD_REQUEST, "The Content-Length is not a number.")
            await problem.response()(scope, receive, send)
            return
        if declared > most:
            await _drain(receive)
            await too_large.response()(scope, receive, send)
            return
        seconds = self.seconds + declared // 2**20
        until = time.monotonic() + seconds
        got, answering = 0, False
        complete = False

        async def limited() -> Message:
            nonlocal got, complete
            if complete or answering:
                # What follows the body is the news that the client has gone: no limit on that.
                return await receive()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    TOO_SLOW,
                    f"The request did not arrive within {seconds:g} s.",
                    {"Connection": "close"},
                ) from None
            got += len(message.get("body", b""))
            self.held += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > most:
                complete = complete or await _drain(receive)
                raise too_large
            # One request may be larger than that, where it is alone.
            if self.held > max(self.max_held, got):
                # Let go at once, so that the others can go on.
                self.held, got = self.held - got, 0
                complete = complete or await _drain(receive)
                raise Problem(
                    BUSY,
                    "The service has its hands full with other uploads; try again in a moment.",
                    {"Retry-After": "5"},
                )
            return message

        async def watched(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self.app(scope, limited, watched)
        finally:
            self.held -= got


async def _drain(receive: Receive) -> bool:
    """Throw away what is still coming, up to a limit; say whether that was all of it."""
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False
