"""One test authority, and certificates of it in files."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import trustme


@cache
def authority() -> trustme.CA:
    """The authority of this test run: to make a key takes a while."""
    return trustme.CA()


def server_context(name: str = "localhost") -> ssl.SSLContext:
    """TLS for a server of that name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert(name).configure_cert(context)
    return context


def write_authority(folder: Path) -> Path:
    """`ca.pem` in a folder."""
    path = folder / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return path


def write_pair(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Certificate and key for a server of that name, in a folder."""
    issued = authority().issue_cert(name)
    cert, key = folder / "cert.pem", folder / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return cert, key
