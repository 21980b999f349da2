"""A real SMTP server on loopback (aiosmtpd), which can refuse and break off as told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """What the server took, and what it answers instead where something is set."""

    taken: list[Envelope] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    data_reply: list[str] = field(default_factory=list)
    before_reply: Callable[[], None] = lambda: None
    login: tuple[str, str] = ("scanner", "secret")
    logins: int = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_reply:
            return self.data_reply.pop(0)
        self.taken.append(envelope)
        self.before_reply()
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins += 1
        assert isinstance(data, LoginPassword)
        user, password = self.login
        good = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=good, handled=False)

    @property
    def messages(self) -> list[EmailMessage]:
        found = [message_from_bytes(one.content or b"", policy=default) for one in self.taken]
        return [one for one in found if isinstance(one, EmailMessage)]

    def attachments(self) -> list[tuple[str | None, str, bytes]]:
        """Name, media type and bytes of all attachments of all messages."""
        return [
            (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
            for one in self.messages
            for part in one.iter_attachments()
        ]


class MailServer(Controller):
    """Listens on a free port of loopback, in a thread."""

    def __init__(
        self,
        mailbox: Mailbox,
        context: ssl.SSLContext | None = None,
        *,
        starttls: bool = True,
        limit: int = 33_554_432,
    ) -> None:
        self._speaks_first = starttls or context is None
        super().__init__(
            mailbox,
            hostname="127.0.0.1",
            port=0,
            tls_context=context if starttls else None,
            ssl_context=None if starttls else context,
            authenticator=mailbox.authenticate if context else None,
            auth_required=context is not None,
            auth_require_tls=starttls,  # it does not see the TLS below it
            require_starttls=starttls and context is not None,
            data_size_limit=limit,
        )

    def _trigger_server(self) -> None:
        """Connect once, as the base class wants: to the port that we were given."""
        with socket.create_connection(("127.0.0.1", self.address[1])) as connection:
            if self._speaks_first:
                connection.recv(100)

    @property
    def address(self) -> tuple[str, int]:
        assert self.server is not None
        port: int = self.server.sockets[0].getsockname()[1]
        return "localhost", port
