"""Probe and Resolve over HTTP: answered at once, on the connection they came by.

Source: dpws section 4.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from device.discovery.matching import RULES, matches
from device.discovery.messages import AppSequence, Probe, Request, Resolve, Target
from device.discovery.responder import Responder
from device.errors import ActionNotSupported, MatchingRuleNotSupported
from device.soap.addressing import endpoint_reference
from device.soap.dispatch import Answer, Incoming, Route
from device.soap.namespaces import PREFIX_OF, PROBE, RESOLVE, WSD, reply_action
from device.soap.write import attribute, element, leaf

_ZONE = re.compile(r"%[^\]/]*(?=\])")


def routes(responders: Callable[[], Sequence[Responder]]) -> tuple[Route, ...]:
    """The two operations, for the dispatcher behind our HTTP port.

    Args:
        responders: the devices that are there, at least one: the one that is asked comes first.
    """

    async def probe(incoming: Incoming) -> Answer:
        request = _read(incoming)
        if not isinstance(request, Probe):
            raise ActionNotSupported(incoming.envelope.action)
        there = responders()
        found = [one for one in there if matches(request, one.announcement)]
        if matches(request, there[0].announcement) is None:
            raise MatchingRuleNotSupported(request.match_by, tuple(RULES))
        return _answer(there[0], incoming, "Probe", found)

    async def resolve(incoming: Incoming) -> Answer:
        request = _read(incoming)
        if not isinstance(request, Resolve):
            raise ActionNotSupported(incoming.envelope.action)
        there = responders()
        found = [one for one in there if one.is_us(request.address)]
        return _answer(there[0], incoming, "Resolve", found)

    return (
        Route(PROBE, probe, WSD, ("Probe",)),
        Route(RESOLVE, resolve, WSD, ("Resolve",)),
    )


def _read(incoming: Incoming) -> Request:
    from device.discovery import wire  # a megabyte, which without discovery few ask for

    return wire.from_envelope(incoming.envelope)


def _answer(
    asked: Responder, incoming: Incoming, operation: str, found: Sequence[Responder]
) -> Answer:
    base_url = _ZONE.sub("", incoming.base_url())
    targets = [one.target_by(base_url) for one in found]
    named = {PREFIX_OF[namespace] for target in targets for namespace, _ in target.types}
    return Answer(
        body=element(
            f"wsd:{operation}Matches",
            *(_match(f"wsd:{operation}Match", target) for target in targets),
        ),
        prefixes=("wsd", *sorted(named)),
        action=reply_action(incoming.envelope.action),
        headers=_app_sequence(asked.next_sequence()),
    )


def _match(name: str, target: Target) -> str:
    types = " ".join(f"{PREFIX_OF[namespace]}:{local}" for namespace, local in target.types)
    return element(
        name,
        endpoint_reference("wsa:EndpointReference", target.address),
        leaf("wsd:Types", types) if types else "",
        leaf("wsd:Scopes", " ".join(target.scopes)) if target.scopes else "",
        leaf("wsd:XAddrs", " ".join(target.xaddrs)),
        leaf("wsd:MetadataVersion", target.metadata_version),
    )


def _app_sequence(sequence: AppSequence) -> str:
    return element(
        "wsd:AppSequence",
        attributes=attribute("InstanceId", str(sequence.instance_id))
        + attribute("MessageNumber", str(sequence.message_number)),
    )
