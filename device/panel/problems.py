"""What went wrong, as `application/problem+json` with the right status (RFC 9457)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from device.errors import (
    ChangeNotAllowed,
    DeviceError,
    DirectoryUnavailable,
    InvalidArgs,
    JobIdNotFound,
    LogonRefused,
    NoSuchDelivery,
    NoSuchProcess,
    NotLoggedOn,
    RequestError,
    TooManyAttempts,
)
from scanner_backends.errors import BackendError

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):
    """A request of the panel that cannot be fulfilled; `detail` says what would be right."""

    def __init__(
        self, status: int, detail: str, *, kind: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer that says so."""
        title = HTTPStatus(self.status).phrase
        body: dict[str, object] = {
            "type": f"urn:wsd-scanner:problem:{self.kind}" if self.kind else "about:blank",
            "title": title,
            "status": self.status,
            "detail": str(self),
        }
        return web.Response(
            status=self.status,
            text=json.dumps(body, ensure_ascii=False),
            content_type=PROBLEM_TYPE,
            headers=self.headers,
        )


def not_found(what: str) -> Problem:
    """There is no such thing."""
    return Problem(404, f"There is no such {what}.", kind="not-found")


def of_device(error: DeviceError) -> Problem:
    """An error of the device: mostly its state, which rules the wish out for now."""
    status = next((code for known, code in _STATUSES.items() if isinstance(error, known)), 409)
    headers = None
    if isinstance(error, TooManyAttempts):
        headers = {"Retry-After": str(math.ceil(error.seconds))}
    return Problem(status, str(error), kind=type(error).__name__, headers=headers)


_STATUSES: dict[type[DeviceError], int] = {
    JobIdNotFound: 404,
    NoSuchProcess: 404,
    NoSuchDelivery: 404,
    InvalidArgs: 422,
    # 401 is for the panel's own token: it says how to come by one.
    LogonRefused: 403,
    NotLoggedOn: 403,
    ChangeNotAllowed: 403,
    TooManyAttempts: 429,
    DirectoryUnavailable: 503,
}
"""What is none of these is ruled out by the present state."""


_PEERS_DOING = (ConnectionError, web.RequestPayloadError, HttpProcessingError)
"""How reading a body fails that was cut short, or is not coded as its header says."""


@web.middleware
async def say_what_is_wrong(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except DeviceError as error:
        if isinstance(error, RequestError):
            log.info("panel: %s", error)
        return of_device(error).response()
    except BackendError as error:
        return Problem(409, f"The source cannot be read: {error}.", kind="source").response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return Problem(error.status, f"{error.reason}.", headers=allow).response()
    except _PEERS_DOING as error:
        log.info("panel: %s %s sent no whole request: %r", request.method, request.path, error)
        return Problem(400, "The body breaks off, or is not what its header says.").response()
    except Exception:
        log.exception("panel: %s %s failed", request.method, request.path)
        return Problem(500, "Something went wrong here; the log says what.").response()
