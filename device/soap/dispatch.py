"""Action → handler. Not what the handler does.

One dispatcher stands behind every URL: real clients send Get, Subscribe and scan operations to
whichever address they hold (clients.md, section 1, point 11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from device.errors import ActionNotSupported, InvalidArgs
from device.soap import xml
from device.soap.envelope import Body, Envelope
from device.soap.namespaces import reply_action


class Attachment(Protocol):
    """Bytes that follow an answer as a MIME part of their own."""

    media_type: str

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        ...

    def resting(self) -> bool:
        """Whether it is we who keep the peer waiting now."""
        ...

    async def finished(self, *, delivered: bool) -> None:
        """Called once: whether the peer took every byte."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part beside the root of a request. `chunks` must be read before the next part."""

    content_id: str
    media_type: str
    chunks: AsyncIterator[bytes]


class Incoming(NamedTuple):
    """A request and where it came in.

    `base_url` tells scheme, address and port by which the peer reached us, without a path.
    `parts` yields the MIME parts beside the root as they come; a request without MIME has none.
    `client_certificate` is what the peer showed for itself over TLS, in DER. `raw` is the envelope
    as it came.
    """

    envelope: Envelope
    peer: str
    base_url: Callable[[], str]
    raw: bytes = b""
    parts: AsyncIterator[Part] | None = None
    client_certificate: bytes | None = None


class Answer(NamedTuple):
    """A response: what stands in its body, XML for extra headers, and perhaps an attachment.

    `prefixes` are the house prefixes that the XML uses. An action of "" is the request's own with
    `Response` behind it.
    """

    body: Body
    prefixes: tuple[str, ...] = ()
    action: str = ""
    headers: str = ""
    attachment: Attachment | None = None


Handler = Callable[[Incoming], Coroutine[None, None, Answer]]

OK: Final = "ok"


class Exchange(NamedTuple):
    """A request that is dealt with, for who keeps a record of them.

    `outcome` is `OK`, the subcode of a fault, or words for what became of it instead. `reply` is
    the envelope that was sent, in pieces, of `reply_octets`; none if there was none.
    """

    peer: str
    action: str
    outcome: str
    seconds: float
    request: bytes
    reply: tuple[bytes, ...] = ()
    reply_octets: int = 0
    attachment_octets: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    `bodies` are the names allowed for the body element, all in namespace `service`; empty means
    that the body is not looked at. `once` marks operations that change something: a repeated
    MessageID gets the first answer again. `streams` marks operations that may take long or carry
    an attachment: they are cancelled when the peer goes away. `service` is the namespace of the
    operation's faults. `one_way` marks messages that are only taken: HTTP status 202, no envelope.
    """

    action: str
    handler: Handler
    service: str
    bodies: tuple[str, ...] = ()
    once: bool = False
    streams: bool = False
    one_way: bool = False
    tags: frozenset[str] = field(init=False)
    """`bodies` with their namespace, as a body element's tag has it."""
    reply: str = field(init=False)
    """The action of the answer, as a rule."""

    def __post_init__(self) -> None:
        tags = frozenset(f"{{{self.service}}}{body}" for body in self.bodies)
        object.__setattr__(self, "tags", tags)
        object.__setattr__(self, "reply", reply_action(self.action))


class Dispatcher:
    """The table of operations."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def add(self, *routes: Route) -> None:
        """Add operations; an action can be there only once."""
        for route in routes:
            if route.action in self._routes:
                raise ValueError(f"the action {route.action} has a handler already")
            self._routes[route.action] = route

    def route(self, envelope: Envelope) -> Route:
        """The operation that `envelope` asks for.

        Raises:
            ActionNotSupported: there is none with this action.
        """
        route = self._routes.get(envelope.action)
        if route is None:
            raise ActionNotSupported(envelope.action)
        return route

    @property
    def actions(self) -> frozenset[str]:
        """All actions that are answered."""
        return frozenset(self._routes)


def check_body(route: Route, envelope: Envelope) -> None:
    """Refuse a body that belongs to another operation.

    Raises:
        InvalidArgs: the body element does not fit the action.
    """
    if not route.bodies:
        return
    body = envelope.body
    if body is None:
        raise InvalidArgs(route.bodies[0], "is missing in the body")
    if body.tag not in route.tags:
        raise InvalidArgs(xml.local_name(body), "does not belong to this action")
