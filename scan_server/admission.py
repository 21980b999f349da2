"""Who may create which post-scan job.

Source: ws-dsp section 4.2, steps 3 to 6; section 13 for what a client's certificate says.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import dataclass

from device.dsp.messages import CreatePostScanJobRequest
from device.errors import InvalidArgs, OperationFailed
from device.soap.dispatch import Incoming
from device.soap.namespaces import PSP
from scan_server import comparison
from scan_server.catalogue import Catalogue
from scan_server.identity import User, Users

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A job that may be: whose it is, and what it is called. Names are empty where not known.

    `objection` says what is wrong with its instructions; then it is recorded and not done.
    """

    owner: str
    user_name: str = ""
    user_mail: str = ""
    display_name: str = ""
    objection: InvalidArgs | None = None


class Admission:
    """Decides about new jobs. `dialects` are those of the filters that this server has."""

    def __init__(self, users: Users, catalogue: Catalogue | None, dialects: Container[str]) -> None:
        self._users = users
        self._catalogue = catalogue
        self._dialects = dialects

    async def admit(self, request: CreatePostScanJobRequest, incoming: Incoming) -> Admitted:
        """What becomes of a request.

        Raises:
            InvalidArgs: there is no such scan process.
            OperationFailed: this user may not.
            TemporaryError: the directory cannot be asked now.
        """
        offer = None
        if self._catalogue is not None:
            offer = await self._catalogue.process(request.psp_identifier)
        user = await self._user(request.user_identifier, incoming)
        return Admitted(
            owner=self._users.owner_of(incoming),
            user_name=user.name if user else "",
            user_mail=user.mail if user else "",
            display_name=offer.name if offer else "",
            objection=self._objection(request)
            or (
                _changed(found)
                if offer and (found := comparison.difference(offer.process, request.instructions))
                else None
            ),
        )

    async def _user(self, sid: str, incoming: Incoming) -> User | None:
        """Who has this SID, as far as that is known.

        Raises:
            OperationFailed: nobody, or not the one whom the certificate names.
        """
        der = incoming.client_certificate
        if der and self._users.know_certificates:
            named = self._users.of_certificate(der)
            if named is None or named.sid.upper() != sid.upper():
                who = named.name if named else "nobody known here"
                log.warning("%s says that it is %s: refused", who, sid)
                raise OperationFailed
            return named
        if known := self._users.of_sid(sid):
            return known
        return None if self._catalogue is None else await self._catalogue.user(sid)

    def _objection(self, request: CreatePostScanJobRequest) -> InvalidArgs | None:
        if any(one.dialect in self._dialects for one in request.instructions.filters):
            return None
        return InvalidArgs("PostScanInstructions", "name no filter that this server has")


def _changed(element: str) -> InvalidArgs:
    why = "differs from the scan process, which does not let it be changed"
    return InvalidArgs(element, why, namespace=comparison.NAMESPACES.get(element, PSP))
