"""Which sockets the device and its panel listen on."""

from __future__ import annotations

import logging
import socket

from device.config import DEFAULT_PORT, PANEL_PORT, SECOND_PORT, Config
from device.errors import ConfigError
from device.http.server import PortTaken, open_sockets

log = logging.getLogger(__name__)


def open_port(config: Config) -> list[socket.socket]:
    """The device's sockets: at its customary port, or at the second one if nobody asked for any.

    Raises:
        ConfigError: there is no such address, or the port is taken.
    """
    if config.port is not None:
        return open_sockets(config.host, config.port)
    try:
        return open_sockets(config.host, DEFAULT_PORT)
    except PortTaken:
        log.warning("port %d is taken, so port %d it is", DEFAULT_PORT, SECOND_PORT)
        return open_sockets(config.host, SECOND_PORT)


def open_panel_port(config: Config) -> list[socket.socket]:
    """The panel's sockets; without a token on loopback only. none when nobody insists on them."""
    host = config.host if config.panel_token else "127.0.0.1"
    port = PANEL_PORT if config.panel_port is None else config.panel_port
    try:
        return open_sockets(host, port)
    except (ConfigError, OSError):
        if config.panel_port is not None:
            raise ConfigError(
                f"Port {port} cannot be had for the panel; name another with --panel-port, "
                "or do without by --no-panel."
            ) from None
    log.warning("port %d is taken: there is no panel; --panel-port names another", port)
    return []
