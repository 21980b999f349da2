"""Everything that the panel can do, by REST."""

import logging
import socket
from dataclasses import replace

import pytest
from clients.wsscan import scan_ticket
from eventing.subscriber import Sink
from support.wait import wait_until

from device.panel.parts import Facts
from device.panel.paths import BASE


def problem(answer, status: int) -> str:
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json["status"] == status
    assert set(answer.json) == {"type", "title", "status", "detail"}
    return answer.json["detail"]


# ---- state and feeder


def test_the_state_tells_what_there_is(device, panel):
    state = panel.get("state")
    assert state["name"] == "A scanner"
    assert state["scanner"]["state"] == "Idle"
    assert len(state["feeder"]["pages"]) == 6
    device.client.create_scan_job(scan_ticket())
    assert panel.get("state")["jobs"] == 1
    assert panel.get("state")["scanner"]["state"] == "Processing"


def test_the_feeder_is_emptied_and_filled(device, panel):
    emptied = panel("POST", "feeder/empty")
    assert emptied.json == {"virtual": True, "empty": True, "pages": []}
    (found,) = panel.get("conditions")
    assert (found["name"], found["severity"]) == ("InputTrayEmpty", "Informational")
    filled = panel("POST", "feeder/load")
    assert filled.status == 200
    assert len(filled.json["pages"]) == 6
    assert panel.get("feeder") == filled.json
    assert panel.get("conditions") == []


def test_a_real_feeder_is_emptied_by_hand(make_device):
    device = make_device(virtual=False)
    assert device.panel.get("feeder")["empty"] is None
    assert "by hand" in problem(device.panel("POST", "feeder/empty"), 409)


# ---- destinations and the button


def test_a_press_from_list_to_done(device, panel, sink: Sink):
    assert panel.get("destinations") == []
    made = device.subscriber.subscribe(
        sink.url, destinations=[("Scan to DESK-7", "Scan"), ("Mail", "Email")]
    )
    found = panel.get("destinations")
    assert [(one["name"], one["context"]) for one in found] == [
        ("Scan to DESK-7", "Scan"),
        ("Mail", "Email"),
    ]
    assert made.tokens["Scan"] not in str(found)

    pressed = panel("POST", f"destinations/{found[1]['id']}/press", {"source": "ADFDuplex"})
    assert pressed.status == 202
    assert pressed.json["state"] == "waiting"
    where = pressed.headers["location"]
    (event,) = sink.wait_for("ScanAvailableEvent")
    assert event.text("ClientContext") == "Email"
    assert event.text("InputSource") == "ADFDuplex"
    identifier = event.text("ScanIdentifier")
    assert identifier not in str(pressed.raw)

    job = device.client.create_scan_job(
        scan_ticket(source="ADF", images=1),
        scan_identifier=identifier,
        destination_token=made.tokens["Email"],
    )
    assert panel.get(where)["state"] == "scanning"
    device.client.retrieve_image(job.id, job.token)
    wait_until(lambda: panel.get(where)["state"] == "done", 5, "done")
    assert panel.get(where)["jobs"] == [job.id]
    assert [one["id"] for one in panel.get("presses")] == [pressed.json["id"]]


def test_a_press_that_cannot_be(device, panel, sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    (found,) = panel.get("destinations")
    path = f"destinations/{found['id']}/press"
    problem(panel("POST", "destinations/999/press"), 404)
    problem(panel("POST", "destinations/x/press"), 404)
    assert "Platen, ADF" in problem(panel("POST", path, {"source": "Film"}), 422)
    problem(panel("POST", path, {"source": 1}), 422)
    problem(panel("POST", path, {"sauce": "ADF"}), 422)
    problem(panel("POST", path, ["ADF"]), 422)
    problem(panel("POST", path, raw=b"{", Content_Type="application/json"), 400)
    problem(panel("POST", path, raw=b"source=ADF", Content_Type="text/plain"), 415)
    panel("POST", "feeder/empty")
    problem(panel("POST", path, {"source": "ADF"}), 409)
    panel("POST", "conditions", {"name": "CoverOpen"})
    assert "stopped" in problem(panel("POST", path, {"source": "Platen"}), 409)
    assert sink.of("ScanAvailableEvent") == []


# ---- jobs and conditions


def test_a_job_is_listed_and_cancelled_at_the_device(device, panel):
    job = device.client.create_scan_job(scan_ticket(job_name="Minutes"))
    (listed,) = panel.get("jobs")["active"]
    assert (listed["id"], listed["state"], listed["name"]) == (job.id, "Pending", "Minutes")
    assert job.token not in str(listed)
    cancelled = panel("POST", f"jobs/{job.id}/cancel")
    assert cancelled.status == 202
    assert panel.get(f"jobs/{job.id}")["reasons"] == ["JobCanceledAtDevice"]
    assert [one["id"] for one in panel.get("jobs")["history"]] == [job.id]
    problem(panel("POST", f"jobs/{job.id}/cancel"), 409)
    problem(panel("POST", "jobs/999/cancel"), 404)
    problem(panel("GET", "jobs/999"), 404)


def test_a_jam_comes_and_goes(device, panel):
    raised = panel("POST", "conditions", {"name": "MediaJam"})
    assert raised.status == 201
    assert raised.json["component"] == "ADF"
    assert raised.json["severity"] == "Critical"
    assert device.client.scanner_state() == "Stopped"
    assert panel.get("state")["scanner"]["reasons"] == ["MediaJam"]
    problem(panel("POST", "conditions", {"name": "MediaJam"}), 409)
    assert panel("POST", "conditions", {"name": "MediaJam", "component": "Platen"}).status == 201
    assert panel("DELETE", raised.headers["location"]).status == 204
    problem(panel("DELETE", raised.headers["location"]), 404)
    assert [one["component"] for one in panel.get("conditions")] == ["Platen"]


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "Fire"}, {"name": "MediaJam", "component": "Roof"}, {"name": None}, {"name": []}],
)
def test_a_condition_must_be_one(panel, body):
    problem(panel("POST", "conditions", body), 422)


# ---- subscribers


def test_a_subscriber_is_listed_and_sent_away(device, panel, sink):
    made = device.subscriber.subscribe(
        sink.url, events=["JobStatusEvent"], end_to=f"{sink.url}/end", expires="PT10M"
    )
    (listed,) = panel.get("subscribers")
    assert listed["notify_to"] == sink.url
    assert listed["events"] == ["JobStatusEvent"]
    assert listed["expires_in_s"] == 600
    assert made.identifier.endswith(listed["id"])
    assert panel("DELETE", f"subscribers/{listed['id']}").status == 204
    assert panel.get("subscribers") == []
    (end,) = sink.wait_for("SubscriptionEnd")
    assert end.raw.count(b"SourceCanceling") == 1
    problem(panel("DELETE", f"subscribers/{listed['id']}"), 404)


# ---- who may


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.2:8358", "localhost.evil.example", ""])
def test_a_rebound_name_is_refused(panel, host):
    assert "localhost" in problem(panel("GET", "state", Host=host), 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8358", "LOCALHOST:8358"])
def test_this_machine_by_any_name_is_served(panel, host):
    assert panel("GET", "state", Host=host).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:8358"])
def test_other_sites_are_refused(panel, origin):
    problem(panel("POST", "feeder/empty", Host="localhost:8358", Origin=origin), 403)
    assert panel.get("feeder")["empty"] is False


def test_our_own_pages_are_served(panel):
    own = {"Host": "localhost:8358", "Origin": "http://localhost:8358"}
    assert panel("POST", "feeder/empty", **own).status == 200
    problem(panel("GET", "state", Sec_Fetch_Site="cross-site"), 403)


def test_a_token_is_asked_for_everywhere(make_device):
    device = make_device(token="sesame ä")
    panel = device.panel
    for path in ("/", "state", "openapi.json", "/nowhere"):
        refused = panel("GET", path)
        problem(refused, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    for given in ("Bearer wrong", "Bearer", "Basic sesame", "sesame"):
        problem(panel("GET", "state", Authorization=given), 401)
    for header in ({"Authorization": "Bearer \xff"}, {"Cookie": f"wsd-scanner-{panel.port}=\xff"}):
        problem(panel("GET", "state", **header), 401)
    right = "Bearer sesame ä".encode().decode("latin-1")
    assert panel("GET", "state", Authorization=right, Host="scanner.example").status == 200


# ---- the rest


def test_what_is_not_there_is_a_problem_too(panel):
    problem(panel("GET", "/nowhere"), 404)
    refused = panel("PUT", "conditions")
    problem(refused, 405)
    assert refused.headers["allow"] == "GET,HEAD,POST"
    problem(panel("POST", "conditions", raw=b"x" * 100_000), 413)


def test_a_body_that_breaks_off_is_told_of_quietly(panel, caplog):
    caplog.set_level(logging.INFO)
    with socket.create_connection(("127.0.0.1", panel.port), 10) as sock:
        head = f"Host: 127.0.0.1:{panel.port}\r\nContent-Length: 9\r\n"
        sock.sendall(f"POST {BASE}/conditions HTTP/1.1\r\n{head}\r\n{{".encode())
    problem(panel("POST", "conditions", raw=b"{}", Content_Encoding="gzip"), 400)
    wait_until(lambda: caplog.text.count("sent no whole request") == 2, 5, "both in the log")
    for record in caplog.records:
        assert record.levelno == logging.INFO
        assert record.exc_info is None


def test_the_description_names_every_resource_and_no_other(device, panel):
    described = panel.get("openapi.json")
    assert described["openapi"].startswith("3.1")
    told = {
        (method.upper(), f"{BASE}{path}")
        for path, operations in described["paths"].items()
        for method in operations
        if method != "parameters"
    }
    served = {
        (route.method, route.resource.canonical)
        for route in device._server._runner.app.router.routes()
        if route.method != "HEAD" and route.resource.canonical.startswith(BASE)
    }
    assert told == served


def test_what_a_body_may_not_hold_is_described_and_refused_by_name(panel):
    described = panel.get("openapi.json")
    bodies = [
        schema
        for operations in described["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
        for kind, schema in operation["requestBody"]["content"].items()
        if kind == "application/json"
    ]
    assert bodies
    assert all(body["schema"]["additionalProperties"] is False for body in bodies)
    for body, detail in (
        (
            {"name": "MediaJam", "why": "x"},
            "'why' is not known here; name, component, severity are.",
        ),
        ({"name": 5}, "'name' must be a text."),
        (
            {"name": "MediaJam", "severity": ""},
            "'severity' must be one of Informational, Warning, Critical.",
        ),
    ):
        refused = panel("POST", "conditions", body)
        problem(refused, 422)
        assert refused.json["detail"] == detail


def test_what_can_go_wrong_is_described(device, panel, sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    number = panel.get("destinations")[0]["id"]
    paths = panel.get("openapi.json")["paths"]

    def responses(path: str, method: str) -> dict:
        path = path.replace(f"/{number}/", "/{id}/").replace("nobody", "{uuid}")
        return paths[path][method]["responses"]

    posts = (
        "/feeder/load",
        "/feeder/empty",
        "/platen/empty",
        "/conditions",
        f"/destinations/{number}/press",
    )
    for path in posts:
        for raw, kind in (
            (b"{", "json"),
            (b"{}", "text"),
            (b"[]", "json"),
            (b"x" * 99_999, "json"),
        ):
            answer = panel("POST", path[1:], raw=raw, Content_Type=f"application/{kind}")
            assert answer.status >= 400
            assert str(answer.status) in responses(path, "post"), (path, answer)
    for path in ("/devices/nobody/state", "/devices/nobody/conditions"):
        assert panel("GET", path[1:]).status == 404
        assert "404" in responses(path, "get")
    for query in ("limit=0.5", "after=0.5", "limit=-1", "after=x", "direction=x"):
        problem(panel("GET", f"journal?{query}"), 422)


def test_answers_are_as_described(device, panel, sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    device.client.create_scan_job(scan_ticket())
    panel("POST", "conditions", {"name": "Calibrating"})
    panel("POST", f"destinations/{panel.get('destinations')[0]['id']}/press")
    described = panel.get("openapi.json")
    schemas = described["components"]["schemas"]

    def check(value, schema, where: str) -> None:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        python = {
            "object": dict,
            "array": list,
            "string": str,
            "integer": int,
            "number": (int, float),
            "boolean": bool,
            "null": type(None),
        }
        assert any(isinstance(value, python[kind]) for kind in kinds), (where, value)
        if "enum" in schema:
            assert value in schema["enum"], (where, value)
        if "properties" in schema:
            assert set(value) == set(schema["properties"]), where
            for key, inner in schema["properties"].items():
                check(value[key], inner, f"{where}.{key}")
        for entry in value if "items" in schema else ():
            check(entry, schema["items"], where)

    for path, operations in described["paths"].items():
        if "get" in operations and "{" not in path and path != "/openapi.json":
            content = operations["get"]["responses"]["200"]["content"]
            if "application/json" in content:
                check(panel.get(path[1:]), content["application/json"]["schema"], path)


def test_each_device_has_its_own_resources_and_the_first_one_needs_no_name(device, panel):
    first = device.panelled[0]
    device.panelled.append(replace(first, facts=Facts("Another", "4-5-6", "Model", "http://x/y")))
    told = panel.get("devices")
    assert [(one["uuid"], one["name"]) for one in told] == [
        ("1-2-3", "A scanner"),
        ("4-5-6", "Another"),
    ]
    assert told[1]["state"] == "Idle"
    assert panel.get("state")["uuid"] == "1-2-3"
    for one in told:
        assert panel.get(f"{one['api']}/state")["name"] == one["name"]
    assert panel("GET", "devices/7-8-9/state").status == 404
    raised = panel("POST", "devices/4-5-6/conditions", {"name": "Calibrating"})
    assert raised.headers["location"].startswith("/api/v1/devices/4-5-6/conditions/")
    assert panel("DELETE", raised.headers["location"]).status == 204


def test_without_any_device_there_is_the_list_alone(device, panel):
    device.panelled.clear()
    assert panel.get("devices") == []
    answer = panel("GET", "state")
    assert (answer.status, answer.json["type"]) == (404, "urn:wsd-scanner:problem:not-found")
    assert panel("GET", "/").status == 200
