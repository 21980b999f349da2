"""A management console: WS-DSD, written from the standard alone, on top of the WS-Scan client.

The message's element and its child are in the console's namespace, what is inside is WS-Scan's.
"""

import xml.etree.ElementTree as ET

from clients.wsscan import SCAN, Client, Reply

DSD = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/device"
EVENTS = (
    "ScannerElementsChangeEvent",
    "ScannerStatusSummaryEvent",
    "ScannerStatusConditionEvent",
    "ScannerStatusConditionClearedEvent",
    "JobStatusEvent",
    "JobEndStateEvent",
)


class Console:
    """Asks one device. `client` is a WS-Scan client of the URL where the service is."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def ask(self, operation: str, inside: str = "", *, namespace: str = DSD) -> Reply:
        body = (
            f'<d:{operation}Request xmlns:d="{namespace}" xmlns:w="{SCAN}">{inside}'
            f"</d:{operation}Request>"
        )
        return self.client.call(f"{DSD}/{operation}", body)

    def elements(self, operation: str, before: str, *names: str) -> dict[str, ET.Element | None]:
        """GetScannerElements or GetJobElements: name → content, None where it is not valid."""
        wanted = "".join(f"<w:Name>w:{name}</w:Name>" for name in names)
        requested = f"<d:RequestedElements>{wanted}</d:RequestedElements>"
        (holder,) = self.ask(operation, before + requested).require()
        found = {}
        for data in holder:
            assert data.tag == f"{{{SCAN}}}ElementData"
            content = data[0] if len(data) else None
            assert (data.get("Valid") == "true") == (content is not None)
            found[data.get("Name").rpartition(":")[2]] = content
        return found

    def jobs(self, operation: str) -> list[int]:
        """GetActiveJobs or GetJobHistory: the JobIds."""
        (holder,) = self.ask(operation).require()
        return [int(one.findtext(f"{{{SCAN}}}JobId")) for one in holder]
