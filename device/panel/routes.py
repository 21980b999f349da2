"""Which resource is where: each device's own, and those of the first one without naming it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from device.panel import paper
from device.panel.answers import Json, answer
from device.panel.api import Api
from device.panel.live import Live
from device.panel.parts import Parts
from device.panel.paths import BASE, DEVICE, device_base
from device.panel.problems import Handler, not_found

Devices = Callable[[], Sequence[Parts]]
"""The devices that are there now, in the order in which they came."""

Resource = Callable[[Api, web.Request], Awaitable[web.StreamResponse]]

RESOURCES: tuple[tuple[str, str, Resource], ...] = (
    ("GET", "/state", Api.state),
    ("GET", "/qr.svg", Api.qr_code),
    ("GET", "/feeder", paper.feeder),
    ("POST", "/feeder/load", paper.load),
    ("POST", "/feeder/empty", paper.empty_feeder),
    ("POST", "/feeder/sheets", paper.lay_in),
    ("PUT", "/feeder/sheets", paper.arrange),
    ("DELETE", "/feeder/sheets/{id}", paper.take_out),
    ("GET", "/platen", paper.platen),
    ("POST", "/platen/empty", paper.empty_platen),
    ("POST", "/platen/sheets", paper.lay_on_platen),
    ("GET", "/pages/{id}/picture", paper.picture),
    ("GET", "/destinations", Api.destinations),
    ("POST", "/destinations/{id}/press", Api.press),
    ("GET", "/presses", Api.presses),
    ("GET", "/presses/{id}", Api.one_press),
    ("GET", "/jobs", Api.jobs),
    ("GET", "/jobs/{id}", Api.job),
    ("GET", "/jobs/{id}/pictures/{page}", Api.job_picture),
    ("POST", "/jobs/{id}/cancel", Api.cancel),
    ("GET", "/conditions", Api.conditions),
    ("POST", "/conditions", Api.raise_condition),
    ("DELETE", "/conditions/{id}", Api.clear_condition),
    ("GET", "/subscribers", Api.subscribers),
    ("DELETE", "/subscribers/{id}", Api.end_subscription),
    ("GET", "/journal", Api.journal),
    ("GET", "/journal/{id}", Api.journal_entry),
)
"""What there is of each device; `openapi` describes the same."""


_ADD = {"GET": web.get, "POST": web.post, "PUT": web.put, "DELETE": web.delete}


def routes(devices: Devices, live: Live, *, processes: bool) -> list[web.RouteDef]:
    """All resources; `processes`: with those of devices that offer scan processes."""

    async def events(api: Api, request: web.Request) -> web.StreamResponse:
        """What changes, as it changes."""
        return await live.serve(request, _Watched(api, devices))

    async def every_device(request: web.Request) -> web.StreamResponse:
        """The devices that are there."""
        return answer([_device(one) for one in devices()])

    async def description(request: web.Request) -> web.StreamResponse:
        """This API, described."""
        from device.panel import openapi  # few ask for it, and it is long

        return answer(openapi.document(processes=processes))

    found = [
        web.get(f"{BASE}/devices", every_device),
        web.get(f"{BASE}/openapi.json", description),
    ]
    resources = [*RESOURCES, ("GET", "/events", events)]
    if processes:
        from device.panel import operator  # with it comes all that delivers

        resources += operator.RESOURCES
    for method, path, resource in resources:
        handler = _of_device(devices, resource)
        for base in (BASE, BASE + DEVICE):
            found.append(_ADD[method](base + path, handler))
    return found


def _of_device(devices: Devices, resource: Resource) -> Handler:
    """A resource of the device that the path names, or of the first one."""

    async def handle(request: web.Request) -> web.StreamResponse:
        named = request.match_info.get("uuid")
        for parts in devices():
            if named is None or named.lower() == parts.facts.uuid:
                parts.used()
                try:
                    return await resource(Api(parts), request)
                finally:
                    if request.method not in ("GET", "HEAD"):
                        parts.bell.ring()
        raise not_found("device")

    return handle


class _Watched:
    """A device whose page is open somewhere."""

    def __init__(self, api: Api, devices: Devices) -> None:
        self._devices = devices
        self.clock = api.parts.clock
        self.bell = api.parts.bell
        self.journal = api.parts.journal
        self.sections = api.sections

    def is_there(self) -> bool:
        # Not by its UUID: a scanner that is plugged in again is another device by the same one.
        return any(parts.bell is self.bell for parts in self._devices())


def _device(parts: Parts) -> Json:
    """A device in the list of them all; `api` is where its resources are."""
    facts = parts.facts
    return {
        "uuid": facts.uuid,
        "name": facts.name,
        "model": facts.model,
        "url": facts.url,
        "state": parts.engine.status().state,
        "api": device_base(facts.uuid),
    }
