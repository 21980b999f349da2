"""The panel's port."""

from __future__ import annotations

import socket

from device.panel.live import Live
from device.panel.port import PanelPort
from device.panel.routes import Devices, routes


class PanelServer(PanelPort):
    """Serves the panel of some devices on listening sockets.

    Args:
        token: what one must know to use it; empty for nothing.
        processes: whether the devices offer scan processes.
    """

    def __init__(
        self,
        devices: Devices,
        sockets: list[socket.socket],
        token: str = "",
        *,
        processes: bool = False,
    ) -> None:
        self._live = Live()
        super().__init__(sockets, token, routes(devices, self._live, processes=processes))

    async def stop(self) -> None:
        """Close every connection; one who waits for the journal waits no longer."""
        self._live.close()
        await super().stop()
