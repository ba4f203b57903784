"""Who may ask what listens: anybody on loopback, beyond it whoever has the token."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from ops.errors import ConfigError

TOKEN_ENV = "SHAPELODE_TOKEN"
COOKIE = "shapelode_session"
_LEAST_LENGTH = 16
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Token:
    """A secret that is kept as its digest, so that no log or traceback can show it."""

    def __init__(self, secret: str) -> None:
        self._digest = _digest(secret)

    def matches(self, offered: str) -> bool:
        """Compares in a time that tells nothing."""
        return hmac.compare_digest(_digest(offered), self._digest)

    def session(self) -> str:
        """What a browser keeps instead of the token; another token, another session."""
        return hmac.new(self._digest, b"session", hashlib.sha256).hexdigest()

    def admits(self, session: str) -> bool:
        """True for a session of this token."""
        return hmac.compare_digest(session.encode("utf-8", "replace"), self.session().encode())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def read_token(file: str, env: MutableMapping[str, str] = os.environ) -> Token | None:
    """The token out of a file or the environment, from which it is taken away: processes started later need it not.

    Args:
        file: its path; empty for none.
        env: where `TOKEN_ENV` may hold it.

    Raises:
        ConfigError: the file can't be read, or the token is too short to keep anybody out.
    """
    secret = env.pop(TOKEN_ENV, "").strip()
    if file:
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the token file {file}: {error}") from error
    if not secret and not file:
        return None
    if len(secret) < _LEAST_LENGTH:
        where = f"in {file}" if file else f"in {TOKEN_ENV}"
        raise ConfigError(
            f"the token {where} has {len(secret)} characters, it needs {_LEAST_LENGTH}: try `openssl rand -hex 32`"
        )
    return Token(secret)


@dataclass(frozen=True)
class Access:
    """What one listener asks of those who come.

    Attributes:
        token: what they have to have, None for nothing.
        hosts: names they may have called it by, None for any. On loopback a page of elsewhere could otherwise have
            its own name resolve to us, and read what a browser on this machine may read (DNS rebinding).
    """

    token: Token | None = None
    hosts: frozenset[str] | None = None

    def knows_host(self, header: str) -> bool:
        """True if a Host header names this listener."""
        return self.hosts is None or _name(header) in self.hosts

    def admits(self, authorization: str, session: str = "") -> bool:
        """True for the token as a bearer token, or a session of it."""
        if self.token is None:
            return True
        scheme, _, offered = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.token.matches(offered.strip()):
            return True
        return bool(session) and self.token.admits(session)


def access_for(what: str, host: str, token: Token | None, names: str = "") -> Access:
    """What a listener on an address has to ask.

    Args:
        what: the configuration section of the listener.
        host: address it listens on.
        token: the token, if there is one.
        names: host names a proxy before a loopback listener passes on, comma-separated.

    Raises:
        ConfigError: it listens beyond loopback, and there is no token.
    """
    if is_loopback(host):
        extra = {name.strip().lower() for name in names.split(",") if name.strip()}
        return Access(token, _LOOPBACK_NAMES | {host.lower()} | extra)
    if token is None:
        raise ConfigError(
            f"{what} would listen on {host}, beyond this machine, without a token: put one into a file and name it "
            f"by api.token_file (`serve --token-file`) or set {TOKEN_ENV}, or listen on 127.0.0.1"
        )
    return Access(token)


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine can reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name(header: str) -> str:
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]
