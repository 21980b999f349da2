"""The panel's REST, described as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any, Final

from device.model.status import Component, ConditionName, ScannerState, Severity
from device.panel.journal import Direction
from device.scan.destinations import PressState

BASE: Final = "/api/v1"
DEVICE: Final = "/devices/{uuid}"
"""Below BASE: the resources of one device. Without it, they are those of the first one."""
Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_TIME: Json = {"type": "string", "format": "date-time"}


def _one_of(values: Any) -> Json:
    return {"type": "string", "enum": [str(value) for value in values]}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


_SCHEMAS: Json = {
    "Device": _object(
        uuid=_TEXT, name=_TEXT, model=_TEXT, url=_TEXT, state=_one_of(ScannerState), api=_TEXT
    ),
    "Page": _object(number=_NUMBER, label=_TEXT, back={"type": "boolean"}, picture=_TEXT),
    "Feeder": _object(
        virtual={"type": "boolean"},
        empty={"type": ["boolean", "null"]},
        pages=_list(_ref("Page")),
    ),
    "Platen": _object(
        virtual={"type": "boolean"},
        empty={"type": ["boolean", "null"]},
        pages=_list(_ref("Page")),
    ),
    "LaidIn": _object(feeder=_ref("Feeder"), refused=_list(_TEXT)),
    "LaidOnPlaten": _object(platen=_ref("Platen"), refused=_list(_TEXT)),
    "Condition": _object(
        id=_NUMBER, name=_TEXT, component=_TEXT, severity=_one_of(Severity), time=_TIME
    ),
    "Scanner": _object(
        state=_one_of(ScannerState), reasons=_list(_TEXT), conditions=_list(_ref("Condition"))
    ),
    "State": _object(
        name=_TEXT,
        model=_TEXT,
        uuid=_TEXT,
        url=_TEXT,
        page=_TEXT,
        sources=_list(_TEXT),
        scanner=_ref("Scanner"),
        jobs=_NUMBER,
        destinations=_NUMBER,
        subscribers=_NUMBER,
        feeder=_ref("Feeder"),
    ),
    "Destination": _object(id=_NUMBER, name=_TEXT, context=_TEXT, client=_TEXT, subscription=_TEXT),
    "Press": _object(
        id=_NUMBER,
        destination=_ref("Destination"),
        source=_TEXT,
        state=_one_of(PressState),
        jobs=_list(_NUMBER),
    ),
    "Job": _object(
        id=_NUMBER,
        state=_TEXT,
        reasons=_list(_TEXT),
        scans_completed=_NUMBER,
        images_wanted={"type": ["integer", "null"]},
        name=_TEXT,
        user=_TEXT,
        source=_TEXT,
        format=_TEXT,
        created=_TIME,
        completed={"type": ["string", "null"], "format": "date-time"},
    ),
    "Jobs": _object(active=_list(_ref("Job")), history=_list(_ref("Job"))),
    "Subscriber": _object(
        id=_TEXT,
        client=_TEXT,
        notify_to=_TEXT,
        events=_list(_TEXT),
        expires=_TIME,
        expires_in_s=_NUMBER,
        waiting=_NUMBER,
        failures=_NUMBER,
    ),
    "Entry": _object(
        id=_NUMBER,
        time=_TIME,
        direction=_one_of(Direction),
        peer=_TEXT,
        name=_TEXT,
        action=_TEXT,
        outcome=_TEXT,
        milliseconds={"type": "number"},
        received_octets=_NUMBER,
        sent_octets=_NUMBER,
    ),
    "WholeEntry": {
        "allOf": [_ref("Entry"), _object(request_xml=_TEXT, reply_xml=_TEXT)],
    },
    "Problem": _object(type=_TEXT, title=_TEXT, status=_NUMBER, detail=_TEXT),
}


def _operation(
    summary: str,
    schema: Json | None,
    *,
    status: int = 200,
    body: Json | None = None,
    takes: str = "application/json",
    query: Json | None = None,
    named: str = "",
    kind: str = "application/json",
    fails: tuple[int, ...] = (),
) -> Json:
    """One operation. `named` is what the `{id}` in its path names; `fails` are its problems."""
    good: Json = {"description": summary}
    if schema is not None:
        good["content"] = _json(schema, kind)
    answers: Json = {str(status): good}
    for code in (*((404,) if named else ()), *fails, 401, 403):
        answers[str(code)] = {"$ref": "#/components/responses/Problem"}
    found: Json = {"summary": summary, "responses": answers}
    parameters: list[Json] = []
    if named:
        name = _TEXT if named == "subscriber" else _NUMBER
        parameters.append({"name": "id", "in": "path", "required": True, "schema": name})
    parameters += [{"name": k, "in": "query", "schema": v} for k, v in (query or {}).items()]
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {
            "required": bool(body.get("required")),
            "content": _json(body, takes),
        }
    return found


_FILES: Json = {
    "type": "object",
    "properties": {"file": _list({"type": "string", "contentMediaType": "*/*"})},
    "required": ["file"],
}
_ORDER_BODY: Json = _object(order=_list(_NUMBER))
_PRESS_BODY: Json = {"type": "object", "properties": {"source": _TEXT}}
_CONDITION_BODY: Json = {
    "type": "object",
    "properties": {
        "name": _one_of(ConditionName),
        "component": _one_of(Component) | {"default": "ADF"},
        "severity": _one_of(Severity),
    },
    "required": ["name"],
}
_JOURNAL_QUERY: Json = {
    "action": _TEXT,
    "direction": _one_of(Direction),
    "peer": _TEXT,
    "outcome": _TEXT,
    "text": _TEXT,
    "after": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 0, "maximum": 500, "default": 500},
    "wait": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
}

_PATHS: Json = {
    "/state": {"get": _operation("The device and its state", _ref("State"))},
    "/qr.svg": {
        "get": _operation(
            "The address of the device's page as a QR code",
            {"type": "string", "contentMediaType": "image/svg+xml"},
            kind="image/svg+xml",
        )
    },
    "/feeder": {"get": _operation("What lies in the feeder", _ref("Feeder"))},
    "/feeder/load": {
        "post": _operation("Fill the feeder from the source", _ref("Feeder"), fails=(409,))
    },
    "/feeder/empty": {"post": _operation("Empty the feeder", _ref("Feeder"), fails=(409,))},
    "/feeder/sheets": {
        "post": _operation(
            "Lay the pages of files (JPEG, PNG, BMP, TIFF, PDF) under the stack; `refused` says "
            "which are left out, and why",
            _ref("LaidIn"),
            status=201,
            body=_FILES,
            takes="multipart/form-data",
            fails=(400, 409, 413, 415, 422),
        ),
        "put": _operation(
            "Arrange the sheets by the numbers of their fronts",
            _ref("Feeder"),
            body=_ORDER_BODY,
            fails=(400, 409, 415, 422),
        ),
    },
    "/feeder/sheets/{id}": {
        "delete": _operation(
            "Take out a sheet by the number of its front",
            None,
            status=204,
            named="sheet",
            fails=(409,),
        )
    },
    "/platen": {"get": _operation("What lies on the glass", _ref("Platen"))},
    "/platen/empty": {
        "post": _operation("Take the page off the glass", _ref("Platen"), fails=(409,))
    },
    "/platen/sheets": {
        "post": _operation(
            "Lay the pages of files on the glass, in place of what lies there; each job finds the "
            "next one",
            _ref("LaidOnPlaten"),
            status=201,
            body=_FILES,
            takes="multipart/form-data",
            fails=(400, 409, 413, 415, 422),
        )
    },
    "/pages/{id}/picture": {
        "get": _operation(
            "A small picture of a page in the feeder or on the glass",
            {"type": "string", "contentMediaType": "image/jpeg"},
            kind="image/jpeg",
            named="page",
            query={"load": _NUMBER},
            fails=(409,),
        )
    },
    "/destinations": {
        "get": _operation("The computers that wait for scans", _list(_ref("Destination")))
    },
    "/destinations/{id}/press": {
        "post": _operation(
            "Press the scan button for a destination",
            _ref("Press"),
            status=202,
            body=_PRESS_BODY,
            named="destination",
            fails=(400, 409, 415, 422),
        )
    },
    "/presses": {"get": _operation("The latest presses", _list(_ref("Press")))},
    "/presses/{id}": {"get": _operation("One press", _ref("Press"), named="press")},
    "/jobs": {"get": _operation("All jobs", _ref("Jobs"))},
    "/jobs/{id}": {"get": _operation("One job", _ref("Job"), named="job")},
    "/jobs/{id}/cancel": {
        "post": _operation("Cancel a job", _ref("Job"), status=202, named="job", fails=(409,))
    },
    "/conditions": {
        "get": _operation("What is the matter", _list(_ref("Condition"))),
        "post": _operation(
            "Let something be the matter",
            _ref("Condition"),
            status=201,
            body=_CONDITION_BODY,
            fails=(400, 409, 415, 422),
        ),
    },
    "/conditions/{id}": {
        "delete": _operation("Mend something", None, status=204, named="condition")
    },
    "/subscribers": {"get": _operation("Who listens to events", _list(_ref("Subscriber")))},
    "/subscribers/{id}": {
        "delete": _operation("End a subscription", None, status=204, named="subscriber")
    },
    "/journal": {
        "get": _operation(
            "What was said, oldest first",
            _list(_ref("Entry")),
            query=_JOURNAL_QUERY,
            fails=(422,),
        )
    },
    "/journal/{id}": {
        "get": _operation("One exchange with its XML", _ref("WholeEntry"), named="entry")
    },
    "/events": {
        "get": _operation(
            "Everything, and then what changes, as server-sent events: `all`, then `change`",
            _TEXT,
            kind="text/event-stream",
            fails=(503,),
        )
    },
}

_COMMON_PATHS: Json = {
    "/devices": {"get": _operation("The devices that are there", _list(_ref("Device")))},
    "/openapi.json": {"get": _operation("This description", {"type": "object"})},
}


def device_base(uuid: str) -> str:
    """Where the resources of a device are."""
    return BASE + DEVICE.format(uuid=uuid)


def document() -> Json:
    """The whole description: each resource of a device without its name and with it."""
    named = [{"$ref": "#/components/parameters/Device"}]
    of_devices = {
        DEVICE + path: {"parameters": named, **operations} for path, operations in _PATHS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "wsd-scanner front panel", "version": "1"},
        "servers": [{"url": BASE}],
        "security": [{}, {"token": []}],
        "paths": {**_PATHS, **_COMMON_PATHS, **of_devices},
        "components": {
            "parameters": {
                "Device": {"name": "uuid", "in": "path", "required": True, "schema": _TEXT}
            },
            "schemas": _SCHEMAS,
            "responses": {
                "Problem": {
                    "description": "What is wrong, and what would be right",
                    "content": _json(_ref("Problem"), "application/problem+json"),
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
