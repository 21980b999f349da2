"""Who may use the panel.

Without a token it listens on loopback only. Even so a web page in this machine's browser could
reach it: by a name that suddenly resolves to 127.0.0.1, or by a form that posts across sites. So
Host must name this machine, and Origin, where a browser sends it, must be the panel's own.

With a token, a script sends it as `Authorization: Bearer`, which no browser adds by itself. A
browser trades it for a cookie once, because neither a picture nor an event stream can send a
header. The cookie is worth nothing after a restart. Pages at other ports of the same host count as
the same site for a browser, so what comes with the cookie must come from the panel's own page.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from device.panel.problems import Handler, Problem

LOGIN_PATH = "/login"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_READING = ("GET", "HEAD")


class Access:
    """The rules, as a middleware.

    Args:
        token: what is asked for; empty is nothing.
        port: where the panel listens. Cookies know no ports, so the cookie's name tells it.
        sign_in: the page that a browser gets which has no cookie yet.
    """

    def __init__(self, token: str, *, port: int, sign_in: Callable[[], web.Response]) -> None:
        self._token = token
        self._session = secrets.token_urlsafe(32)
        self._cookie = f"wsd-scanner-{port}"
        self._sign_in = sign_in

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass, or say why not. Raises Problem."""
        if not self._token:
            _check_host(request)
        elif not self._is_let_in(request):
            if _is_visit(request):
                return self._sign_in()
            raise Problem(
                401,
                "The panel asks for its token: Authorization: Bearer TOKEN.",
                kind="token",
                headers={"WWW-Authenticate": 'Bearer realm="wsd-scanner"'},
            )
        _check_origin(request)
        return await handler(request)

    def is_token(self, given: str) -> bool:
        """Whether that is the token; none is asked for when there is none."""
        return _same(given, self._token)

    def let_in(self, response: web.Response) -> web.Response:
        """Give the browser its cookie."""
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict")
        return response

    def _is_let_in(self, request: web.Request) -> bool:
        if request.path == LOGIN_PATH or (request.path == "/" and "token" in request.query):
            return True  # there the token is looked at
        if "Authorization" in request.headers:
            scheme, _, given = request.headers["Authorization"].partition(" ")
            return scheme.lower() == "bearer" and self.is_token(given.strip())
        given = request.cookies.get(self._cookie, "")
        if not _same(given, self._session):
            return False
        if request.method not in _READING and not _names_itself(request):
            raise Problem(
                403, "With the cookie, only the panel's own page may do that.", kind="origin"
            )
        return True


def _same(given: str, right: str) -> bool:
    """Compare in constant time; what is no UTF-8 in a header comes as surrogates."""
    return hmac.compare_digest(
        given.encode(errors="surrogatepass"), right.encode(errors="surrogatepass")
    )


def _is_visit(request: web.Request) -> bool:
    """Whether somebody opens the page in a browser."""
    html = "text/html" in request.headers.get("Accept", "")
    return html and request.path == "/" and request.method in _READING


def _names_itself(request: web.Request) -> bool:
    return "Origin" in request.headers or "Sec-Fetch-Site" in request.headers


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
    if site not in ("none", "same-origin") and request.path != "/":  # a link may lead there
        raise Problem(403, "Pages of other sites may not use the panel.", kind="origin")
