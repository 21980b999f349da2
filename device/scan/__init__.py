"""The WS-Scan service. No sockets, no clock."""
