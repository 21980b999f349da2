"""Who may use the panel.

Without a token it listens on loopback only. Even so a web page in this machine's browser could
reach it: by a name that suddenly resolves to 127.0.0.1, or by a form that posts across sites. So
Host must name this machine, and Origin, where a browser sends it, must be the panel's own.
A token is no cookie: no browser adds it by itself, so it answers for both.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from device.panel.problems import Handler, Problem

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """The rules, as a middleware. An empty `token` is none."""

    def __init__(self, token: str) -> None:
        self._token = token

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass, or say why not. Raises Problem."""
        if self._token:
            self._check_token(request)
        else:
            _check_host(request)
        _check_origin(request)
        return await handler(request)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Problem(
                401,
                "The panel asks for its token: Authorization: Bearer TOKEN.",
                kind="token",
                headers={"WWW-Authenticate": 'Bearer realm="wsd-scanner"'},
            )


def _check_host(request: web.Request) -> None:
    try:
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        name = None
    if name not in _HERE:
        raise Problem(403, "The panel answers to localhost and 127.0.0.1 only.", kind="host")


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    own = f"{request.scheme}://{request.headers.get('Host', '')}"
    if origin is not None and origin != own:
        raise Problem(403, "Pages of other sites may not use the panel.", kind="origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in ("none", "same-origin") and request.path.startswith("/api/"):
        raise Problem(403, "Pages of other sites may not use the panel.", kind="origin")
