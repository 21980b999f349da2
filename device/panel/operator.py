"""The panel's user: session, scan processes and deliveries as resources.

A session's token comes with every request in the header `Session`. No browser adds such a header by
itself, so no page of another site can use a session. Where nobody has to log on, none is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from device.dsp import filters
from device.dsp.filters import EmailConfig, FileShareConfig
from device.dsp.process import ScanProcess
from device.model.operator import User
from device.model.ticket import DocumentParameters
from device.panel import views
from device.panel.answers import Json, answer, body_of, number_of
from device.panel.api import Api
from device.panel.problems import Problem, not_found
from device.processes.changes import Changes, is_locked, permissions
from device.processes.fitting import targets
from device.processes.sessions import Session
from device.processes.workflow import Workflow
from device.ticket.parameters import wishes

HEADER = "Session"
MAX_LISTED = 100
MIN_LOOKED_FOR, MAX_LOOKED_FOR = 2, 64
"""Characters. One letter would find everybody, and so finds nobody."""


# ---- resources


async def session(api: Api, request: web.Request) -> web.Response:
    """How users log on here, and who has."""
    workflow = _workflow(api)
    found = _session(workflow, request) if HEADER in request.headers else None
    return answer(
        {
            "ways": list(workflow.sessions.ways),
            "idle_logoff_s": workflow.sessions.idle_s,
            "insecure": workflow.insecure,
            "user": None if found is None else _user(found.user),
        }
    )


async def log_on(api: Api, request: web.Request) -> web.Response:
    """Log on by `user` and `password`, by `badge`, or by neither where nobody is asked."""
    workflow = _workflow(api)
    body = await body_of(request, user=str, password=str, badge=str)
    made = await workflow.sessions.log_on(**body)
    return answer(
        {
            "token": made.token,
            "idle_logoff_s": workflow.sessions.idle_s,
            "insecure": workflow.insecure,
            "user": _user(made.user),
        },
        201,
    )


async def log_off(api: Api, request: web.Request) -> web.Response:
    """Log off; what was started goes on."""
    workflow = _workflow(api)
    await workflow.sessions.log_off(_session(workflow, request))
    return web.Response(status=204)


async def processes(api: Api, request: web.Request) -> web.Response:
    """The scan processes that the user may use, by name."""
    workflow = _workflow(api)
    found = await workflow.listed(_session(workflow, request))
    return answer(
        [{"id": one.identifier, "name": one.name, "problem": one.problem} for one in found]
    )


async def process(api: Api, request: web.Request) -> web.Response:
    """One scan process: where its pages go, its settings, and what may be changed."""
    workflow = _workflow(api)
    offer, verdict = await workflow.offer(_session(workflow, request), request.match_info["id"])
    found = offer.process
    allowed = permissions(found)
    return answer(
        {
            "id": offer.identifier,
            "name": offer.name,
            "server": found.scan_repository,
            "targets": list(targets(found)),
            "settings": _settings(found.ticket.parameters or DocumentParameters()),
            "otherwise": list(verdict.changed),
            "file_name": found.instructions.document_root_name,
            "may_change_file_name": allowed.file_name,
            "emails": _emails(found),
            "may_add_emails": allowed.emails,
            "shares": _shares(found),
            "may_change_shares": allowed.shares,
        }
    )


async def addresses(api: Api, request: web.Request) -> web.Response:
    """Whom the directory knows with an e-mail address, by the beginning of a name or an address."""
    session = _session(_workflow(api), request)
    begins = request.query.get("begins", "").strip()
    if len(begins) > MAX_LOOKED_FOR:
        raise Problem(422, f"'begins' has {MAX_LOOKED_FOR} characters at most.", kind="query")
    logon = session.visitor.logon if len(begins) >= MIN_LOOKED_FOR else None
    found = [] if logon is None else await logon.addresses(begins)
    return answer([{"name": one.name, "mail": one.mail} for one in found])


async def start(api: Api, request: web.Request) -> web.Response:
    """Scan what lies in the device, and deliver it as the process says."""
    workflow = _workflow(api)
    body = await body_of(request, settings=dict, emails=list, file_name=str, shares=list)
    begun = await workflow.start(
        _session(workflow, request), request.match_info["id"], _changes(body)
    )
    base = request.path.rpartition("/processes/")[0]
    return answer(views.delivery(begun), 202, {"Location": f"{base}/deliveries/{begun.number}"})


async def deliveries(api: Api, request: web.Request) -> web.Response:
    """What is on its way to a scan server, is kept, or was delivered lately; newest first."""
    return answer([views.delivery(one) for one in _workflow(api).deliveries.all()])


async def one_delivery(api: Api, request: web.Request) -> web.Response:
    """One delivery."""
    return answer(views.delivery(_workflow(api).deliveries.find(number_of(request))))


async def cancel(api: Api, request: web.Request) -> web.Response:
    """Cancel one's own delivery: the scan ends, and the server is told."""
    workflow = _workflow(api)
    await body_of(request)
    return answer(views.delivery(workflow.deliveries.cancel(_own(workflow, request))), 202)


async def retry(api: Api, request: web.Request) -> web.Response:
    """Send again what one's own failed delivery keeps."""
    workflow = _workflow(api)
    await body_of(request)
    return answer(views.delivery(workflow.deliveries.retry(_own(workflow, request))), 202)


async def discard(api: Api, request: web.Request) -> web.Response:
    """Throw away what one's own failed delivery keeps."""
    workflow = _workflow(api)
    workflow.deliveries.discard(_own(workflow, request))
    return web.Response(status=204)


RESOURCES = (
    ("GET", "/session", session),
    ("POST", "/session", log_on),
    ("DELETE", "/session", log_off),
    ("GET", "/processes", processes),
    ("GET", "/addresses", addresses),
    ("GET", "/processes/{id}", process),
    ("POST", "/processes/{id}/start", start),
    ("GET", "/deliveries", deliveries),
    ("GET", "/deliveries/{id}", one_delivery),
    ("DELETE", "/deliveries/{id}", discard),
    ("POST", "/deliveries/{id}/cancel", cancel),
    ("POST", "/deliveries/{id}/retry", retry),
)
"""What a device has beside `routes.RESOURCES` if it offers scan processes."""


# ---- what they need


def _workflow(api: Api) -> Workflow:
    if api.parts.workflow is None:
        raise not_found("resource")
    return api.parts.workflow


def _session(workflow: Workflow, request: web.Request) -> Session:
    if HEADER not in request.headers and not workflow.sessions.ways:
        return workflow.sessions.anybody
    return workflow.sessions.find(request.headers.get(HEADER, ""))


def _own(workflow: Workflow, request: web.Request) -> int:
    """The number of a delivery of the user's own."""
    found = workflow.deliveries.find(number_of(request))
    if _session(workflow, request).user.sid != found.sid:
        raise Problem(403, "Only the user who started it may do this.", kind="owner")
    return found.number


def _changes(body: Mapping[str, Any]) -> Changes:
    for key in ("emails", "shares"):
        entries = body.get(key, [])
        if len(entries) > MAX_LISTED or not all(isinstance(one, str) for one in entries):
            raise Problem(422, f"{key!r} must hold at most {MAX_LISTED} texts.", kind="body")
    settings = body.get("settings", {})
    if not all(isinstance(value, str | int) for value in settings.values()):
        raise Problem(422, "'settings' must hold texts, whole numbers, true or false.", kind="body")
    return Changes(
        settings=settings,
        emails=tuple(body.get("emails", ())),
        file_name=body.get("file_name"),
        shares=tuple(body["shares"]) if "shares" in body else None,
    )


# ---- what is shown


def _user(user: User) -> Json:
    return {
        "principal": user.principal,
        "name": user.display_name,
        "mail": user.mail,
        "sid": user.sid,
    }


def _settings(parameters: DocumentParameters) -> list[Json]:
    return [
        {"path": path, "value": wish.value, "locked": is_locked(parameters, path)}
        for path, wish in wishes(parameters).items()
    ]


def _emails(found: ScanProcess) -> list[str]:
    return [
        address
        for one in _configs(found)
        if isinstance(one, EmailConfig)
        for address in one.addresses
    ]


def _shares(found: ScanProcess) -> list[str]:
    return [
        unc for one in _configs(found) if isinstance(one, FileShareConfig) for unc in one.share_uncs
    ]


def _configs(found: ScanProcess) -> list[filters.Config]:
    return [
        filters.read(one.dialect, one.instructions)
        for one in found.instructions.filters
        if one.dialect in filters.ROOTS
    ]
