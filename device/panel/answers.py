"""JSON in and out: bodies, queries and paths that are what they should be, or a Problem."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from device.panel.problems import Problem, not_found

Json = dict[str, Any]

_KINDS: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def answer(
    value: Json | list[Json], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    text = json.dumps(value, ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


async def body_of(request: web.Request, **known: type) -> dict[str, Any]:
    """The JSON object that a request carries; an empty body is an empty object.

    Raises:
        Problem: it is something else, or holds what is not `known`.
    """
    raw = await request.read()
    if not raw.strip():
        return {}
    if request.content_type != "application/json":
        raise Problem(415, "The body must be application/json.", kind="media-type")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Problem(400, "The body is no JSON.", kind="json") from None
    if not isinstance(value, dict):
        raise Problem(422, "The body must be an object.", kind="body")
    for key, content in value.items():
        if key not in known:
            right = ", ".join(known) or "nothing"
            are = "are" if len(known) > 1 else "is"
            raise Problem(422, f"{key!r} is not known here; {right} {are}.", kind="body")
        if type(content) is not known[key]:
            raise Problem(422, f"{key!r} must be {_KINDS[known[key]]}.", kind="body")
    return value


def one_of(body: dict[str, Any], key: str, known: list[Any], default: str | None = None) -> str:
    """A keyword out of `known`, or `default` where none is given. Raises Problem."""
    if key not in body and default is not None:
        return default
    if (value := body.get(key)) not in known:
        raise Problem(422, f"{key!r} must be one of {', '.join(known)}.", kind="body")
    return str(value)


def number_of(request: web.Request, name: str = "id") -> int:
    """The number in the path. Raises Problem when it is none: there is no such thing then."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise not_found("number")
    return int(text)


def number_in(query: dict[str, str], key: str, most: float, default: float = 0.0) -> float:
    """A number from 0 to `most` out of the query. Raises Problem."""
    text = query.pop(key, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise Problem(422, f"{key!r} must be a number from 0 to {most:g}.", kind="parameter")
    return value


def count_in(query: dict[str, str], key: str, most: int, default: int = 0) -> int:
    """A whole number from 0 to `most` out of the query. Raises Problem."""
    value = number_in(query, key, most, default)
    if value % 1:
        raise Problem(422, f"{key!r} must be a whole number.", kind="parameter")
    return int(value)
