"""The documents of jobs in a bucket that several servers share, in the place of a shared folder.

A document comes into a file of this server's own, and is an object of the bucket before it is
acknowledged. Filters work on files: the documents of a job are fetched when its turn comes. An
object is replaced as a whole or not at all, and one that is stored is on the store's disks.

Source: ws-dsp sections 4.3 and 7.4. An object is `PREFIX/TOKEN/DOCUMENT_ID`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from device.errors import ConfigError, OperationFailed, TemporaryError
from device.settings import read_toml
from scan_server.filters import reading
from scan_server.post_scan_jobs import Document
from scan_server.storage import ABANDONED_S, IncomingFile, Storage

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Documents on their way into the bucket, or out of it."""
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the bucket is. Keys begin with `prefix`, which ends with a slash or is empty."""

    endpoint: str
    name: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    prefix: str = ""
    ca: str = ""


def read(path: Path) -> Bucket:
    """The bucket that a file describes.

    `endpoint`, `bucket`, `access_key` and `secret_key_file` or `secret_key_env` are needed;
    `prefix`, `region`, `ca` and `plain_http` are not.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    table = read_toml(path)
    url = reading.url(table, "endpoint")
    if url.path.strip("/"):
        raise table.wrong("endpoint", f"is {url.geturl()!r}, and may have no path")
    secret_key = reading.secret(table, "secret_key")
    if not secret_key:
        raise table.wrong("secret_key_file", "is missing, and so is secret_key_env")
    reading.tls(table)
    ca, prefix = table.text("ca", "", limit=4096), table.text("prefix", "").strip("/")
    bucket = Bucket(
        endpoint=f"{url.scheme}://{url.netloc}",
        name=table.text("bucket"),
        region=table.text("region", "us-east-1"),
        access_key=table.text("access_key"),
        secret_key=secret_key,
        prefix=f"{prefix}/" if prefix else "",
        ca=str(reading.path(ca)) if ca else "",
    )
    table.done()
    return bucket


class BucketStorage(Storage):
    """The documents of all jobs in `bucket`; below `root` are those that this server works on."""

    def __init__(self, root: Path, max_document: int, bucket: Bucket) -> None:
        """
        Raises:
            ConfigError: the folder cannot be written, the bucket cannot be had, or botocore is
                not installed.
        """
        super().__init__(root, max_document)
        self._bucket = bucket
        self._client, theirs = _client(bucket)
        self._trouble: tuple[type[Exception], ...] = (*theirs, OSError)
        self._threads = ThreadPoolExecutor(AT_ONCE, "bucket")
        try:
            self._client.head_bucket(Bucket=bucket.name)
        except self._trouble as error:
            raise ConfigError(
                f"The bucket {bucket.name!r} at {bucket.endpoint} cannot be used: {error}."
            ) from None

    def close(self) -> None:
        self._threads.shutdown()
        self._client.close()

    @contextmanager
    def receiving(self, token: str, document_id: int) -> Iterator[IncomingFile]:
        self.path(token, 0).parent.mkdir(mode=0o700, exist_ok=True)  # begun at another server
        with super().receiving(token, document_id) as file:
            yield file

    async def keep(self, file: IncomingFile, token: str, document_id: int) -> None:
        def put() -> None:
            with self._asked("store"), file.path.open("rb") as body:
                self._client.put_object(
                    Bucket=self._bucket.name, Key=self._key(token, document_id), Body=body
                )

        await asyncio.get_running_loop().run_in_executor(self._threads, put)

    def sync(self, token: str, document_ids: Iterable[int]) -> None:
        """What was stored is on the store's disks."""

    def fetch(self, token: str, documents: Iterable[Document]) -> None:
        self.path(token, 0).parent.mkdir(mode=0o700, exist_ok=True)
        for document in documents:
            path = self.path(token, document.document_id)
            if not path.exists() or path.stat().st_size != document.size:
                self._fetch(token, document, path)

    def _fetch(self, token: str, document: Document, path: Path) -> None:
        """Under its name only when it is whole; a file of that name before is left to others."""
        unfinished = path.with_suffix(".fetched")
        with self._asked("fetch"):
            key = self._key(token, document.document_id)
            answer = self._client.get_object(Bucket=self._bucket.name, Key=key)
            with unfinished.open("wb") as writing:
                for piece in answer["Body"].iter_chunks(PIECE):
                    writing.write(piece)
        if unfinished.stat().st_size != document.size:
            log.error("%s in the bucket has another size than was received", key)
            raise TemporaryError("A document is not in the bucket as it was received.")
        unfinished.replace(path)

    def let_go(self, token: str) -> None:
        shutil.rmtree(self.path(token, 0).parent, ignore_errors=True)

    def tokens(self) -> list[str]:
        with self._asked("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=self._bucket.prefix, Delimiter="/"
            )
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())]
        return [prefix.removeprefix(self._bucket.prefix).rstrip("/") for prefix in found]

    def has(self, token: str) -> bool:
        """To ask would take a moment; `hand_over` finds out."""
        return True

    def hand_over(self, token: str, to: str) -> None:
        """Copy the documents: they are the other's when it is recorded, and `discard`ed here."""
        with self._asked("copy"):
            objects = list(self._objects(token))
            for one in objects:
                number = one["Key"].rpartition("/")[2]
                self._client.copy_object(
                    Bucket=self._bucket.name,
                    Key=self._key(to, int(number)),
                    CopySource={"Bucket": self._bucket.name, "Key": one["Key"]},
                )
        if not objects:
            raise OperationFailed("The documents of this job are gone.")

    def take_back(self, token: str, to: str) -> None:
        self.discard(to)

    def discard(self, token: str) -> None:
        """Does not wait for the bucket; what stays there for now is found later on."""
        self.let_go(token)
        with contextlib.suppress(RuntimeError):  # we are going down
            self._threads.submit(self._remove, token)

    def _remove(self, token: str) -> None:
        try:
            with self._asked("delete"):
                for one in self._objects(token):
                    self._client.delete_object(Bucket=self._bucket.name, Key=one["Key"])
        except TemporaryError:
            log.warning("the documents of job %s stay in the bucket for now", token)

    def tidy(self, living: Iterable[str], now: datetime) -> None:
        """After a start: nothing here is needed any more, and of the bucket what nobody knows.

        Another server may have just begun what is not known here.
        """
        known = set(living)
        super().tidy((), now)
        oldest = now - timedelta(seconds=ABANDONED_S)
        with contextlib.suppress(TemporaryError), self._asked("list"):
            for token in set(self.tokens()) - known:
                if all(one["LastModified"] < oldest for one in self._objects(token)):
                    self._remove(token)

    def _key(self, token: str, document_id: int) -> str:
        return f"{self._bucket.prefix}{token}/{document_id:06d}"

    def _objects(self, token: str) -> Iterator[Any]:
        """The objects of one job."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket.name, Prefix=f"{self._bucket.prefix}{token}/"
        )
        for page in pages:
            yield from page.get("Contents", ())

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        """
        Raises:
            TemporaryError: the bucket did not do it, or this server's own disk.
        """
        try:
            yield
        except self._trouble as error:
            log.error("the bucket does not %s: %s", what, error)
            raise TemporaryError("The bucket with the documents cannot be had now.") from error


def _client(bucket: Bucket) -> tuple[Any, tuple[type[Exception], ...]]:
    """A client, and what it raises when the bucket does not play along.

    Raises:
        ConfigError: botocore is not installed.
    """
    try:
        import botocore.session  # 20 MB that a server without a bucket does without
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise ConfigError(
            "--spool-bucket needs botocore: pip install 'wsd-scanner[s3]', or Debian's "
            "python3-botocore."
        ) from None
    session = botocore.session.Session()
    session.set_credentials(bucket.access_key, bucket.secret_key)
    # Checksums of their own in a trailer are more than other makes of stores understand.
    for name in ("request_checksum_calculation", "response_checksum_validation"):
        session.set_config_variable(name, "when_required")
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"total_max_attempts": 3, "mode": "standard"},
        max_pool_connections=2 * AT_ONCE,
        s3={"addressing_style": "path"},
    )
    client = session.create_client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        verify=bucket.ca or None,
        config=config,
    )
    return client, (BotoCoreError, ClientError)
