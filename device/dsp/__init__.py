"""The device as client of a scan server (WS-DSP). Not the server's insides."""
