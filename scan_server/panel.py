"""The page of the scan server, and the REST below it: jobs, their files, filters, the queue."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from device.errors import ConfigError, OperationFailed
from device.http.server import open_sockets
from device.panel.answers import Json, answer, body_of
from device.panel.pages import OWN, Pages
from device.panel.port import PanelPort
from device.panel.problems import Problem, not_found
from scan_server.jobs import Jobs
from scan_server.operation import Operation
from scan_server.options import PANEL_PORT, ServerOptions
from scan_server.post_scan_jobs import TABLE, Given, I, NotInThisState, PostScanJob
from scan_server.storage import Storage

log = logging.getLogger(__name__)

SHOWN = 200
"""Jobs in a list, newest first."""
_INPUTS = {"hold": I.HOLD, "release": I.RELEASE, "cancel": I.CANCEL}


@dataclass(frozen=True, slots=True)
class Facts:
    """What stays the same while the server runs."""

    name: str
    uuid: str
    url: str
    version: str


class ServerPanel:
    """The resources below `/api/v1`."""

    def __init__(self, facts: Facts, jobs: Jobs, storage: Storage, operation: Operation) -> None:
        self._facts = facts
        self._jobs = jobs
        self._storage = storage
        self._operation = operation

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/api/v1/server", self.server),
            web.get("/api/v1/jobs", self.jobs),
            web.get("/api/v1/jobs/{token}", self.job),
            web.post("/api/v1/jobs/{token}/{action}", self.act),
            web.put("/api/v1/queue", self.queue),
            web.put("/api/v1/filters/{name}", self.filter),
        ]

    async def server(self, request: web.Request) -> web.Response:
        """The server as a whole."""
        return answer(self._server())

    async def jobs(self, request: web.Request) -> web.Response:
        """The newest jobs, those that have not ended first."""
        active, ended = await self._jobs.active(), await self._jobs.ended()
        shown = [*reversed(active), *reversed(ended)][:SHOWN]
        return answer({"jobs": [self._job(one) for one in shown], "ended": len(ended)})

    async def job(self, request: web.Request) -> web.Response:
        """One job, with its documents and the files that were made of them."""
        job = await self._find(request)
        delivered = await self._jobs.delivered(job.token)
        return answer(
            {
                **self._job(job),
                "documents": [
                    {"id": one.document_id, "format": one.format, "size": one.size}
                    for one in job.documents
                ],
                "files": [
                    {"filter": int(target.partition(".")[0]), "document": number, "path": path}
                    for target, number, path in delivered
                ],
            }
        )

    async def act(self, request: web.Request) -> web.Response:
        """Hold, release, cancel or retry a job."""
        action = request.match_info["action"]
        await body_of(request)
        job = await self._find(request)
        if action == "retry":
            try:
                return answer(self._job(await self._jobs.retry(job.token)), 201)
            except OperationFailed as error:
                raise Problem(409, str(error), kind="state") from None
        if action not in _INPUTS:
            raise not_found("action")
        try:
            changed = await self._jobs.apply(job.token, Given(_INPUTS[action]))
        except NotInThisState as error:
            why = f"A job that is {error.job.state} cannot be told to {action}."
            raise Problem(409, why, kind="state") from None
        log.info("job %s: %s, at the panel", job.token, action)
        return answer(self._job(changed))

    async def queue(self, request: web.Request) -> web.Response:
        """Let jobs have their turn, or not."""
        body = await body_of(request, stopped=bool)
        self._operation.stop_queue(_needed(body, "stopped"))
        return answer(self._server())

    async def filter(self, request: web.Request) -> web.Response:
        """Take new jobs for a filter, or none."""
        body = await body_of(request, enabled=bool)
        named = {name_of(dialect): dialect for dialect in self._operation.dialects}
        dialect = named.get(request.match_info["name"])
        if dialect is None:
            raise not_found("filter")
        self._operation.switch(dialect, on=_needed(body, "enabled"))
        return answer(self._server())

    async def _find(self, request: web.Request) -> PostScanJob:
        job = await self._jobs.get(request.match_info["token"])
        if job is None:
            raise not_found("job")
        return job

    def _server(self) -> Json:
        facts = self._facts
        return {
            "name": facts.name,
            "uuid": facts.uuid,
            "url": facts.url,
            "version": facts.version,
            "state": str(self._operation.repository().state),
            "stopped": self._operation.is_stopped,
            "filters": [
                {"name": name_of(one), "dialect": one, "enabled": one in self._operation}
                for one in self._operation.dialects
            ],
        }

    def _job(self, job: PostScanJob) -> Json:
        whose = job.description
        may = [name for name, kind in _INPUTS.items() if (job.state, kind) in TABLE]
        if self._jobs.is_kept(job) and self._storage.has(job.token):
            may.append("retry")
        return {
            "token": job.token,
            "process": whose.psp_display_name,
            "process_id": whose.psp_identifier,
            "user": whose.originating_user_name,
            "state": str(job.state),
            "reason": str(job.reason),
            "created": job.created.isoformat(),
            "completed": job.completed.isoformat() if job.completed else None,
            "images": len(job.documents),
            "octets": sum(one.size for one in job.documents),
            "filters": [
                {
                    "name": name_of(one.dialect),
                    "dialect": one.dialect,
                    "state": str(one.state),
                    "reasons": list(one.reasons),
                }
                for one in job.filters
            ],
            "may": may,
        }


def name_of(dialect: str) -> str:
    """What a filter is called for short: the last part of its dialect."""
    return dialect.rstrip("/").rpartition("/")[2] or dialect


def _needed(body: dict[str, Any], key: str) -> bool:
    if key not in body:
        raise Problem(422, f"{key!r} is missing, and must be true or false.", kind="body")
    return bool(body[key])


def open_port(options: ServerOptions) -> list[socket.socket]:
    """The panel's sockets, without a token on loopback only; none when nobody insists on them.

    Raises:
        ConfigError: the port that was asked for cannot be had.
    """
    if not options.panel:
        return []
    host = (options.host or "") if options.panel_token else "127.0.0.1"
    port = PANEL_PORT if options.panel_port is None else options.panel_port
    try:
        return open_sockets(host, port)
    except (ConfigError, OSError):
        if options.panel_port is not None:
            raise ConfigError(
                f"Port {port} cannot be had for the page; name another with --panel-port, or do "
                "without by --no-panel."
            ) from None
        log.warning("port %d is taken: there is no page", port)
        return []


def serve_panel(sockets: list[socket.socket], token: str, panel: ServerPanel) -> PanelPort:
    """The page and its REST on these sockets."""
    page = partial(Pages, page="server.html", packages=("scan_server", OWN))
    return PanelPort(sockets, token, panel.routes(), page)
