"""State, button, conditions, jobs and the journal as resources, under `/api/v1`."""

from __future__ import annotations

import io

from aiohttp import web

from device.model.job import JobRecord
from device.model.status import Component, ConditionName, Severity
from device.panel import views
from device.panel.answers import Json, answer, body_of, count_in, number_in, number_of, one_of
from device.panel.journal import MAX_LISTED, MAX_WAIT_S, Direction, Filter
from device.panel.parts import Parts
from device.panel.paths import BASE, device_base
from device.panel.problems import Problem, not_found

PRESSES_SHOWN = 10
JOBS_SHOWN = 30


class Api:
    """The resources. Every handler raises Problem, or an error of the device."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.engine = parts.engine

    def sections(self) -> dict[str, Json | list[Json]]:
        """All that the page shows, by name, but for the journal."""
        parts = self.parts
        self.parts.button.tick()
        shown: dict[str, Json | list[Json]] = {
            "device": self._facts(),
            "scanner": views.status(self.engine.status()),
            "feeder": views.feeder(self.engine.tray),
            "platen": views.platen(self.engine.tray),
            "destinations": [views.destination(one) for one in parts.destinations.all()],
            "presses": [views.press(one) for one in parts.destinations.presses()[-PRESSES_SHOWN:]],
            "jobs": [self._job(one) for one in self.engine.active()],
            "history": [self._job(one) for one in self.engine.history()[:JOBS_SHOWN]],
            "subscribers": [
                # Without what is another number each second.
                {key: value for key, value in one.items() if key != "expires_in_s"}
                for one in self._subscribers()
            ],
        }
        if parts.workflow is not None:
            deliveries = parts.workflow.deliveries.all()
            shown["deliveries"] = [views.delivery(one) for one in deliveries]
        return shown

    # ---- state

    async def state(self, request: web.Request) -> web.Response:
        """The device, its state and how much there is of everything."""
        self.parts.button.tick()
        return answer(
            {
                **self._facts(),
                "scanner": views.status(self.engine.status()),
                "jobs": len(self.engine.active()),
                "destinations": len(self.parts.destinations.all()),
                "subscribers": len(self.parts.subscribers.all()),
                "feeder": views.feeder(self.engine.tray),
            }
        )

    def _facts(self) -> Json:
        facts = self.parts.facts
        return {
            "name": facts.name,
            "model": facts.model,
            "uuid": facts.uuid,
            "url": facts.url,
            "page": facts.page,
            "sources": list(self.parts.button.sources()),
        }

    async def qr_code(self, request: web.Request) -> web.Response:
        """The address of the device's page, for a phone's camera."""
        import segno  # few ask for it

        out = io.BytesIO()
        code = segno.make(self.parts.facts.page, error="m", micro=False)
        code.save(out, kind="svg", scale=4, border=3, dark="#000", light="#fff", xmldecl=False)
        return web.Response(body=out.getvalue(), content_type="image/svg+xml")

    # ---- the button

    async def destinations(self, request: web.Request) -> web.Response:
        """The computers that wait for scans."""
        return answer([views.destination(one) for one in self.parts.destinations.all()])

    async def press(self, request: web.Request) -> web.Response:
        """Press the scan button for a destination."""
        body = await body_of(request, source=str)
        destination = self.parts.destinations.find(number_of(request))
        if destination is None:
            raise not_found("destination")
        press = self.parts.button.press(destination, body.get("source"))
        where = {"Location": f"{_base_of(request)}/presses/{press.number}"}
        return answer(views.press(press), 202, where)

    async def presses(self, request: web.Request) -> web.Response:
        """The latest presses of the button, and what became of them."""
        self.parts.button.tick()
        return answer([views.press(one) for one in self.parts.destinations.presses()])

    async def one_press(self, request: web.Request) -> web.Response:
        """One press."""
        self.parts.button.tick()
        number = number_of(request)
        for one in self.parts.destinations.presses():
            if one.number == number:
                return answer(views.press(one))
        raise not_found("press")

    # ---- jobs and conditions

    async def jobs(self, request: web.Request) -> web.Response:
        """The jobs not yet finished, oldest first, and the finished ones, newest first."""
        return answer(
            {
                "active": [self._job(one) for one in self.engine.active()],
                "history": [self._job(one) for one in self.engine.history()],
            }
        )

    async def job(self, request: web.Request) -> web.Response:
        """One job."""
        return answer(self._job(self.engine.record(number_of(request))))

    async def job_picture(self, request: web.Request) -> web.Response:
        """A small picture of a page that a job has scanned."""
        page = number_of(request, "page")
        found = self.parts.sent.find(number_of(request), page)
        if found is None:
            raise not_found("picture")
        return web.Response(body=found, content_type="image/jpeg")

    def _job(self, record: JobRecord) -> Json:
        return views.job(record, self.parts.sent.count(record.status.job_id))

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a job at the device."""
        await body_of(request)
        number = number_of(request)
        if self.engine.record(number).status.state.final:
            raise Problem(409, "The job has ended already.", kind="ended")
        self.engine.cancel(number, at_device=True)
        return answer(self._job(self.engine.record(number)), 202)

    async def conditions(self, request: web.Request) -> web.Response:
        """What is the matter with the scanner."""
        return answer([views.condition(one) for one in self.engine.status().conditions])

    async def raise_condition(self, request: web.Request) -> web.Response:
        """Let something be the matter."""
        body = await body_of(request, name=str, component=str, severity=str)
        name = one_of(body, "name", [*ConditionName])
        component = one_of(body, "component", [*Component], Component.ADF)
        severity = one_of(body, "severity", [*Severity], "")
        if self.engine.scanner.find(name, component) is not None:
            raise Problem(409, "That is the matter already.", kind="already")
        self.engine.raise_condition(name, component, Severity(severity) if severity else None)
        raised = self.engine.scanner.find(name, component)
        assert raised is not None
        where = {"Location": f"{_base_of(request)}/conditions/{raised.condition_id}"}
        return answer(views.condition(raised), 201, where)

    async def clear_condition(self, request: web.Request) -> web.Response:
        """Let something be the matter no longer."""
        number = number_of(request)
        if all(one.condition_id != number for one in self.engine.status().conditions):
            raise not_found("condition")
        self.engine.clear_condition(number)
        return web.Response(status=204)

    # ---- who listens, and what was said

    async def subscribers(self, request: web.Request) -> web.Response:
        """Who listens to events."""
        return answer(self._subscribers())

    def _subscribers(self) -> list[Json]:
        parts = self.parts
        now, wall = parts.clock.monotonic(), parts.clock.now()
        return [
            views.subscriber(one, now, wall, parts.waiting(one.identifier))
            for one in parts.subscribers.all()
        ]

    async def end_subscription(self, request: web.Request) -> web.Response:
        """End a subscription, and tell the subscriber."""
        if not self.parts.end_subscription(request.match_info["id"]):
            raise not_found("subscriber")
        return web.Response(status=204)

    async def journal(self, request: web.Request) -> web.Response:
        """What was said, oldest first; with `wait`, as soon as something passes the filter."""
        query = dict(request.query)
        wait = number_in(query, "wait", MAX_WAIT_S)
        limit = count_in(query, "limit", MAX_LISTED, MAX_LISTED)
        wanted = Filter(
            action=query.pop("action", ""),
            direction=query.pop("direction", ""),
            peer=query.pop("peer", ""),
            outcome=query.pop("outcome", ""),
            text=query.pop("text", ""),
            after=count_in(query, "after", 2**53),
        )
        if query:
            raise Problem(422, f"There is no parameter {min(query)!r}.", kind="parameter")
        if wanted.direction not in ("", *Direction):
            known = ", ".join(Direction)
            raise Problem(422, f"'direction' must be one of {known}.", kind="parameter")
        found = self.parts.journal.find(wanted)
        if not found and wait:
            found = await self.parts.journal.wait(wanted, wait)
        return answer([views.entry(one) for one in found[-limit:]] if limit else [])

    async def journal_entry(self, request: web.Request) -> web.Response:
        """One exchange with its XML."""
        found = self.parts.journal.entry(number_of(request))
        if found is None:
            raise not_found("entry")
        return answer(views.entry(found, whole=True))


def _base_of(request: web.Request) -> str:
    """Where the resources of the device are that a request has named, or has not."""
    named = request.match_info.get("uuid")
    return BASE if named is None else device_base(named)
