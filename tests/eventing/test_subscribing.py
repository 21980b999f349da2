"""Subscribe, Renew, GetStatus, Unsubscribe, as clients of all kinds send them."""

import re
import xml.etree.ElementTree as ET

import pytest
from clients.wsscan import DPWS, SCAN, WSA, WSE, Reply, scan_ticket
from eventing.subscriber import EVENTS, Sink, filter_of, read_subscribed, subscribe_body

from device.eventing.subscriptions import Limits
from device.notifications import Rules

JOB = f"{SCAN}/JobEndStateEvent"


def end_a_job(device) -> None:
    device.client.cancel_job(device.client.create_scan_job(scan_ticket()).id)


def subcode(reply: Reply) -> tuple[str, str]:
    assert reply.fault is not None
    assert reply.fault.subcode is not None
    return reply.fault.subcode.namespace, reply.fault.subcode.local


def expires(reply: Reply) -> str:
    return reply.require().findtext(f"{{{WSE}}}Expires") or ""


# ---- what is accepted


def test_the_manager_is_the_service_with_an_identifier(device, subscriber, sink):
    made = subscriber.subscribe(sink.url)
    assert made.manager == device.url
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made.identifier)
    assert made.expires == "PT3600S"


@pytest.mark.conformance("EV-08", "EV-19")
@pytest.mark.parametrize(
    "filter_text",
    [
        f"\n      {JOB}\n   ",
        filter_of("ScanAvailableEvent", "JobEndStateEvent", "JobStatusEvent").replace(" ", "\n\t"),
        SCAN,
        f"{SCAN}/",
        JOB.replace("2006/08", "2006/01"),
        JOB.replace("http:", "https:"),
        "JobEndStateEvent",
        f"urn:example:unheard-of {JOB}",
    ],
)
def test_a_filter_is_read_as_it_was_meant(device, subscriber, sink, filter_text):
    subscriber.subscribe(sink.url, filter_text=filter_text)
    end_a_job(device)
    sink.wait_for("JobEndStateEvent")


@pytest.mark.conformance("EV-08")
def test_no_mode_no_dialect_no_expires(device, subscriber, sink):
    made = subscriber.subscribe(sink.url, mode=None, dialect=None, expires=None)
    assert made.expires == "PT86400S"
    end_a_job(device)
    sink.wait_for("JobEndStateEvent")


def test_without_a_filter_all_events_come(device, subscriber, sink):
    subscriber.subscribe(sink.url, filter_text="", dialect=None)
    end_a_job(device)
    sink.wait_for("JobEndStateEvent")
    assert {"JobStatusEvent", "ScannerStatusSummaryEvent"} <= set(sink.names())


def test_children_in_any_order_and_of_any_kind(device, subscriber, sink):
    body = (
        f'<e:Subscribe xmlns:e="{WSE}" xmlns:x="urn:example:x"><x:Foreign/>'
        f'<e:Filter Dialect="{DPWS}/Action">{JOB}</e:Filter><e:Expires> PT1H </e:Expires>'
        f"<e:Delivery><x:Foreign/><e:NotifyTo><x:Foreign/><a:Address>\n{sink.url} "
        "</a:Address></e:NotifyTo></e:Delivery></e:Subscribe>"
    )
    read_subscribed(subscriber.ask(body))
    end_a_job(device)
    sink.wait_for("JobEndStateEvent")


def test_the_same_request_again_begins_nothing_new(device, subscriber, sink):
    body = subscribe_body(sink.url)
    request = device.client.envelope(f"{WSE}/Subscribe", body)
    first, second = device.client.post(request), device.client.post(request)
    assert read_subscribed(first) == read_subscribed(second)
    assert device.subscriptions() == 1


# ---- reference parameters


@pytest.mark.conformance("EV-14")
def test_reference_parameters_come_back_as_they_were(device, subscriber, sink):
    """Verbatim, with the declarations that were in scope, attributes and inner space kept."""
    parameters = (
        f'<e:Identifier xmlns:e="{WSE}">urn:uuid:F2A3C7D4-5b1e-4c55-9e0a-70d1b6a4ee10'
        '</e:Identifier><y:Route xmlns:y="urn:example:y" y:kind="a &amp; b">  <y:Hop>'
        "e:Subscribe &lt;1&gt; </y:Hop></y:Route>"
    )
    subscriber.subscribe(sink.url, parameters=parameters, events=["JobEndStateEvent"])
    end_a_job(device)
    (got,) = sink.wait_for("JobEndStateEvent")
    assert got.header("Identifier", WSE) == "urn:uuid:F2A3C7D4-5b1e-4c55-9e0a-70d1b6a4ee10"
    for wanted in ET.fromstring(f"<r>{parameters}</r>"):
        found = got.envelope[0].find(wanted.tag)
        assert found is not None
        assert ET.canonicalize(ET.tostring(found)) == ET.canonicalize(ET.tostring(wanted))
    assert f'xmlns:e="{WSE}"' in got.raw.decode().partition("Route")[2].partition(">")[0]


def test_reference_properties_are_echoed_too(device, subscriber, sink):
    body = subscribe_body(sink.url, events=["JobEndStateEvent"]).replace(
        "</e:NotifyTo>",
        '<a:ReferenceProperties><z:Old xmlns:z="urn:example:z">1</z:Old></a:ReferenceProperties>'
        "</e:NotifyTo>",
    )
    read_subscribed(subscriber.ask(body))
    end_a_job(device)
    (got,) = sink.wait_for("JobEndStateEvent")
    assert got.header("Old", "urn:example:z") == "1"


@pytest.mark.parametrize(
    "forged",
    [
        "<a:Action>urn:example:forged</a:Action>",
        "<s:Anything/>",
        '<o:Security xmlns:o="http://docs.oasis-open.org/wss/2004/01/'
        'oasis-200401-wss-wssecurity-secext-1.0.xsd"/>',
        f'<e:Identifier xmlns:e="{WSE}">{"x" * 5000}</e:Identifier>',
    ],
)
def test_forged_and_endless_headers_are_refused(subscriber, sink, forged):
    reply = subscriber.ask(subscribe_body(sink.url, parameters=forged))
    assert subcode(reply) == (WSE, "InvalidMessage")


# ---- managing


@pytest.mark.parametrize(
    "spelt",
    [
        lambda known: known,
        lambda known: known.removeprefix("urn:uuid:"),
        lambda known: known.removeprefix("urn:"),
        lambda known: f"\n   {known.upper()}  ",
    ],
)
def test_the_identifier_is_compared_loosely(device, subscriber, sink, spelt):
    made = subscriber.subscribe(sink.url)
    assert expires(subscriber.renew(spelt(made.identifier), "PT2H")) == "PT7200S"
    device.turn(600)
    assert expires(subscriber.manage("GetStatus", spelt(made.identifier))) == "PT6600S"
    reply = subscriber.manage("Unsubscribe", spelt(made.identifier))
    assert reply.status == 200
    assert reply.fault is None
    assert reply.body is None
    assert device.subscriptions() == 0


@pytest.mark.conformance("EV-11", "EV-14")
def test_any_of_our_paths_manages(device, subscriber, sink):
    made = subscriber.subscribe(sink.url)
    subscriber.client.url = subscriber.client.url.removesuffix("/scan") + "/"
    assert expires(subscriber.renew(made.identifier, "PT10M")) == "PT600S"


@pytest.mark.conformance("EV-11")
def test_who_thinks_in_datetimes_is_answered_in_them(device, subscriber, sink):
    made = subscriber.subscribe(sink.url, expires="2026-05-04T10:15:00+01:00")
    assert made.expires == "2026-05-04T09:15:00Z"
    device.turn(60)
    reply = subscriber.manage("GetStatus", made.identifier)
    assert expires(reply) == "2026-05-04T09:15:00Z"
    assert expires(subscriber.renew(made.identifier)) == "2026-05-05T08:16:00Z"
    assert expires(subscriber.renew(made.identifier, "PT5M")) == "PT300S"


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("PT1H", "PT3600S"),
        ("P0Y0M0DT30H0M0S", "PT86400S"),
        ("P1D", "PT86400S"),
        ("P100Y", "PT86400S"),
        ("PT99999999999999999999S", "PT86400S"),
        ("PT1.00000000000000000001S", "PT1S"),
        ("PT0.5S", "PT1S"),
        ("9999-12-31T23:59:59Z", "2026-05-05T08:15:00Z"),
        ("10000-01-01T00:00:00Z", "2026-05-05T08:15:00Z"),
        ("2026-05-04T08:25:00", "2026-05-04T08:25:00Z"),
    ],
)
def test_what_is_granted(subscriber, sink, asked, granted):
    assert subscriber.subscribe(sink.url, expires=asked).expires == granted


@pytest.mark.conformance("EV-11", "EV-12")
def test_no_event_after_unsubscribe_and_after_expiry(device, subscriber, make_sink):
    gone, lapsed, stays = make_sink(), make_sink(), make_sink()
    subscriber.subscribe(stays.url)
    made = subscriber.subscribe(gone.url)
    subscriber.subscribe(lapsed.url, expires="PT5M")
    subscriber.manage("Unsubscribe", made.identifier)
    device.turn(301)
    end_a_job(device)
    stays.wait_for("JobEndStateEvent")
    assert gone.got == []
    assert lapsed.got == []
    assert device.subscriptions() == 1


# ---- refusals


@pytest.mark.conformance("FA-23", "EV-08")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mode": f"{WSE}/DeliveryModes/Pull"}, (WSE, "DeliveryModeRequestedUnavailable")),
        ({"dialect": "urn:example:odd"}, (WSE, "FilteringRequestedUnavailable")),
        (
            {"dialect": None, "filter_text": "//odd[@xpath]"},
            (WSE, "FilteringRequestedUnavailable"),
        ),
        ({"filter_text": f"{SCAN}/Nothing"}, (DPWS, "FilterActionNotSupported")),
        ({"filter_text": f"{JOB}s"}, (DPWS, "FilterActionNotSupported")),
        ({"filter_text": f"{SCAN[:-2]}"}, (DPWS, "FilterActionNotSupported")),
        ({"filter_text": " \n "}, (DPWS, "FilterActionNotSupported")),
        ({"expires": "PT0S"}, (WSE, "InvalidExpirationTime")),
        ({"expires": "-PT1H"}, (WSE, "InvalidExpirationTime")),
        ({"expires": "2026-05-04T08:15:00Z"}, (WSE, "InvalidExpirationTime")),
        ({"expires": "tomorrow"}, (WSE, "InvalidExpirationTime")),
        ({"expires": "P"}, (WSE, "InvalidExpirationTime")),
    ],
)
def test_what_is_refused(device, subscriber, sink, change, code):
    reply = subscriber.ask(subscribe_body(sink.url, **change))
    assert subcode(reply) == code
    assert reply.header("Action") == f"{code[0]}/fault"
    assert reply.status == 400
    assert device.subscriptions() == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mode": "urn:example:odd"}, "DeliveryModes/Push"),
        ({"dialect": "urn:example:odd"}, "devprof/Action"),
    ],
)
def test_a_refusal_says_what_there_is(subscriber, sink, change, named):
    fault = subscriber.ask(subscribe_body(sink.url, **change)).fault
    assert fault is not None
    assert fault.detail is not None
    assert named in ET.tostring(fault.detail).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Delivery", "Elsewhere"),
        ("NotifyTo", "Nowhere"),
        ("Subscribe", "Renew"),
        ("<a:Address>", "<a:Metadata>"),
    ],
)
def test_a_broken_message_is_an_invalid_message(subscriber, sink, old, new):
    body = subscribe_body(sink.url).replace(old, new).replace("</a:Address>", "</a:Metadata>")
    body = body if "Metadata>" in new else body.replace("</a:Metadata>", "</a:Address>")
    assert subcode(subscriber.ask(body)) == (WSE, "InvalidMessage")


def test_two_sinks_are_one_too_many(subscriber, sink):
    body = subscribe_body(sink.url)
    start, end = body.index("<e:NotifyTo>"), body.index("</e:Delivery>")
    doubled = body[:end] + body[start:end] + body[end:]
    assert subcode(subscriber.ask(doubled)) == (WSE, "InvalidMessage")


@pytest.mark.conformance("FA-23", "EV-11")
@pytest.mark.parametrize("operation", ["Renew", "GetStatus", "Unsubscribe"])
def test_an_identifier_is_needed_and_must_be_known(subscriber, operation):
    assert subcode(subscriber.manage(operation, None)) == (WSE, "InvalidMessage")
    assert subcode(subscriber.manage(operation, "  ")) == (WSE, "InvalidMessage")
    unknown = subcode(subscriber.manage(operation, "urn:uuid:nobody"))
    assert unknown == (WSE, "UnableToRenew" if operation == "Renew" else "InvalidMessage")


@pytest.mark.conformance("FA-23", "EV-12")
def test_a_lapsed_subscription_cannot_be_renewed(device, subscriber, sink):
    made = subscriber.subscribe(sink.url, expires="PT5M")
    device.turn(300)
    reply = subscriber.renew(made.identifier)
    assert subcode(reply) == (WSE, "UnableToRenew")
    assert reply.fault is not None
    assert reply.fault.code.local == "Receiver"
    assert reply.status == 500


def test_there_is_a_limit_for_each_client(make_device, sink):
    device = make_device(rules=Rules(Limits(per_peer=2)))
    for number in range(2):
        device.subscriber.subscribe(f"{sink.url}/{number}")
    reply = device.subscriber.ask(subscribe_body(f"{sink.url}/2"))
    assert subcode(reply) == (WSE, "EventSourceUnableToProcess")
    assert reply.status == 500
    device.subscriber.subscribe(f"{sink.url}/1")
    assert device.subscriptions() == 2


def test_who_subscribes_again_gets_each_event_once(device, subscriber, sink: Sink):
    """Some clients forget their subscription, and begin another with the same sink."""
    for _ in range(30):
        subscriber.subscribe(sink.url, events=EVENTS)
    assert device.subscriptions() == 1
    end_a_job(device)
    sink.wait_for("ScannerStatusSummaryEvent", 2)
    assert len(sink.of("JobEndStateEvent")) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "urn:uuid:1",
        "http://user:word@127.0.0.1/x",
        "http://127.0.0.1/x#part",
        "http://10.1.2.3/x",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0:5357/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://name.invalid/",
        f"{WSA}/role/anonymous",
    ],
)
def test_events_go_nowhere_else(device, subscriber, sink, url):
    for body in (subscribe_body(url), subscribe_body(sink.url, end_to=url)):
        refused = subscriber.ask(body)
        assert subcode(refused) == (WSA, "DestinationUnreachable")
        assert "Events may not go" in refused.fault.reason
    assert device.subscriptions() == 0
