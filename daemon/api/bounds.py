"""What one client may hold: a bounded number of connections, each of which has to get on."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ops import metrics

_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the server is.

    Attributes:
        connections: open at once; one more is closed at once.
        request_s: time a client has to send a whole request.
        window_s: time over which the rate of reading is measured.
        least_rate: bytes a second a client has to read while there is anything left to send.
    """

    connections: int = 128
    request_s: float = 60.0
    window_s: float = 20.0
    least_rate: float = 1024.0


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, closing connections that are too many or too slow; each cut is counted."""

    limits: ClassVar[Limits] = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection in, or refuses it."""
        # asyncio does so only where the listening socket names its protocol. Head and body of an answer are two writes:
        # with Nagle's algorithm the second waits 40 ms for the client's delayed acknowledgement of the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._out = _CountedTransport(transport)
        super().connection_made(self._out)  # type: ignore[arg-type]
        self._receiving_since = self._window_start = self.loop.time()
        self._window_sent = 0
        self._timer = self.loop.call_later(_LOOK_S, self._look)
        if len(self.connections) > self.limits.connections:
            self._cut("too_many")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets a connection."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request, if there is one, has its own time."""
        self._receiving_since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        if self._is_slow_to_ask() or self._is_slow_to_read():
            self._cut("too_slow")
        else:
            self._timer = self.loop.call_later(_LOOK_S, self._look)

    def _is_slow_to_ask(self) -> bool:
        now = self.loop.time()
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._receiving_since = now
        return now - self._receiving_since > self.limits.request_s

    def _is_slow_to_read(self) -> bool:
        now = self.loop.time()
        if not self._out.get_write_buffer_size():
            self._window_start, self._window_sent = now, self._out.sent
        elif now - self._window_start >= self.limits.window_s:
            slow = self._out.sent - self._window_sent < self.limits.least_rate * self.limits.window_s
            self._window_start, self._window_sent = now, self._out.sent
            return slow
        return False

    def _cut(self, why: str) -> None:
        metrics.CONNECTIONS_CUT.labels("api", why).inc()
        self._out.abort()


class _CountedTransport:
    """A transport that knows how much has left it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = 0

    def write(self, data: bytes) -> None:
        self._written += len(data)
        self._transport.write(data)

    @property
    def sent(self) -> int:
        """Bytes handed to the system so far."""
        return self._written - self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
