"""Which addresses a remote shard may be read from: public ones, unless a host is allowed by name."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ops.errors import ForbiddenSourceError

Address = IPv4Address | IPv6Address
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
_ANY = "*"


def resolve(host: str, port: int, allowed: Sequence[str]) -> list[str]:
    """The addresses of a host, all of them fit to be connected to.

    Whoever connects has to use one of these: to resolve the name again would let its owner answer otherwise.

    Args:
        host: name or literal address.
        port: what is connected to.
        allowed: names, addresses and networks that may be private; ``*`` for all.

    Raises:
        ForbiddenSourceError: one of the addresses is private, loopback, link-local or otherwise not public.
        OSError: the name can't be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if _ANY in allowed or host.lower() in allowed:
        return addresses
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if not (is_public(address) or _within(address, allowed)):
            raise ForbiddenSourceError(
                f"{host} is at {text}, which is not a public address; allow it with stream.private_hosts={host}"
            )
    return addresses


def is_public(address: Address) -> bool:
    """True for unicast addresses of the internet, looking through IPv4 addresses wrapped in IPv6."""
    if isinstance(address, IPv6Address) and (inner := _wrapped(address)) is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return IPv4Address(address.packed[-4:]) if address in _NAT64 else None


def _within(address: Address, allowed: Sequence[str]) -> bool:
    for entry in allowed:
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            continue  # a host name
        if address in network:
            return True
    return False
