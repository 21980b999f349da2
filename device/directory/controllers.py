"""The controllers of a domain, as its DNS lists them.

Source: ws-dsp section 9.2, step 1; RFC 2782 for the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from device.errors import DirectoryUnavailable

TIMEOUT_S = 5.0


class Service(NamedTuple):
    """One SRV record."""

    priority: int
    weight: int
    host: str
    port: int


def find_controllers(
    domain: str, random: Random, resolver: Any | None = None
) -> list[tuple[str, int]]:
    """Host and port of each controller, in the order in which they should be tried.

    Args:
        resolver: a resolver of dnspython; without one, the system's.

    Raises:
        DirectoryUnavailable: the DNS has none, or does not answer.
    """
    import dns.exception
    import dns.resolver

    name = f"_ldap._tcp.dc._msdcs.{domain.rstrip('.')}."
    resolver = resolver or dns.resolver.Resolver()
    try:
        answer = resolver.resolve(name, "SRV", lifetime=TIMEOUT_S)
    except dns.exception.DNSException as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise DirectoryUnavailable(domain, f"its controllers are not found: {why}") from None
    found = [
        Service(one.priority, one.weight, one.target.to_text(omit_final_dot=True), one.port)
        for one in answer
    ]
    return [(one.host, one.port) for one in in_order(found, random)]


def in_order(found: Sequence[Service], random: Random) -> list[Service]:
    """By priority; among equals by chance, in proportion to their weight."""
    left = sorted(found)
    ordered: list[Service] = []
    while left:
        group = [one for one in left if one.priority == left[0].priority]
        total = sum(one.weight for one in group)
        mark = random.uniform(0, total)
        chosen = group[-1]
        for one in group:
            mark -= one.weight
            if mark <= 0:
                chosen = one
                break
        ordered.append(chosen)
        left.remove(chosen)
    return ordered
