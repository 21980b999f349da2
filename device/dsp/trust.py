"""TLS as the client of a scan server: who is trusted, and what a failure means in words.

Source: ws-dsp sections 9.5 and 13.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device.errors import ConfigError

_ALERTS = {
    "CERTIFICATE_REQUIRED": "demands a client certificate (--cert and --key)",
    "HANDSHAKE_FAILURE": "refused the handshake; perhaps it demands a client certificate (--cert)",
    "BAD_CERTIFICATE": "does not accept our client certificate",
    "UNKNOWN_CA": "does not trust the authority of our client certificate",
    "CERTIFICATE_EXPIRED": "says that our client certificate has expired",
    "CERTIFICATE_UNKNOWN": "does not accept our client certificate",
    "PROTOCOL_VERSION": "speaks no TLS 1.2 or newer",
}
_HASHES = {
    "sha1": "sha1",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""Names of hashes that vouch for a certificate; there is no MD5 among them (A30)."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust, and who we are.

    Attributes:
        ca: a file of authorities; None is the system's.
        cert, key: the client certificate that is presented, and its key.
        authorities: more authorities, as PEM: those of the enterprise.
        digest: the hash of the server's certificate that the directory vouches for, in hexadecimal.
            With it nothing else decides: equal is trusted, different is not.
        algorithm: the hash's name.
        insecure: trust anybody.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    authorities: str = ""
    digest: str = ""
    algorithm: str = ""
    insecure: bool = False


def client_context(trust: Trust) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's certificate and name checked.

    Raises:
        ConfigError: a file cannot be read, or holds no certificate or key.
    """
    ca, cert, key = trust.ca, trust.cert, trust.key
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"--ca {ca}: this is no readable file of certificates (PEM).") from None
    if trust.authorities:
        context.load_verify_locations(cadata=trust.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if key and not cert:
        raise ConfigError("--key needs --cert: the certificate that belongs to the key.")
    if cert:
        try:
            context.load_cert_chain(cert, key, password="")
        except (OSError, ssl.SSLError):
            raise ConfigError(
                f"--cert {cert}: no certificate with its key, unencrypted (PEM), is there"
                f"{'' if key else '; --key names the key when it is in a file of its own'}."
            ) from None
    if trust.insecure or trust.digest or trust.algorithm:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if not trust.insecure and (trust.digest or trust.algorithm):
        context.sslobject_class = _checking(trust.digest, trust.algorithm)
    return context


def _checking(digest: str, algorithm: str) -> type[ssl.SSLObject]:
    """Connections that end, before anything was said, with another certificate than vouched for."""
    name = _HASHES.get(algorithm.strip().lower().replace("sha-", "sha"))

    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if name is None:
                how = algorithm or "no hash"
                raise _untrusted_error(f"the directory vouches by {how}, which proves nothing")
            found = hashlib.new(name, self.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(found, digest.lower()):
                raise _untrusted_error("it is not the certificate that the directory vouches for")

    return Checked


def _untrusted_error(why: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, why)
    error.verify_code, error.verify_message = 1, why
    return error


def in_words(error: BaseException, host: str) -> str:
    """What a TLS failure behind `error` means, as half a sentence; empty when it is none."""
    chain = list(_behind(error))
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError) and hasattr(one, "verify_message"):
            return _untrusted(one, host)
    return next((_refused(reason, host) for one in chain if (reason := _reason(one))), "")


def _behind(error: BaseException) -> Iterator[BaseException]:
    """`error`, and all that aiohttp has wrapped into it."""
    seen: BaseException | None = error
    while seen is not None:
        for one in (
            seen,
            getattr(seen, "certificate_error", None),
            getattr(seen, "os_error", None),
        ):
            if isinstance(one, BaseException):
                yield one
        seen = seen.__cause__


def _reason(error: BaseException) -> str:
    """OpenSSL's name of a failure. aiohttp before 3.9 leaves only its text."""
    found = re.search(r"\[(?:SSL|X509)(?:: ([A-Z0-9_]+))?\]", str(error))
    return (found.group(1) or "TLS") if found else ""


def _untrusted(error: ssl.SSLCertVerificationError, host: str) -> str:
    why = error.verify_message.rstrip(".") or "verification failed"
    unknown = "self-signed" in why or "issuer" in why
    hint = "; --ca names the authority to trust" if unknown else ""
    return f"the certificate of {host} is not trusted: {why}{hint}"


def _refused(reason: str, host: str) -> str:
    if reason == "WRONG_VERSION_NUMBER" or "HTTP_REQUEST" in reason or "NOT_SSL" in reason:
        return f"{host} does not speak https at this port"
    for alert, meaning in _ALERTS.items():
        if f"ALERT_{alert}" in reason:
            return f"{host} {meaning}"
    return f"no secure connection to {host}: {reason}"
