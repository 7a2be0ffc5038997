"""Errors as problem documents (RFC 9457), one kind for each thing that can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

from unmask.service.metrics import REFUSED

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem; its type is a link to its entry in the API's reference."""

    slug: str
    status: int
    title: str


BAD_REQUEST = ProblemKind("bad-request", 400, "The request cannot be read")
NO_KEY = ProblemKind("no-key", 401, "An API key is needed")
FORBIDDEN = ProblemKind("forbidden", 403, "This is not allowed")
NOT_FOUND = ProblemKind("not-found", 404, "There is nothing here")
NOT_ALLOWED = ProblemKind("method-not-allowed", 405, "This cannot be done here")
TOO_SLOW = ProblemKind("too-slow", 408, "The request took too long to arrive")
TOO_LARGE = ProblemKind("too-large", 413, "The picture or request is too large")
NOT_A_PICTURE = ProblemKind("not-a-picture", 415, "The picture cannot be read")
WRONG_HOST = ProblemKind("wrong-host", 421, "The service does not answer under this name")
BAD_FIELD = ProblemKind("bad-field", 422, "A field is missing or wrong")
TOO_MANY = ProblemKind("too-many", 429, "Too many requests")
FAILED = ProblemKind("failed", 500, "The service failed")
BUSY = ProblemKind("busy", 503, "The service is busy")

KINDS = (
    BAD_REQUEST, NO_KEY, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, TOO_SLOW, TOO_LARGE, NOT_A_PICTURE,
    WRONG_HOST, BAD_FIELD, TOO_MANY, FAILED, BUSY,
)  # fmt: skip
_BY_STATUS = {kind.status: kind for kind in KINDS}


@dataclass
class Problem(Exception):  # noqa: N818  (its name in RFC 9457)
    """Something is wrong with a request, or with the service.

    Attributes:
        kind: What.
        detail: One sentence for the person who asked.
        headers: Sent along.
        more: Further members of the document.
    """

    kind: ProblemKind
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        return {
            "type": f"/docs#{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> JSONResponse:
        """Return the document as a response, and count it."""
        REFUSED.labels(self.kind.slug).inc()
        return JSONResponse(
            self.document(), self.kind.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


def problem_kind(status: int) -> ProblemKind:
    """Return the kind for a status that a library chose."""
    return _BY_STATUS.get(status) or (BAD_REQUEST if status < 500 else FAILED)
