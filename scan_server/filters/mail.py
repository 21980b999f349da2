"""The e-mail filter: a job's documents as attachments, in as few messages as their size allows.

The message goes out as it is read from the disk. Its Message-ID is always the same: a mail that
was taken in the very moment of a crash, and so is sent once more, can be known as the same. Who
has it is recorded recipient by recipient.

Source: ws-dsp sections 6.3 and 8.3; RFC 5321, 5322 and 2046.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from fnmatch import fnmatchcase

from device.dsp import filters
from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server.filters import message, reading
from scan_server.filters.base import Failure, Kind, Retry, Target, Work
from scan_server.filters.documents import OutgoingDocument

PORTS = {"starttls": 587, "tls": 465, "none": 25}
_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]+@[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?")


@dataclass(frozen=True, slots=True)
class Email:
    """The filter with its settings. `allow` are the addresses that mail may go to, with `*`."""

    host: str
    port: int
    encryption: str
    tls: ssl.SSLContext
    sender: str
    allow: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    max_message: int = 20_000_000
    timeout_s: float = 30.0
    retry: Retry = field(default_factory=Retry)

    def targets(self, config: filters.Config, work: Work) -> Sequence[Target | Failure]:
        """One for each message."""
        assert isinstance(config, filters.EmailConfig)
        wanted = list(config.addresses)
        refused: list[Failure] = []
        if config.send_to_scan_user and work.user.mail:
            wanted.append(work.user.mail)
        elif config.send_to_scan_user:
            refused.append(Failure(R.UNABLE_TO_SEND_EMAIL, f"{work.user.name} has no address"))
        elif not wanted:
            return [Failure(R.INVALID_ARGS, "the instructions name no address")]
        recipients = []
        for address in dict.fromkeys(one.strip() for one in wanted):
            if not _ADDRESS.fullmatch(address):
                refused.append(Failure(R.UNABLE_TO_SEND_EMAIL, f"{address!r} is no address"))
            elif not any(fnmatchcase(address.casefold(), pattern) for pattern in self.allow):
                refused.append(Failure(R.UNABLE_TO_SEND_EMAIL, f"no rule allows {address!r}"))
            else:
                recipients.append(address)
        if not recipients:
            return refused
        groups = message.grouped(work.documents, self.max_message)
        mails: list[Target | Failure] = []
        for number, group in enumerate(groups, 1):
            if message.size_of(group) > self.max_message:
                why = f"{group[0].name()} is too large for a mail"
                mails.append(Failure(R.UNABLE_TO_SEND_EMAIL, why))
            else:
                mails.append(_Mail(self, tuple(recipients), group, number, len(groups)))
        return [*mails, *refused]


@dataclass(frozen=True, slots=True)
class _Mail:
    """Message `number` of `count`, counted from 1."""

    settings: Email
    recipients: tuple[str, ...]
    documents: tuple[OutgoingDocument, ...]
    number: int
    count: int

    @property
    def name(self) -> str:
        return f"mail {self.number} of {self.count} by {self.settings.host}"

    def deliver(self, work: Work, key: str) -> None:
        token, records = work.job.token, work.records
        known = records.planned(token, key)
        left = [n for n in range(len(self.recipients)) if not (n in known and known[n].done)]
        if not left:
            return
        identifier = f"<{token}.{key}@{self.settings.sender.rpartition('@')[2]}>"
        new = [n for n in left if n not in known]
        records.plan(
            token, key, new, lambda n, _: f"{identifier} {self.recipients[n]}", lambda path: False
        )
        head = message.head(work, self.settings.sender, self.recipients, identifier)
        if self.count > 1:
            head.replace_header("Subject", f"{head['Subject']} ({self.number}/{self.count})")
        with self._connected(work) as smtp:
            refused = self._begin(smtp, [self.recipients[n] for n in left])
            taken = [n for n in left if self.recipients[n] not in refused]
            if taken:
                self._send(smtp, work, head)
                for n in taken if refused else (None,):
                    records.placed(token, key, n)
        if refused:
            told = ", ".join(f"{address}: {code}" for address, code in refused.items())
            passing = any(_passes(code) for code in refused.values())
            raise Failure(
                R.UNABLE_TO_SEND_EMAIL, f"refused {told}", Kind.PASSING if passing else Kind.FINAL
            )

    @contextmanager
    def _connected(self, work: Work) -> Iterator[smtplib.SMTP]:
        """A connection, encrypted and logged in; it breaks off when the filter is halted."""
        smtp = self._connect()

        def hang_up() -> None:
            # Not SSLSocket's own shutdown, which changes what the other thread works with.
            if isinstance(smtp.sock, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)

        with work.stop.calling(hang_up):
            try:
                self._greet(smtp)
                yield smtp
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    smtp.quit()
            finally:
                smtp.close()

    def _connect(self) -> smtplib.SMTP:
        told = self.settings
        try:
            if told.encryption == "tls":
                return smtplib.SMTP_SSL(
                    told.host, told.port, timeout=told.timeout_s, context=told.tls
                )
            return smtplib.SMTP(told.host, told.port, timeout=told.timeout_s)
        except (OSError, smtplib.SMTPException) as error:
            raise _invalid(error) from error

    def _greet(self, smtp: smtplib.SMTP) -> None:
        told = self.settings
        try:
            smtp.ehlo_or_helo_if_needed()
            if told.encryption == "starttls":
                smtp.starttls(context=told.tls)
                smtp.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException) as error:
            raise _invalid(error) from error
        if told.user:
            try:
                smtp.login(told.user, told.password)
            except (OSError, smtplib.SMTPException) as error:
                raise _unable(error) from error

    def _begin(self, smtp: smtplib.SMTP, recipients: Sequence[str]) -> dict[str, int]:
        """Announce the mail; the codes of the recipients that were refused."""
        size = message.size_of(self.documents)
        limit = smtp.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < size:
            raise Failure(R.UNABLE_TO_SEND_EMAIL, f"it takes {limit} octets, and these are {size}")
        try:
            options = [f"SIZE={size}"] if "size" in smtp.esmtp_features else []
            _expect(smtp.mail(self.settings.sender, options), 250)
            codes = {address: smtp.rcpt(address)[0] for address in recipients}
        except (OSError, smtplib.SMTPException) as error:
            raise _unable(error) from error
        return {address: code for address, code in codes.items() if code not in (250, 251)}

    def _send(self, smtp: smtplib.SMTP, work: Work, head: EmailMessage) -> None:
        """The message itself. No line of it begins with a dot, so that none needs another."""
        try:
            _expect(smtp.docmd("DATA"), 354)
            for piece in message.written(head, self.documents):
                work.check()
                smtp.send(piece)
            smtp.send(b".\r\n")
            _expect(smtp.getreply(), 250)
        except (OSError, smtplib.SMTPException) as error:
            raise _unable(error) from error


def _expect(reply: tuple[int, bytes], wanted: int) -> None:
    if reply[0] != wanted:
        raise smtplib.SMTPResponseException(reply[0], "")


def _passes(code: int) -> bool:
    """Whether an SMTP reply means a passing trouble."""
    return not 500 <= code <= 599


def _invalid(error: OSError | smtplib.SMTPException) -> Failure:
    """The server cannot be reached, or not as the settings want it."""
    wrong = isinstance(error, ssl.SSLCertVerificationError | smtplib.SMTPNotSupportedError)
    return Failure(R.INVALID_SMTP_SERVER, _said(error), Kind.FINAL if wrong else Kind.PASSING)


def _unable(error: OSError | smtplib.SMTPException) -> Failure:
    """The server is there, and does not take the mail."""
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    passing = _passes(code) and not isinstance(error, smtplib.SMTPNotSupportedError)
    return Failure(R.UNABLE_TO_SEND_EMAIL, _said(error), Kind.PASSING if passing else Kind.FINAL)


def _said(error: OSError | smtplib.SMTPException) -> str:
    """What is safe to log: a server's own words may repeat what it was told."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS, or no login that we know"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}, code {error.smtp_code}"
    return error.strerror or type(error).__name__


def read(table: Table) -> Email:
    """
    Raises:
        ConfigError: something in it is wrong.
    """
    encryption = table.choice("encryption", PORTS, "starttls")
    sender = table.text("sender")
    if not _ADDRESS.fullmatch(sender):
        raise table.wrong("sender", f"is {sender!r}, and must be like scanner@example.org")
    user, password = table.text("user", ""), reading.secret(table, "password")
    if bool(user) != bool(password):
        raise table.wrong("user", "needs password_file or password_env, and these need a user")
    if user and encryption == "none":
        raise table.wrong("encryption", "is 'none', and the password would go in the clear")
    found = Email(
        host=table.text("host"),
        port=table.integer("port", PORTS[encryption], low=1, high=65_535),
        encryption=encryption,
        tls=reading.tls(table),
        sender=sender,
        allow=reading.patterns(table, "allow"),
        user=user,
        password=password,
        max_message=table.integer("max_message", 20_000_000, low=100_000, high=1 << 30),
        timeout_s=table.number("timeout", 30.0, low=0.1, high=600),
        retry=reading.retry(table),
    )
    table.done()
    return found
