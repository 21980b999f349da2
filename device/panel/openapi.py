"""The panel's REST, described as OpenAPI 3.1."""

from __future__ import annotations

from device.model.status import Component, ConditionName, ScannerState, Severity
from device.panel.journal import Direction
from device.panel.paths import BASE, DEVICE
from device.panel.schemas import (
    NOTHING,
    NUMBER,
    TEXT,
    TIME,
    Json,
    content,
    list_of,
    object_of,
    one_of,
    operation,
    ref,
)
from device.scan.destinations import PressState

_SCHEMAS: Json = {
    "Device": object_of(
        uuid=TEXT, name=TEXT, model=TEXT, url=TEXT, state=one_of(ScannerState), api=TEXT
    ),
    "Page": object_of(number=NUMBER, label=TEXT, back={"type": "boolean"}, picture=TEXT),
    "Feeder": object_of(
        virtual={"type": "boolean"},
        empty={"type": ["boolean", "null"]},
        pages=list_of(ref("Page")),
    ),
    "Platen": object_of(
        virtual={"type": "boolean"},
        empty={"type": ["boolean", "null"]},
        pages=list_of(ref("Page")),
    ),
    "LaidIn": object_of(feeder=ref("Feeder"), refused=list_of(TEXT)),
    "LaidOnPlaten": object_of(platen=ref("Platen"), refused=list_of(TEXT)),
    "Condition": object_of(
        id=NUMBER, name=TEXT, component=TEXT, severity=one_of(Severity), time=TIME
    ),
    "Scanner": object_of(
        state=one_of(ScannerState), reasons=list_of(TEXT), conditions=list_of(ref("Condition"))
    ),
    "State": object_of(
        name=TEXT,
        model=TEXT,
        uuid=TEXT,
        url=TEXT,
        page=TEXT,
        sources=list_of(TEXT),
        scanner=ref("Scanner"),
        jobs=NUMBER,
        destinations=NUMBER,
        subscribers=NUMBER,
        feeder=ref("Feeder"),
    ),
    "Destination": object_of(id=NUMBER, name=TEXT, context=TEXT, client=TEXT, subscription=TEXT),
    "Press": object_of(
        id=NUMBER,
        destination=ref("Destination"),
        source=TEXT,
        state=one_of(PressState),
        jobs=list_of(NUMBER),
    ),
    "Job": object_of(
        id=NUMBER,
        state=TEXT,
        reasons=list_of(TEXT),
        scans_completed=NUMBER,
        images_wanted={"type": ["integer", "null"]},
        pictures=list_of(TEXT),
        name=TEXT,
        user=TEXT,
        source=TEXT,
        format=TEXT,
        created=TIME,
        completed={"type": ["string", "null"], "format": "date-time"},
    ),
    "Jobs": object_of(active=list_of(ref("Job")), history=list_of(ref("Job"))),
    "Subscriber": object_of(
        id=TEXT,
        client=TEXT,
        notify_to=TEXT,
        events=list_of(TEXT),
        expires=TIME,
        expires_in_s=NUMBER,
        waiting=NUMBER,
        failures=NUMBER,
    ),
    "Entry": object_of(
        id=NUMBER,
        time=TIME,
        direction=one_of(Direction),
        peer=TEXT,
        name=TEXT,
        action=TEXT,
        outcome=TEXT,
        milliseconds={"type": "number"},
        received_octets=NUMBER,
        sent_octets=NUMBER,
    ),
    "WholeEntry": {
        "allOf": [ref("Entry"), object_of(request_xml=TEXT, reply_xml=TEXT)],
    },
    "Problem": object_of(type=TEXT, title=TEXT, status=NUMBER, detail=TEXT),
}


_FILES: Json = {
    "type": "object",
    "properties": {"file": list_of({"type": "string", "contentMediaType": "*/*"})},
    "required": ["file"],
}
_ORDER_BODY: Json = object_of(order=list_of(NUMBER))
_PRESS_BODY: Json = {"type": "object", "properties": {"source": TEXT}}
_CONDITION_BODY: Json = {
    "type": "object",
    "properties": {
        "name": one_of(ConditionName),
        "component": one_of(Component) | {"default": "ADF"},
        "severity": one_of(Severity),
    },
    "required": ["name"],
}
_JOURNAL_QUERY: Json = {
    "action": TEXT,
    "direction": one_of(Direction),
    "peer": TEXT,
    "outcome": TEXT,
    "text": TEXT,
    "after": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 0, "maximum": 500, "default": 500},
    "wait": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
}

_PATHS: Json = {
    "/state": {"get": operation("The device and its state", ref("State"))},
    "/qr.svg": {
        "get": operation(
            "The address of the device's page as a QR code",
            {"type": "string", "contentMediaType": "image/svg+xml"},
            kind="image/svg+xml",
        )
    },
    "/feeder": {"get": operation("What lies in the feeder", ref("Feeder"))},
    "/feeder/load": {
        "post": operation(
            "Fill the feeder from the source", ref("Feeder"), body=NOTHING, fails=(409,)
        )
    },
    "/feeder/empty": {
        "post": operation("Empty the feeder", ref("Feeder"), body=NOTHING, fails=(409,))
    },
    "/feeder/sheets": {
        "post": operation(
            "Lay the pages of files (JPEG, PNG, BMP, TIFF, PDF) under the stack; `refused` says "
            "which are left out, and why",
            ref("LaidIn"),
            status=201,
            body=_FILES,
            takes="multipart/form-data",
            fails=(409,),
        ),
        "put": operation(
            "Arrange the sheets by the numbers of their fronts",
            ref("Feeder"),
            body=_ORDER_BODY,
            fails=(409,),
        ),
    },
    "/feeder/sheets/{id}": {
        "delete": operation(
            "Take out a sheet by the number of its front",
            None,
            status=204,
            named="sheet",
            fails=(409,),
        )
    },
    "/platen": {"get": operation("What lies on the glass", ref("Platen"))},
    "/platen/empty": {
        "post": operation("Take the page off the glass", ref("Platen"), body=NOTHING, fails=(409,))
    },
    "/platen/sheets": {
        "post": operation(
            "Lay the pages of files on the glass, in place of what lies there; each job finds the "
            "next one",
            ref("LaidOnPlaten"),
            status=201,
            body=_FILES,
            takes="multipart/form-data",
            fails=(409,),
        )
    },
    "/pages/{id}/picture": {
        "get": operation(
            "A small picture of a page in the feeder or on the glass",
            {"type": "string", "contentMediaType": "image/jpeg"},
            kind="image/jpeg",
            named="page",
            query={"load": TEXT},
            fails=(409,),
        )
    },
    "/destinations": {
        "get": operation("The computers that wait for scans", list_of(ref("Destination")))
    },
    "/destinations/{id}/press": {
        "post": operation(
            "Press the scan button for a destination",
            ref("Press"),
            status=202,
            body=_PRESS_BODY,
            named="destination",
            fails=(409,),
        )
    },
    "/presses": {"get": operation("The latest presses", list_of(ref("Press")))},
    "/presses/{id}": {"get": operation("One press", ref("Press"), named="press")},
    "/jobs": {"get": operation("All jobs", ref("Jobs"))},
    "/jobs/{id}": {"get": operation("One job", ref("Job"), named="job")},
    "/jobs/{id}/pictures/{page}": {
        "get": operation(
            "A small picture of a page that the job has scanned, 1 being the first; there are none "
            "of what was scanned before the panel was used",
            {"type": "string", "contentMediaType": "image/jpeg"},
            kind="image/jpeg",
            named="job",
            part="page",
        )
    },
    "/jobs/{id}/cancel": {
        "post": operation(
            "Cancel a job", ref("Job"), status=202, body=NOTHING, named="job", fails=(409,)
        )
    },
    "/conditions": {
        "get": operation("What is the matter", list_of(ref("Condition"))),
        "post": operation(
            "Let something be the matter",
            ref("Condition"),
            status=201,
            body=_CONDITION_BODY,
            fails=(409,),
        ),
    },
    "/conditions/{id}": {
        "delete": operation("Mend something", None, status=204, named="condition")
    },
    "/subscribers": {"get": operation("Who listens to events", list_of(ref("Subscriber")))},
    "/subscribers/{id}": {
        "delete": operation("End a subscription", None, status=204, named="subscriber")
    },
    "/journal": {
        "get": operation(
            "What was said, oldest first",
            list_of(ref("Entry")),
            query=_JOURNAL_QUERY,
            fails=(422,),
        )
    },
    "/journal/{id}": {
        "get": operation("One exchange with its XML", ref("WholeEntry"), named="entry")
    },
    "/events": {
        "get": operation(
            "Everything, and then what changes, as server-sent events: `all`, then `change`",
            TEXT,
            kind="text/event-stream",
            fails=(503,),
        )
    },
}

_COMMON_PATHS: Json = {
    "/devices": {
        "get": operation("The devices that are there", list_of(ref("Device")), common=True)
    },
    "/openapi.json": {"get": operation("This description", {"type": "object"}, common=True)},
}


def document(*, processes: bool) -> Json:
    """The whole description: each resource of a device without its name and with it.

    `processes`: with those of devices that offer scan processes.
    """
    schemas, paths = _SCHEMAS, _PATHS
    if processes:
        from device.panel import openapi_operator  # with what it describes comes all that delivers

        schemas, paths = schemas | openapi_operator.SCHEMAS, paths | openapi_operator.PATHS
    named = [{"$ref": "#/components/parameters/Device"}]
    of_devices = {
        DEVICE + path: {"parameters": named, **operations} for path, operations in paths.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "wsd-scanner front panel", "version": "1"},
        "servers": [{"url": BASE}],
        "security": [{}, {"token": []}],
        "paths": {**paths, **_COMMON_PATHS, **of_devices},
        "components": {
            "parameters": {
                "Device": {"name": "uuid", "in": "path", "required": True, "schema": TEXT}
            },
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "What is wrong, and what would be right",
                    "content": content(ref("Problem"), "application/problem+json"),
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
