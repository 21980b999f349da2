"""What lies in the feeder and on the glass, as resources: lay in, take out, arrange, look at."""

from __future__ import annotations

from aiohttp import web

from device.model.capabilities import PLATEN, is_feeder
from device.panel import views
from device.panel.answers import answer, body_of, number_of
from device.panel.api import Api
from device.panel.problems import Problem, not_found

MAX_PAGES = 1000
"""In the feeder."""


async def feeder(api: Api, request: web.Request) -> web.Response:
    """What lies in the feeder."""
    return answer(views.feeder(api.engine.tray))


async def load(api: Api, request: web.Request) -> web.Response:
    """Read the source afresh, and lay in what it has."""
    await body_of(request)
    await api.parts.load()
    api.parts.tidy()
    return answer(views.feeder(api.engine.tray))


async def empty_feeder(api: Api, request: web.Request) -> web.Response:
    """Take every sheet out of the feeder."""
    await body_of(request)
    _check_virtual(api)
    api.engine.empty_feeder()
    api.parts.tidy()
    return answer(views.feeder(api.engine.tray))


async def lay_in(api: Api, request: web.Request) -> web.Response:
    """Lay the pages of uploaded files under the stack in the feeder."""
    _check_virtual(api)
    if not any(is_feeder(source) for source in api.parts.button.sources()):
        raise Problem(409, "This scanner has no feeder.", kind="source")
    _check_room(api, 1)
    laid = await api.parts.uploads.take(request)
    _check_room(api, len(laid.pages))
    api.engine.lay_in(laid.pages)
    shown = views.feeder(api.engine.tray)
    return answer({"feeder": shown, "refused": list(laid.refused)}, 201)


async def arrange(api: Api, request: web.Request) -> web.Response:
    """Put the sheets in the feeder in another order."""
    body = await body_of(request, order=list)
    order = body.get("order")
    if order is None or not all(type(one) is int for one in order):
        raise Problem(422, "'order' must list the numbers of the sheets' fronts.", kind="body")
    _check_virtual(api)
    if not api.engine.tray.arrange(order):
        raise Problem(409, "The sheets in the feeder are others by now.", kind="changed")
    return answer(views.feeder(api.engine.tray))


async def take_out(api: Api, request: web.Request) -> web.Response:
    """Take one sheet out of the feeder."""
    number = number_of(request)
    _check_virtual(api)
    if not api.engine.take_out(number):
        raise not_found("sheet")
    api.parts.tidy()
    return web.Response(status=204)


async def platen(api: Api, request: web.Request) -> web.Response:
    """What lies on the glass."""
    return answer(views.platen(api.engine.tray))


async def lay_on_platen(api: Api, request: web.Request) -> web.Response:
    """Lay the pages of uploaded files on the glass, in place of what lies there."""
    _check_virtual(api)
    if PLATEN not in api.parts.button.sources():
        raise Problem(409, "This scanner has no glass.", kind="source")
    laid = await api.parts.uploads.take(request)
    api.engine.lay_on_platen(laid.pages)
    api.parts.tidy()
    shown = views.platen(api.engine.tray)
    return answer({"platen": shown, "refused": list(laid.refused)}, 201)


async def empty_platen(api: Api, request: web.Request) -> web.Response:
    """Take the page off the glass."""
    await body_of(request)
    _check_virtual(api)
    api.engine.lay_on_platen(())
    api.parts.tidy()
    return answer(views.platen(api.engine.tray))


async def picture(api: Api, request: web.Request) -> web.Response:
    """A small picture of a page that lies somewhere."""
    number = number_of(request)
    for page in (*api.engine.tray.feeder, *api.engine.tray.platen):
        if page.number == number:
            found = await api.parts.previews.picture(page)
            return web.Response(body=found, content_type="image/jpeg")
    raise not_found("page")


def _check_virtual(api: Api) -> None:
    if not api.engine.tray.virtual:
        raise Problem(
            409, "The sheets of a real scanner are laid in and taken out by hand.", kind="real"
        )


def _check_room(api: Api, more: int) -> None:
    if len(api.engine.tray.feeder) + more > MAX_PAGES:
        api.parts.tidy()
        raise Problem(409, f"The feeder holds {MAX_PAGES} pages at most.", kind="full")
