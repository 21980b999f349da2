"""Who is logged on at the panel."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from device.clock import Clock
from device.directory.client import log_on
from device.directory.words import Credentials, DirectorySettings
from device.errors import DeviceError, LogonRefused, NotLoggedOn
from device.model.operator import NOBODY, User
from device.processes.attempts import Attempts
from device.processes.badges import Badges, Holder
from device.processes.source import Visitor

log = logging.getLogger(__name__)

MAX_SESSIONS = 16
TICK_S = 1.0
PASSWORD, BADGE = "password", "badge"


@dataclass(slots=True)
class Session:
    """A user who is logged on. `token` names the session, and is told to nobody else."""

    token: str = field(repr=False)
    visitor: Visitor
    last_used: float

    @property
    def user(self) -> User:
        return self.visitor.user


class Sessions:
    """All users who are logged on, each until they log off or do nothing for `idle_s`.

    Without a directory and without badges nobody has to say who they are.

    Args:
        token: gives a token that nobody can guess.
    """

    def __init__(
        self,
        directory: DirectorySettings | None,
        badges: Badges | None,
        *,
        clock: Clock,
        idle_s: float,
        token: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._badges = badges
        self._clock = clock
        self.idle_s = idle_s
        self._token = token
        self._attempts = Attempts()
        self._sessions: dict[str, Session] = {}
        self.anybody = Session("", Visitor(User("", NOBODY)), clock.monotonic())
        """Whoever stands there, where nobody is asked."""

    @property
    def ways(self) -> tuple[str, ...]:
        """How users can say who they are; empty when they need not."""
        ways = []
        if self._directory is not None:
            ways.append(PASSWORD)
        if self._badges is not None:
            ways.append(BADGE)
        return tuple(ways)

    async def log_on(self, user: str = "", password: str = "", badge: str = "") -> Session:
        """Log on by name and password, by badge, or as nobody where nobody is asked.

        Raises:
            LogonRefused: it was refused, or this is no way to log on here.
            TooManyAttempts: too many have failed lately.
            DirectoryUnavailable: the directory cannot be asked.
        """
        if not self.ways:
            if user or password or badge:
                raise LogonRefused("nobody needs to log on here")
            return await self._add(self.anybody.visitor)
        name = user.strip().casefold() if user else BADGE
        attempt = self._attempts.begin(name, self._clock.monotonic())
        try:
            visitor = await self._visitor(user, password, badge)
        except LogonRefused as error:
            log.info("logon of %s refused: %s", user or "a badge", error.why)
            raise
        except DeviceError:
            self._attempts.taken_back(attempt)
            raise
        self._attempts.taken_back(attempt)
        log.info("%s has logged on", visitor.user.principal)
        return await self._add(visitor)

    def find(self, token: str) -> Session:
        """The session with this token, which is used now. Raises NotLoggedOn."""
        for known, session in self._sessions.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                session.last_used = self._clock.monotonic()
                return session
        raise NotLoggedOn

    def at_panel(self, sid: str) -> bool:
        """Whether this user is logged on, or may be there where nobody is asked."""
        return not self.ways or any(one.user.sid == sid for one in self._sessions.values())

    async def log_off(self, session: Session) -> None:
        """End a session; its credentials are gone."""
        if self._sessions.pop(session.token, None) is None:
            return
        log.info("%s has logged off", session.user.principal or "the user")
        if session.visitor.logon is not None:
            await session.visitor.logon.close()

    async def run(self) -> None:
        """Log off who does nothing, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Log off who has done nothing for too long."""
        since = self._clock.monotonic() - self.idle_s
        for session in [one for one in self._sessions.values() if one.last_used <= since]:
            await self.log_off(session)

    async def close(self) -> None:
        """Log everybody off."""
        for session in list(self._sessions.values()):
            await self.log_off(session)

    # ---- inside

    async def _add(self, visitor: Visitor) -> Session:
        while len(self._sessions) >= MAX_SESSIONS:  # who did nothing for longest leaves
            await self.log_off(min(self._sessions.values(), key=lambda one: one.last_used))
        session = Session(self._token(), visitor, self._clock.monotonic())
        self._sessions[session.token] = session
        return session

    async def _visitor(self, user: str, password: str, badge: str) -> Visitor:
        holder = self._holder(badge) if badge else None
        if holder is not None and holder.user is not None:
            return Visitor(holder.user)
        if self._directory is None or (holder is None and not user):
            raise LogonRefused(f"log on by {' or '.join(self.ways)}")
        if holder is not None:
            credentials = holder.credentials()
        elif not password:
            # By Kerberos an empty one would mean the tickets of whoever started the device.
            raise LogonRefused("the password is empty")
        else:
            credentials = Credentials(user, password)
        logon = await log_on(self._directory, credentials)
        return Visitor(logon.user, logon)

    def _holder(self, badge: str) -> Holder:
        if self._badges is None:
            raise LogonRefused("there are no badges here")
        return self._badges.holder(badge)
