"""E-mail, by a real SMTP server: who gets what, what is refused, and what a crash leaves."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.mail_server import Mailbox, MailServer
from support.post_scan import SID, Spool
from support.tls import server_context, write_authority
from support.wait import wait_until

from device.dsp import filters
from device.dsp.filters import EmailConfig
from device.dsp.process import Filter as Entry
from device.dsp.words import FilterState
from device.errors import ConfigError
from device.settings import parse_toml
from scan_server.filters import mail, message
from scan_server.filters.base import Halted, Outcome
from scan_server.filters.mail import Email
from scan_server.filters.stop import Stop
from scan_server.identity import User
from scan_server.post_scan_jobs import PostScanJob

WELL = Outcome(FilterState.COMPLETED_SUCCESSFULLY)
ANN = User(SID, "ann@example.org", "ann@example.org")


def failed(reason: str, again: bool = False) -> Outcome:
    return Outcome(FilterState.COMPLETED_WITH_ERRORS, (reason,), again)


class Post:
    """A mail server with its certificate, and jobs to send there."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.spool = Spool(root)
        self.box = Mailbox()
        self.root = root
        self._stack = stack
        write_authority(root)
        (root / "password").write_text("secret\n")

    def serve(self, *, encrypted: bool = True, name: str = "localhost", **more: int) -> Email:
        """Start the server; the filter that knows it."""
        context = server_context(name) if encrypted else None
        server = MailServer(self.box, context, **more)
        server.start()
        self._stack.callback(server.stop, no_assert=True)
        host, port = server.address
        login = f'user = "scanner"\npassword_file = "{self.root}/password"\n' if encrypted else ""
        return mail.read(
            parse_toml(
                f'host = "{host}"\nport = {port}\nsender = "scanner@example.org"\n'
                f'allow = ["*@example.org", "one@else.where"]\nca = "{self.root}/ca.pem"\n'
                f'encryption = "{"starttls" if encrypted else "none"}"\ntimeout = 5\n{login}',
                "filters.toml",
            )
        )

    def job(
        self, *addresses: str, pages: tuple[bytes, ...] = (b"page",), **more: bool
    ) -> PostScanJob:
        config = EmailConfig(addresses=addresses, **more)
        return self.spool.job(Entry(filters.EMAIL, filters.write_email(config)), pages=pages)


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with ExitStack() as stack:
        yield Post(tmp_path, stack)


@pytest.mark.conformance("SI-01")
def test_one_message_with_all_documents_to_everybody(post: Post) -> None:
    pages = (b"first", bytes(range(256)) * 10_000, b"\n.\n..\r\n")
    found = post.serve()
    job = post.job("a@example.org", "one@else.where", pages=pages, send_to_scan_user=True)
    assert post.spool.run(found, job, user=ANN) == WELL
    (envelope,), (sent,) = post.box.taken, post.box.messages
    assert envelope.rcpt_tos == ["a@example.org", "one@else.where", "ann@example.org"]
    assert envelope.mail_from == sent["From"] == "scanner@example.org"
    assert sent["Subject"] == "scan"
    assert "3 scanned documents from ann@example.org" in sent.get_body().get_content()
    assert post.box.attachments() == [
        (f"scan_20260102T030405_ann@example.org_000{n}.png", "image/png", page)
        for n, page in enumerate(pages, 1)
    ]
    assert post.box.logins == 1
    assert max(map(len, envelope.content.split(b"\r\n"))) <= 998


def test_without_encryption_and_login_where_that_is_said(post: Post) -> None:
    assert post.spool.run(post.serve(encrypted=False), post.job("a@example.org")) == WELL
    assert len(post.box.taken) == 1


def test_no_document_no_mail(post: Post) -> None:
    assert post.spool.run(post.serve(), post.job("a@example.org", pages=())) == WELL
    assert not post.box.taken


@pytest.mark.conformance("SI-10")
@pytest.mark.parametrize(
    ("format_", "name", "media_type"),
    [
        ("pdf-a", "0001.pdf", "application/pdf"),
        ("exif", "0001.jpg", "image/jpeg"),
        ("tiff-multi-g4", "0001.tif", "image/tiff"),
        ("jbig", "0001.jbg", "application/octet-stream"),
        ("acme:raw", "0001.bin", "application/octet-stream"),
    ],
)
def test_names_and_media_types(post: Post, format_: str, name: str, media_type: str) -> None:
    job = post.job("a@example.org")
    job = replace(job, documents=(replace(job.documents[0], format=format_),))
    assert post.spool.run(post.serve(), job) == WELL
    ((filename, found, data),) = post.box.attachments()
    assert str(filename).endswith(name)
    assert (found, data) == (media_type, b"page")


def test_a_name_cannot_smuggle_a_header_in(post: Post) -> None:
    job = post.job("a@example.org")
    told = replace(job.instructions, document_root_name='x\r\nBcc: "e@vil.example"')
    job = replace(job, instructions=told)
    user = User(SID, "ann\r\nBcc: e@vil.example", "ann@example.org")
    assert post.spool.run(post.serve(), job, user=user) == WELL
    (sent,) = post.box.messages
    assert "Bcc" not in sent
    assert "\n" not in sent["Subject"]


class TestWhoMayGetMail:
    """Addresses come over the wire: only what the settings allow gets anything."""

    def test_one_that_no_rule_allows(self, post: Post) -> None:
        outcome = post.spool.run(post.serve(), post.job("a@example.org", "a@example.com"))
        assert outcome == failed("UnableToSendEmail")
        assert [one.rcpt_tos for one in post.box.taken] == [["a@example.org"]]

    @pytest.mark.parametrize(
        "address",
        ["a", "a b@example.org", "<a>@example.org", "a@example.org,b@example.org", "@example.org"],
    )
    def test_one_that_is_none(self, post: Post, address: str) -> None:
        assert post.spool.run(post.serve(), post.job(address)) == failed("UnableToSendEmail")
        assert not post.box.taken

    @pytest.mark.conformance("SI-02")
    def test_a_user_without_an_address(self, post: Post) -> None:
        job = post.job(send_to_scan_user=True)
        assert post.spool.run(post.serve(), job) == failed("UnableToSendEmail")

    @pytest.mark.conformance("SI-03")
    def test_nobody_at_all(self, post: Post) -> None:
        assert post.spool.run(post.serve(), post.job()) == failed("InvalidArgs")

    def test_the_same_twice(self, post: Post) -> None:
        post.spool.run(post.serve(), post.job("a@example.org", "a@example.org"))
        assert [one.rcpt_tos for one in post.box.taken] == [["a@example.org"]]


class TestSize:
    def test_more_than_fits_is_split(self, post: Post) -> None:
        pages = tuple(bytes([n]) * 30_000 for n in range(5))
        found = replace(post.serve(), max_message=100_000)
        assert post.spool.run(found, post.job("a@example.org", pages=pages)) == WELL
        assert [one["Subject"] for one in post.box.messages] == [
            "scan (1/3)", "scan (2/3)", "scan (3/3)"
        ]  # fmt: skip
        assert [data for _, _, data in post.box.attachments()] == list(pages)
        assert all(len(one.content) <= 100_000 for one in post.box.taken)
        assert len({one["Message-ID"] for one in post.box.messages}) == 3

    def test_one_document_that_is_too_large(self, post: Post) -> None:
        found = replace(post.serve(), max_message=100_000)
        job = post.job("a@example.org", pages=(b"x" * 100_000, b"small"))
        assert post.spool.run(found, job) == failed("UnableToSendEmail")
        assert [data for _, _, data in post.box.attachments()] == [b"small"]

    def test_more_than_the_server_takes(self, post: Post) -> None:
        job = post.job("a@example.org", pages=(b"x" * 10_000,))
        assert post.spool.run(post.serve(limit=5_000), job) == failed("UnableToSendEmail")

    def test_a_message_is_never_larger_than_was_said(self, post: Post) -> None:
        job = post.job("a@example.org", pages=(b"x" * 100_000, b"", b"y" * 57))
        post.spool.run(post.serve(), job)
        (envelope,) = post.box.taken
        from scan_server.filters.documents import outgoing

        documents = [
            outgoing(job, "u", one, post.spool.storage.path("aaaa", one.document_id))
            for one in job.documents
        ]
        size = message.size_of(documents)
        assert size - 10_000 < len(envelope.content) <= size


class TestTheServerRefuses:
    def test_a_wrong_password(self, post: Post) -> None:
        post.box.login = ("scanner", "other")
        assert post.spool.run(post.serve(), post.job("a@example.org")) == failed(
            "UnableToSendEmail"
        )

    @pytest.mark.conformance("SI-03")
    def test_some_recipients(self, post: Post) -> None:
        post.box.refused = {"b@example.org": "550 no such user"}
        outcome = post.spool.run(post.serve(), post.job("a@example.org", "b@example.org"))
        assert outcome == failed("UnableToSendEmail")
        assert [one.rcpt_tos for one in post.box.taken] == [["a@example.org"]]

    def test_a_recipient_for_now_and_only_that_one_is_tried_again(self, post: Post) -> None:
        post.box.refused = {"b@example.org": "450 later"}
        found, job = post.serve(), post.job("a@example.org", "b@example.org")
        assert post.spool.run(found, job, last=False) == failed("UnableToSendEmail", again=True)
        post.box.refused = {}
        assert post.spool.run(found, job) == WELL
        assert [one.rcpt_tos for one in post.box.taken] == [["a@example.org"], ["b@example.org"]]
        first, second = post.box.messages
        assert first["Message-ID"] == second["Message-ID"]

    @pytest.mark.parametrize(("reply", "again"), [("554 spam", False), ("451 busy", True)])
    def test_the_message(self, post: Post, reply: str, again: bool) -> None:
        post.box.data_reply = [reply]
        found, job = post.serve(), post.job("a@example.org")
        assert post.spool.run(found, job) == failed("UnableToSendEmail", again)
        assert post.spool.run(found, job) == WELL

    def test_everybody(self, post: Post) -> None:
        post.box.refused = {"a@example.org": "550 no"}
        assert post.spool.run(post.serve(), post.job("a@example.org")) == failed(
            "UnableToSendEmail"
        )


class TestTheServerIsNotThere:
    @pytest.mark.conformance("SR-08", "SI-03")
    def test_nobody_listens(self, post: Post) -> None:
        found = post.serve()
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        outcome = post.spool.run(replace(found, port=port), post.job("a@example.org"))
        assert outcome == failed("InvalidSMTPServer", again=True)

    def test_a_certificate_for_another_name(self, post: Post) -> None:
        found = post.serve(name="other.example")
        outcome = post.spool.run(found, post.job("a@example.org"))
        assert outcome == failed("InvalidSMTPServer")
        assert post.box.logins == 0

    def test_a_certificate_of_another_authority(self, post: Post) -> None:
        found = replace(post.serve(), tls=ssl.create_default_context())
        assert post.spool.run(found, post.job("a@example.org")) == failed("InvalidSMTPServer")

    def test_no_starttls(self, post: Post) -> None:
        found = replace(post.serve(encrypted=False), encryption="starttls")
        assert post.spool.run(found, post.job("a@example.org")) == failed("InvalidSMTPServer")
        assert not post.box.taken


# The test's server does not see the TLS below it, and warns of a login in the clear.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_tls_from_the_first_octet(post: Post) -> None:
    found = replace(post.serve(starttls=False), encryption="tls")
    assert post.spool.run(found, post.job("a@example.org")) == WELL
    assert (len(post.box.taken), post.box.logins) == (1, 1)


def test_tls_where_there_is_none(post: Post) -> None:
    found = replace(post.serve(encrypted=False), encryption="tls")
    outcome = post.spool.run(found, post.job("a@example.org"))
    assert outcome == failed("InvalidSMTPServer", again=True)


def _talk(listening: socket.socket, replies: list[bytes], seen: list[bytes]) -> None:
    """A peer that answers line by line and then hangs up."""
    peer, _ = listening.accept()
    with peer, peer.makefile("rb") as lines:
        for reply in replies:
            peer.sendall(reply)
            seen.append(lines.readline())


def test_a_connection_that_drops_in_the_middle_of_the_data(post: Post) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        replies = [b"220 hello\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
        peer = threading.Thread(target=_talk, args=(listening, replies, seen))
        peer.start()
        found = replace(post.serve(encrypted=False), port=listening.getsockname()[1])
        job = post.job("a@example.org", pages=(b"x" * 5_000_000,))
        assert post.spool.run(found, job) == failed("UnableToSendEmail", again=True)
        peer.join()
    assert seen[3].startswith(b"DATA")
    assert post.spool.run(post.serve(), job) == WELL


def test_a_halt_breaks_off_a_server_that_says_nothing(post: Post) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = Stop()
        found = replace(post.serve(encrypted=False), port=listening.getsockname()[1], timeout_s=60)

        def greet_and_stop() -> None:
            peer, _ = listening.accept()
            with peer, peer.makefile("rb") as lines:
                peer.sendall(b"220 hello\r\n")
                lines.readline()
                stop.set()
                lines.readline()

        peer = threading.Thread(target=greet_and_stop)
        peer.start()
        with pytest.raises(Halted):
            post.spool.run(found, post.job("a@example.org"), stop=stop)
        peer.join()


class TestCrash:
    """Killed at each step and run again: the mail arrives, twice only where SMTP leaves no way."""

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    @pytest.mark.parametrize(
        ("owner", "name", "copies"),
        [
            ("Records", "plan", 1),
            ("smtplib.SMTP", "connect", 1),
            ("smtplib.SMTP", "mail", 1),
            ("smtplib.SMTP", "docmd", 1),
            ("smtplib.SMTP", "getreply", 2),
            ("Records", "placed", 2),
            ("smtplib.SMTP", "quit", 1),
        ],
    )
    def test_killed_before(self, post: Post, owner: str, name: str, copies: int) -> None:
        """Between the server's word and our record there is one moment that SMTP cannot close."""
        import smtplib

        from scan_server.records import Records

        found, job = post.serve(encrypted=False), post.job("a@example.org", pages=(b"x" * 99,))
        child = os.fork()
        if not child:
            at = Records if owner == "Records" else smtplib.SMTP

            def die(*args: object, **more: object) -> None:
                os._exit(9)

            if name == "getreply":
                at = mail.message
                written = message.written

                def then_die(*args: object) -> Iterator[bytes]:
                    yield from written(*args)  # type: ignore[arg-type]
                    smtplib.SMTP.getreply = die  # type: ignore[assignment,method-assign]

                message.written = then_die  # type: ignore[assignment]
            else:
                setattr(at, name, die)
            try:
                post.spool.run(found, job)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        if copies == 2:
            wait_until(lambda: post.box.taken, 5, "the first copy")
        assert post.spool.run(found, job) == WELL
        assert len(post.box.taken) == copies
        assert len({one["Message-ID"] for one in post.box.messages}) == 1
        assert len({one.content for one in post.box.taken}) == 1, "the same mail to the octet"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("allow", ""), "allow is missing"),
        (("sender", 'sender = "me"'), "sender is 'me'"),
        (("host", ""), "host is missing"),
        (("encryption", 'encryption = "ssl"'), "encryption is 'ssl'"),
        (("encryption", 'encryption = "none"'), "the password would go in the clear"),
        (("password_env", ""), "user needs password_file or password_env"),
        (("password_env", 'password = "x"'), "password may not be in the settings"),
        (("password_env", 'password_env = "NO_SUCH_VARIABLE"'), "there is no such variable"),
        (
            ("password_env", 'password_file = "/nowhere"'),
            "'/nowhere', which cannot be read: No such",
        ),
        (("port", "prot = 25"), "prot is not known; did you mean 'port'?"),
        (("port", 'ca = "/nowhere.pem"'), "ca is '/nowhere.pem': No such file"),
    ],
)
def test_wrong_settings(
    change: tuple[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "hidden-word")
    lines = {
        "host": 'host = "smtp.example.org"',
        "port": "port = 587",
        "sender": 'sender = "scanner@example.org"',
        "encryption": 'encryption = "starttls"',
        "allow": 'allow = ["*"]',
        "user": 'user = "scanner"',
        "password_env": 'password_env = "SMTP_PASSWORD"',
    }
    good = mail.read(parse_toml("\n".join(lines.values()), "f.toml"))
    assert good.password == "hidden-word"
    assert "hidden-word" not in repr(good)
    key, line = change
    lines[key] = line
    with pytest.raises(ConfigError) as caught:
        mail.read(parse_toml("\n".join(lines.values()), "f.toml"))
    assert said in str(caught.value)
    assert "hidden-word" not in str(caught.value)
