"""The configuration: whether it can be had here."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from daemon.access import access_for, is_loopback, read_token
from daemon.config import Config
from daemon.doctor.base import Finding, fine
from ops.errors import ConfigError

_REACH_S = 3.0


def listeners(config: Config, env: dict[str, str]) -> Iterator[Finding]:
    """Addresses that are listened on: allowed, and free."""
    try:
        token = read_token(config.api.token_file, env)
        for what, section in (("the API", config.api), ("the metrics port", config.metrics)):
            if section.enabled:
                access_for(what, section.host, token)
    except ConfigError as error:
        yield Finding("token", "problem", str(error), "see docs/security.md")
        return
    if token is None:
        yield fine("token", "none: only this machine is answered")
    else:
        yield fine("token", "asked for")
    for what, section, key in (("API", config.api, "api.port"), ("metrics", config.metrics, "metrics.port")):
        if section.enabled:
            yield _port(what, section.host, section.port, key)


def _port(what: str, host: str, port: int, key: str) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            where = "this machine only" if is_loopback(host) else "the network"
            return fine(f"{what} port", f"{host}:{port} is free, for {where}")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return Finding(f"{what} port", "problem", f"{host}:{port}: {why}", f"end what listens there or set {key}")


def cluster(config: Config) -> Iterator[Finding]:
    """The Ray cluster, if one is to be joined."""
    address = config.ray.address
    if not address or address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _REACH_S):
            yield fine("ray", f"something listens on {address}")
    except (OSError, ValueError) as error:
        yield Finding("ray", "problem", f"{address} can't be reached: {error}", "start its head or set ray.address")
