"""The authorities that the system trusts, and how not to load them for nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SSL_CERT_FILE"
"""Tells OpenSSL where they are."""


@contextmanager
def left_out() -> Iterator[None]:
    """Where aiohttp is imported for the first time.

    As it is imported, it makes two TLS contexts for those who name none, and reads all authorities
    into each: 2 MB and 0.1 s of a machine with 144 of them. Nobody here uses those two: who speaks
    TLS names a context of their own.
    """
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
