"""Clients of the API and of the metrics port that do not behave."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

_FLOOD = 200


class Peers:
    """Open connections that are slow, stuck or many."""

    def __init__(self) -> None:
        self._slow: list[socket.socket] = []
        self._held: list[socket.socket] = []

    def read_slowly(self, api: str) -> None:
        """Asks for a large page and reads a byte at each `tick`."""
        self._slow.append(_asked(api, "/v1/images?limit=1000"))

    def ask_slowly(self, api: str) -> None:
        """Begins a request and never ends it."""
        peer = _connected(api)
        peer.sendall(b"GET /v1/status HTTP/1.1\r\nX-Long: ")
        self._held.append(peer)

    def scrape_and_stop(self, metrics: str) -> None:
        """Asks for the metrics and never reads them, twice over; and connects without asking."""
        self._held += [_asked(metrics, "/metrics"), _asked(metrics, "/metrics"), _connected(metrics)]

    def flood(self, api: str) -> None:
        """Many connections at once, none of which asks."""
        for _ in range(_FLOOD):
            self._held.append(_connected(api))

    def tick(self) -> None:
        """Reads a byte of each slow answer and drops those that were cut."""
        for peer in list(self._slow):
            peer.setblocking(False)
            try:
                ended = not peer.recv(1)
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                peer.close()
                self._slow.remove(peer)

    def close(self) -> None:
        """Lets go of all."""
        for peer in (*self._slow, *self._held):
            with contextlib.suppress(OSError):
                peer.close()
        self._slow.clear()
        self._held.clear()


def _connected(url: str) -> socket.socket:
    at = urlsplit(url)
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(5)
    peer.connect((at.hostname, at.port))
    return peer


def _asked(url: str, path: str) -> socket.socket:
    peer = _connected(url)
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: soak\r\n\r\n".encode())
    return peer
