"""Every namespace, house prefix and action URI.

What we write uses the prefixes of `PREFIXES`, on every element, and no default namespace:
sane-airscan reads nothing that is in a default namespace, and small clients compare prefixes as
text. What we read is matched by namespace, with the spellings of `canonical` taken as equal.
"""

from __future__ import annotations

from typing import Final

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
WSA: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSA2005: Final = "http://www.w3.org/2005/08/addressing"
WSD: Final = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
WSDP: Final = "http://schemas.xmlsoap.org/ws/2006/02/devprof"
MEX: Final = "http://schemas.xmlsoap.org/ws/2004/09/mex"
WXF: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSE: Final = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
XOP: Final = "http://www.w3.org/2004/08/xop/include"
PNPX: Final = "http://schemas.microsoft.com/windows/pnpx/2005/10"
DF: Final = "http://schemas.microsoft.com/windows/2008/09/devicefoundation"
WSCN: Final = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
DSP: Final = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/processing"
DSD: Final = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/device"
DSC: Final = "http://schemas.microsoft.com/windows/2008/12/wdp/distributedscan/configuration"
PSP: Final = "http://schemas.microsoft.com/windows/2008/02/imaging/postscan/psp"
FTR: Final = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter"
EML: Final = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/email"
FSH: Final = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/fileshare"
SHP: Final = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter/sharepoint"
HOOK: Final = "urn:wsd-scanner:filter/http-hook"
CMD: Final = "urn:wsd-scanner:filter/command"
OBJECTS: Final = "urn:wsd-scanner:filter/object-storage"
SPX: Final = "http://schemas.microsoft.com/windows/2010/09/imaging/postscan/scanprocess/extensions"
XML: Final = "http://www.w3.org/XML/1998/namespace"

PREFIXES: Final[dict[str, str]] = {
    "soap": SOAP,
    "wsa": WSA,
    "wsd": WSD,
    "wsdp": WSDP,
    "mex": MEX,
    "wxf": WXF,
    "wse": WSE,
    "xop": XOP,
    "pnpx": PNPX,
    "df": DF,
    "wscn": WSCN,
    "dsp": DSP,
    "dsd": DSD,
    "dsc": DSC,
    "psp": PSP,
    "ftr": FTR,
    "eml": EML,
    "fsh": FSH,
    "shp": SHP,
    "hook": HOOK,
    "cmd": CMD,
    "objects": OBJECTS,
    "spx": SPX,
}
PREFIX_OF: Final[dict[str, str]] = {uri: prefix for prefix, uri in PREFIXES.items()}

ANONYMOUS: Final = f"{WSA}/role/anonymous"
ANONYMOUS_SPELLINGS: Final = frozenset(
    {ANONYMOUS, f"{WSA2005}/anonymous", ANONYMOUS.replace("http:", "https:")}
)
"""One client is known to put the 2005/08 URI into 2004/08 headers (kdsoap), and the element pages
of today print https in every URI."""
DISCOVERY_URN: Final = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
STABLE_PATH: Final = "/StableWSDiscoveryEndpoint/schemas-xmlsoap-org_ws_2005_04_discovery"

WSA_FAULT: Final = f"{WSA}/fault"
WSE_FAULT: Final = f"{WSE}/fault"
WSDP_FAULT: Final = f"{WSDP}/fault"
WSD_FAULT: Final = f"{WSD}/fault"

GET: Final = f"{WXF}/Get"
PROBE: Final = f"{WSD}/Probe"
PROBE_MATCHES: Final = f"{WSD}/ProbeMatches"
RESOLVE: Final = f"{WSD}/Resolve"
RESOLVE_MATCHES: Final = f"{WSD}/ResolveMatches"
HELLO: Final = f"{WSD}/Hello"
BYE: Final = f"{WSD}/Bye"

# The element pages print 2006/01, and one client talks it (PyWSD and its fork).
_ALIASES: Final[dict[str, str]] = {
    "http://schemas.microsoft.com/windows/2006/01/wdp/scan": WSCN,
    "http://schemas.microsoft.com/windows/2008/02/wdp/repository/processing": DSP,
    "http://www.w3.org/2003/12/xop/include": XOP,
}


def canonical(uri: str) -> str:
    """The spelling that we write, for any spelling of a known namespace or action URI.

    A later edition of the pages turned http into https in every URI; both are read as one.

    Source: ws-scan section 2.
    """
    if uri.startswith(("https://schemas.", "https://www.w3.org/")):
        uri = "http" + uri[5:]
    if uri in _ALIASES:
        return _ALIASES[uri]
    base, slash, name = uri.rpartition("/")
    if slash and base in _ALIASES:
        return f"{_ALIASES[base]}/{name}"
    return uri


def reply_action(action: str) -> str:
    """The action of the answer to `action`."""
    return f"{action}Matches" if action in (PROBE, RESOLVE) else f"{action}Response"
