"""A real S3 server on loopback (moto's), which checks signatures against its own IAM."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

import botocore.session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from support.tls import server_context
from werkzeug.serving import make_server


@dataclass
class Store:
    """The server: what it was asked, what it answers instead, and keys that it knows."""

    url: str = ""
    plain_url: str = ""
    access_key: str = ""
    secret_key: str = ""
    client: Any = None
    asked: list[str] = field(default_factory=list)
    instead: dict[str, list[str]] = field(default_factory=dict)
    """Method → statuses for the next requests, before it does anything; empty: does as asked."""
    after: dict[str, list[str]] = field(default_factory=dict)
    """Method → statuses told after it has done what was asked."""

    def wrapped(self, application: Callable[..., Any]) -> Callable[..., Any]:
        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            method = environ["REQUEST_METHOD"]
            self.asked.append(method)
            if self.instead.get(method) and (status := self.instead[method].pop(0)):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response(status, [("Content-Length", "0")])
                return [b""]
            if not self.after.get(method):
                return application(environ, start_response)
            status = self.after[method].pop(0)
            return application(environ, lambda *told: start_response(status, told[1]))

        return answer

    def begin_anew(self) -> None:
        """Forget what was stored and asked, and do as asked again."""
        for key in self.objects():
            self.client.delete_object(Bucket="scans", Key=key)
        self.asked.clear()
        self.instead.clear()
        self.after.clear()

    def objects(self, bucket: str = "scans") -> dict[str, bytes]:
        """Everything in a bucket."""
        found = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {
            one["Key"]: self.client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
            for one in found
        }


@contextmanager
def s3_server() -> Iterator[Store]:
    """A server with one user and the bucket `scans`."""
    store = Store()
    application = store.wrapped(DomainDispatcherApplication(create_backend_app))
    servers = [
        make_server("127.0.0.1", 0, application, threaded=True, ssl_context=context)
        for context in (server_context(), None)
    ]
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        for server in servers
    ]
    for thread in threads:
        thread.start()
    store.url = f"https://localhost:{servers[0].port}"
    store.plain_url = f"http://127.0.0.1:{servers[1].port}"
    try:
        _reset(store.plain_url)
        _make_user(store)
        store.client.create_bucket(Bucket="scans")
        _post(f"{store.plain_url}/moto-api/reset-auth", b"0")  # from here on it checks
        store.asked.clear()
        yield store
    finally:
        _post(f"{store.plain_url}/moto-api/reset-auth", b"inf")
        store.client.close()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _reset(url: str) -> None:
    _post(f"{url}/moto-api/reset-auth", b"inf")
    _post(f"{url}/moto-api/reset", b"")


def _post(url: str, body: bytes) -> None:
    headers = {"Content-Type": "text/plain"}
    with urlopen(Request(url, data=body, headers=headers, method="POST")) as answer:
        answer.read()


def _make_user(store: Store) -> None:
    session = botocore.session.Session()
    session.set_credentials("any", "any")
    told = {"endpoint_url": store.plain_url, "region_name": "us-east-1"}
    iam = session.create_client("iam", **told)
    iam.create_user(UserName="scanner")
    iam.put_user_policy(
        UserName="scanner",
        PolicyName="all",
        PolicyDocument='{"Version": "2012-10-17", "Statement": '
        '[{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}',
    )
    key = iam.create_access_key(UserName="scanner")["AccessKey"]
    iam.close()
    store.access_key, store.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
    session.set_credentials(store.access_key, store.secret_key)
    store.client = session.create_client("s3", **told)
