"""Counts and times every request, and answers for what nobody foresaw."""

from __future__ import annotations

import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.service.http.problems import FAILED, Problem
from unmask.service.metrics import REQUEST_SECONDS, REQUESTS

_log = logging.getLogger(__name__)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Monitor:
    """Counts and times requests; an error of our own becomes a problem document without a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            try:
                await send(message)
            except Exception:
                # The server had to close the connection meanwhile, over bytes that are no HTTP.
                raise ClientDisconnect from None

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            status = status or 499
        except Exception:
            _log.exception("a request failed")
            if status:
                raise
            problem = Problem(FAILED, "Something went wrong on our side; it was written down.")
            await problem.response()(scope, receive, watched)
        finally:
            # The route, not the path: a stranger's made-up paths must not become label values.
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, status).inc()
            REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)
