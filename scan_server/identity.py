"""Who a request says it comes from.

Source: ws-dsp sections 4.5 and 13.
"""

from __future__ import annotations

from device.soap.dispatch import Incoming


def caller(incoming: Incoming) -> str:
    """What the client's certificate says: issuer and serial number; empty without one."""
    certificate = incoming.client_certificate
    if not certificate:
        return ""
    return f"{certificate.get('issuer')} {certificate.get('serialNumber')}"
