"""Under which names the service answers, and whose pages may use it from a browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from unmask.service.http.problems import FORBIDDEN, WRONG_HOST, Problem

ANY = "*"
_CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))


class HostAndOrigin:
    """Refuses foreign Host headers (DNS rebinding) and changes by foreign pages (CSRF)."""

    def __init__(
        self, app: ASGIApp, *, hosts: tuple[str, ...], origins: tuple[str, ...] = ()
    ) -> None:
        self.app, self.hosts, self.origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem:
            await problem.response()(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if ANY not in self.hosts and _name(host) not in self.hosts:
            return Problem(WRONG_HOST, "The service does not answer under this host name.")
        if scope["method"] not in _CHANGING:
            return None
        origin = headers.get("origin")
        if origin is None:
            # Programs send none. A browser that hides it still says that the page is another's.
            foreign = headers.get("sec-fetch-site") == "cross-site"
        else:
            foreign = origin not in self.origins and urlsplit(origin).netloc != host
        if foreign:
            return Problem(FORBIDDEN, "Pages of other sites may not use this service.")
        return None


def _name(host: str) -> str:
    """Return a Host header without its port, in lower case, IPv6 without brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
