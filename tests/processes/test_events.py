"""What a scan server tells by itself, and how often it is asked where it does not."""

import pytest
from processes.conftest import MakeOperator, Site
from support.wait import wait_until

FEEDER = "<w:InputSource>ADF</w:InputSource><w:Format>png</w:Format>"
WSE = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
ASKED = "GetPostScanJobElements"


def begun(site: Site, make_operator: MakeOperator, **options: object):
    """A delivery whose job has all its pages and waits for `finish`."""
    site.server.hold_ends = True
    site.add("Invoices", parameters=FEEDER)
    joe = make_operator(sheets=1, **options)
    number = joe.start("Invoices").json["id"]
    joe.until(
        number,
        lambda one: one["post_scan_job"] and one["post_scan_job"]["state"] == "Processing",
        "the job at work",
    )
    return joe, number


@pytest.mark.conformance("DE-01")
def test_a_subscription_is_there_before_the_job_and_gone_after_it(
    site: Site, make_operator: MakeOperator
):
    site.server.has_events = True
    joe, number = begun(site, make_operator)
    calls = site.server.calls
    assert calls.index("Subscribe") < calls.index("CreatePostScanJob")
    (sink,) = site.server.sinks.values()
    assert sink == joe.device.url
    (token,) = site.server.states
    asked = calls.count(ASKED)
    site.server.finish(token)
    assert joe.ended(number)["standing"] == "delivered"
    assert calls.count(ASKED) == asked + 1, "what an event says is asked for once more"
    wait_until(lambda: not site.server.sinks, 5, "Unsubscribe")


@pytest.mark.conformance("DE-02")
def test_without_events_the_server_is_asked_again_and_again(
    site: Site, make_operator: MakeOperator
):
    joe, number = begun(site, make_operator)
    asked = site.server.calls.count(ASKED)
    wait_until(lambda: site.server.calls.count(ASKED) > asked + 3, 5, "more questions")
    (token,) = site.server.states
    site.server.states[token] = "Completed"
    assert joe.ended(number)["standing"] == "delivered"
    assert site.server.calls.count("Subscribe") == 1


def test_an_event_alone_delivers_nothing(site: Site, make_operator: MakeOperator):
    """Anybody may post one: only the server itself, over the checked connection, is believed."""
    site.server.has_events = True
    joe, number = begun(site, make_operator)
    (token,) = site.server.states
    for end in (False, True):
        assert site.server.tell(token, end=end, state="Completed") == [202]
    site.server.states[token] = "Aborted"
    site.server.finish(token, "Aborted")
    assert joe.ended(number)["standing"] == "failed"
    assert [path for path in site.spooled if path.name.startswith("000001")]


@pytest.mark.conformance("DE-02")
def test_events_of_other_jobs_mean_nothing(site: Site, make_operator: MakeOperator):
    site.server.has_events = True
    joe, number = begun(site, make_operator)
    (token,) = site.server.states
    before = joe.delivery(number)
    assert site.server.tell(token, named="another-token") == [202]
    site.server.states[token] = "Completed"
    assert site.server.tell(token, end=True, named="another-token") == [202]
    site.server.states[token] = "Processing"
    assert joe.delivery(number) == before
    site.server.finish(token)
    assert joe.ended(number)["standing"] == "delivered"


def test_an_event_that_is_none_is_refused(site: Site, make_operator: MakeOperator):
    site.server.has_events = True
    begun(site, make_operator)
    (sink,) = site.server.sinks.values()
    (token,) = site.server.states
    action = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing"
    name = "PostScanJobStatusEvent"
    assert site.server.post(sink, f"{action}/{name}", f"<x:{name}/>") == 400
    assert site.server.post(sink, f"{action}/{name}", "<x:Other/>") == 400
    site.server.finish(token)


@pytest.mark.conformance("DE-01")
def test_a_subscription_that_the_server_ends_is_taken_anew(site: Site, make_operator: MakeOperator):
    site.server.has_events = True
    joe, number = begun(site, make_operator)
    ((identifier, sink),) = site.server.sinks.items()
    (token,) = site.server.states
    del site.server.sinks[identifier]
    end = f'<e:SubscriptionEnd xmlns:e="{WSE}"/>'
    assert site.server.post(sink, f"{WSE}/SubscriptionEnd", end) == 202
    event = site.server._status(token)
    name = "PostScanJobStatusEvent"
    action = f"http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing/{name}"
    site.server.post(sink, action, f"<x:{name}>{event}</x:{name}>")
    wait_until(lambda: site.server.sinks, 5, "another subscription")
    site.server.finish(token)
    assert joe.ended(number)["standing"] == "delivered"


@pytest.mark.conformance("DE-01")
def test_a_subscription_is_renewed_when_half_of_it_is_over(site: Site, make_operator: MakeOperator):
    site.server.has_events = True
    site.server.expires = "PT60S"
    joe, number = begun(site, make_operator)
    (token,) = site.server.states
    joe.device.advance(29)
    site.server.tell(token)
    wait_until(lambda: site.server.calls.count(ASKED) > 1, 5, "a question")
    assert "Renew" not in site.server.calls
    joe.device.advance(2)
    site.server.tell(token)
    wait_until(lambda: "Renew" in site.server.calls, 5, "Renew")
    site.server.finish(token)
    assert joe.ended(number)["standing"] == "delivered"
    assert site.server.calls.count("Subscribe") == 1


@pytest.mark.conformance("DC-01")
def test_two_deliveries_share_one_subscription(site: Site, make_operator: MakeOperator):
    site.server.has_events = True
    joe, first = begun(site, make_operator)
    joe("POST", "feeder/load")
    second = joe.start("Invoices").json["id"]
    joe.until(second, lambda one: one["received"] == 1, "the second job's page")
    assert site.server.calls.count("Subscribe") == 1
    one, two = site.server.states
    site.server.finish(one)
    assert joe.ended(first)["standing"] == "delivered"
    assert "Unsubscribe" not in site.server.calls
    wait_until(lambda: site.server.states[two] == "Processing", 5, "the end of the second job")
    site.server.finish(two)
    assert joe.ended(second)["standing"] == "delivered"
    wait_until(lambda: "Unsubscribe" in site.server.calls, 5, "Unsubscribe")
