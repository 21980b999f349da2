"""Asks the front panel of a running device.

`http.client`, since this is one request at a time and neither a proxy of the environment nor a
redirect shall see the token.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from device.clock import Clock
from device.config import PANEL_PORT, PANEL_URL_VARIABLE
from device.errors import ConfigError
from device.settings import ENVIRONMENT, suggestion

BASE = "/api/v1"
TOKEN_VARIABLE = f"{ENVIRONMENT}PANEL_TOKEN"
PATIENCE_S = 10.0
UPLOAD_S = 120.0
POLL_S = 0.2

Query = Mapping[str, str | int | float]


class Failed(Exception):
    """It did not work, and not since it was asked in a wrong way; `code` is the exit code."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


class PanelClient:
    """One device's panel.

    Args:
        url: where it is, as the user wrote it; a scheme may be missing.
        token: what it asks for, if it does.

    Raises:
        ConfigError: `url` or `token` cannot be used.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        try:
            self._parts = urlsplit(self.url)
            usable = bool(self._parts.hostname) and self._parts.port != 0
        except ValueError:
            usable = False
        plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        if not usable or not plain or self._parts.scheme not in ("http", "https"):
            raise ConfigError(
                f"The panel's address is {url!r}, and must be like {default_url({})}."
            )
        if not token.isprintable():
            raise ConfigError("The token holds a control character.")
        self._token = token
        self._base = BASE

    def choose(self, device: str) -> None:
        """Talk to one of several devices, by its UUID or its name. Raises as `ask`."""
        known = self.get("devices")
        found = [one for one in known if device.casefold() == one["uuid"]]
        found = found or [one for one in known if device.casefold() == one["name"].casefold()]
        if len(found) > 1:
            raise ConfigError(f"Several devices are called {device!r}; name the UUID.")
        if not found:
            raise no_such("device", device, [one["name"] for one in known])
        self._base = found[0]["api"]

    def get(self, path: str, query: Query | None = None, *, wait_s: float = 0.0) -> Any:
        """What a resource says, when the panel may take `wait_s` to say it. Raises as `ask`."""
        wanted = f"?{urlencode(query)}" if query else ""
        return self.ask("GET", f"{path}{wanted}", wait_s=wait_s)

    def upload(self, path: str, files: Sequence[str]) -> Any:
        """Send files as a form. Raises as `ask`, and ConfigError when one cannot be read."""
        mark = secrets.token_hex(16)
        form = bytearray()
        for file in map(Path, files):
            try:
                content = file.read_bytes()
            except OSError as error:
                raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
            name = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            form += f'--{mark}\r\nContent-Disposition: form-data; name="file"; '.encode()
            form += f'filename="{name}"\r\n\r\n'.encode(errors="replace") + content + b"\r\n"
        form += f"--{mark}--\r\n".encode()
        kind = f"multipart/form-data; boundary={mark}"
        return self._answer("POST", path, bytes(form), kind, UPLOAD_S)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, wait_s: float = 0.0
    ) -> Any:
        """The JSON that the panel answers with; None for an answer without content.

        Raises:
            ConfigError: there is no such thing, or the token is wrong.
            Failed: nobody answers, or the device refuses.
        """
        data = None if body is None else json.dumps(body).encode()
        return self._answer(method, path, data, "application/json", wait_s)

    def _answer(self, method: str, path: str, data: bytes | None, kind: str, wait_s: float) -> Any:
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = kind
        status, answer = self._exchange(method, f"{self._base}/{path}", data, headers, wait_s)
        if status < 300:
            return answer
        detail = answer.get("detail") if isinstance(answer, dict) else None
        if not isinstance(detail, str):
            raise self._stranger()
        if status == 401:
            wrong = "does not take this token" if self._token else "asks for its token"
            raise ConfigError(
                f"The panel at {self.url} {wrong}; give the right one by --token or "
                f"{TOKEN_VARIABLE}."
            )
        if status in (409, 413) or status >= 500:
            raise Failed(detail)
        raise ConfigError(detail)

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], wait_s: float
    ) -> tuple[int, Any]:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        assert self._parts.hostname is not None
        connection = kind(self._parts.hostname, self._parts.port, timeout=PATIENCE_S + wait_s)
        try:
            connection.putrequest(method, f"{self._parts.path}{path}")
            for name, value in headers.items():
                connection.putheader(name, value)
            if self._token:
                connection.putheader("Authorization", f"Bearer {self._token}".encode())
            connection.putheader("Content-Length", str(len(data or b"")))
            connection.endheaders(data)
            response = connection.getresponse()
            return response.status, self._json(response)
        except TimeoutError:
            raise Failed(f"The panel at {self.url} does not answer.") from None
        except ConnectionRefusedError:
            raise Failed(
                f"Nothing listens at {self.url}: start a device by wsd-scanner run, or say where "
                "its panel is by --panel URL."
            ) from None
        except OSError as error:
            raise Failed(f"{self.url} cannot be reached: {error.strerror or error}.") from None
        except (HTTPException, ValueError):
            raise self._stranger() from None
        finally:
            connection.close()

    def _json(self, response: HTTPResponse) -> Any:
        """The content of an answer. Raises ValueError: it is no JSON."""
        data = response.read()
        if response.status == 204:
            return None
        return json.loads(data)

    def _stranger(self) -> Failed:
        return Failed(f"What answers at {self.url} is no panel of wsd-scanner.")


def no_such(what: str, wanted: str, known: Sequence[str]) -> ConfigError:
    """There is no such thing; the nearest one, or all that there are."""
    hint = suggestion(wanted, known) or "; there is none at all"
    return ConfigError(f"There is no {what} {wanted!r}{hint}{'' if hint.endswith('?') else '.'}")


def default_url(environment: Mapping[str, str]) -> str:
    """Where the panel is when nobody says: on this machine, at the port that `run` would take."""
    named = environment.get(PANEL_URL_VARIABLE)
    port = environment.get(f"{ENVIRONMENT}PANEL_PORT") or PANEL_PORT
    return named or f"http://127.0.0.1:{port}"


def wait_for(look: Callable[[], Any], seconds: float, clock: Clock) -> Any:
    """What `look` finds, as soon as that is something; None when `seconds` are over."""
    deadline = clock.monotonic() + seconds
    while not (found := look()):
        if clock.monotonic() >= deadline:
            return None
        time.sleep(POLL_S)
    return found
