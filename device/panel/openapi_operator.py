"""The panel's user, described: session, scan processes and deliveries."""

from __future__ import annotations

from typing import Final

from device.panel.schemas import (
    NOTHING,
    NUMBER,
    TEXT,
    TIME,
    Json,
    list_of,
    object_of,
    one_of,
    operation,
    ref,
)
from device.processes.sessions import BADGE, PASSWORD
from device.processes.under_way import Standing

_FLAG: Json = {"type": "boolean"}
_SECONDS: Json = {"type": "number"}
_VALUE: Json = {"type": ["string", "integer", "boolean"]}

SCHEMAS: Final[Json] = {
    "User": object_of(principal=TEXT, name=TEXT, mail=TEXT, sid=TEXT),
    "Session": object_of(
        ways=list_of(one_of((PASSWORD, BADGE))),
        idle_logoff_s=_SECONDS,
        insecure=_FLAG,
        user={"oneOf": [ref("User"), {"type": "null"}], "type": ["object", "null"]},
    ),
    "NewSession": object_of(token=TEXT, idle_logoff_s=_SECONDS, insecure=_FLAG, user=ref("User")),
    "Address": object_of(name=TEXT, mail=TEXT),
    "ListedProcess": object_of(id=TEXT, name=TEXT, problem=TEXT),
    "Process": object_of(
        id=TEXT,
        name=TEXT,
        server=TEXT,
        targets=list_of(TEXT),
        settings=list_of(object_of(path=TEXT, value=_VALUE, locked=_FLAG)),
        otherwise=list_of(TEXT),
        file_name=TEXT,
        may_change_file_name=_FLAG,
        emails=list_of(TEXT),
        may_add_emails=_FLAG,
        shares=list_of(TEXT),
        may_change_shares=_FLAG,
    ),
    "PostScanJob": {
        **object_of(
            state=TEXT,
            reasons=list_of(TEXT),
            images_received=NUMBER,
            filters=list_of(object_of(dialect=TEXT, state=TEXT, reasons=list_of(TEXT))),
        ),
        "type": ["object", "null"],
    },
    "Delivery": object_of(
        id=NUMBER,
        process=TEXT,
        user=TEXT,
        server=TEXT,
        began=TIME,
        standing=one_of(Standing),
        job={"type": ["integer", "null"]},
        pages=NUMBER,
        received=NUMBER,
        doing=TEXT,
        trouble=TEXT,
        post_scan_job=ref("PostScanJob"),
        summary=TEXT,
    ),
}

_HEADER: Json = {
    "name": "Session",
    "in": "header",
    "schema": TEXT,
    "description": "the token of a session; all but logging on and listing deliveries needs it",
}
_LOGON_BODY: Json = {
    "type": "object",
    "properties": {"user": TEXT, "password": {**TEXT, "format": "password"}, "badge": TEXT},
}
_START_BODY: Json = {
    "type": "object",
    "properties": {
        "settings": {"type": "object", "additionalProperties": _VALUE},
        "emails": list_of(TEXT),
        "file_name": TEXT,
        "shares": list_of(TEXT),
    },
}


def _with_session(found: Json) -> Json:
    return {**found, "parameters": [*found.get("parameters", ()), _HEADER]}


PATHS: Final[Json] = {
    "/session": {
        "get": _with_session(operation("How users log on here, and who has", ref("Session"))),
        "post": operation(
            "Log on by name and password, by badge, or by neither where nobody is asked",
            ref("NewSession"),
            status=201,
            body=_LOGON_BODY,
            fails=(429, 503),
        ),
        "delete": _with_session(operation("Log off", None, status=204)),
    },
    "/processes": {
        "get": _with_session(
            operation(
                "The scan processes that the user may use",
                list_of(ref("ListedProcess")),
                fails=(409, 503),
            )
        )
    },
    "/addresses": {
        "get": _with_session(
            operation(
                "Whom the user's directory knows with an e-mail address, by two letters or more",
                list_of(ref("Address")),
                query={"begins": {**TEXT, "maxLength": 64}},
                fails=(422, 503),
            )
        )
    },
    "/processes/{id}": {
        "get": _with_session(
            operation("One scan process", ref("Process"), named="process", fails=(409, 503))
        )
    },
    "/processes/{id}/start": {
        "post": _with_session(
            operation(
                "Scan, and deliver as the process says",
                ref("Delivery"),
                status=202,
                body=_START_BODY,
                named="process",
                fails=(409, 503),
            )
        )
    },
    "/deliveries": {
        "get": operation("Deliveries to scan servers, newest first", list_of(ref("Delivery")))
    },
    "/deliveries/{id}": {
        "get": operation("One delivery", ref("Delivery"), named="delivery"),
        "delete": _with_session(
            operation(
                "Throw away what a failed delivery keeps",
                None,
                status=204,
                named="delivery",
                fails=(409,),
            )
        ),
    },
    "/deliveries/{id}/cancel": {
        "post": _with_session(
            operation(
                "Cancel a delivery",
                ref("Delivery"),
                status=202,
                body=NOTHING,
                named="delivery",
                fails=(409,),
            )
        )
    },
    "/deliveries/{id}/retry": {
        "post": _with_session(
            operation(
                "Send again what a failed delivery keeps",
                ref("Delivery"),
                status=202,
                body=NOTHING,
                named="delivery",
                fails=(409,),
            )
        )
    },
}
