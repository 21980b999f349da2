"""What peers do wrong with HTTP is told in one quiet line, not in a traceback."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

from device.http import web

PEERS_DOING = (ConnectionError, web.RequestPayloadError, HttpProcessingError)
"""How a request fails that was cut short, or is no HTTP."""


def one_line(error: BaseException) -> str:
    """What an error says, on one line and not at length."""
    return " ".join(f"{type(error).__name__} {error}".split())[:200]


def quiet_aiohttp() -> None:
    """Keep aiohttp from logging a traceback, as an error, for each request that is cut or odd.

    Anybody could fill the log with them. Errors of our own are logged as before.
    """
    logging.getLogger("aiohttp.server").addFilter(_peers_doing)


def _peers_doing(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, PEERS_DOING):
        return True
    record.msg, record.args = f"{record.getMessage()}: {one_line(error)}", ()
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.INFO, "INFO"
    return logging.getLogger(record.name).isEnabledFor(logging.INFO)
