"""The object-storage filter: documents as objects in a bucket that speaks Amazon's S3.

An object appears whole, and with `If-None-Match: *` never over another. Each carries whose it is,
so that an answer that got lost is settled by asking. botocore signs the requests, because it is
Amazon's own word on how; the octets go from the disk to the wire without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from device.dsp.words import FilterStateReason as R
from device.errors import ConfigError
from device.settings import Table
from scan_server import names
from scan_server.filters import http_peer, placing, reading
from scan_server.filters.base import Failure, Kind, Work
from scan_server.filters.documents import OutgoingDocument
from scan_server.filters.http_peer import Answer, Peer, Server
from scan_server.filters.named import Named, read_named

try:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    raise ConfigError(
        "[object_storage] needs botocore: pip install 'wsd-scanner[s3]', or Debian's "
        "python3-botocore."
    ) from None

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_MARK = "x-amz-meta-wsd-scanner"


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs a request whose body's SHA-256 is known, so that the body itself is not needed."""

    def __init__(self, credentials: Credentials, region: str, digest: str) -> None:
        super().__init__(credentials, "s3", region)
        self._digest = digest

    def payload(self, request: Any) -> str:
        return self._digest


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket. Keys begin with `prefix`, which ends with a slash or is empty."""

    name: str
    server: Server
    bucket: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    prefix: str = ""
    conditional: bool = True

    def deliver(self, work: Work, key: str) -> None:
        with self.server.connected(work) as peer:
            folder = f"{self.prefix}{names.safe(work.user.name, 'user')}/"
            place = _Folder(self, peer, folder, f"{work.job.token}.{key}")
            placing.deliver(place, work, key, each=True)

    def signed(
        self, method: str, target: str, digest: str, headers: dict[str, str]
    ) -> dict[str, str]:
        """The headers of a request, with its signature."""
        url = f"{self.server.scheme}://{self.server.authority}{target}"
        request = AWSRequest(method=method, url=url, headers=headers)
        credentials = Credentials(self.access_key, self.secret_key)
        _Signer(credentials, self.region, digest).add_auth(request)
        return dict(request.headers.items())


@dataclass(frozen=True, slots=True)
class _Folder:
    """The user's keys in a bucket. A path is `s3://host/bucket/key`; `owner` is the delivery."""

    bucket: Bucket
    peer: Peer
    folder: str
    owner: str

    def prepare(self, work: Work) -> None:
        """Keys need no folder."""

    def path(self, name: str) -> str:
        return f"{self._origin}{self.folder}{name}"

    def taken(self, path: str) -> bool:
        return False

    def put(self, work: Work, document: OutgoingDocument, path: str) -> bool:
        if not self.bucket.conditional and (owner := self._owner(path)) is not None:
            return owner == self._mark(document)
        headers = {
            "Content-Type": document.media_type,
            "Content-Length": str(document.size),
            _MARK: self._mark(document),
        }
        if self.bucket.conditional:
            headers["If-None-Match"] = "*"
        target = self._target(path)
        signed = self.bucket.signed("PUT", target, document.sha256(), headers)
        answer = self.peer.ask("PUT", target, signed, document.pieces())
        if answer.status == 412:
            return self._owner(path) == self._mark(document)
        if not answer.good:
            raise _failure(answer)
        return True

    def finish(self) -> None:
        """What was answered is there."""

    def remove(self, document: OutgoingDocument, path: str) -> None:
        if self._owner(path) == self._mark(document):
            target = self._target(path)
            self.peer.ask("DELETE", target, self.bucket.signed("DELETE", target, _EMPTY, {}))

    def leave(self) -> None:
        """There is no folder."""

    def _mark(self, document: OutgoingDocument) -> str:
        return f"{self.owner}.{document.document_id}"

    def _owner(self, path: str) -> str | None:
        """The mark of the object there; empty for somebody else's, None for no object."""
        target = self._target(path)
        answer = self.peer.ask("HEAD", target, self.bucket.signed("HEAD", target, _EMPTY, {}))
        if answer.status == 404:
            return None
        if not answer.good:
            raise _failure(answer)
        return answer.headers.get(_MARK, "")

    @property
    def _origin(self) -> str:
        return f"s3://{self.bucket.server.authority}/{self.bucket.bucket}/"

    def _target(self, path: str) -> str:
        return quote(f"/{self.bucket.bucket}/{path.removeprefix(self._origin)}", safe="/-_.~")


def _failure(answer: Answer) -> Failure:
    # 409: somebody else writes the same key at this very moment.
    passing = answer.status == 409 or http_peer.passes(answer.status)
    kind = Kind.PASSING if passing else Kind.FINAL
    return Failure(R.UNKNOWN_ERROR, f"it answered {answer.status}", kind)


def read(table: Table) -> Named:
    """
    Raises:
        ConfigError: something in it is wrong.
    """
    return read_named(table, "bucket", _read_bucket)


def _read_bucket(table: Table, name: str) -> Bucket:
    url = reading.url(table, "endpoint")
    if url.path.strip("/"):
        raise table.wrong("endpoint", f"is {url.geturl()!r}, and may have no path")
    prefix = table.text("prefix", "").strip("/")
    secret_key = reading.secret(table, "secret_key")
    if not secret_key:
        raise table.wrong("secret_key_file", "is missing, and so is secret_key_env")
    return Bucket(
        name=name,
        server=http_peer.read_server(table, url),
        bucket=table.text("bucket"),
        region=table.text("region", "us-east-1"),
        access_key=table.text("access_key"),
        secret_key=secret_key,
        prefix=f"{prefix}/" if prefix else "",
        conditional=table.boolean("conditional", True),
    )
