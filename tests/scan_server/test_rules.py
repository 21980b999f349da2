"""The checker that sees every answer in these tests refuses what it should."""

from __future__ import annotations

import pytest
from clients.dsp_client import DSP, WSA, envelope
from support import dsp_rules

ASKED = envelope(
    f"{DSP}/GetPostScanJobElements",
    "<x:GetPostScanJobElementsRequest><x:RequestedElements><x:Name>x:JobStatus</x:Name>"
    "</x:RequestedElements></x:GetPostScanJobElementsRequest>",
    "http://h/",
    "urn:uuid:11111111-2222-4333-8444-555555555555",
)
STATUS = (
    "<x:JobStatus><x:JobToken>t</x:JobToken><x:JobState>{state}</x:JobState>"
    "<x:FilterStatuses><x:FilterStatus><x:Dialect>urn:d</x:Dialect>"
    "<x:FilterState>{filter}</x:FilterState>{reasons}</x:FilterStatus></x:FilterStatuses>"
    "<x:ImagesReceived>{images}</x:ImagesReceived>"
    "<x:JobCreatedTime>2026-01-02T00:00:00Z</x:JobCreatedTime>{completed}</x:JobStatus>"
)
DONE = "<x:JobCompletedTime>2026-01-02T00:00:01Z</x:JobCompletedTime>"
REASON = (
    "<x:FilterStateReasons><x:FilterStateReason>UnknownError</x:FilterStateReason>"
    "</x:FilterStateReasons>"
)


def status(state: str = "Pending", **more: str) -> str:
    usual = {"filter": "Pending", "reasons": "", "images": "1", "completed": ""}
    return STATUS.format(state=state, **{**usual, **more})


def answer(data: str, action: str = "GetPostScanJobElementsResponse") -> bytes:
    body = (
        "<x:GetPostScanJobElementsResponse><x:JobElements>"
        f"{data}</x:JobElements></x:GetPostScanJobElementsResponse>"
    )
    text = (
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="{WSA}" '
        f'xmlns:x="{DSP}"><s:Header><a:Action>{DSP}/{action}</a:Action>'
        "<a:MessageID>urn:uuid:11111111-2222-4333-8444-666666666666</a:MessageID>"
        "<a:RelatesTo>urn:uuid:11111111-2222-4333-8444-555555555555</a:RelatesTo>"
        f"<a:To>{WSA}/role/anonymous</a:To></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    return text.encode()


def element(content: str, name: str = "x:JobStatus", valid: str = "true") -> str:
    return f'<x:ElementData x:Name="{name}" x:Valid="{valid}">{content}</x:ElementData>'


GOOD = answer(element(status()))


def test_what_is_right() -> None:
    dsp_rules.check(ASKED, GOOD)
    dsp_rules.check(ASKED, answer(element(status("Completed", completed=DONE))))


@pytest.mark.parametrize(
    "reply",
    [
        answer(element(status("Waiting"))),
        answer(element(status(images="-1"))),
        answer(element(status().replace("<x:JobToken>t</x:JobToken>", ""))),
        answer(element(status().replace("00Z", "00+01:00"))),
        answer(element("", name="x:Other", valid="false")),
        answer(element(status(), valid="false")),
        answer(element("", valid="true")),
        answer(element(status()) * 2),
        answer(element(status(reasons=REASON))),
        answer(element(status(completed=DONE))),
        answer(element(status("Completed"))),
        answer(element(status("Completed", completed=DONE.replace("2026", "2025")))),
        answer(element(status()), "SendImageResponse"),
        GOOD.replace(b"555555555555</a:RelatesTo>", b"777777777777</a:RelatesTo>"),
        GOOD.replace(b"</s:Header>", b"</s:Header>" + b" " * 40_000),
    ],
)
def test_what_is_wrong(reply: bytes) -> None:
    with pytest.raises(AssertionError):
        dsp_rules.check(ASKED, reply)


def event(state: str, images: int = 0, **more: str) -> bytes:
    told = status(state, images=str(images), **more)
    body = f"<x:PostScanJobStatusEvent>{told}</x:PostScanJobStatusEvent>"
    return answer("").replace(
        b"<x:GetPostScanJobElementsResponse><x:JobElements></x:JobElements>"
        b"</x:GetPostScanJobElementsResponse>",
        body.encode(),
    )


END = event("Completed", completed=DONE).replace(
    event("Completed", completed=DONE).split(b"<s:Body>")[1].split(b"</s:Body>")[0],
    b"<x:PostScanJobEndStateEvent><x:PostScanJobEndState><x:JobToken>t</x:JobToken>"
    b"<x:PSP_Identifier>p</x:PSP_Identifier><x:PSP_DisplayName>d</x:PSP_DisplayName>"
    b"<x:JobOriginatingUserName>u</x:JobOriginatingUserName>"
    b"<x:JobCompletedState>Completed</x:JobCompletedState><x:JobCompletedStateReasons>"
    b"<x:JobStateReason>None</x:JobStateReason></x:JobCompletedStateReasons>"
    b"<x:FilterCompletedStatuses><x:FilterStatus><x:Dialect>urn:d</x:Dialect>"
    b"<x:FilterState>CompletedSuccessfully</x:FilterState></x:FilterStatus>"
    b"</x:FilterCompletedStatuses><x:ImagesReceived>1</x:ImagesReceived>"
    b"<x:JobCompletedTime>2026-01-02T00:00:01Z</x:JobCompletedTime>"
    b"</x:PostScanJobEndState></x:PostScanJobEndStateEvent>",
)
WHOLE = [
    event("Creating"),
    event("Pending", 1),
    event("Started", 1),
    event("Processing", 1),
    event("Completed", 1, completed=DONE),
    END,
]


def test_a_history_that_is_right() -> None:
    dsp_rules.history(WHOLE, ["urn:d"])


@pytest.mark.parametrize(
    ("events", "filters"),
    [
        (WHOLE[:-1], ["urn:d"]),
        ([*WHOLE, END], ["urn:d"]),
        ([*WHOLE, WHOLE[-2]], ["urn:d"]),
        ([WHOLE[0], WHOLE[2], *WHOLE[3:]], ["urn:d"]),
        ([*WHOLE[:4], END], ["urn:d"]),
        (WHOLE, ["urn:d", "urn:d"]),
        (WHOLE, ["urn:e"]),
        ([*WHOLE[:3], event("Processing", 0), *WHOLE[4:]], ["urn:d"]),
    ],
)
def test_a_history_that_is_wrong(events: list[bytes], filters: list[str]) -> None:
    with pytest.raises(AssertionError):
        dsp_rules.history(events, filters)
