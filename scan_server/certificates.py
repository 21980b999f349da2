"""TLS as the scan server: given certificates, or a self-signed pair of our own.

Source: ws-dsp section 13.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from device.errors import ConfigError

LIFETIME = timedelta(days=825)
"""Longer ones are refused by some systems."""
RENEW_BEFORE = timedelta(days=30)


def server_context(cert: Path, key: Path | None, ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `ca`, a client certificate of that authority is demanded.

    Raises:
        ConfigError: a file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"--cert {cert}: no certificate with its key, unencrypted (PEM), is there"
            f"{f' and in {key}' if key else '; --key names the key'}."
        ) from None
    if ca:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError):
            raise ConfigError(
                f"--ca {ca}: this is no readable file of certificates (PEM)."
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def own_pair(folder: Path, host: str | None, now: datetime) -> tuple[Path, Path]:
    """Certificate and key for this machine's names, made when they are not there or too old.

    Raises:
        ConfigError: the folder cannot be written.
    """
    cert, key = folder / "server.pem", folder / "server.key"
    names = own_names(host)
    if not _usable(cert, key, names, now):
        try:
            _make(cert, key, names, now)
        except OSError as error:
            raise ConfigError(
                f"{folder}: no certificate can be kept here: {os.strerror(error.errno or 0)}."
            ) from None
    return cert, key


def fingerprint(cert: Path) -> str:
    """SHA-256 of a certificate, in the usual form with colons."""
    found = x509.load_pem_x509_certificate(cert.read_bytes())
    return found.fingerprint(hashes.SHA256()).hex(":").upper()


def host_names(cert: Path) -> list[str]:
    """The names in a certificate by which others may look this machine up, in its order."""
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    known = names.get_values_for_type(x509.DNSName)
    return [name for name in known if "*" not in name and "." in name]


def own_names(host: str | None) -> list[str]:
    """The names and addresses by which this machine is reached, in a fixed order."""
    own = socket.gethostname()
    names = ["localhost", own, socket.getfqdn(), "127.0.0.1", "::1", host or ""]
    return list(dict.fromkeys(name.lower() for name in names if name not in ("", "0.0.0.0", "::")))


def _usable(cert: Path, key: Path, names: Iterable[str], now: datetime) -> bool:
    """Whether the pair is there, holds all names, and lives for a while."""
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        known = {
            str(name.value)
            for name in found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        }
        server_context(cert, key, None)
    except (OSError, ValueError, x509.ExtensionNotFound, ConfigError):
        return False
    return set(names) <= known and _ends(found) > now + RENEW_BEFORE


def _ends(cert: x509.Certificate) -> datetime:
    """When it expires. The older attribute, for cryptography before 42, has no zone."""
    found = getattr(cert, "not_valid_after_utc", None)
    if isinstance(found, datetime):
        return found
    return cert.not_valid_after.replace(tzinfo=UTC)


def _make(cert: Path, key: Path, names: list[str], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[1][:64])])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(key, secret, 0o600)
    _write(cert, built.public_bytes(serialization.Encoding.PEM), 0o644)


def _general(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _write(path: Path, data: bytes, mode: int) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    unfinished.replace(path)
