"""What every answer and event of a scan server must be: valid by schema, and by rules beside it.

The numbers are those of ws-dsp section 18.
"""

from collections.abc import Sequence

from lxml import etree
from support.schema import MAX_ENVELOPE, schema

SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
WSA = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
FAULTS = frozenset(
    f"http://schemas.xmlsoap.org/ws/{service}/fault"
    for service in (
        "2004/08/addressing",
        "2004/08/eventing",
        "2005/04/discovery",
        "2006/02/devprof",
    )
)
FINAL = ("Completed", "Aborted", "Canceled")
FOLLOWERS = {
    "Creating": ("Pending", "Aborted", "Canceled"),
    "Pending": ("Pending-Held", "Started", "Canceled", "Aborted"),
    "Pending-Held": ("Pending", "Canceled", "Aborted"),
    "Started": ("Processing", "Canceled", "Aborted"),
    "Processing": ("Processing", "Terminating", "Completed", "Aborted", "Canceled"),
    "Terminating": ("Canceled",),
}


def check(request: bytes, reply: bytes) -> None:
    """An answer to a request. Raises AssertionError."""
    asked, answered = etree.fromstring(request), message(reply)
    action, relates_to = header(asked, "Action"), header(asked, "MessageID")
    if relates_to:
        assert header(answered, "RelatesTo") == relates_to, "D11"
    told = header(answered, "Action")
    if answered.find(f"{SOAP}Body/{SOAP}Fault") is not None:
        assert told in FAULTS, told
    else:
        answer = "Matches" if action.startswith(WSD) else "Response"
        assert told == f"{action}{answer}", "D11"
    names = [qname(one, one.text) for one in asked.iter("{*}Name") if one.prefix in ("x", "c")]
    data = list(answered.iter("{*}ElementData"))
    if data:
        assert [qname(one, attribute(one, "Name")) for one in data] == names, "D3"


def request(document: bytes) -> None:
    """A request as a device may send it."""
    root = message(document)
    for name in ("Action", "MessageID", "To"):
        assert header(root, name), name


def message(document: bytes) -> etree._Element:
    """A message as either side may send it."""
    assert len(document) <= MAX_ENVELOPE, f"an envelope of {len(document)} octets"
    root = etree.fromstring(document)
    if len(root.find(f"{SOAP}Body")):  # UnsubscribeResponse has none
        try:
            schema().assertValid(root)
        except etree.DocumentInvalid as error:
            raise AssertionError(f"{error}\n{document.decode()}") from None
    for data in root.iter("{*}ElementData"):
        known = attribute(data, "Valid") == "true"
        wanted = [qname(data, attribute(data, "Name"))] if known else []
        assert [child.tag for child in data] == wanted, "D4"
    for status in root.iter("{*}FilterStatus"):
        reasons = status.findall(".//{*}FilterStateReason")
        state = status.findtext("{*}FilterState")
        assert not reasons or state in ("CompletedWithErrors", "CompletedWithWarnings"), "D6"
    for status in root.iter("{*}JobStatus"):
        completed = status.findtext("{*}JobCompletedTime")
        assert bool(completed) == (status.findtext("{*}JobState") in FINAL), "D7"
        assert not completed or completed >= status.findtext("{*}JobCreatedTime"), "D7"
    return root


def history(documents: Sequence[bytes], filters: Sequence[str]) -> None:
    """The events of one job, in order of arrival; `filters` are the dialects asked for."""
    state, images = "", 0
    for number, document in enumerate(documents):
        body = message(document).find(f"{SOAP}Body")[0]
        assert [one.text for one in body.iter("{*}Dialect")] == list(filters), "D5"
        now = int(body.findtext(".//{*}ImagesReceived"))
        assert now >= images, "D8"
        images = now
        if etree.QName(body).localname == "PostScanJobEndStateEvent":
            assert number == len(documents) - 1, "D9: the end is not the last"
            assert body.findtext(".//{*}JobCompletedState") == state, "D9"
            return
        now_in = body.findtext(".//{*}JobState")
        assert not state or now_in in FOLLOWERS[state], f"D9: {now_in} after {state}"
        state = now_in
    raise AssertionError("D9: no end was told")


def header(envelope: etree._Element, name: str) -> str:
    return " ".join((envelope.findtext(f"{SOAP}Header/{WSA}{name}") or "").split())


def attribute(element: etree._Element, local: str) -> str:
    """A qualified attribute of the element's own namespace."""
    return element.get(f"{{{etree.QName(element).namespace}}}{local}") or ""


def qname(scope: etree._Element, text: str | None) -> str:
    """A QName value in the form of an expanded name."""
    prefix, colon, local = (text or "").strip().rpartition(":")
    if not colon:
        namespace = scope.nsmap.get(None)
        return f"{{{namespace}}}{local}" if namespace else local
    return f"{{{scope.nsmap[prefix]}}}{local}"
