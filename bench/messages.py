"""The requests that the benchmarks send."""

from __future__ import annotations

import uuid

SCAN = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
_ENVELOPE = """\
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"
 xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:wscn="{scan}">
<soap:Header><wsa:Action>{scan}/{operation}</wsa:Action>
<wsa:MessageID>urn:uuid:{id}</wsa:MessageID><wsa:To>http://127.0.0.1/scan</wsa:To></soap:Header>
<soap:Body><wscn:{operation}Request>{body}</wscn:{operation}Request></soap:Body></soap:Envelope>"""

SECTIONS = ("ScannerDescription", "ScannerConfiguration", "ScannerStatus", "DefaultScanTicket")


def request(operation: str, body: str = "") -> bytes:
    """One request envelope."""
    return _ENVELOPE.format(scan=SCAN, operation=operation, id=uuid.uuid4(), body=body).encode()


def get_scanner_elements() -> bytes:
    """Everything about the scanner."""
    names = "".join(f"<wscn:Name>wscn:{name}</wscn:Name>" for name in SECTIONS)
    return request(
        "GetScannerElements", f"<wscn:RequestedElements>{names}</wscn:RequestedElements>"
    )


def get_active_jobs() -> bytes:
    """The list of jobs."""
    return request("GetActiveJobs")


def create_scan_job(
    *, format_: str, dpi: int, width_mil: int, height_mil: int, quality: int = 80
) -> bytes:
    """A platen job in colour."""
    return request(
        "CreateScanJob",
        f"""<wscn:ScanTicket><wscn:JobDescription><wscn:JobName>bench</wscn:JobName>
<wscn:JobOriginatingUserName>bench</wscn:JobOriginatingUserName></wscn:JobDescription>
<wscn:DocumentParameters><wscn:Format>{format_}</wscn:Format>
<wscn:CompressionQualityFactor>{quality}</wscn:CompressionQualityFactor>
<wscn:InputSource>Platen</wscn:InputSource><wscn:MediaSides><wscn:MediaFront>
<wscn:ScanRegion><wscn:ScanRegionXOffset>0</wscn:ScanRegionXOffset>
<wscn:ScanRegionYOffset>0</wscn:ScanRegionYOffset>
<wscn:ScanRegionWidth>{width_mil}</wscn:ScanRegionWidth>
<wscn:ScanRegionHeight>{height_mil}</wscn:ScanRegionHeight></wscn:ScanRegion>
<wscn:ColorProcessing>RGB24</wscn:ColorProcessing>
<wscn:Resolution><wscn:Width>{dpi}</wscn:Width><wscn:Height>{dpi}</wscn:Height></wscn:Resolution>
</wscn:MediaFront></wscn:MediaSides></wscn:DocumentParameters></wscn:ScanTicket>""",
    )


def retrieve_image(job_id: str, token: str) -> bytes:
    """The image of a job."""
    return request(
        "RetrieveImage",
        f"<wscn:JobId>{job_id}</wscn:JobId><wscn:JobToken>{token}</wscn:JobToken>",
    )


def cancel_job(job_id: str) -> bytes:
    """The end of a job that nobody wants."""
    return request("CancelJob", f"<wscn:JobId>{job_id}</wscn:JobId>")
