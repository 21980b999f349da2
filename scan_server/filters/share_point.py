"""The SharePoint filter: documents into libraries, by WebDAV.

What SharePoint itself is asked is not part of the standard. WebDAV is what its libraries have in
common with other servers: a folder is made by MKCOL, a document is PUT under another name and gets
its own by MOVE, which never replaces another. Where a server has no MOVE, it is PUT at once.

Source: ws-dsp sections 6.3, 7.4 and 8.3; RFC 4918.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, quote, unquote, urlsplit

from device.dsp import filters
from device.dsp.words import FilterStateReason as R
from device.settings import Table
from scan_server import names
from scan_server.filters import http_peer, placing, reading
from scan_server.filters.base import Failure, Kind, Retry, Target, Work
from scan_server.filters.documents import OutgoingDocument
from scan_server.filters.http_peer import Answer, Peer, Server

_DENIED = (401, 403, 404, 409)


@dataclass(frozen=True, slots=True)
class Library:
    """A library that documents may go to, and all below it. `path` is decoded, part by part."""

    server: Server
    path: tuple[str, ...]
    move: bool = True

    def holds(self, url: SplitResult, path: tuple[str, ...]) -> bool:
        """Whether an address leads there."""
        port = url.port or (443 if url.scheme == "https" else 80)
        there = (url.scheme, (url.hostname or "").casefold(), port)
        here = (self.server.scheme, self.server.host.casefold(), self.server.port)
        return there == here and path[: len(self.path)] == self.path


@dataclass(frozen=True, slots=True)
class SharePoint:
    """The filter. `my_site` is the personal library's address, with `{user}` in it."""

    libraries: tuple[Library, ...]
    my_site: str = ""
    retry: Retry = field(default_factory=Retry)

    def targets(self, config: filters.Config, work: Work) -> Sequence[Target | Failure]:
        assert isinstance(config, filters.SharePointConfig)
        urls = list(config.site_urls)
        if config.save_to_my_site and self.my_site:
            user = quote(names.safe(work.user.name.partition("@")[0], "user"), safe="")
            urls.append(self.my_site.replace("{user}", user))
        found = [self._find(url) for url in dict.fromkeys(urls)]
        if config.save_to_my_site and not self.my_site:
            found.append(Failure(R.SHARE_POINT_ACCESS_DENIED, "the settings name no my_site"))
        return found or [Failure(R.INVALID_ARGS, "the instructions name no library")]

    def _find(self, url: str) -> Target | Failure:
        try:
            asked = urlsplit(url)
            path = decoded(asked)
            library = next(one for one in self.libraries if one.holds(asked, path))
        except (ValueError, StopIteration):
            return Failure(R.SHARE_POINT_ACCESS_DENIED, f"no rule allows {url[:200]!r}")
        return _Target(replace(library, path=path), url)


def decoded(url: SplitResult) -> tuple[str, ...]:
    """The parts of a URL's path.

    Raises:
        ValueError: it has more than a path, or a part that is not a plain name.
    """
    if url.username is not None or url.query or url.fragment or "?" in url.geturl():
        raise ValueError("it has more than a path")
    parts = tuple(unquote(part, errors="strict") for part in url.path.strip("/").split("/") if part)
    if any(
        part in (".", "..") or set(part) & {"/", "\\"} or not part.isprintable() for part in parts
    ):
        raise ValueError("a part of the path is no plain name")
    return parts


@dataclass(frozen=True, slots=True)
class _Target:
    library: Library
    name: str

    def deliver(self, work: Work, key: str) -> None:
        with self.library.server.connected(work) as peer:
            user = names.safe(work.user.name, "user")
            folder = "".join(f"/{quote(part)}" for part in (*self.library.path, user))
            placing.deliver(_Folder(self.library, peer, folder), work, key, each=True)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The user's folder in a library. A path is that of the URL, encoded."""

    library: Library
    peer: Peer
    folder: str

    def prepare(self, work: Work) -> None:
        answer = self.peer.ask("MKCOL", self.folder)
        if not answer.good and answer.status not in (405, 301):  # it is there
            raise _failure(answer)

    def path(self, name: str) -> str:
        return f"{self._origin}{self.folder}/{quote(name)}"

    def taken(self, path: str) -> bool:
        return False

    def put(self, work: Work, document: OutgoingDocument, path: str) -> bool:
        final = path.removeprefix(self._origin)
        unfinished = f"{final}.part" if self.library.move else final
        headers = {"Content-Type": document.media_type, "Content-Length": str(document.size)}
        if not self.library.move:
            headers["If-None-Match"] = "*"
        answer = self.peer.ask("PUT", unfinished, headers, document.pieces())
        if self.library.move and answer.good:
            answer = self.peer.ask("MOVE", unfinished, {"Destination": path, "Overwrite": "F"})
            if not answer.good:
                self.peer.ask("DELETE", unfinished)
        if answer.status == 412:
            return self._same(document, final)
        if not answer.good:
            raise _failure(answer)
        return True

    def finish(self) -> None:
        """A server that has answered has it."""

    def remove(self, document: OutgoingDocument, path: str) -> None:
        final = path.removeprefix(self._origin)
        if self._same(document, final):
            self.peer.ask("DELETE", final)

    def leave(self) -> None:
        """The folder stays: to delete one is to delete all in it."""

    @property
    def _origin(self) -> str:
        return f"{self.library.server.scheme}://{self.library.server.authority}"

    def _same(self, document: OutgoingDocument, target: str) -> bool:
        digest = hashlib.sha256()
        for piece in self.peer.fetch(target):
            digest.update(piece)
        return digest.hexdigest() == document.sha256()


def _failure(answer: Answer) -> Failure:
    why = f"it answered {answer.status}"
    if answer.status in _DENIED:
        return Failure(R.SHARE_POINT_ACCESS_DENIED, why)
    if answer.status == 507:
        return Failure(R.SHARE_POINT_OUT_OF_DISK_SPACE, why, Kind.PASSING)
    kind = Kind.PASSING if http_peer.passes(answer.status) else Kind.FINAL
    return Failure(R.UNKNOWN_ERROR, why, kind)


def read(table: Table) -> SharePoint:
    """
    Raises:
        ConfigError: something in it is wrong.
    """
    libraries = tuple(_libraries(table))
    if not libraries:
        raise table.wrong("library", "is missing: say where documents may go")
    found = SharePoint(libraries, table.text("my_site", "", limit=2048), reading.retry(table))
    if found.my_site and "{user}" not in found.my_site:
        raise table.wrong("my_site", f"is {found.my_site!r}, and must have {{user}} in it")
    if found.my_site and isinstance(found._find(found.my_site.replace("{user}", "u")), Failure):
        raise table.wrong("my_site", f"is {found.my_site!r}, which no library allows")
    table.done()
    return found


def _libraries(table: Table) -> Iterator[Library]:
    for entry in table.tables("library"):
        url = reading.url(entry, "url")
        try:
            path = decoded(url)
        except ValueError as error:
            raise entry.wrong("url", f"is {url.geturl()!r}: {error}") from None
        yield Library(http_peer.read_server(entry, url), path, entry.boolean("move", True))
        entry.done()
