"""What the panel tells of the device itself."""

import io
import xml.etree.ElementTree as ET

import segno


def test_the_code_is_that_of_the_devices_page(device, panel):
    page = panel.get("state")["page"]
    assert page == device.url.removesuffix("scan")
    answer = panel("GET", "qr.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "script" not in answer.headers["content-security-policy"]
    assert ET.fromstring(answer.raw).tag.endswith("svg")
    same = io.BytesIO()
    segno.make_qr(page, error="m").save(
        same, kind="svg", scale=4, border=3, dark="#000", light="#fff", xmldecl=False
    )
    assert answer.raw == same.getvalue()
