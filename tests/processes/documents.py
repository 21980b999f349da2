"""Scan process documents to try things with, put together from the digest of the standard."""

PSP = "http://schemas.microsoft.com/windows/2008/02/imaging/postscan/psp"
WSCN = "http://schemas.microsoft.com/windows/2006/08/wdp/scan"
SPX = "http://schemas.microsoft.com/windows/2010/09/imaging/postscan/scanprocess/extensions"
FILTER = "http://schemas.microsoft.com/windows/2007/10/imaging/postscan/filter"
EML, FSH, SHP = f"{FILTER}/email", f"{FILTER}/fileshare", f"{FILTER}/sharepoint"


def share(*uncs: str, more: str = "") -> str:
    inside = "".join(f"<f:ShareUNC>{unc}</f:ShareUNC>" for unc in uncs)
    shares = f"<f:FileShares>{inside}{more}</f:FileShares>" if uncs else ""
    config = f'<f:FileShareConfig xmlns:f="{FSH}">{shares}</f:FileShareConfig>'
    return filter_of(FSH, config)


def email(*addresses: str, can_add: bool = False, more: str = "") -> str:
    inside = "".join(f"<e:EmailAddress>{one}</e:EmailAddress>" for one in addresses)
    mark = ' e:CanAddAddresses="true"' if can_add else ""
    sent = f"<e:SendToAddresses{mark}>{inside}{more}</e:SendToAddresses>" if addresses else ""
    config = f'<e:EmailConfig xmlns:e="{EML}">{sent}</e:EmailConfig>'
    return filter_of(EML, config)


def filter_of(dialect: str, instructions: str) -> str:
    return (
        f"<p:Filter><p:Dialect>{dialect}</p:Dialect>"
        f"<p:Instructions>{instructions}</p:Instructions></p:Filter>"
    )


def document(
    *filters: str,
    parameters: str = "",
    server: str = "scan.example.org",
    root_name: str = "invoice",
    switches: str = "",
) -> str:
    """A whole document; without filters it has one share."""
    asked = f"<w:DocumentParameters>{parameters}</w:DocumentParameters>" if parameters else ""
    wanted = "".join(filters) or share(r"\\files\invoices")
    return (
        f'<p:PostScanProcess xmlns:p="{PSP}" xmlns:w="{WSCN}" xmlns:x="{SPX}">'
        f"<p:ScanRepository>{server}</p:ScanRepository><p:ScanTicket><w:JobDescription>"
        "<w:JobName>Invoices</w:JobName>"
        "<w:JobOriginatingUserName>admin</w:JobOriginatingUserName></w:JobDescription>"
        f"{asked}</p:ScanTicket><p:PostScanInstructions>"
        f"<p:DocumentRootName>{root_name}</p:DocumentRootName><p:FiltersToProcess>"
        f"{wanted}</p:FiltersToProcess></p:PostScanInstructions>{switches}</p:PostScanProcess>"
    )


def switch(name: str) -> str:
    return f"<x:AllowDevice{name}Change>true</x:AllowDevice{name}Change>"
