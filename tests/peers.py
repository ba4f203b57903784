"""Clients that do not behave."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit


def connect(url: str, receive_buffer: int = 0) -> socket.socket:
    """A bare connection; a small receive buffer keeps the system from reading for a client that does not."""
    at = urlsplit(url)
    peer = socket.socket()
    if receive_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.settimeout(10)
    peer.connect((at.hostname, at.port))
    return peer


def ask(peer: socket.socket, path: str) -> None:
    """Sends a whole request."""
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@contextmanager
def connected(url: str, count: int = 1, receive_buffer: int = 0) -> Iterator[list[socket.socket]]:
    """Several bare connections, closed afterwards."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(url, receive_buffer)) for _ in range(count)]


def is_cut(peer: socket.socket) -> bool:
    """Whether the other side has closed; reads what is left."""
    peer.setblocking(False)
    try:
        while peer.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Waits for something to become true; False if it did not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
