"""Who asks: the holder of a key, a browser, or anybody; what they may do, and how often."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from unmask.service.http.problems import FORBIDDEN, NO_KEY, TOO_MANY, Problem
from unmask.service.services import Services, services_of
from unmask.service.store.keys import SCOPES, Scope

VISITOR_COOKIE, KEY_COOKIE = "unmask_visitor", "unmask_key"
EVERYBODY, NOBODY = "everybody", "nobody"
"""Owners of the shared history, and of what is in no history."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        owner: Whose history answers go to.
        client: Whom the rate is counted for.
        rate_per_minute: Pictures a minute; 0 for no limit.
        scopes: What the caller may do.
    """

    owner: str
    client: str
    rate_per_minute: float
    scopes: frozenset[str]

    def admit(self, services: Services, count: int = 1) -> None:
        """Count pictures against the caller's rate.

        Raises:
            Problem: The caller has to wait.
        """
        wait = services.rates.wait(self.client, self.rate_per_minute, count)
        if wait:
            seconds = math.ceil(wait)
            raise Problem(
                TOO_MANY,
                f"You may ask about {self.rate_per_minute:g} pictures a minute; "
                f"try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )


async def identify(request: Request) -> Caller:
    """Say who sent a request.

    Args:
        request: Its ``Authorization: Bearer`` or ``X-API-Key`` header or its cookie has the key.

    Raises:
        Problem: The key does not hold, or one is needed.
    """
    services = services_of(request)
    settings = services.settings
    secret = _secret(request)
    if secret:
        key = await asyncio.to_thread(services.keys.check, secret)
        if key is None:
            raise _no_key("This API key does not hold.")
        return Caller(f"key:{key.id}", f"key:{key.id}", key.rate_per_minute, key.scopes)
    if settings.require_key:
        raise _no_key("Send an API key as 'Authorization: Bearer KEY'.")
    address = request.client.host if request.client else "unknown"
    return Caller(
        _owner(request, private=settings.history == "private"),
        f"address:{address}",
        settings.rate_per_minute,
        frozenset(SCOPES),
    )


def caller_with(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency that asks for a scope."""

    async def dependency(request: Request) -> Caller:
        return require(await identify(request), scope)

    return dependency


def require(caller: Caller, scope: Scope) -> Caller:
    """Return the caller if they may do something.

    Raises:
        Problem: They may not.
    """
    if scope not in caller.scopes:
        raise Problem(FORBIDDEN, f"This API key has no scope '{scope}'.")
    return caller


DetectCaller = Annotated[Caller, Depends(caller_with("detect"))]
HistoryCaller = Annotated[Caller, Depends(caller_with("history"))]


def _secret(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key") or request.cookies.get(KEY_COOKIE)


def _owner(request: Request, *, private: bool) -> str:
    if not private:
        return EVERYBODY
    cookie = request.cookies.get(VISITOR_COOKIE)
    # Hashed, so that nobody who reads the database can take over a browser's history.
    return f"visitor:{hashlib.sha256(cookie.encode()).hexdigest()}"[:80] if cookie else NOBODY


def _no_key(detail: str) -> Problem:
    return Problem(NO_KEY, detail, {"WWW-Authenticate": "Bearer"})
