"""A real WebDAV server on loopback (WsgiDAV on cheroot), with TLS and Basic authentication."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

StartResponse = Callable[..., Any]


@dataclass
class Dav:
    """The server: what it has in `folder`, what it was asked, and what it answers instead."""

    folder: Path
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    instead: dict[str, list[str]] = field(default_factory=dict)
    """Method → statuses for the next requests, before it does anything."""
    after: dict[str, list[str]] = field(default_factory=dict)
    """Method → statuses told after it has done what was asked."""

    def wrapped(self, application: Callable[..., Any]) -> Callable[..., Any]:
        def answer(environ: dict[str, Any], start_response: StartResponse) -> Any:
            method = environ["REQUEST_METHOD"]
            self.asked.append((method, environ["PATH_INFO"]))
            if self.instead.get(method):
                start_response(self.instead[method].pop(0), [("Content-Length", "0")])
                return [b""]
            if not self.after.get(method):
                return application(environ, start_response)
            status = self.after[method].pop(0)
            return list(application(environ, lambda *told: start_response(status, told[1])))

        return answer

    def files(self) -> dict[str, bytes]:
        """Everything there, by its path below the folder."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@contextmanager
def dav_server(folder: Path, cert: Path | None, key: Path | None) -> Iterator[Dav]:
    """Serve `folder` as `/sites`; user scanner, password secret."""
    dav = Dav(folder)
    application = WsgiDAVApp(
        {
            "provider_mapping": {"/sites": str(folder)},
            "simple_dc": {"user_mapping": {"*": {"scanner": {"password": "secret"}}}},
            "http_authenticator": {"accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = Server(("127.0.0.1", 0), dav.wrapped(application))
    if cert and key:
        server.ssl_adapter = BuiltinSSLAdapter(str(cert), str(key))
    server.expiration_interval = 0.01  # it looks only so often whether it shall stop
    server.prepare()
    dav.port = server.bind_addr[1]
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield dav
    finally:
        server.stop()
        thread.join()
