"""A small WS-DSC client, a management console, written from the digest of the standard alone."""

import ssl
from collections.abc import Callable

from clients.dsp_client import DSC, DspClient, Reply, envelope

EVENTS = (
    "PostScanJobStatusEvent",
    "PostScanJobEndStateEvent",
    "RepositoryStatusSummaryEvent",
    "RepositoryElementsChangeEvent",
)


class DscClient:
    """Talks to the configuration service of the scan server at `url`."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        check: Callable[[bytes, bytes], None] = lambda request, reply: None,
    ) -> None:
        self.http = DspClient(url, context, check)
        self.service = self.http.hosted()["RepositoryConfigurationServiceType"]

    def call(self, operation: str, inner: str = "") -> Reply:
        body = f'<c:{operation}Request xmlns:c="{DSC}">{inner}</c:{operation}Request>'
        return self.http.post(self.service, envelope(f"{DSC}/{operation}", body, self.service))

    def repository(self, *names: str) -> Reply:
        asked = "".join(f"<c:Name>{name}</c:Name>" for name in names)
        return self.call(
            "GetRepositoryElements", f"<c:RequestedElements>{asked}</c:RequestedElements>"
        )

    def active(self) -> Reply:
        return self.call("GetActiveJobs")

    def history(self) -> Reply:
        return self.call("GetJobHistory")

    def elements(self, token: str, *names: str) -> Reply:
        asked = "".join(f"<c:Name>{name}</c:Name>" for name in names)
        return self.call(
            "GetPostScanJobElements",
            f"<c:JobToken>{token}</c:JobToken><c:RequestedElements>{asked}</c:RequestedElements>",
        )

    def cancel(self, token: str) -> Reply:
        return self.call("CancelPostScanJob", f"<c:JobToken>{token}</c:JobToken>")

    def subscribe(self, notify_to: str, *, events: tuple[str, ...] = EVENTS) -> Reply:
        return self.http.subscribe(notify_to, events=events, namespace=DSC, to=self.service)
