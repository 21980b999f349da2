"""The page, its files, and the way in for a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from aiohttp import ETag, web

from device.panel.access import LOGIN_PATH, Access
from device.panel.problems import not_found

OWN = "device.panel"
PAGE = "index.html"
_LOGIN = "login.html"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str
    digest: str


class Pages:
    """A page and the files that it loads. A browser asks each time whether they are new.

    Args:
        page: the name of the page's own file.
        packages: whose `static` folders hold the files; the first that has a name counts.
    """

    def __init__(
        self, access: Access, page: str = PAGE, packages: tuple[str, ...] = (OWN,)
    ) -> None:
        self._access = access
        self._page = page
        self._packages = packages

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/", self.page),
            web.get("/static/{name}", self.file),
            web.post(LOGIN_PATH, self.login),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page; `?token=` is traded for a cookie."""
        query = dict(request.query)
        given = query.pop("token", None)
        if given is None:
            found = asset(self._page, self._packages)
            return _response(request, found, {"Content-Security-Policy": _POLICY})
        if not self._access.is_token(given):
            return sign_in("That is not the token.")
        # No redirect: it would still belong to the site that led here, and carry no strict cookie.
        return self._access.let_in(_onward(f"/?{urlencode(query)}" if query else "/"))

    async def login(self, request: web.Request) -> web.StreamResponse:
        """The form: trades the token for a cookie."""
        # aiohttp's own reader fails in many ways, and here anybody may post.
        form = parse_qs((await request.read()).decode(errors="replace"))
        if not self._access.is_token(form.get("token", [""])[0]):
            return sign_in("That is not the token.")
        return self._access.let_in(_onward("/"))

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file that the page loads."""
        name = request.match_info["name"]
        if name not in _names(self._packages) or name.endswith(".html"):
            raise not_found("file")
        return _response(request, asset(name, self._packages))


def sign_in(complaint: str = "") -> web.Response:
    """The form that asks for the token."""
    text = asset(_LOGIN).content.decode()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    return web.Response(
        status=401,
        text=text.replace("{complaint}", html.escape(complaint)),
        content_type="text/html",
        headers={
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "WWW-Authenticate": 'Bearer realm="wsd-scanner"',
        },
    )


def _onward(where: str) -> web.Response:
    target = html.escape(where)
    return web.Response(
        text='<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed in</title>'
        f'<meta http-equiv="refresh" content="0;url={target}">'
        f'<p><a href="{target}">To the panel</a></html>',
        content_type="text/html",
    )


@cache
def asset(name: str, packages: tuple[str, ...] = (OWN,)) -> Asset:
    """A file by its name, which must be one of them."""
    package = next(one for one in packages if name in _names((one,)))
    content = (_static(package) / name).read_bytes()
    suffix = name[name.rindex(".") :]
    return Asset(content, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:32])


@cache
def _names(packages: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one.name for package in packages for one in _static(package).iterdir())


def _static(package: str) -> Path:
    return Path(import_module(package).__path__[0], "static")


def _response(
    request: web.Request, found: Asset, headers: dict[str, str] | None = None
) -> web.Response:
    headers = {**(headers or {}), "Cache-Control": "no-cache"}
    known = request.if_none_match or ()
    if any(one.value in (found.digest, "*") for one in known):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(
            body=found.content, content_type=found.media_type, charset="utf-8", headers=headers
        )
    response.etag = ETag(found.digest)
    return response
