"""The child process that looks for sources: listing them asks hardware and network, and may crash.

    python -P -m device.pages.finder SOURCE

It writes one line of JSON, a list of `Found` or an error, and is gone.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from device.pages.worker import become_a_child, guarded_pipes
from scanner_backends import registry
from scanner_backends.errors import BackendError, IoError


def look(source: str) -> dict[str, Any]:
    """What is found, or what went wrong, as JSON can hold it."""
    try:
        return {"found": [asdict(one) for one in registry.find(source)]}
    except BackendError as error:
        return {"error": type(error).__name__, "sentence": str(error)}
    except Exception as error:  # noqa: BLE001 - a driver may raise anything; it is told
        return {"error": IoError.__name__, "sentence": f"{source} cannot be listed: {error!r}"}


def main(arguments: list[str]) -> int:
    """Look once."""
    become_a_child()
    _, out = guarded_pipes()
    out.write(json.dumps(look(arguments[0])).encode())
    out.close()
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # a driver's threads and its tidying up are nobody's concern
